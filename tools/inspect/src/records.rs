//! The records of the committed state: `HEAD`, `HEAD.new`, `pending`, `heads/*`, and what is wrong with each.

use std::io;

use chunkstore::base::limits::HEAD_MAX_BYTES;
use chunkstore::base::{Generation, StoreId, StorePath};
use chunkstore::disk::{Disk, read_all};
use chunkstore::format::head::SignedHead;
use chunkstore::store::layout;
use chunkstore::store::manifest::PackSet;
use chunkstore::store::trust::TrustChain;

use crate::shown::{Screen, Shown};
use crate::why;

/// The most records of `heads/` that are looked at; a store keeps four.
pub const RECORDS_MAX: usize = 64;

/// What stands under the name of a record.
pub struct Record {
    /// Its place.
    pub path: StorePath,
    /// What it says, if it decodes.
    pub head: Option<SignedHead>,
    /// Its length in bytes.
    pub len_bytes: u64,
    /// What is wrong with it.
    pub wrong: Vec<String>,
    /// Whether it may be wrong without harm: what a run that was cut off leaves behind.
    pub is_draft: bool,
}

/// Reads every record that stands in a store; `HEAD` even where it does not.
#[must_use]
pub fn read_records(disk: &dyn Disk) -> (Vec<Record>, Vec<String>) {
    let mut problems = Vec::new();
    let mut records = Vec::new();
    records.extend(read_record(disk, layout::head(), None, false));
    let listed = disk.list(&layout::heads()).unwrap_or_else(|error| {
        problems.push(why(error));
        Vec::new()
    });
    let mut generations: Vec<_> = listed.iter().filter_map(|(name, _)| layout::head_record_generation(name)).collect();
    generations.sort_unstable_by(|a, b| b.cmp(a));
    if generations.len() > RECORDS_MAX {
        problems.push(format!("{} records stand in heads/; the newest {RECORDS_MAX} are shown", generations.len()));
        generations.truncate(RECORDS_MAX);
    }
    for generation in generations {
        records.extend(read_record(disk, layout::head_record(generation), Some(generation), false));
    }
    records.extend(read_record(disk, layout::head_new(), None, true));
    records.extend(read_record(disk, layout::pending(), None, true));
    (records, problems)
}

fn read_record(disk: &dyn Disk, path: StorePath, promised: Option<Generation>, is_draft: bool) -> Option<Record> {
    let mut record = Record { path, head: None, len_bytes: 0, wrong: Vec::new(), is_draft };
    let bytes = match read_all(disk, &record.path, HEAD_MAX_BYTES) {
        Ok(Some(bytes)) => bytes,
        Ok(None) if is_draft => return None,
        Ok(None) => {
            record.wrong.push("it is missing".to_owned());
            return Some(record);
        }
        Err(error) => {
            record.wrong.push(why(error));
            return Some(record);
        }
    };
    record.len_bytes = bytes.len() as u64;
    match SignedHead::decode(&bytes) {
        Ok(head) => {
            if let Some(promised) = promised.filter(|promised| *promised != head.head.generation) {
                record.wrong.push(format!("its name promises generation {promised}"));
            }
            record.head = Some(head);
        }
        Err(_) if bytes.is_empty() => record.wrong.push("it is empty".to_owned()),
        Err(error) => record.wrong.push(error.to_string()),
    }
    Some(record)
}

/// Checks the records against the chain of trust and what they name.
pub fn judge(records: &mut [Record], disk: &dyn Disk, store: StoreId, trust: Option<&TrustChain>) {
    for record in records {
        let Some(head) = &record.head else { continue };
        match trust.map(|trust| trust.check_head(head)) {
            Some(Ok(())) => {}
            Some(Err(error)) => record.wrong.push(why(error)),
            None => record.wrong.push("its signature cannot be checked: no chain of trust reads".to_owned()),
        }
        if record.is_draft {
            continue;
        }
        let named = PackSet::load_from_disk(disk, store, head.head.manifest, head.head.manifest_len_bytes);
        record.wrong.extend(named.err().map(why));
    }
}

/// Shows every record.
///
/// # Errors
/// Those of the sink.
pub fn show(records: &[Record], screen: &mut Screen<'_>) -> io::Result<()> {
    for record in records {
        screen.show(&describe(record))?;
    }
    Ok(())
}

fn describe(record: &Record) -> Shown {
    let mut shown = Shown::new("head").with_text("file", &record.path).with("len_bytes", record.len_bytes);
    if let Some(signed) = &record.head {
        let head = &signed.head;
        let previous: Vec<String> = head.previous.iter().map(ToString::to_string).collect();
        shown = shown
            .with("generation", head.generation.0)
            .with_text("hash", signed.hash())
            .with_text("store", head.store)
            .with_text("manifest", head.manifest)
            .with("manifest_len_bytes", head.manifest_len_bytes)
            .with("trust_version", head.trust_version)
            .with_text("trust", head.trust)
            .with_text("writer", head.writer)
            .with("previous", previous)
            .with_text("time", head.time)
            .with_text("expires", head.expires)
            .with("group", head.group.to_string())
            .with("floor", head.floor.0)
            .with("epoch", head.epoch.0)
            .with("inner", head.inner_version);
    }
    // What a run that was cut off leaves behind is no damage.
    if record.is_draft && !record.wrong.is_empty() {
        return shown.with("unfinished", record.wrong.clone());
    }
    shown.but_all(record.wrong.iter().cloned())
}
