//! `diff`: what changed from one snapshot to another, a line each, and a summary.

use serde_json::{Map, Value, json};

use super::ls::{format_path, size_of, type_of};
use crate::base::RelPath;
use crate::base::paths::show_bytes;
use crate::base::units::show_size;
use crate::cli::args::reading::DiffArgs;
use crate::cli::context::{Context, Shape};
use crate::cli::outcome::Outcome;
use crate::cli::output::{Ink, mode_text, put_path};
use crate::error::{Error, ErrorKind, Result};
use crate::format::tree::{Entry, Node};
use crate::ops::diff::{Change, ChangeKind, DiffRequest, Diffed, diff};

/// Compares two snapshots.
///
/// # Errors
/// Those of the op and of stdout.
pub fn run(args: &DiffArgs, context: &Context) -> Result<Outcome> {
    let path = args.path.as_encoded_bytes();
    let wrong =
        |error| Error::with_source(ErrorKind::Usage, format!("{} is no path in a snapshot", show_bytes(path)), error);
    let path = RelPath::new(path).map_err(wrong)?;
    let request = DiffRequest { old: args.old.clone(), new: args.new.clone(), path };
    let progress = context.start(Shape::Document)?;
    let reading = context.reading(&progress)?;
    let done = diff(&reading, &request, context.run(&progress), &mut |change| show(change, context));
    progress.finish();
    let done = done?;
    summary(&done, context)?;
    Ok(super::past_damage(done.damaged))
}

/// Returns the sign, the colour and the word of a change.
fn words(kind: ChangeKind) -> (&'static str, Ink, &'static str) {
    match kind {
        ChangeKind::Added => ("+", Ink::Green, "added"),
        ChangeKind::Removed => ("-", Ink::Red, "removed"),
        ChangeKind::Content => ("M", Ink::Yellow, "content"),
        ChangeKind::Metadata => ("U", Ink::Yellow, "metadata"),
        ChangeKind::Type => ("T", Ink::Yellow, "type"),
        ChangeKind::Moved => ("R", Ink::Cyan, "moved"),
    }
}

fn show(change: &Change, context: &Context) -> Result<()> {
    let output = &context.output;
    if output.is_json() {
        return output.json(&Value::Object(object_of(change)));
    }
    let (sign, ink, _) = words(change.kind);
    let path = match &change.from {
        Some(from) => format!("{from} -> {}", change.path),
        None => change.path.to_string(),
    };
    let slash = if change.new.as_ref().or(change.old.as_ref()).is_some_and(|e| matches!(e.node, Node::Dir { .. })) {
        "/"
    } else {
        ""
    };
    let remark = match (&change.old, &change.new) {
        (Some(old), Some(new)) => remark(old, new),
        _ => String::new(),
    };
    output.text(output.paint(ink, &format!("{sign}  {path}{slash}")) + &remark)
}

/// Says in what two entries differ.
fn remark(old: &Entry, new: &Entry) -> String {
    let mut parts = Vec::new();
    if type_of(old) != type_of(new) {
        parts.push(format!("{} -> {}", type_of(old), type_of(new)));
    } else if size_of(old) != size_of(new) {
        parts.push(format!("{} -> {}", show_size(size_of(old)), show_size(size_of(new))));
    }
    if old.meta.mode != new.meta.mode {
        parts.push(format!("mode {} -> {}", mode_text(old.meta.mode), mode_text(new.meta.mode)));
    }
    let owner = |entry: &Entry| (entry.meta.uid, entry.meta.gid, entry.meta.user.clone(), entry.meta.group.clone());
    if owner(old) != owner(new) {
        parts.push("owner".to_owned());
    }
    let is_dir = matches!(new.node, Node::Dir { .. });
    let time = |entry: &Entry| (entry.meta.mtime_secs, entry.meta.mtime_nanos);
    if !is_dir && parts.is_empty() && time(old) != time(new) && old.node == new.node {
        parts.push("time".to_owned());
    }
    if old.extensions != new.extensions {
        parts.push("attributes".to_owned());
    }
    if parts.is_empty() { String::new() } else { format!("  ({})", parts.join(", ")) }
}

fn object_of(change: &Change) -> Map<String, Value> {
    let mut object = Map::new();
    object.insert("change".to_owned(), json!(words(change.kind).2));
    put_path(&mut object, &format_path(&change.path));
    if let Some(from) = &change.from {
        let bytes = format_path(from);
        match String::from_utf8(bytes) {
            Ok(text) => object.insert("from".to_owned(), json!(text)),
            Err(foreign) => object.insert("from_hex".to_owned(), json!(hex::encode(foreign.as_bytes()))),
        };
    }
    for (prefix, entry) in [("old", &change.old), ("new", &change.new)] {
        if let Some(entry) = entry {
            object.insert(format!("{prefix}_type"), json!(type_of(entry)));
            object.insert(format!("{prefix}_size"), json!(size_of(entry)));
            object.insert(format!("{prefix}_mode"), json!(mode_text(entry.meta.mode)));
        }
    }
    object
}

fn summary(done: &Diffed, context: &Context) -> Result<()> {
    let count = |kind| done.counts.get(&kind).copied().unwrap_or(0);
    let parts: Vec<String> = done.in_words().into_iter().map(|(number, words)| format!("{number} {words}")).collect();
    let text = if parts.is_empty() { "nothing changed".to_owned() } else { parts.join(", ") };
    context.output.text(context.output.paint(Ink::Bold, &text))?;
    if !done.all_moves {
        context.notices.line("chunkstore: so much changed that moves are told as an addition and a removal");
    }
    context.output.json(&json!({
        "event": "done",
        "added": count(ChangeKind::Added),
        "removed": count(ChangeKind::Removed),
        "content": count(ChangeKind::Content),
        "metadata": count(ChangeKind::Metadata),
        "type": count(ChangeKind::Type),
        "moved": count(ChangeKind::Moved),
        "added_bytes": done.added_bytes,
        "removed_bytes": done.removed_bytes,
        "changed_bytes": done.changed_bytes,
        "all_moves": done.all_moves,
        "damaged": done.damaged,
    }))
}
