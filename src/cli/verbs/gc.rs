//! `gc`: says what was dropped, what waits and since when, and what was removed.

use serde_json::{Value, json};

use crate::base::units::show_size;
use crate::cli::args::GcArgs;
use crate::cli::context::{Context, Shape};
use crate::cli::outcome::Outcome;
use crate::cli::quantities::parse_keeping;
use crate::cli::report::hint;
use crate::error::{ErrorKind, Result};
use crate::format::manifest::PackRef;
use crate::ops::gc::{Collected, GcRequest, PackChanges, gc};
use crate::store::layout;
use crate::store::sweep::Standing;

/// Most files that a dry run lists for people.
const LISTED_MAX: usize = 20;

/// Collects garbage.
///
/// # Errors
/// Those of the op.
pub fn run(args: &GcArgs, context: &Context) -> Result<Outcome> {
    let grace_secs = args.grace.as_deref().map(|text| parse_keeping("--grace", text)).transpose()?;
    let (disk, store) = context.marked_disk()?;
    let writer =
        if args.files_only { None } else { context.publisher_key(disk.as_ref(), store, args.as_publisher)?.ok() };
    if grace_secs == Some(0) && !args.dry_run {
        context.notices.line(
            "chunkstore: without a grace a key in the middle of a sync finds its packs gone and starts over from the new \
             state, and a push that is under way may have to be run again",
        );
    }
    let progress = context.start(Shape::Document)?;
    let cache = context.settings.cache.as_deref();
    let request = GcRequest { writer: writer.as_ref(), cache, grace_secs, dry_run: args.dry_run };
    let done = gc(&disk, &request, context.run(&progress));
    progress.finish();
    let done = done.map_err(|error| error.within("cannot collect garbage"))?;
    show(&done, args.dry_run, context)?;
    Ok(conclude(&done, context))
}

fn conclude(done: &Collected, context: &Context) -> Outcome {
    let mut outcome = Outcome::Done;
    let mut found = |kind: ErrorKind, line: &str| {
        context.notices.line(&format!("chunkstore: {line}"));
        hint(kind).into_iter().for_each(|hint| context.notices.line(&format!("hint: {hint}")));
        outcome = outcome.and(Outcome::Found(kind));
    };
    if done.readers {
        found(ErrorKind::Locked, "somebody reads the store, so no file was removed");
    }
    if let Some(packs) = done.packs.as_ref().filter(|packs| packs.missing_chunks + packs.spared > 0) {
        let line = format!(
            "the store is damaged: {} chunks are in no pack, and {} packs stay for what is wrong with them or others",
            packs.missing_chunks, packs.spared
        );
        found(ErrorKind::Corrupt, &line);
    }
    outcome
}

fn show(done: &Collected, dry_run: bool, context: &Context) -> Result<()> {
    let output = &context.output;
    if let Some(packs) = &done.packs {
        show_packs(packs, done, dry_run, context)?;
    }
    let verb = if dry_run { "would remove" } else { "removed" };
    output.text(match done.removed_files {
        0 if !done.readers => "there is no file to remove".to_owned(),
        count => format!("{verb} {count} files, {}", show_size(done.removed_bytes)),
    })?;
    if dry_run {
        show_files(&done.garbage.files, context)?;
    }
    let garbage = &done.garbage;
    let waits = [
        (&garbage.waiting, "wait for the end of their grace"),
        (&garbage.held_by_record, "stay until the record before the newest is gone"),
        (&garbage.maybe_arriving, "are named by no record and may belong to a push that is under way"),
    ];
    for (files, why) in waits.into_iter().filter(|(files, _)| !files.is_empty()) {
        output.text(format!("{} files, {}, {why}", files.len(), show_size(bytes_of(files))))?;
    }
    output.json(&document(done, dry_run))
}

fn show_packs(packs: &PackChanges, done: &Collected, dry_run: bool, context: &Context) -> Result<()> {
    let output = &context.output;
    if packs.dropped.is_empty() && packs.repacked.is_empty() {
        output.text("every pack is worth keeping")?;
    } else {
        let (would, made) = if dry_run { ("would drop", "make") } else { ("dropped", "made") };
        output.text(format!(
            "{would} {} packs, {}, and {made} {} anew, {} of which {} live",
            packs.dropped.len(),
            show_size(len_of(&packs.dropped)),
            packs.repacked.len(),
            show_size(len_of(&packs.repacked)),
            show_size(packs.copied_bytes),
        ))?;
    }
    if done.changed && !dry_run {
        output.field("generation", done.generation.to_string())?;
    }
    output.field("live", show_size(packs.live_bytes))?;
    output.field("dead, staying", show_size(packs.dead_bytes_left))?;
    if packs.condemned.0 > 0 {
        output.field("condemned", format!("{} packs, {}", packs.condemned.0, show_size(packs.condemned.1)))?;
    }
    if packs.postponed > 0 {
        output
            .field("next time", format!("{} packs, since every key needs room for what is copied", packs.postponed))?;
    }
    Ok(())
}

fn show_files(files: &[Standing], context: &Context) -> Result<()> {
    for file in files.iter().take(LISTED_MAX) {
        context.output.text(format!("    {}, {}", file.path, show_size(file.len_bytes)))?;
    }
    if files.len() > LISTED_MAX {
        context.output.text(format!("    and {} more", files.len() - LISTED_MAX))?;
    }
    Ok(())
}

fn document(done: &Collected, dry_run: bool) -> Value {
    let garbage = &done.garbage;
    let mut document = json!({
        "removed_files": done.removed_files,
        "removed_bytes": done.removed_bytes,
        "dry_run": dry_run,
        "generation": done.generation.0,
        "changed": done.changed,
        "readers": done.readers,
        "waiting_files": garbage.waiting.len(),
        "waiting_bytes": bytes_of(&garbage.waiting),
        "held_files": garbage.held_by_record.len(),
        "held_bytes": bytes_of(&garbage.held_by_record),
        "arriving_files": garbage.maybe_arriving.len(),
        "arriving_bytes": bytes_of(&garbage.maybe_arriving),
    });
    if dry_run {
        document["files"] = garbage.files.iter().map(|file| json!(file.path.as_str())).collect();
    }
    if let Some(packs) = &done.packs {
        document["packs"] = packs_document(packs);
    }
    document
}

fn packs_document(packs: &PackChanges) -> Value {
    let names =
        |packs: &[PackRef]| packs.iter().map(|pack| json!(layout::pack(&pack.hash).as_str())).collect::<Vec<_>>();
    json!({
        "dropped": names(&packs.dropped),
        "dropped_bytes": len_of(&packs.dropped),
        "repacked": names(&packs.repacked),
        "repacked_bytes": len_of(&packs.repacked),
        "copied_bytes": packs.copied_bytes,
        "made": names(&packs.made),
        "made_bytes": len_of(&packs.made),
        "live_bytes": packs.live_bytes,
        "dead_bytes_left": packs.dead_bytes_left,
        "postponed_packs": packs.postponed,
        "spared_packs": packs.spared,
        "condemned_packs": packs.condemned.0,
        "condemned_bytes": packs.condemned.1,
        "missing_chunks": packs.missing_chunks,
    })
}

fn len_of(packs: &[PackRef]) -> u64 {
    packs.iter().map(|pack| pack.len_bytes).sum()
}

fn bytes_of(files: &[Standing]) -> u64 {
    files.iter().map(|file| file.len_bytes).sum()
}
