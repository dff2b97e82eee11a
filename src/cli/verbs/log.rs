//! `log`: the snapshots, newest first.

use serde_json::json;

use crate::base::paths::show_bytes;
use crate::base::units::show_size;
use crate::cli::context::{Context, Shape};
use crate::cli::outcome::Outcome;
use crate::cli::output::Ink;
use crate::error::Result;
use crate::format::sealed::SnapshotRef;
use crate::format::snapshot::Snapshot;
use crate::ops::list::log;

/// Lists the snapshots.
///
/// # Errors
/// Those of the op.
pub fn run(context: &Context) -> Result<Outcome> {
    let progress = context.start(Shape::Document)?;
    let reading = context.reading(&progress)?;
    for (named, snapshot) in log(&reading)? {
        show(&named, &snapshot, context)?;
    }
    Ok(Outcome::Done)
}

fn show(named: &SnapshotRef, snapshot: &Snapshot, context: &Context) -> Result<()> {
    let totals = &snapshot.totals;
    let id = named.id.to_string();
    let line = |text: &str| show_bytes(text.as_bytes());
    let mut tags =
        named.tags.iter().map(|tag| context.output.paint(Ink::Green, &format!(" [{}]", line(tag)))).collect::<String>();
    if !snapshot.message.is_empty() {
        tags.push_str("  ");
    }
    context.output.text(format!(
        "{}  {}  {:>9}  {:>8} files{tags}{}",
        context.output.paint(Ink::Yellow, &super::short_id(&named.id)),
        super::short_time(snapshot.time.to_string()),
        show_size(totals.bytes),
        totals.files,
        line(&snapshot.message),
    ))?;
    context.output.json(&json!({
        "snapshot": id,
        "generation": named.generation.0,
        "time": snapshot.time.to_string(),
        "author": snapshot.author,
        "message": snapshot.message,
        "tags": named.tags,
        "files": totals.files,
        "dirs": totals.dirs,
        "bytes": totals.bytes,
    }))
}
