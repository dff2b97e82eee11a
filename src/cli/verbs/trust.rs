//! `trust`: shows who is trusted, and takes changes from a file; what all changes of trust share.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};

use crate::base::{Generation, PublicKey, StoreId};
use crate::cli::args::trust::{ChangeArgs, TrustArgs, TrustVerb};
use crate::cli::context::{Context, Shape, short_time};
use crate::cli::outcome::Outcome;
use crate::cli::output::{on_one_line, shown};
use crate::cli::quantities::parse_keeping;
use crate::crypto::sign::SignKey;
use crate::disk::host::{read_host_file, replace_host_file};
use crate::error::{Error, ErrorKind, Result};
use crate::format::roster::Holder;
use crate::format::trust::Trust;
use crate::ops::local_keys::KeyDir;
use crate::ops::trust::proposal::{Label, PROPOSAL_MAX_BYTES, Proposal};
use crate::ops::trust::{
    Applied, ApplyRequest, BackTo, add_signatures, apply, propose, require_following, require_signed,
};
use crate::store::Store;
use crate::store::trust::change::{Edit, missing_signatures};

/// Carries out a verb about trust.
///
/// # Errors
/// Those of the op.
pub fn run(args: &TrustArgs, context: &Context) -> Result<Outcome> {
    match &args.verb {
        TrustVerb::Show => show(context),
        TrustVerb::Sign { file } => sign(file, context),
        TrustVerb::Apply { file, back_to, discard } => {
            let back_to = back_to.map(|generation| BackTo::Generation(Generation(generation)));
            let back_to = back_to.or(discard.then_some(BackTo::BeforeRemoved));
            let proposal = read_proposal(file)?;
            publish(&context.store()?, &proposal, back_to, context)
        }
        TrustVerb::Renew { keeping, change: args } => {
            let expires = context.clock.now().plus_secs(parse_keeping("--for", keeping)?);
            change(&context.store()?, &[Edit::Renew(expires)], BTreeMap::new(), (args, None), context)
        }
    }
}

/// Proposes a change, and publishes it or writes it to the file that was named.
///
/// # Errors
/// Those of the op.
pub(super) fn change(
    store: &Store,
    edits: &[Edit],
    labels: BTreeMap<PublicKey, Label>,
    (args, back_to): (&ChangeArgs, Option<BackTo>),
    context: &Context,
) -> Result<Outcome> {
    let roots = find_root_keys(store.id(), true, context)?;
    let proposal = propose(store, edits, labels, &roots, context.clock.now())?;
    match &args.to {
        Some(file) => {
            write_proposal(file, &proposal)?;
            show_proposal(file, &proposal, Some(store), context)
        }
        None => {
            let back_to = back_to.or(args.back_to.map(|generation| BackTo::Generation(Generation(generation))));
            publish(store, &proposal, back_to, context)
        }
    }
}

fn publish(store: &Store, proposal: &Proposal, back_to: Option<BackTo>, context: &Context) -> Result<Outcome> {
    require_following(store, proposal)?;
    require_signed(proposal, &store.trust().newest().trust)?;
    let writer = context.writer_key(store.id())?;
    let progress = context.start(Shape::Document)?;
    let request = ApplyRequest { writer: &writer, back_to, cache: context.settings.cache.as_deref() };
    let applied = apply(store.disk(), proposal, &request, context.run(&progress));
    progress.finish();
    let applied = applied.map_err(|error| error.within("cannot change trust"))?;
    show_applied(&applied, context)
}

fn show_applied(applied: &Applied, context: &Context) -> Result<Outcome> {
    let output = &context.output;
    output.field("generation", applied.generation.to_string())?;
    output.field("trust file", applied.trust_version.to_string())?;
    if applied.new_epoch {
        output.field("epoch", format!("{} (new)", applied.epoch))?;
    }
    if let Some(dropped) = applied.dropped {
        output.field("dropped", format!("what came after, up to generation {dropped}"))?;
    }
    output.text("push it, so that others hear of it")?;
    if applied.readers > 0 {
        let one = |holder: &Holder| format!("{} ({})", on_one_line(&holder.name), short_time(holder.added.to_string()));
        let newest: Vec<String> = applied.newest_readers.iter().map(one).collect();
        context.notices.line(&format!(
            "chunkstore: {} on, added last: {}; whoever had the removed key may have added some: `reader list` shows them, \
             `reader revoke` takes one out",
            if applied.readers == 1 { "1 reader reads".to_owned() } else { format!("{} readers read", applied.readers) },
            newest.join(", ")
        ));
    }
    let tags: Vec<String> = applied.added.iter().map(ToString::to_string).collect();
    output.json(&json!({
        "generation": applied.generation.0,
        "trust_version": applied.trust_version,
        "epoch": applied.epoch.0,
        "new_epoch": applied.new_epoch,
        "writer_tags": tags,
        "dropped": applied.dropped.map(|dropped| dropped.0),
        "readers": applied.readers,
    }))?;
    Ok(Outcome::Done)
}

fn read_proposal(file: &Path) -> Result<Proposal> {
    let none = || Error::new(ErrorKind::Usage, format!("there is no file {}", shown(file)));
    let bytes = read_host_file(file, PROPOSAL_MAX_BYTES)?.ok_or_else(none)?;
    let wrong = |error| Error::with_source(ErrorKind::Usage, format!("cannot take {}", shown(file)), error);
    Proposal::decode(&bytes).map_err(wrong)
}

fn write_proposal(file: &Path, proposal: &Proposal) -> Result<()> {
    Ok(replace_host_file(file, &proposal.encode(), 0o644)?)
}

/// Signs what a file proposes. The store need not be at hand; where it is, the file must follow from it.
fn sign(file: &Path, context: &Context) -> Result<Outcome> {
    let mut proposal = read_proposal(file)?;
    let store = match context.store() {
        Ok(store) => Some(store),
        Err(error) if error.kind() == ErrorKind::NoStore && context.settings.store.is_none() => None,
        Err(error) => return Err(error),
    };
    if let Some(store) = &store {
        require_following(store, &proposal)?;
    }
    let roots = find_root_keys(proposal.file.trust.store, true, context)?;
    // Without the store nobody here knows the roots before, and each key counts where it is one.
    let mut before =
        store.as_ref().map_or_else(|| proposal.file.trust.clone(), |store| store.trust().newest().trust.clone());
    if store.is_none() {
        before.roots.extend(roots.iter().map(SignKey::public));
    }
    let added = add_signatures(&mut proposal, &before, &roots);
    if added == 0 {
        let text = "no root key is at hand that has not signed it yet: name their folder by --root-keys DIR";
        return Err(Error::new(ErrorKind::NoIdentity, text));
    }
    write_proposal(file, &proposal)?;
    show_proposal(file, &proposal, store.as_ref(), context)
}

fn show_proposal(file: &Path, proposal: &Proposal, store: Option<&Store>, context: &Context) -> Result<Outcome> {
    let output = &context.output;
    let next = &proposal.file.trust;
    let before = store.map(|store| &store.trust().newest().trust);
    let missing = missing_signatures(&proposal.file, before.unwrap_or(next));
    output.field("file", shown(file))?;
    output.field("trust file", next.version.to_string())?;
    match before {
        Some(before) => {
            for line in differences(before, next, proposal) {
                output.text(format!("  {line}"))?;
            }
        }
        None => show_trust(next, context)?,
    }
    output.field("signatures", format!("{}, {missing} missing", proposal.file.signatures.len()))?;
    output.text(match missing {
        0 => "publish it: chunkstore trust apply FILE",
        _ => "have it signed where the other root keys are: chunkstore trust sign FILE --root-keys DIR",
    })?;
    let mut document = document(next);
    document["file"] = json!(shown(file));
    document["signatures"] = json!(proposal.file.signatures.len());
    document["missing_signatures"] = json!(missing);
    output.json(&document)?;
    Ok(Outcome::Done)
}

/// Says what a change changes, a line each.
fn differences(before: &Trust, next: &Trust, proposal: &Proposal) -> Vec<String> {
    let mut lines = Vec::new();
    for writer in next.writers.iter().filter(|writer| !before.is_writer(&writer.key)) {
        let name = proposal.labels.get(&writer.key).map_or("?", |label| label.name.as_str());
        lines.push(format!("+ writer {} {}", writer.key, on_one_line(name)));
    }
    // Whoever has the new one is handed what writers know, under the name of one who is trusted.
    for writer in &next.writers {
        let known = before.writers.iter().find(|known| known.key == writer.key && known.recipient != writer.recipient);
        lines.extend(known.map(|known| {
            let (key, to) = (writer.key, on_one_line(&writer.recipient));
            format!("recipient of writer {key}: {} -> {to}", known.recipient)
        }));
    }
    let gone = before.writers.iter().filter(|writer| !next.is_writer(&writer.key));
    lines.extend(gone.map(|writer| format!("- writer {}", writer.key)));
    lines.extend(next.roots.iter().filter(|root| !before.roots.contains(root)).map(|root| format!("+ root {root}")));
    lines.extend(before.roots.iter().filter(|root| !next.roots.contains(root)).map(|root| format!("- root {root}")));
    if next.threshold != before.threshold {
        lines.push(format!("threshold {} -> {}", before.threshold, next.threshold));
    }
    if next.floor != before.floor {
        lines.push(format!("generations below {} are not accepted any more", next.floor));
    }
    if next.expires != before.expires {
        lines.push(format!("expires {}", short_time(next.expires.to_string())));
    }
    lines
}

fn show(context: &Context) -> Result<Outcome> {
    let store = context.store()?;
    let trust = &store.trust().newest().trust;
    let is_expired = context.clock.now() > trust.expires;
    context.output.field("fingerprint", store.trust().fingerprint())?;
    context.output.field("of the newest", store.trust().newest().fingerprint())?;
    context.output.field("trust file", trust.version.to_string())?;
    show_trust(trust, context)?;
    let mut document = document(trust);
    document["fingerprint"] = json!(store.trust().fingerprint());
    document["newest_fingerprint"] = json!(store.trust().newest().fingerprint());
    document["expired"] = json!(is_expired);
    context.output.json(&document)?;
    Ok(Outcome::Done)
}

fn show_trust(trust: &Trust, context: &Context) -> Result<()> {
    let output = &context.output;
    output.field("store id", trust.store.to_string())?;
    output.field("made", short_time(trust.time.to_string()))?;
    let expired = if context.clock.now() > trust.expires { " (expired)" } else { "" };
    output.field("expires", format!("{}{expired}", short_time(trust.expires.to_string())))?;
    for writer in &trust.writers {
        output.field("writer", writer.key.to_string())?;
    }
    for root in &trust.roots {
        output.field("root", root.to_string())?;
    }
    output.field("threshold", format!("{} of {} roots", trust.threshold, trust.roots.len()))
}

fn document(trust: &Trust) -> Value {
    let writers: Vec<Value> = trust
        .writers
        .iter()
        .map(|writer| json!({"key": writer.key.to_string(), "recipient": writer.recipient}))
        .collect();
    let roots: Vec<String> = trust.roots.iter().map(ToString::to_string).collect();
    json!({
        "store_id": trust.store.to_string(),
        "trust_version": trust.version,
        "time": trust.time.to_string(),
        "expires": trust.expires.to_string(),
        "floor": trust.floor.0,
        "threshold": trust.threshold,
        "roots": roots,
        "writers": writers,
    })
}

/// Loads the root keys at hand. With `ask` a person is asked for their passphrase; without it, those that need one are left
/// out.
///
/// # Errors
/// Those of loading them.
pub(super) fn find_root_keys(store: StoreId, ask: bool, context: &Context) -> Result<Vec<SignKey>> {
    let keys = KeyDir::new(context.root_keys_dir()?, store);
    context.warn_of_open_files(&keys);
    let loaded = keys.load_roots(&|purpose| context.ask_for(purpose, ask));
    match loaded {
        Err(error) if !ask && error.kind() == ErrorKind::NoIdentity => Ok(Vec::new()),
        loaded => loaded,
    }
}
