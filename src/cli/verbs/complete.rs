//! `complete`: what a shell offers for a path or a snapshot in the store that the command line names.
//!
//! Asks nobody for a passphrase, says nothing on stderr, and offers nothing where the store does not open: whoever presses a key
//! in the middle of a line wants no message. Names that a line of text cannot show are left out; the shells quote the rest.

use std::ffi::{OsStr, OsString};
use std::sync::Arc;

use clap::parser::ValueSource;
use clap::{ArgMatches, CommandFactory, FromArgMatches};

use crate::base::monitor::SilentMonitor;
use crate::base::paths::drives_a_terminal;
use crate::cli::args::reading::CompleteArgs;
use crate::cli::args::{CommandLine, GlobalArgs};
use crate::cli::context::Context;
use crate::cli::environment::Environment;
use crate::cli::outcome::Outcome;
use crate::cli::settings::Settings;
use crate::error::{Error, ErrorKind, Result};
use crate::format::tree::Node;
use crate::ops::list::ls;
use crate::ops::open::{Reading, Spot};
use crate::store::Store;

/// Most that is offered: more than that nobody reads.
const OFFERED_MAX: usize = 1000;

/// What stands where the key was pressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    /// `[SNAP:]PATH`.
    Path,
    /// A snapshot.
    Snapshot,
}

/// Writes what may stand in place of the last word, one a line.
///
/// # Errors
/// Those of stdout.
pub fn run(args: &CompleteArgs, context: &Context) -> Result<Outcome> {
    let Some((last, wanted, globals)) = asked(&args.words) else { return Ok(Outcome::Done) };
    let found = offers(&last, wanted, globals, context).unwrap_or_default();
    for offer in found.into_iter().take(OFFERED_MAX) {
        context.output.text(offer)?;
    }
    Ok(Outcome::Done)
}

/// Returns the last word, what it stands for, and the flags of the line; nothing where it is neither path nor snapshot.
fn asked(words: &[OsString]) -> Option<(String, Wanted, GlobalArgs)> {
    let (last, before) = words.split_last()?;
    // One that is still empty stands for something all the same.
    let placed = if last.is_empty() { OsStr::new("/") } else { last };
    let line = before.iter().map(OsString::as_os_str).chain([placed]);
    let matches = CommandLine::command().ignore_errors(true).try_get_matches_from(line).ok()?;
    let (verb, of_verb) = matches.subcommand()?;
    let places: &[(&str, Wanted)] = match verb {
        "ls" | "cat" | "find" | "export" | "restore" => &[("path", Wanted::Path)],
        "stats" => &[("place", Wanted::Path)],
        "diff" => &[("path", Wanted::Path), ("new", Wanted::Snapshot), ("old", Wanted::Snapshot)],
        "mount" => &[("snapshot", Wanted::Snapshot)],
        _ => return None,
    };
    // The last place that is filled is where the line ends, unless something else of the verb follows it.
    let (id, wanted) = places.iter().find(|(id, _)| typed(of_verb, id).is_some())?;
    if typed(of_verb, id)? != placed || typed(of_verb, "target").is_some() {
        return None;
    }
    Some((last.to_str()?.to_owned(), *wanted, GlobalArgs::from_arg_matches(of_verb).ok()?))
}

/// Returns what was typed for an argument, if the verb has it.
fn typed<'m>(matches: &'m ArgMatches, id: &str) -> Option<&'m OsStr> {
    let mut raw = matches.try_get_raw(id).ok().flatten()?;
    raw.next_back().filter(|_| matches.value_source(id) == Some(ValueSource::CommandLine))
}

/// Returns what the store of the line offers for a beginning.
fn offers(beginning: &str, wanted: Wanted, globals: GlobalArgs, context: &Context) -> Result<Vec<String>> {
    let settings = Settings::new(globals, Environment { can_ask: false, ..Environment::read() })?;
    let context = Context::new(settings, Arc::clone(&context.output)).hushed();
    // Nobody waits for a server between two keys.
    if context.store_address().is_some() {
        return Ok(Vec::new());
    }
    let store = Store::open(context.disk()?)?;
    let identities = context.identities_at_hand(store.id())?;
    let reading = Reading::over(&store, &identities, context.run(&SilentMonitor))?;
    match (wanted, beginning.rfind('/')) {
        (Wanted::Path, Some(slash)) => paths(&reading, beginning.split_at(slash + 1)),
        (Wanted::Path, None) => {
            let snapshots = snapshots(&reading).map(|name| format!("{name}:/"));
            Ok(["/".to_owned()].into_iter().chain(snapshots).filter(|name| name.starts_with(beginning)).collect())
        }
        (Wanted::Snapshot, _) => Ok(snapshots(&reading).filter(|name| name.starts_with(beginning)).collect()),
    }
}

/// Returns the entries of a directory whose names have a beginning.
fn paths(reading: &Reading, (dir, beginning): (&str, &str)) -> Result<Vec<String>> {
    let mut found = Vec::new();
    let spot = Spot::parse(dir.as_bytes())?;
    let listed = ls(reading, &spot, false, &mut |path, entry| {
        let name = std::str::from_utf8(entry.name.as_bytes()).ok().filter(|name| is_plain(name));
        // The path of a file that was asked for as a directory is no offer.
        let is_below = *path != spot.path;
        if let Some(name) = name.filter(|name| is_below && name.starts_with(beginning)) {
            let end = if matches!(entry.node, Node::Dir { .. }) { "/" } else { "" };
            found.push(format!("{dir}{name}{end}"));
        }
        if found.len() < OFFERED_MAX { Ok(()) } else { Err(Error::new(ErrorKind::Interrupted, "enough was found")) }
    });
    if found.len() < OFFERED_MAX { listed.map(|()| found) } else { Ok(found) }
}

/// Returns the names of snapshots, newest first.
fn snapshots(reading: &Reading) -> impl Iterator<Item = String> {
    let kept = &reading.unlocked.sealed.snapshots;
    let back = (1..kept.len().min(10)).map(|back| format!("HEAD~{back}"));
    let tags = kept.iter().rev().flat_map(|named| named.tags.iter().filter(|tag| is_plain(tag)).cloned());
    let ids = kept.iter().rev().map(|named| super::short_id(&named.id));
    ["HEAD".to_owned()].into_iter().chain(back).chain(tags).chain(ids)
}

/// Returns whether a name stands in one line as it is: the shell shows it on the terminal.
fn is_plain(name: &str) -> bool {
    !name.contains(drives_a_terminal)
}

#[cfg(test)]
mod tests;
