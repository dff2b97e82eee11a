//! `sync`: brings a store up to date, and says what moved.

use serde_json::json;

use super::accepted_object;
use crate::base::units::show_size;
use crate::cli::args::SyncArgs;
use crate::cli::context::{Context, Shape};
use crate::cli::outcome::Outcome;
use crate::cli::remotes::{Need, Several};
use crate::error::{Error, ErrorKind, Result};
use crate::ops::receipt::RunEnd;
use crate::ops::sync::{SyncRequest, Synced, sync};
use crate::ops::transfer::key_files::KeyLack;
use crate::store::replica;

/// Syncs a store with the remotes that were named, else with those that the configuration names, else with the one that it
/// remembers.
///
/// # Errors
/// Those of the op.
pub fn run(args: &SyncArgs, context: &Context) -> Result<Outcome> {
    let (disk, store) = context.marked_disk()?;
    let makes = context.remotes();
    let words = if args.remotes.is_empty() { &context.settings.remotes } else { &args.remotes };
    let Several { mut remotes, mut absent } = makes.find_several(words)?;
    if remotes.is_empty() && !absent.is_empty() {
        return Err(absent.swap_remove(0).1);
    }
    if remotes.is_empty() {
        let none = || Error::new(ErrorKind::Usage, "the store remembers no remote: name one");
        let recorded = replica::read_remote(disk.as_ref())?.ok_or_else(none)?;
        makes.withheld(&recorded).iter().for_each(|line| context.notices.line(line));
        remotes.push(makes.find_recorded(&recorded, Need::Read)?);
    }
    let mut state = context.host_state(store);
    let progress = context.start(Shape::Events)?;
    let request = SyncRequest { accept_older: args.accept_older, group: args.group.clone() };
    let done = sync(&disk, &remotes, request, &mut state, context.run(&progress));
    progress.finish();
    let end = RunEnd::of_sync(&done).filter(|_| args.receipt);
    let source = done.as_ref().ok().and_then(|synced| synced.source.as_deref());
    let receipt = end.and_then(|end| super::give_receipt(&disk, &remotes, source, end, context));
    let mut done = done.map_err(|error| error.within("cannot sync"))?;
    done.ignored.splice(..0, absent.into_iter().map(|(word, error)| (word, error.in_full())));
    show(&done, receipt, context)?;
    Ok(if done.stale { Outcome::Stale } else { Outcome::Done })
}

fn show(done: &Synced, receipt: Option<bool>, context: &Context) -> Result<()> {
    context.tell(&done.remarks());
    let output = &context.output;
    if done.changed {
        output.text(format!("now at generation {}", done.generation))?;
    } else if done.held.is_some() {
        output.text(format!("nothing new for this key: it stays at generation {}", done.generation))?;
    } else {
        output.text(format!("nothing new: generation {} is the newest", done.generation))?;
    }
    if done.changed || done.fetched_bytes > 0 {
        output.field("fetched", format!("{} packs, {}", done.packs_fetched, show_size(done.fetched_bytes)))?;
        output.field("reused", format!("{} packs, {}", done.packs_reused, show_size(done.reused_bytes)))?;
        output.field("on the wire", show_size(done.wire_bytes))?;
    }
    if done.stale {
        output.text(super::STALE)?;
    }
    let ignored = done.ignored.iter().map(|(remote, reason)| json!({"remote": remote, "reason": reason}));
    output.json(&json!({
        "event": "done",
        "generation": done.generation.0,
        "changed": done.changed,
        "stale": done.stale,
        "ahead_secs": done.ahead_secs,
        "went_back": done.went_back.as_ref().map(accepted_object),
        "recovered_from": done.recovered_from.map(|generation| generation.0),
        "stays_degraded": done.stays_degraded,
        "held": done.held.as_ref().map(super::held_object),
        "fetched_bytes": done.fetched_bytes,
        "sent_bytes": done.sent_bytes,
        "reused_bytes": done.reused_bytes,
        "packs_fetched": done.packs_fetched,
        "packs_reused": done.packs_reused,
        "wire_bytes": done.wire_bytes,
        "receipt": receipt,
        "key_lack": done.key_lack.map(KeyLack::name),
        "ignored": ignored.collect::<Vec<_>>(),
    }))
}
