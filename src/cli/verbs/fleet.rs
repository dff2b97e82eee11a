//! `fleet status/forget`: which key holds which generation, for people and for programs.

use std::cmp::Reverse;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::base::random::random_array;
use crate::base::{ReplicaId, StoreId, Timestamp};
use crate::cli::args::fleet::{FleetArgs, FleetOrder, FleetStatusArgs, FleetVerb};
use crate::cli::context::{Context, Shape};
use crate::cli::outcome::Outcome;
use crate::cli::output::{Stdout, shown};
use crate::cli::remotes::Need;
use crate::disk::Disk;
use crate::disk::host::NewHostFile;
use crate::error::{Error, ErrorKind, Result};
use crate::ops::fleet::judge::{Flag, Row, Standing};
use crate::ops::fleet::memory::FleetMemory;
use crate::ops::fleet::{Fleet, Summary, Wave, survey};
use crate::remote::Remote;
use crate::store::replica;

mod chart;
mod csv;
mod page;
mod prometheus;
mod table;

const BUFFER_BYTES: usize = 256 * 1024;
/// Rights of a page before the umask.
const PAGE_MODE: u32 = 0o666;

/// Shows a fleet, or forgets a part of it.
///
/// # Errors
/// Those of the op, of the file and of stdout.
pub fn run(args: &FleetArgs, context: &Context) -> Result<Outcome> {
    match &args.verb {
        FleetVerb::Status(args) => run_status(args, context),
        FleetVerb::Forget { replicas } => run_forget(replicas, context),
    }
}

fn run_status(args: &FleetStatusArgs, context: &Context) -> Result<Outcome> {
    let (disk, store) = context.marked_disk()?;
    let writer = context.writer_key(store)?;
    let remote = remote(args.remote.as_deref(), disk.as_ref(), store, context)?;
    let mut memory = FleetMemory::load(context.settings.cache.as_deref(), store);
    let progress = context.start(Shape::Document)?;
    let fleet = survey(&disk, remote.as_ref(), &writer, &mut memory, context.run(&progress));
    progress.finish();
    let mut fleet = fleet.map_err(|error| error.within("cannot tell how the keys are"))?;
    if let Err(error) = memory.save() {
        let why = error.in_full();
        context.notices.line(&format!("chunkstore: cannot remember how the keys are on this machine: {why}"));
    }
    let (summary, is_partial) = (Summary::of(&fleet.rows), fleet.is_partial());
    arrange(&mut fleet, args);
    show(&fleet, &summary, args, context)?;
    tell_of_rest(&fleet, &summary, context);
    Ok(if is_partial { Outcome::Partial } else { Outcome::Done })
}

/// Finds the remote whose receipts are asked for: the one that was named, else the one that a push would go to, else the only one that
/// this host remembers.
fn remote(word: Option<&str>, disk: &dyn Disk, store: StoreId, context: &Context) -> Result<Arc<dyn Remote>> {
    let remotes = context.remotes();
    if let Some(word) = context.settings.push_remote(word) {
        return remotes.find(word, Need::Read);
    }
    let recorded = match replica::read_remote(disk)? {
        Some(recorded) => recorded,
        None => {
            let state = context.host_state(store);
            let mut known = state.remotes();
            match (known.next(), known.next()) {
                (Some(one), None) => one.to_owned(),
                _ => return Err(Error::new(ErrorKind::Usage, "which remote has the receipts is not known: name it")),
            }
        }
    };
    remotes.withheld(&recorded).iter().for_each(|line| context.notices.line(line));
    remotes.find_recorded(&recorded, Need::Read)
}

/// Puts the rows into the order that is asked for, without those that are not.
fn arrange(fleet: &mut Fleet, args: &FleetStatusArgs) {
    let mut rows = std::mem::take(&mut fleet.rows);
    rows.retain(|row| !args.behind || matches!(row.standing, Standing::Behind | Standing::Unknown));
    let name = |row: &Row| fleet.holder(row).map(|holder| holder.name.clone());
    match args.sort {
        FleetOrder::Replica => {}
        FleetOrder::Name => rows.sort_by_cached_key(|row| (name(row).is_none(), name(row))),
        FleetOrder::Seen => rows.sort_by_key(|row| row.seen),
        FleetOrder::Behind => {
            rows.sort_by_cached_key(|row| (row.standing, Reverse(row.behind), name(row).is_none(), name(row)));
        }
    }
    fleet.rows = rows;
}

fn show(fleet: &Fleet, summary: &Summary, args: &FleetStatusArgs, context: &Context) -> Result<()> {
    if args.csv || args.prometheus {
        let mut sink = BufWriter::with_capacity(BUFFER_BYTES, Stdout(&context.output));
        let written = match args.csv {
            true => csv::write(fleet, &mut sink),
            false => prometheus::write(fleet, summary, &mut sink),
        };
        return written.and_then(|()| sink.flush()).map_err(failed);
    }
    match &args.html {
        Some(file) => {
            to_file(fleet, summary, file, context)?;
            context.output.text(format!("{}, written to {}", table::counts(fleet, summary), shown(file)))?;
        }
        None => table::show(fleet, summary, &context.output)?,
    }
    for row in &fleet.rows {
        context.output.json(&object_of(fleet, row))?;
    }
    context.output.json(&document(fleet, summary))
}

fn failed(error: io::Error) -> Error {
    // What the sink said is an error of ours already.
    match error.downcast::<Error>() {
        Ok(error) => error,
        Err(error) => Error::with_source(ErrorKind::Other, "cannot write the keys", error),
    }
}

fn to_file(fleet: &Fleet, summary: &Summary, path: &Path, context: &Context) -> Result<()> {
    let wrap = |error| Error::from(error).within(format!("cannot write {}", shown(path)));
    let nonce = hex::encode(random_array::<16>(context.random()));
    let mut file = NewHostFile::create(path, PAGE_MODE).map_err(wrap)?;
    let mut sink = BufWriter::with_capacity(BUFFER_BYTES, &mut file);
    let written = page::write(fleet, summary, &nonce, &mut sink).and_then(|()| sink.flush());
    drop(sink);
    let wrong = |error| Error::with_source(ErrorKind::Other, format!("cannot write {}", shown(path)), error);
    written.map_err(wrong)?;
    file.keep().map_err(wrap)
}

/// Says what the rows do not.
fn tell_of_rest(fleet: &Fleet, summary: &Summary, context: &Context) {
    let (unread, sealed) = (summary.count(Flag::Unreadable), summary.count(Flag::Sealed));
    if unread > 0 {
        context.notices.line(&format!("chunkstore: {unread} receipts cannot be read"));
    }
    if sealed > 0 {
        let text = "receipts are sealed for other writers: those of before a purge until the next sync of each key";
        context.notices.line(&format!("chunkstore: {sealed} {text}"));
    }
    if fleet.left_out > 0 {
        context.notices.line(&format!("chunkstore: {} receipts too many were not read", fleet.left_out));
    }
    if fleet.forgotten > 0 {
        let text = "this machine remembers too many keys, so of NUMBER it will not know whether they were copied: `fleet forget` lost ones";
        context.notices.line(&format!("chunkstore: {}", text.replace("NUMBER", &fleet.forgotten.to_string())));
    }
}

fn run_forget(words: &[String], context: &Context) -> Result<Outcome> {
    let (_, store) = context.marked_disk()?;
    let mut memory = FleetMemory::load(context.settings.cache.as_deref(), store);
    let forgotten: Vec<ReplicaId> = words.iter().map(|word| memory.find(word)).collect::<Result<_>>()?;
    forgotten.iter().for_each(|replica| memory.forget(*replica));
    memory.save().map_err(|error| error.within("cannot forget keys on this machine"))?;
    for replica in &forgotten {
        context.output.text(format!("forgot {replica}: its next receipt counts as its first"))?;
    }
    let ids: Vec<String> = forgotten.iter().map(ToString::to_string).collect();
    context.output.json(&json!({"forgotten": ids}))?;
    Ok(Outcome::Done)
}

fn object_of(fleet: &Fleet, row: &Row) -> Value {
    let holder = fleet.holder(row);
    json!({
        "event": "key",
        "replica_id": row.replica.to_string(),
        "name": holder.map(|holder| &holder.name),
        "note": holder.map(|holder| &holder.note),
        "tag": row.tag.map(|tag| tag.to_string()),
        "standing": row.standing.word(),
        "generation": row.generation.map(|generation| generation.0),
        "behind": row.behind,
        "behind_secs": row.behind_secs,
        "behind_longer": row.is_behind_longer,
        "seen": row.seen.map(|time| time.to_string()),
        "reached": row.reached.map(|time| time.to_string()),
        "outcome": row.outcome,
        "problems": row.problems,
        "free_bytes": row.free_bytes,
        "program": row.program,
        "purge": row.purge.map(|generation| generation.0),
        "flags": row.flags.iter().map(|flag| flag.word()).collect::<Vec<_>>(),
        "reason": row.reason,
    })
}

fn document(fleet: &Fleet, summary: &Summary) -> Value {
    let flags = summary.flags.iter().map(|(flag, count)| (flag.word().to_owned(), json!(count)));
    let wave = |wave: &Wave| {
        let reached =
            wave.reached.iter().map(|(day, keys)| json!({"day": date(day.start().to_string()), "keys": keys}));
        json!({
            "generation": wave.generation.0,
            "made": wave.made.map(|time| time.to_string()),
            "reached": reached.collect::<Vec<_>>(),
        })
    };
    json!({
        "event": "done",
        "store_id": fleet.store.to_string(),
        "remote": fleet.remote,
        "time": fleet.time.to_string(),
        "generation": fleet.newest.0,
        "purged": fleet.purged.0,
        "stage": fleet.stage.as_ref().map(|(group, floor)| json!({"group": group.to_string(), "floor": floor.0})),
        "keys": summary.keys,
        "current": summary.current,
        "held": summary.held,
        "behind": summary.behind,
        "unknown": summary.unknown,
        "flags": flags.collect::<serde_json::Map<_, _>>(),
        "left_out": fleet.left_out,
        "spread": {"keys": fleet.spread.keys, "generations": fleet.spread.waves.iter().map(wave).collect::<Vec<_>>()},
    })
}

/// Returns the date of a time.
fn date(mut time: String) -> String {
    time.truncate(time.find('T').unwrap_or(time.len()));
    time
}

/// Returns the date of a moment.
fn day(time: Timestamp) -> String {
    date(time.to_string())
}

/// Shortens a replica's id for people.
fn short_id(replica: ReplicaId) -> String {
    let mut text = replica.to_string();
    text.truncate(12);
    text
}

#[cfg(test)]
mod tests;
