//! `find`: entries that match, a line each; with `--all` where in the history they came, changed and went.

use serde_json::{Value, json};

use super::ls::{line_of, object_of};
use crate::base::{RelPath, Timestamp, moment};
use crate::cli::args::reading::{FindArgs, TypeArg};
use crate::cli::context::{Context, Shape};
use crate::cli::outcome::Outcome;
use crate::cli::output::Ink;
use crate::cli::quantities::parse_size;
use crate::error::{Error, ErrorKind, Result};
use crate::format::sealed::SnapshotRef;
use crate::format::tree::Entry;
use crate::ops::find::{EntryType, Event, Pattern, Wanted, find, find_all};
use crate::ops::open::Spot;

/// Finds entries.
///
/// # Errors
/// Those of the op and of stdout.
pub fn run(args: &FindArgs, context: &Context) -> Result<Outcome> {
    let pattern = Pattern::new(&args.glob, args.ignore_case, wanted(args, context.clock.now())?)?;
    let spot = Spot::parse(args.path.as_encoded_bytes())?;
    if args.all && args.path.as_encoded_bytes().first() != Some(&b'/') {
        return Err(Error::new(ErrorKind::Usage, "--all looks into all snapshots: name a path from / alone"));
    }
    let progress = context.start(Shape::Document)?;
    let reading = context.reading(&progress)?;
    let run = context.run(&progress);
    let found = if args.all {
        find_all(&reading, &spot.path, &pattern, run, &mut |named, event, path, entry| {
            show_event(named, event, path, entry, context)
        })
    } else {
        find(&reading, &spot, &pattern, run, &mut |named, path, entry| show(named, path, entry, context))
    };
    progress.finish();
    Ok(super::past_damage(found?.damaged))
}

fn show(named: &SnapshotRef, path: &RelPath, entry: &Entry, context: &Context) -> Result<()> {
    let output = &context.output;
    if !output.is_json() {
        return output.text(line_of(path, entry, output));
    }
    let mut object = object_of(path, entry);
    object.insert("snapshot".to_owned(), json!(named.id.to_string()));
    output.json(&Value::Object(object))
}

fn show_event(named: &SnapshotRef, event: Event, path: &RelPath, entry: &Entry, context: &Context) -> Result<()> {
    let output = &context.output;
    let (sign, ink, word) = match event {
        Event::Added => ("+", Ink::Green, "added"),
        Event::Changed => ("~", Ink::Yellow, "changed"),
        Event::Removed => ("-", Ink::Red, "removed"),
    };
    if !output.is_json() {
        let (id, line) = (super::short_id(&named.id), line_of(path, entry, output));
        return output.text(format!("{}  {} {line}", output.paint(Ink::Yellow, &id), output.paint(ink, sign)));
    }
    let mut object = object_of(path, entry);
    object.insert("snapshot".to_owned(), json!(named.id.to_string()));
    object.insert("change".to_owned(), json!(word));
    output.json(&Value::Object(object))
}

fn wanted(args: &FindArgs, now: Timestamp) -> Result<Wanted> {
    let mut wanted = Wanted {
        types: args.types.iter().map(|&wanted| type_of(wanted)).collect(),
        newer: moment_of("--newer", args.newer.as_deref(), now)?,
        older: moment_of("--older", args.older.as_deref(), now)?,
        ..Wanted::default()
    };
    for text in &args.size {
        let size = parse_size("--size", text.trim_start_matches(['+', '-']))?;
        let (is_min, is_max) = (!text.starts_with('-'), !text.starts_with('+'));
        if is_min {
            wanted.size_min = Some(wanted.size_min.map_or(size, |min| min.max(size)));
        }
        if is_max {
            wanted.size_max = Some(wanted.size_max.map_or(size, |max| max.min(size)));
        }
    }
    Ok(wanted)
}

fn moment_of(flag: &str, text: Option<&str>, now: Timestamp) -> Result<Option<Timestamp>> {
    let wrong = |error| Error::with_source(ErrorKind::Usage, format!("{flag} takes a date or a time"), error);
    text.map(|text| moment::parse(text, now).map_err(wrong)).transpose()
}

fn type_of(wanted: TypeArg) -> EntryType {
    match wanted {
        TypeArg::File => EntryType::File,
        TypeArg::Dir => EntryType::Dir,
        TypeArg::Symlink => EntryType::Symlink,
        TypeArg::Other => EntryType::Other,
    }
}
