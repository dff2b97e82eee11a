//! `repair`: what was mended without another copy, and what stays lost.

use serde_json::{Map, Value, json};

use crate::base::units::show_size;
use crate::cli::args::RepairArgs;
use crate::cli::context::{Context, Shape};
use crate::cli::outcome::Outcome;
use crate::cli::output::{on_one_line, shown};
use crate::cli::report::sentence;
use crate::error::{Error, ErrorKind, Result};
use crate::ops::repair::{RepairRequest, Repaired, repair};
use crate::ops::replica_id::{Renewed, renew};
use crate::ops::verify::which_store;

/// Repairs a store, with the writer's key where it is at hand.
///
/// # Errors
/// Those of the op.
pub fn run(args: &RepairArgs, context: &Context) -> Result<Outcome> {
    if args.new_replica {
        return draw_replica(context);
    }
    let disk = context.disk()?;
    let within = |error: Error| error.within(format!("cannot repair {}", shown(&context.store_path())));
    let store = which_store(&disk).map_err(within)?;
    let (writer, closed) = match store.map(|store| context.publisher_key(disk.as_ref(), store, args.as_publisher)) {
        Some(Ok(Ok(writer))) => (Some(writer), None),
        Some(Ok(Err(why))) => (None, Some(why)),
        Some(Err(error)) if error.kind() == ErrorKind::NoIdentity => (None, Some(sentence(&error))),
        Some(Err(error)) => return Err(error),
        None => (None, Some("nothing tells which store it is".to_owned())),
    };
    let progress = context.start(Shape::Document)?;
    let (cache, threads) = (context.settings.cache.as_deref(), context.hashing_threads());
    let request = RepairRequest { writer: writer.as_ref(), cache, dry_run: args.dry_run, threads };
    let done = repair(&disk, &request, context.run(&progress));
    progress.finish();
    let done = done.map_err(within)?;
    show(&done, args.dry_run, context)?;
    document(&done, args.dry_run, context)?;
    context.output.flush()?;
    Ok(conclude(&done, closed.as_deref(), context))
}

/// Gives a copy of a store a replica id of its own.
fn draw_replica(context: &Context) -> Result<Outcome> {
    let (disk, _) = context.marked_disk()?;
    let progress = context.start(Shape::Document)?;
    let done = renew(disk.as_ref(), context.run(&progress));
    progress.finish();
    let Renewed { old, new } = done?;
    let old = old.map(|old| old.to_string());
    context.output.field("replica id", new.to_string())?;
    context.output.field("was", old.as_deref().unwrap_or("-"))?;
    context.output.json(&json!({"replica_id": new.to_string(), "old_replica_id": old}))?;
    Ok(Outcome::Done)
}

fn show(done: &Repaired, dry_run: bool, context: &Context) -> Result<()> {
    let output = &context.output;
    let would = |word: &str, other: &str| if dry_run { other.to_owned() } else { word.to_owned() };
    for path in &done.rebuilt {
        output.text(format!("{}: {path}", would("mended", "would be mended")))?;
    }
    for (path, why) in &done.unmended {
        output.text(format!("left: {path}: {}", on_one_line(why)))?;
    }
    for path in &done.damaged_packs {
        output.text(format!("damaged pack: {path}"))?;
    }
    if done.salvaged_objects > 0 {
        let what = format!("{} objects, {}", done.salvaged_objects, show_size(done.salvaged_bytes));
        output.text(format!("{}: {what}", would("saved", "would be saved")))?;
    }
    if done.dropped_indexes > 0 {
        let dropped = would("dropped", "would be dropped");
        output.text(format!("{dropped}: {} parts of merged indexes; the packs say the same", done.dropped_indexes))?;
    }
    for snapshot in &done.lost_snapshots {
        output.text(format!("lost: snapshot {snapshot}"))?;
    }
    for path in &done.lost_paths {
        output.text(format!("lost: {path}"))?;
    }
    let more = done.lost_paths_total.saturating_sub(done.lost_paths.len() as u64);
    if more > 0 {
        output.text(format!("    and {more} more"))?;
    }
    if let Some(generation) = done.generation {
        output.field("generation", generation.to_string())?;
    }
    output.text(match (done.is_whole(), done.looked) {
        (true, true) => would("the store is whole", "the store would be whole"),
        (true, false) => {
            "what needs no key holds; whether objects were lost earlier takes the writer's key to say".into()
        }
        (false, true) => format!("{} objects are lost, {} paths", done.lost_objects, done.lost_paths_total),
        (false, false) => "the store is damaged still".to_owned(),
    })
}

fn document(done: &Repaired, dry_run: bool, context: &Context) -> Result<()> {
    let mut object = Map::new();
    let unmended: Vec<_> =
        done.unmended.iter().map(|(path, why)| json!({"file": path.to_string(), "reason": why})).collect();
    let fields = [
        ("ok", json!(done.is_whole())),
        ("dry_run", json!(dry_run)),
        ("generation", json!(done.generation)),
        ("rebuilt", json!(done.rebuilt.iter().map(ToString::to_string).collect::<Vec<_>>())),
        ("unmended", json!(unmended)),
        ("damaged_packs", json!(done.damaged_packs.iter().map(ToString::to_string).collect::<Vec<_>>())),
        ("looked", json!(done.looked)),
        ("salvaged_objects", json!(done.salvaged_objects)),
        ("salvaged_bytes", json!(done.salvaged_bytes)),
        ("packs", json!(done.packs)),
        ("dropped_indexes", json!(done.dropped_indexes)),
        ("lost_objects", json!(done.lost_objects)),
        ("lost_snapshots", json!(done.lost_snapshots.iter().map(ToString::to_string).collect::<Vec<_>>())),
        ("lost_paths_total", json!(done.lost_paths_total)),
    ];
    object.extend(fields.map(|(name, value)| (name.to_owned(), value)));
    super::insert_paths(&mut object, "lost_paths", &done.lost_paths);
    context.output.json(&Value::Object(object))
}

/// Says on stderr what is left to do.
fn conclude(done: &Repaired, closed: Option<&str>, context: &Context) -> Outcome {
    if let Some(why) = closed {
        context.notices.line(&format!("chunkstore: only what needs no key was mended: {why}"));
    }
    if done.is_whole() {
        return Outcome::Done;
    }
    context.notices.line(&format!("chunkstore: {} is not whole", shown(&context.store_path())));
    let hint = if done.has_remote || !done.looked {
        "`chunkstore verify --heal REMOTE` brings back what another copy has; damaged packs stay where they are for now"
    } else {
        "a commit of the same folder brings back what it still holds; damaged packs stay where they are for now"
    };
    context.notices.line(&format!("hint: {hint}"));
    Outcome::Found(ErrorKind::Corrupt)
}
