//! The status file: how things stand as one JSON document on the host, which `agent status` shows and the next agent reads.

use serde_json::{Value, json};

use super::event::Notice;
use super::step::Record;
use super::step::view::{View, VolumeView};
use super::words::{name_of, words_of};
use crate::base::{Generation, Timestamp};

/// Longest reason that is taken from a status file.
const WHY_MAX_CHARS: usize = 1024;
/// Longest status file that is read.
pub const STATUS_MAX_BYTES: u64 = 8 << 20;

/// Writes down how things stand.
#[must_use]
pub fn document_of(view: &View, now: Timestamp) -> Value {
    let volumes: Vec<_> = view.volumes.iter().map(|volume| volume_object(volume, now)).collect();
    json!({"volumes": volumes, "keys": view.records.iter().map(record_object).collect::<Vec<_>>()})
}

fn volume_object(volume: &VolumeView, now: Timestamp) -> Value {
    let percent = volume.progress.filter(|progress| progress.total_bytes > 0).map(|progress| progress.percent());
    json!({
        "volume": volume.key.0,
        "path": volume.path.as_ref().map(|path| path.to_string_lossy()),
        "store_id": volume.store.map(|id| id.to_string()),
        "replica_id": volume.replica.map(|id| id.to_string()),
        "stage": volume.stage,
        "why": volume.why,
        "next": volume.next.map(|time| time.to_string()),
        "percent": percent,
        "notice": volume.told.as_ref().map(name_of),
        "message": volume.told.as_ref().map(|notice| message_of(notice, now)),
    })
}

/// Returns what a person reads of a notice.
#[must_use]
pub fn message_of(notice: &Notice, now: Timestamp) -> String {
    let words = words_of(notice, now);
    words.person.map_or(words.line, |person| format!("{}. {}", person.title, person.body))
}

fn record_object(record: &Record) -> Value {
    let time = |time: Option<Timestamp>| time.map(|time| time.to_string());
    json!({
        "store_id": record.store.to_string(),
        "replica_id": record.replica.to_string(),
        "generation": record.generation.map(|generation| generation.0),
        "result": record.result,
        "seen": record.seen.to_string(),
        "last_good": time(record.last_good),
        "last_sample": time(record.last_sample),
        "no_receipt": record.no_receipt,
    })
}

/// Reads what an earlier agent knew of keys; entries that make no sense are left out.
#[must_use]
pub fn records_in(bytes: &[u8]) -> Vec<Record> {
    let document: Value = serde_json::from_slice(bytes).unwrap_or_default();
    let keys = document["keys"].as_array().map(Vec::as_slice).unwrap_or_default();
    keys.iter().filter_map(record_in).collect()
}

fn record_in(object: &Value) -> Option<Record> {
    let time = |name: &str| object[name].as_str().and_then(|text| text.parse().ok());
    Some(Record {
        store: object["store_id"].as_str()?.parse().ok()?,
        replica: object["replica_id"].as_str()?.parse().ok()?,
        generation: object["generation"].as_u64().map(Generation),
        seen: time("seen")?,
        last_good: time("last_good"),
        last_sample: time("last_sample"),
        result: object["result"].as_str()?.chars().take(32).collect(),
        no_receipt: object["no_receipt"].as_str().map(|why| why.chars().take(WHY_MAX_CHARS).collect()),
    })
}

#[cfg(test)]
mod tests;
