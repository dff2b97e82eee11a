//! `verify`: what is wrong with a store, a line each, and what of it was mended.

use serde_json::{Map, Value, json};

use crate::base::StoreId;
use crate::base::units::show_size;
use crate::cli::args::VerifyArgs;
use crate::cli::context::{Context, Shape};
use crate::cli::outcome::Outcome;
use crate::cli::output::{on_one_line, shown};
use crate::cli::quantities::parse_percent;
use crate::cli::remotes::Several;
use crate::cli::report::{hint, sentence};
use crate::crypto::wrap::Identity;
use crate::error::{Error, ErrorKind, Result};
use crate::ops::heal::{Failure, Healing};
use crate::ops::host_state::LastVerify;
use crate::ops::verify::{Finding, Report, VerifyRequest, verify, which_store};
use crate::store::Store;

/// What to do about what a remote could not mend.
const LEFT_HINT: &str = "another --heal REMOTE may have what is left, `chunkstore sync` brings a newer state; else a fresh \
                         `chunkstore clone` takes the place of a damaged key";

/// Checks a store, and mends it from the remotes that were named for that.
///
/// # Errors
/// Those of the op.
pub fn run(args: &VerifyArgs, context: &Context) -> Result<Outcome> {
    let sample_percent = args.sample.as_deref().map(|share| parse_percent("--sample", share)).transpose()?;
    let disk = context.disk()?;
    let within = |error: Error| error.within(format!("cannot open {}", shown(&context.store_path())));
    let store = which_store(&disk).map_err(within)?;
    if let (Some(id), Ok(opened)) = (store, Store::open(disk.clone())) {
        context.host_state(id).check_fingerprint(&opened).map_err(within)?;
    }
    let asked = args.read_data || context.settings.identities_typed;
    let (identities, closed) = match store {
        None => (Vec::new(), Some("nothing tells which store it is".to_owned())),
        Some(store) if asked || !context.settings.identities.is_empty() => (context.identities(store)?, None),
        // The outer layer takes no identity, so nobody is asked for a passphrase.
        Some(store) => match context.identities_at_hand(store) {
            Ok(identities) => (identities, None),
            Err(error) => (Vec::new(), Some(sentence(&error))),
        },
    };
    if args.read_data && identities.is_empty() && store.is_some() {
        return Err(Error::new(ErrorKind::NoIdentity, "there is no identity to open the objects with"));
    }
    let several = context.remotes().find_several(&args.heal)?;
    let progress = context.start(Shape::Document)?;
    let (read_data, heal, threads) = (args.read_data, &several.remotes[..], context.hashing_threads());
    let request = VerifyRequest { identities: &identities, read_data, sample_percent, heal, threads };
    let report = verify(disk, &request, context.run(&progress));
    progress.finish();
    let report = report?;
    if let Some(store) = store {
        remember(&report, store, context);
    }
    let closed = (!report.inner).then(|| closed.unwrap_or_else(|| why_closed(&report, &identities)));
    let failure = failure(&report, &several);
    show(&report, closed.as_deref(), failure.as_ref(), context)?;
    context.output.flush()?;
    let mut outcome = Outcome::Done;
    if let Some(why) = &closed {
        context.notices.line(&format!("chunkstore: only the outer layer was checked: {why}"));
        if asked {
            outcome = outcome.and(found(ErrorKind::NoIdentity, context));
        }
    }
    Ok(outcome.and(conclude(&report, failure.as_ref(), &several, context)))
}

/// Remembers on this host how the store was verified; in the store nothing is written.
fn remember(report: &Report, store: StoreId, context: &Context) {
    let mut state = context.host_state(store);
    let (problems, sample) = (report.left().count() as u64, report.packs < report.total_packs);
    state.verified(LastVerify { time: context.clock.now(), problems, sample });
    if let Err(error) = state.save() {
        // What was found stands; `status` only lacks the memory of it.
        context.notices.line(&format!("chunkstore: cannot remember this on the host: {}", sentence(&error)));
    }
}

/// Returns why not all was mended that should have been.
fn failure(report: &Report, several: &Several) -> Option<Failure> {
    let first_absent = || {
        let (_, error) = several.absent.first().filter(|_| several.remotes.is_empty())?;
        Some(Failure { kind: error.kind(), reason: sentence(error) })
    };
    // Whoever lacked something does not matter where nothing is broken any more.
    report.left().next()?;
    report.healing.as_ref().map_or_else(first_absent, |healing| healing.failure.clone())
}

/// Says on stderr what is still wrong, why, and what to do about it.
fn conclude(report: &Report, failure: Option<&Failure>, several: &Several, context: &Context) -> Outcome {
    for (word, error) in &several.absent {
        context.notices.line(&format!("chunkstore: left aside {}: {}", on_one_line(word), sentence(error)));
    }
    let mut outcome = Outcome::Done;
    if let Some(failure) = failure {
        context.notices.line(&format!("chunkstore: not everything could be mended: {}", on_one_line(&failure.reason)));
        outcome = outcome.and(Outcome::Found(failure.kind));
    }
    let (count, path) = (report.left().count(), shown(&context.store_path()));
    if count > 0 {
        let verb = if report.healing.is_some() { "left" } else { "found" };
        let what = if count == 1 { "1 problem was".to_owned() } else { format!("{count} problems were") };
        context.notices.line(&format!("chunkstore: {path} is damaged: {what} {verb}"));
        outcome = outcome.and(Outcome::Found(ErrorKind::Corrupt));
        if report.left().any(|finding| finding.untrusted) {
            outcome = outcome.and(Outcome::Found(ErrorKind::NotTrusted));
        }
        let hint = if report.healing.is_some() { Some(LEFT_HINT) } else { hint(ErrorKind::Corrupt) };
        hint.into_iter().for_each(|hint| context.notices.line(&format!("hint: {hint}")));
    }
    outcome
}

/// Says what to do about a finding, and returns it as an outcome.
fn found(kind: ErrorKind, context: &Context) -> Outcome {
    if let Some(hint) = hint(kind) {
        context.notices.line(&format!("hint: {hint}"));
    }
    Outcome::Found(kind)
}

/// Says why no identity opened the inner layer.
fn why_closed(report: &Report, identities: &[Identity]) -> String {
    match (identities.len(), report.key_files, report.key_files_here) {
        (0, ..) => "there is no identity for this store at hand".to_owned(),
        (_, listed @ 1.., 0) => format!("none of the {listed} key files that the store lists is there"),
        (_, 0, _) => "no list of key files reads".to_owned(),
        (_, _, here) => format!("no identity at hand opens any of its {here} key files"),
    }
}

fn show(report: &Report, closed: Option<&str>, failure: Option<&Failure>, context: &Context) -> Result<()> {
    let output = &context.output;
    for finding in &report.findings {
        let mended = if finding.healed { " (mended)" } else { "" };
        let why = finding.why.as_ref().map_or_else(String::new, |why| format!(": {}", on_one_line(why)));
        output.text(format!("{}: {}{mended}{why}", finding.kind.name(), on_one_line(&finding.file)))?;
        for path in &finding.paths {
            output.text(format!("    {path}"))?;
        }
        let more = finding.paths_total.saturating_sub(finding.paths.len() as u64);
        if more > 0 {
            output.text(format!("    and {more} more"))?;
        }
    }
    let depth =
        if report.inner { format!(", {} objects", report.objects) } else { ", the outer layer alone".to_owned() };
    let is_whole = report.packs == report.total_packs;
    let of_all = if is_whole { String::new() } else { format!(" of {}", report.total_packs) };
    let checked = format!("checked {}{of_all} packs, {}{depth}", report.packs, show_size(report.checked_bytes));
    output.text(match (report.findings.len(), &report.healing) {
        (0, _) if report.inner && is_whole => format!("{checked}: everything holds"),
        (0, _) => format!("{checked}: what was checked holds"),
        (count, None) => format!("{checked}: {count} problems"),
        (count, Some(healing)) => format!("{checked}: {}", mended(report, count, healing)),
    })?;
    output.json(&json!({
        "ok": report.left().next().is_none(),
        "checked_bytes": report.checked_bytes,
        "packs": report.packs,
        "total_packs": report.total_packs,
        "objects": report.objects,
        "inner": report.inner,
        "inner_closed": closed,
        "fetched_bytes": report.healing.as_ref().map_or(0, |healing| healing.fetched_bytes),
        "heal_failure": failure.map(|failure| &failure.reason),
        "problems": report.findings.iter().map(object_of).collect::<Vec<_>>(),
    }))
}

fn mended(report: &Report, count: usize, healing: &Healing) -> String {
    let sources: Vec<_> = healing.sources.iter().map(|source| on_one_line(source)).collect();
    let (healed, fetched) = (count - report.left().count(), show_size(healing.fetched_bytes));
    format!("{healed} of {count} problems mended from {}, {fetched}", sources.join(" and "))
}

fn object_of(finding: &Finding) -> Value {
    let mut object = Map::new();
    object.insert("kind".to_owned(), json!(finding.kind.name()));
    object.insert("file".to_owned(), json!(finding.file));
    object.insert("healed".to_owned(), json!(finding.healed));
    object.insert("reason".to_owned(), json!(finding.why));
    object.insert("untrusted".to_owned(), json!(finding.untrusted));
    object.insert("paths_total".to_owned(), json!(finding.paths_total));
    super::insert_paths(&mut object, "paths", &finding.paths);
    Value::Object(object)
}
