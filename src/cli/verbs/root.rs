//! `root`: makes root keys, and shows and changes who may change trust.

use std::collections::BTreeMap;

use serde_json::json;

use super::trust::{change, find_root_keys};
use super::writer::{parse_card, require_store, show_card};
use crate::cli::args::trust::{ChangeArgs, RootArgs, RootVerb};
use crate::cli::context::Context;
use crate::cli::outcome::Outcome;
use crate::cli::output::shown;
use crate::crypto::Secret;
use crate::crypto::sign::SignKey;
use crate::error::{Error, ErrorKind, Result};
use crate::ops::local_keys::KeyDir;
use crate::ops::trust::card::Card;
use crate::ops::trust::find_key;
use crate::store::trust::change::Edit;

/// Carries out a verb about roots.
///
/// # Errors
/// Those of the op.
pub fn run(args: &RootArgs, context: &Context) -> Result<Outcome> {
    match &args.verb {
        RootVerb::New => new(context),
        RootVerb::List => list(context),
        RootVerb::Add { card, change } => add(card, change, context),
        RootVerb::Remove { key, change: args } => {
            let store = context.store()?;
            let roots = store.trust().newest().trust.roots.iter();
            let key = find_key(key, "root", roots.map(|root| (*root, None)))?;
            change(&store, &[Edit::RemoveRoot(key)], BTreeMap::new(), (args, None), context)
        }
        RootVerb::Threshold { count, change: args } => {
            change(&context.store()?, &[Edit::Threshold(*count)], BTreeMap::new(), (args, None), context)
        }
    }
}

fn new(context: &Context) -> Result<Outcome> {
    let (_, store) = context.marked_disk()?;
    let keys = KeyDir::new(context.root_keys_dir()?, store);
    let passphrase = context.passphrases.for_new()?;
    let seed = Secret::generate(context.random());
    let path = keys.save_another_root(&seed, passphrase.as_deref().map(|passphrase| passphrase.as_str()))?;
    let card = Card::Root { store, key: SignKey::from_seed(&seed).public() };
    show_card(&card, &shown(&path), "chunkstore root add 'CARD'", context)
}

fn add(card: &str, args: &ChangeArgs, context: &Context) -> Result<Outcome> {
    let store = context.store()?;
    let card = parse_card(card)?;
    require_store(&store, &card)?;
    let Card::Root { key, .. } = card else {
        return Err(Error::new(ErrorKind::Usage, "that is the card of a writer: `writer add` takes it"));
    };
    change(&store, &[Edit::AddRoot(key)], BTreeMap::new(), (args, None), context)
}

fn list(context: &Context) -> Result<Outcome> {
    let store = context.store()?;
    let trust = &store.trust().newest().trust;
    let at_hand = find_root_keys(store.id(), false, context)?;
    let is_here = |root: &crate::base::PublicKey| at_hand.iter().any(|key| key.public() == *root);
    for root in &trust.roots {
        let here = if is_here(root) { "  (at hand)" } else { "" };
        context.output.text(format!("{}{here}", &root.to_string()[..16]))?;
    }
    context.output.text(format!("{} of {} must sign a change of trust", trust.threshold, trust.roots.len()))?;
    let roots: Vec<_> =
        trust.roots.iter().map(|root| json!({"key": root.to_string(), "at_hand": is_here(root)})).collect();
    context.output.json(&json!({"trust_version": trust.version, "threshold": trust.threshold, "roots": roots}))?;
    Ok(Outcome::Done)
}
