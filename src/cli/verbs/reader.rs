//! `reader add/list/revoke`: who can read, by name.

use std::path::Path;

use serde_json::{Value, json};

use crate::base::paths::show_bytes;
use crate::cli::args::readers::{ReaderAddArgs, ReaderArgs, ReaderVerb};
use crate::cli::context::{Context, Shape, short_time};
use crate::cli::outcome::Outcome;
use crate::cli::output::{Ink, shown};
use crate::cli::passphrase::first_line;
use crate::crypto::wrap::{Identity, Recipient, wrap_in_public};
use crate::disk::host::read_host_file;
use crate::error::{Error, ErrorKind, Result};
use crate::format::keylist::KeyRole;
use crate::format::roster::Holder;
use crate::ops::readers::{Handed, add, list, revoke};
use crate::ops::rekey::NewHolder;

/// Longest file of readers.
const FILE_MAX_BYTES: u64 = 64 << 20;

/// Changes or lists readers.
///
/// # Errors
/// Those of the op.
pub fn run(args: &ReaderArgs, context: &Context) -> Result<Outcome> {
    match &args.verb {
        ReaderVerb::Add(args) => run_add(args, context),
        ReaderVerb::List { all } => run_list(*all, context),
        ReaderVerb::Revoke { readers } => run_revoke(readers, context),
    }
}

fn run_add(args: &ReaderAddArgs, context: &Context) -> Result<Outcome> {
    let readers = match &args.from_file {
        Some(file) => read_readers(file)?,
        None => vec![new_reader(args, context)?],
    };
    let (disk, store) = context.marked_disk()?;
    let writer = context.writer_key(store)?;
    let progress = context.start(Shape::Document)?;
    let cache = context.settings.cache.as_deref();
    let done = add(&disk, &writer, readers, cache, context.run(&progress));
    progress.finish();
    let done = done.map_err(|error| error.within("cannot add readers"))?;
    let output = &context.output;
    for holder in &done.holders {
        output.text(format!("{}  {}", output.paint(Ink::Yellow, &holder.tag.to_string()), line(&holder.name)))?;
    }
    output.text(format!(
        "{} can read, now at generation {}: push to publish",
        counted(done.readers),
        done.generation
    ))?;
    output.json(&document("added", &done))?;
    Ok(Outcome::Done)
}

fn no_terminal(error: Error) -> Error {
    let text = "--by-passphrase asks on a terminal, and --by-passphrase-file reads a file";
    Error::with_source(ErrorKind::Usage, text, error)
}

/// Makes the reader that the command line describes.
fn new_reader(args: &ReaderAddArgs, context: &Context) -> Result<NewHolder> {
    let (recipient, identity) = match &args.recipient {
        Some(text) => (recipient(text, "RECIPIENT")?, Vec::new()),
        None => {
            let passphrase = match &args.by_passphrase_file {
                Some(file) => first_line(file)?,
                None => context.passphrases.for_another("new passphrase of the reader").map_err(no_terminal)?,
            };
            if passphrase.is_empty() {
                return Err(Error::new(ErrorKind::Usage, "the passphrase is empty"));
            }
            let identity = Identity::generate();
            let wrapped = wrap_in_public(&passphrase, format!("{}\n", *identity.to_line()).as_bytes());
            let failed = |error| Error::with_source(ErrorKind::Other, "cannot wrap the reader's key", error);
            (identity.recipient(), wrapped.map_err(failed)?)
        }
    };
    let name = args.name.clone().unwrap_or_else(|| recipient.as_str().to_owned());
    Ok(NewHolder { role: KeyRole::Reader, recipient, identity, name, note: args.note.clone() })
}

/// Reads a file of readers: recipient, name and note with a tab between them, one reader a line.
fn read_readers(file: &Path) -> Result<Vec<NewHolder>> {
    let unusable = |why: &str| Error::new(ErrorKind::Usage, format!("cannot take readers from {}: {why}", shown(file)));
    let bytes = read_host_file(file, FILE_MAX_BYTES)?.ok_or_else(|| unusable("there is no such file"))?;
    let text = std::str::from_utf8(&bytes).map_err(|_| unusable("it is no UTF-8"))?;
    let mut readers = Vec::new();
    for (at, row) in text.lines().enumerate() {
        let row = row.trim_end();
        if row.trim().is_empty() || row.starts_with('#') {
            continue;
        }
        let mut fields = row.split('\t').map(str::trim);
        let found = recipient(fields.next().unwrap_or_default(), &format!("line {}", at + 1));
        let recipient = found.map_err(|error| error.within(format!("cannot take readers from {}", shown(file))))?;
        let name = fields.next().filter(|name| !name.is_empty()).unwrap_or(recipient.as_str()).to_owned();
        let note = fields.next().unwrap_or_default().to_owned();
        if fields.next().is_some() {
            return Err(unusable(&format!("line {} has more than a recipient, a name and a note", at + 1)));
        }
        readers.push(NewHolder { role: KeyRole::Reader, recipient, identity: Vec::new(), name, note });
    }
    if readers.is_empty() { Err(unusable("no reader stands in it")) } else { Ok(readers) }
}

fn recipient(text: &str, place: &str) -> Result<Recipient> {
    let wrong = |error| {
        let text = show_bytes(text.as_bytes());
        Error::with_source(ErrorKind::Usage, format!("{place} has to be a recipient, not {text:?}"), error)
    };
    Recipient::parse(text).map_err(wrong)
}

fn run_list(all: bool, context: &Context) -> Result<Outcome> {
    let (disk, store) = context.marked_disk()?;
    let writer = context.writer_key(store)?;
    let holders = list(&disk, &writer, KeyRole::Reader).map_err(|error| error.within("cannot list readers"))?;
    let holders: Vec<Holder> = holders.into_iter().filter(|holder| all || holder.until.is_none()).collect();
    for holder in &holders {
        context.output.text(row(holder, context))?;
    }
    context.output.json(&json!({"readers": holders.iter().map(object_of).collect::<Vec<_>>()}))?;
    Ok(Outcome::Done)
}

fn row(holder: &Holder, context: &Context) -> String {
    let output = &context.output;
    let tag = output.paint(Ink::Yellow, &holder.tag.to_string());
    let way = if holder.identity.is_empty() { line(&holder.recipient) } else { "by passphrase".to_owned() };
    let added = short_time(holder.added.to_string());
    let note = if holder.note.is_empty() { String::new() } else { format!("  {}", line(&holder.note)) };
    let gone = holder.until.map_or_else(String::new, |epoch| format!("  revoked with epoch {epoch}"));
    format!("{tag}  {}  {added}  {way}{note}{gone}", line(&holder.name))
}

fn run_revoke(readers: &[String], context: &Context) -> Result<Outcome> {
    let (disk, store) = context.marked_disk()?;
    let writer = context.writer_key(store)?;
    let progress = context.start(Shape::Document)?;
    let cache = context.settings.cache.as_deref();
    let done = revoke(&disk, &writer, readers, cache, context.run(&progress));
    progress.finish();
    let done = done.map_err(|error| error.within("cannot revoke"))?;
    let output = &context.output;
    for holder in &done.holders {
        output.text(format!("{}  {}", output.paint(Ink::Yellow, &holder.tag.to_string()), line(&holder.name)))?;
    }
    let left = counted(done.readers);
    output.text(format!(
        "revoked: {left} can read epoch {}, now at generation {}: push to publish; what was written before stays readable \
         to whoever could read it",
        done.epoch, done.generation
    ))?;
    output.json(&document("revoked", &done))?;
    Ok(Outcome::Done)
}

/// Shows a new epoch as `key rotate` makes it.
///
/// # Errors
/// Those of the output.
pub fn show_rotated(done: &Handed, context: &Context) -> Result<()> {
    let (left, epoch, generation) = (counted(done.readers), done.epoch, done.generation);
    let text = format!("{left} can read epoch {epoch}, now at generation {generation}: push to publish");
    context.output.text(text)?;
    context.output.json(&document("holders", done))
}

fn document(name: &str, done: &Handed) -> Value {
    let holders: Vec<Value> = done.holders.iter().map(object_of).collect();
    json!({name: holders, "epoch": done.epoch.0, "generation": done.generation.0, "readers": done.readers})
}

fn object_of(holder: &Holder) -> Value {
    json!({
        "tag": holder.tag.to_string(),
        "role": holder.role.name(),
        "name": holder.name,
        "note": holder.note,
        "recipient": holder.recipient,
        "by_passphrase": !holder.identity.is_empty(),
        "added": holder.added.to_string(),
        "since_epoch": holder.since.0,
        "until_epoch": holder.until.map(|epoch| epoch.0),
    })
}

fn counted(readers: u64) -> String {
    if readers == 1 { "1 reader".to_owned() } else { format!("{readers} readers") }
}

fn line(text: &str) -> String {
    show_bytes(text.as_bytes())
}
