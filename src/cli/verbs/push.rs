//! `push`: publishes the store's HEAD, and renews an expiry that is half used where this machine may sign.

use std::sync::Arc;

use serde_json::json;

use crate::base::units::show_size;
use crate::cli::args::PushArgs;
use crate::cli::context::{Context, Shape};
use crate::cli::outcome::Outcome;
use crate::cli::remotes::Need;
use crate::disk::Disk;
use crate::error::{Error, ErrorKind, Result};
use crate::format::head::Group;
use crate::ops::push::{PushRequest, Pushed, RenewKeys, push};
use crate::store::{Audience, Store, replica};

/// Publishes to the remote that was named, else to the first that the configuration names, else to the one that the store
/// remembers.
///
/// # Errors
/// Those of the op.
pub fn run(args: &PushArgs, context: &Context) -> Result<Outcome> {
    let (disk, store) = context.marked_disk()?;
    let none = || Error::new(ErrorKind::Usage, "the store remembers no remote: name one");
    let remotes = context.remotes();
    let remote = match context.settings.push_remote(args.remote.as_deref()) {
        Some(word) => remotes.find(word, Need::Publish)?,
        None => {
            let recorded = replica::read_remote(disk.as_ref())?.ok_or_else(none)?;
            remotes.withheld(&recorded).iter().for_each(|line| context.notices.line(line));
            remotes.find_recorded(&recorded, Need::Publish)?
        }
    };
    let mut state = context.host_state(store);
    let progress = context.start(Shape::Events)?;
    let needs_keys = args.group.as_ref().is_some_and(|group| !is_for(&disk, group));
    let renew = |store: &Store| renew_keys(store, needs_keys, context);
    let request = PushRequest { renew: Some(&renew), group: args.group.clone() };
    let done = push(&disk, &remote, &request, &mut state, context.run(&progress));
    progress.finish();
    let done = done.map_err(|error| error.within("cannot push"))?;
    show(&done, context)?;
    Ok(Outcome::Done)
}

/// Returns whether the state is for a group already, as far as that can be told.
fn is_for(disk: &Arc<dyn Disk>, group: &Group) -> bool {
    Store::open(Arc::clone(disk)).is_ok_and(|store| store.head().head.group == *group)
}

/// Returns what it takes to sign a generation; nothing where this machine may not sign, or nobody is there to unlock its key, unless
/// it is `needed`.
fn renew_keys(store: &Store, needed: bool, context: &Context) -> Result<Option<RenewKeys>> {
    let writer = match context.writer_key(store.id()) {
        Ok(writer) => writer,
        Err(error) if needed => return Err(error.within("who a release is for is signed")),
        Err(error) if matches!(error.kind(), ErrorKind::NoIdentity | ErrorKind::Usage) => {
            context.notices.line("chunkstore: the expiry is half used, and there is no writer's key here to renew it");
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    let (keys, unlocked) = store.unlock_writer(&writer.identities())?;
    Ok(Some(RenewKeys { keys: keys.reader, sealed: unlocked.sealed, signer: writer.signer() }))
}

fn show(done: &Pushed, context: &Context) -> Result<()> {
    let output = &context.output;
    if done.renewed {
        output.text("renewed the expiry, as a new generation")?;
    }
    if done.changed {
        output.text(format!("published generation {}", done.generation))?;
        let Audience { group, floor } = &done.audience;
        if !group.is_all() {
            output.field("for", format!("the group {group}; other keys stay at generation {floor}"))?;
        }
        output.field("sent", format!("{} packs, {}", done.packs_sent, show_size(done.sent_bytes)))?;
        output.field("was there", format!("{} packs, {}", done.packs_reused, show_size(done.reused_bytes)))?;
        output.field("on the wire", show_size(done.wire_bytes))?;
    } else {
        output.text(format!("nothing new: the remote shows generation {}", done.generation))?;
    }
    if done.removed_packs > 0 {
        output.field("deleted", format!("{} packs, {}", done.removed_packs, show_size(done.removed_bytes)))?;
    }
    output.json(&json!({
        "event": "done",
        "generation": done.generation.0,
        "changed": done.changed,
        "renewed": done.renewed,
        "group": done.audience.group.to_string(),
        "floor": done.audience.floor.0,
        "fetched_bytes": done.fetched_bytes,
        "sent_bytes": done.sent_bytes,
        "reused_bytes": done.reused_bytes,
        "packs_fetched": 0,
        "packs_sent": done.packs_sent,
        "packs_reused": done.packs_reused,
        "removed_packs": done.removed_packs,
        "removed_bytes": done.removed_bytes,
        "wire_bytes": done.wire_bytes,
    }))
}
