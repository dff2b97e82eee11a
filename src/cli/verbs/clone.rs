//! `clone`: a new key from a remote. Whoever runs it confirms the fingerprint, by flag or by word.

use serde_json::json;

use crate::base::units::show_size;
use crate::cli::args::CloneArgs;
use crate::cli::context::{Context, Shape};
use crate::cli::environment::absolute;
use crate::cli::fingerprint::{confirm_fingerprint, require_fingerprint};
use crate::cli::outcome::Outcome;
use crate::cli::output::shown;
use crate::cli::remotes::Need;
use crate::disk::{Disk, OsDisk};
use crate::error::{Error, ErrorKind, Result};
use crate::format::head::Group;
use crate::ops::clone::{CloneRequest, Cloned, clone_store};
use crate::ops::receipt::RunEnd;
use crate::ops::transfer::key_files::KeyLack;

/// Clones a remote.
///
/// # Errors
/// Those of the op; [`ErrorKind::Usage`] when the fingerprint is to be confirmed and nobody can be asked.
pub fn run(args: &CloneArgs, context: &Context) -> Result<Outcome> {
    let wrong_tag = |error| Error::with_source(ErrorKind::Usage, "--reader takes a reader's tag", error);
    let reader = args.reader.as_deref().map(str::parse).transpose().map_err(wrong_tag)?;
    if let Some(fingerprint) = &args.trust {
        require_fingerprint(fingerprint)?;
    }
    let remotes = context.remotes();
    let remote = remotes.find(&args.remote, Need::Read)?;
    let path = absolute(&args.path);
    let disk: std::sync::Arc<dyn Disk> = std::sync::Arc::new(OsDisk::create(&path)?);
    let ask = |fingerprint: &str| confirm_fingerprint(fingerprint, context);
    let request = CloneRequest {
        trust: args.trust.clone(),
        confirm: &ask,
        reader,
        accept_older: args.accept_older,
        group: args.group.clone().unwrap_or_else(Group::all),
    };
    let progress = context.start(Shape::Events)?;
    let cache = context.settings.cache.as_deref();
    let done = clone_store(&remote, &disk, &request, cache, context.run(&progress));
    progress.finish();
    let done = done.map_err(|error| error.within(format!("cannot clone to {}", shown(&path))))?;
    if let Err(error) = remotes.remember(&args.remote, &remote.address(), &done.store.to_string()) {
        // The store knows its remote; only the login has to be given again.
        context.notices.line(&format!("chunkstore: {}", crate::cli::report::sentence(&error)));
    }
    let give = || super::give_receipt(&disk, &[remote], None, RunEnd::of_clone(done.stale), context);
    let receipt = args.receipt.then(give).flatten();
    show(&done, receipt, &shown(&path), context)?;
    Ok(if done.stale { Outcome::Stale } else { Outcome::Done })
}

fn show(done: &Cloned, receipt: Option<bool>, path: &str, context: &Context) -> Result<()> {
    let output = &context.output;
    output.field("store", path)?;
    output.field("store id", done.store.to_string())?;
    output.field("replica id", done.replica.to_string())?;
    output.field("fingerprint", &done.fingerprint)?;
    output.field("generation", done.generation.to_string())?;
    output.field("fetched", format!("{} packs, {}", done.packs_fetched, show_size(done.fetched_bytes)))?;
    if done.packs_reused > 0 {
        output.field("reused", format!("{} packs, {}", done.packs_reused, show_size(done.reused_bytes)))?;
    }
    if done.stale {
        output.text(super::STALE)?;
    }
    context.tell(&done.remarks());
    output.json(&json!({
        "event": "done",
        "store_id": done.store.to_string(),
        "replica_id": done.replica.to_string(),
        "fingerprint": done.fingerprint,
        "generation": done.generation.0,
        "stale": done.stale,
        "went_back": done.went_back.as_ref().map(super::accepted_object),
        "ahead_secs": done.ahead_secs,
        "held": done.held.as_ref().map(super::held_object),
        "fetched_bytes": done.fetched_bytes,
        "sent_bytes": 0,
        "reused_bytes": done.reused_bytes,
        "packs_fetched": done.packs_fetched,
        "packs_reused": done.packs_reused,
        "wire_bytes": done.wire_bytes,
        "receipt": receipt,
        "key_lack": done.key_lack.map(KeyLack::name),
    }))
}
