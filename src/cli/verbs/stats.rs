//! `stats`: what snapshots hold, what that takes in the store, and what sharing and compression save.

use serde_json::{Value, json};

use crate::base::units::show_size;
use crate::cli::args::reading::StatsArgs;
use crate::cli::context::{Context, Shape};
use crate::cli::outcome::Outcome;
use crate::cli::output::Ink;
use crate::error::Result;
use crate::format::snapshot::Totals;
use crate::ops::stats::{SnapshotStats, Stats, Stored, stats};

/// Counts snapshots.
///
/// # Errors
/// Those of the op and of stdout.
pub fn run(args: &StatsArgs, context: &Context) -> Result<Outcome> {
    let progress = context.start(Shape::Document)?;
    let reading = context.reading(&progress)?;
    let counted = stats(&reading, args.snapshot.as_deref(), context.run(&progress));
    progress.finish();
    let counted = counted?;
    show(&counted, args.snapshot.is_some(), context)?;
    context.output.json(&object_of(&counted))?;
    Ok(super::past_damage(counted.damaged))
}

fn show(stats: &Stats, is_one: bool, context: &Context) -> Result<()> {
    let output = &context.output;
    if !is_one {
        let head = format!(
            "{:<12}  {:<19}  {:>9}  {:>10}  {:>11}  {:>11}",
            "snapshot", "time", "files", "holds", "new content", "new stored"
        );
        output.text(output.paint(Ink::Bold, &head))?;
        stats.snapshots.iter().try_for_each(|snapshot| output.text(row(snapshot, context)))?;
        output.text("")?;
    }
    let Totals { files, dirs, others, bytes } = stats.totals;
    let stored = &stats.stored;
    output.field("holds", format!("{files} files, {dirs} directories, {others} others, {}", show_size(bytes)))?;
    output.field("content", format!("{}, each piece once", show_size(stored.content_bytes)))?;
    output.field("sharing", ratio(bytes, stored.content_bytes))?;
    output.field("compression", ratio(stored.content_bytes, stored.content_stored_bytes))?;
    let objects = format!("{} in {} objects", show_size(stored.stored_bytes), stored.objects);
    output.field("stored", objects)?;
    output.field("packs", format!("{}, {}", stats.packs, show_size(stats.pack_bytes)))
}

fn row(snapshot: &SnapshotStats, context: &Context) -> String {
    format!(
        "{}  {}  {:>9}  {:>10}  {:>11}  {:>11}",
        context.output.paint(Ink::Yellow, &super::short_id(&snapshot.named.id)),
        super::short_time(snapshot.named.time.to_string()),
        snapshot.totals.files,
        show_size(snapshot.totals.bytes),
        show_size(snapshot.stored.content_bytes),
        show_size(snapshot.stored.stored_bytes),
    )
}

/// Says how many times larger one size is than another.
fn ratio(large: u64, small: u64) -> String {
    if small == 0 { "-".to_owned() } else { format!("{:.2} to 1", large as f64 / small as f64) }
}

fn object_of(stats: &Stats) -> Value {
    let snapshot = |each: &SnapshotStats| {
        let mut object = counts(&each.totals, &each.stored);
        object["snapshot"] = json!(each.named.id.to_string());
        object["generation"] = json!(each.named.generation.0);
        object["time"] = json!(each.named.time.to_string());
        object["tags"] = json!(each.named.tags);
        object
    };
    let mut object = counts(&stats.totals, &stats.stored);
    object["snapshots"] = stats.snapshots.iter().map(snapshot).collect();
    object["packs"] = json!(stats.packs);
    object["pack_bytes"] = json!(stats.pack_bytes);
    object["damaged"] = json!(stats.damaged);
    object
}

fn counts(totals: &Totals, stored: &Stored) -> Value {
    json!({
        "files": totals.files,
        "dirs": totals.dirs,
        "others": totals.others,
        "bytes": totals.bytes,
        "objects": stored.objects,
        "content_bytes": stored.content_bytes,
        "content_stored_bytes": stored.content_stored_bytes,
        "stored_bytes": stored.stored_bytes,
    })
}
