//! `ls`: the entries of a directory in a snapshot, a line each.

use serde_json::{Map, Value, json};

use crate::base::RelPath;
use crate::base::paths::show_bytes;
use crate::base::units::show_size;
use crate::cli::args::LsArgs;
use crate::cli::context::{Context, Shape};
use crate::cli::outcome::Outcome;
use crate::cli::output::{Ink, Output, mode_text, put_path};
use crate::error::Result;
use crate::format::tree::{Entry, Node};
use crate::ops::list::ls;
use crate::ops::open::Spot;

/// Lists a directory, or the one entry that a path names.
///
/// # Errors
/// Those of the op and of stdout, which ends the listing.
pub fn run(args: &LsArgs, context: &Context) -> Result<Outcome> {
    let spot = Spot::parse(args.path.as_encoded_bytes())?;
    let progress = context.start(Shape::Document)?;
    let reading = context.reading(&progress)?;
    ls(&reading, &spot, args.recursive, &mut |path, entry| {
        context.run(&progress).check()?;
        show(path, entry, context)
    })?;
    Ok(Outcome::Done)
}

fn show(path: &RelPath, entry: &Entry, context: &Context) -> Result<()> {
    let output = &context.output;
    if output.is_json() {
        output.json(&Value::Object(object_of(path, entry)))
    } else {
        output.text(line_of(path, entry, output))
    }
}

/// Returns an entry as a line for people.
pub(super) fn line_of(path: &RelPath, entry: &Entry, output: &Output) -> String {
    let (letter, size) = match &entry.node {
        Node::File { len_bytes, .. } => ('-', show_size(*len_bytes)),
        Node::Dir { .. } => ('d', String::new()),
        Node::Symlink { .. } => ('l', String::new()),
        Node::Fifo => ('p', String::new()),
        Node::Socket => ('s', String::new()),
        Node::CharDevice(_) => ('c', String::new()),
        Node::BlockDevice(_) => ('b', String::new()),
    };
    let time = time_text(entry).map(super::short_time).unwrap_or_default();
    let path = path.to_string();
    let name = match &entry.node {
        Node::Dir { .. } => output.paint(Ink::Blue, &path),
        Node::Symlink { target } => format!("{} -> {}", output.paint(Ink::Cyan, &path), show_bytes(target)),
        _ => path,
    };
    let mode = rights(entry.meta.mode);
    format!("{letter}{mode}  {size:>10}  {time:>19}  {name}")
}

/// Returns the word for an entry's type.
pub(super) fn type_of(entry: &Entry) -> &'static str {
    match &entry.node {
        Node::File { .. } => "file",
        Node::Dir { .. } => "dir",
        Node::Symlink { .. } => "symlink",
        Node::Fifo => "fifo",
        Node::Socket => "socket",
        Node::CharDevice(_) => "char-device",
        Node::BlockDevice(_) => "block-device",
    }
}

/// Returns the length of a file; 0 for anything else.
pub(super) fn size_of(entry: &Entry) -> u64 {
    if let Node::File { len_bytes, .. } = &entry.node { *len_bytes } else { 0 }
}

/// Returns an entry as `--json` has it.
pub(super) fn object_of(path: &RelPath, entry: &Entry) -> Map<String, Value> {
    let mut object = Map::new();
    put_path(&mut object, format_path(path).as_slice());
    object.insert("type".to_owned(), json!(type_of(entry)));
    object.insert("size".to_owned(), json!(size_of(entry)));
    object.insert("mtime".to_owned(), json!(time_text(entry)));
    object.insert("mode".to_owned(), json!(mode_text(entry.meta.mode)));
    if let Node::Symlink { target } = &entry.node {
        let (name, text) = match std::str::from_utf8(target) {
            Ok(text) => ("target", text.to_owned()),
            Err(_) => ("target_hex", hex::encode(target)),
        };
        object.insert(name.to_owned(), json!(text));
    }
    object
}

/// Returns the path from `/`, the committed folder.
pub(super) fn format_path(path: &RelPath) -> Vec<u8> {
    [b"/", path.as_bytes()].concat()
}

/// Returns the time of the last change; nothing where it lies outside the years that RFC 3339 can say.
fn time_text(entry: &Entry) -> Option<String> {
    let nanos = i32::try_from(entry.meta.mtime_nanos).ok()?;
    let time = jiff::Timestamp::new(entry.meta.mtime_secs, nanos).ok()?;
    let text = format!("{time:.9}");
    // Years before 0 have a sign, which RFC 3339 does not know.
    (!text.starts_with('-')).then_some(text)
}

/// Shows permission bits as `ls -l` does.
fn rights(mode: u32) -> String {
    let mut text = String::with_capacity(9);
    for (shift, special, letter) in [(6, 0o4000, 's'), (3, 0o2000, 's'), (0, 0o1000, 't')] {
        let bits = mode >> shift;
        text.push(if bits & 4 != 0 { 'r' } else { '-' });
        text.push(if bits & 2 != 0 { 'w' } else { '-' });
        text.push(match (bits & 1 != 0, mode & special != 0) {
            (true, true) => letter,
            (false, true) => letter.to_ascii_uppercase(),
            (true, false) => 'x',
            (false, false) => '-',
        });
    }
    text
}

#[cfg(test)]
mod tests;
