//! `writer`: makes this machine's key, and shows and changes who may write.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::trust::change;
use crate::cli::args::trust::{ChangeArgs, WriterArgs, WriterVerb};
use crate::cli::context::{Context, short_time};
use crate::cli::outcome::Outcome;
use crate::cli::output::{on_one_line, shown};
use crate::error::{Error, ErrorKind, Result};
use crate::format::trust::Writer;
use crate::ops::local_keys::{KeyDir, WriterKey};
use crate::ops::trust::card::Card;
use crate::ops::trust::proposal::Label;
use crate::ops::trust::{BackTo, ListedWriter, find_key, writers};
use crate::store::Store;
use crate::store::trust::change::Edit;

/// Carries out a verb about writers.
///
/// # Errors
/// Those of the op.
pub fn run(args: &WriterArgs, context: &Context) -> Result<Outcome> {
    match &args.verb {
        WriterVerb::New => new(context),
        WriterVerb::Add { card, name, note, change } => add(card, name, note, change, context),
        WriterVerb::List => list(context),
        WriterVerb::Remove { who, discard, change } => remove(who, *discard, change, context),
    }
}

fn new(context: &Context) -> Result<Outcome> {
    let (_, store) = context.marked_disk()?;
    let keys = KeyDir::new(context.settings.keys_dir()?, store);
    let path = keys.path("writer.key");
    if keys.files()?.contains(&path) {
        let text = format!("there is a writer's key at {} already: name another folder by --keys", shown(&path));
        return Err(Error::new(ErrorKind::Other, text));
    }
    let passphrase = context.passphrases.for_new()?;
    let key = WriterKey::generate(context.random());
    keys.save_writer(&key, passphrase.as_deref().map(|passphrase| passphrase.as_str()))?;
    let card = Card::Writer { store, key: key.signer().public(), recipient: key.identity.recipient() };
    show_card(&card, &shown(&path), "chunkstore writer add 'CARD' --name NAME", context)
}

/// Shows the card of a new key, and what to do with it.
pub(super) fn show_card(card: &Card, path: &str, verb: &str, context: &Context) -> Result<Outcome> {
    context.output.text(card.to_string())?;
    context.output.json(&json!({"card": card.to_string(), "key_file": path}))?;
    context.notices.line(&format!("chunkstore: the secret half is in {path}; the line above is no secret"));
    context.notices.line(&format!("hint: whoever holds the root keys adds it by `{verb}`"));
    Ok(Outcome::Done)
}

fn add(card: &str, name: &str, note: &str, args: &ChangeArgs, context: &Context) -> Result<Outcome> {
    let store = context.store()?;
    let Card::Writer { store: of, key, recipient } = parse_card(card)? else {
        return Err(Error::new(ErrorKind::Usage, "that is the card of a root: `root add` takes it"));
    };
    require_store(&store, &Card::Writer { store: of, key, recipient: recipient.clone() })?;
    let label = Label { name: name.to_owned(), note: note.to_owned() };
    if !label.fits() {
        let text =
            "a writer's name has 1 to 128 bytes, its note up to 1024, both on one line and without space around them";
        return Err(Error::new(ErrorKind::Usage, text));
    }
    let edit = Edit::AddWriter(Writer { key, recipient: recipient.as_str().to_owned() });
    change(&store, &[edit], BTreeMap::from([(key, label)]), (args, None), context)
}

/// Reads a card.
///
/// # Errors
/// [`ErrorKind::Usage`].
pub(super) fn parse_card(text: &str) -> Result<Card> {
    text.parse().map_err(|error| Error::with_source(ErrorKind::Usage, "cannot take the card", error))
}

/// Refuses the card of another store.
///
/// # Errors
/// [`ErrorKind::Usage`].
pub(super) fn require_store(store: &Store, card: &Card) -> Result<()> {
    if card.store() == store.id() {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Usage, format!("the card is for another store, {}", card.store())))
}

fn remove(who: &str, discard: bool, args: &ChangeArgs, context: &Context) -> Result<Outcome> {
    let store = context.store()?;
    let listed = writers_at_hand(&store, context)?;
    let keys = listed.iter().map(|found| (found.writer.key, found.holder.as_ref().map(|holder| holder.name.as_str())));
    let key =
        find_key(who, "writer", keys).map_err(|error| match listed.iter().all(|found| found.holder.is_none()) {
            true => error.within("names are for writers alone, and no writer's key in --keys opens this store"),
            false => error,
        })?;
    let back_to = discard.then_some(BackTo::BeforeRemoved);
    change(&store, &[Edit::RemoveWriter(key)], BTreeMap::new(), (args, back_to), context)
}

/// Lists the writers, with their names where this machine has a writer's key that opens the store.
fn writers_at_hand(store: &Store, context: &Context) -> Result<Vec<ListedWriter>> {
    let key = context.writer_key_at_hand(store.id());
    if let Some(key) = &key {
        match writers(store, Some(key)) {
            Err(error) if matches!(error.kind(), ErrorKind::NoIdentity | ErrorKind::Corrupt) => {}
            listed => return listed,
        }
    }
    writers(store, None)
}

fn list(context: &Context) -> Result<Outcome> {
    let store = context.store()?;
    let own = context.writer_key_at_hand(store.id()).map(|key| key.signer().public());
    let listed = writers_at_hand(&store, context)?;
    for found in &listed {
        let key = found.writer.key.to_string();
        let name = found.holder.as_ref().map_or("?", |holder| holder.name.as_str());
        let mut line = format!("{}  {}", &key[..16], on_one_line(name));
        if let Some(holder) = &found.holder {
            line.push_str(&format!("  since {}", short_time(holder.added.to_string())));
            if !holder.note.is_empty() {
                line.push_str(&format!("  {}", on_one_line(&holder.note)));
            }
        }
        if own == Some(found.writer.key) {
            line.push_str("  (this machine)");
        }
        context.output.text(line)?;
    }
    let version = store.trust().newest().trust.version;
    let documents: Vec<Value> = listed.iter().map(|found| document(found, own == Some(found.writer.key))).collect();
    context.output.json(&json!({"trust_version": version, "writers": documents}))?;
    if listed.iter().any(|found| found.holder.is_none()) {
        context.notices.line("chunkstore: names are for writers alone: a writer's key in --keys shows them");
    }
    // A key that waits to be added is told of, too: people look here for it.
    if own.is_some_and(|own| listed.iter().all(|found| found.writer.key != own)) {
        context.notices.line("chunkstore: this machine's own writer's key is not among them");
    }
    Ok(Outcome::Done)
}

fn document(found: &ListedWriter, is_own: bool) -> Value {
    let holder = found.holder.as_ref();
    json!({
        "key": found.writer.key.to_string(),
        "recipient": found.writer.recipient,
        "name": holder.map(|holder| holder.name.as_str()),
        "note": holder.map(|holder| holder.note.as_str()),
        "tag": holder.map(|holder| holder.tag.to_string()),
        "added": holder.map(|holder| holder.added.to_string()),
        "this_machine": is_own,
    })
}
