//! `verify`: what is wrong with a store, a line each.

use serde_json::{Map, Value, json};

use crate::base::units::show_size;
use crate::cli::args::VerifyArgs;
use crate::cli::context::{Context, Shape};
use crate::cli::outcome::Outcome;
use crate::cli::output::{on_one_line, shown};
use crate::cli::report::{hint, sentence};
use crate::crypto::wrap::Identity;
use crate::error::{Error, ErrorKind, Result};
use crate::ops::verify::{Finding, Report, VerifyRequest, verify};

/// Checks a store.
///
/// # Errors
/// Those of the op.
pub fn run(args: &VerifyArgs, context: &Context) -> Result<Outcome> {
    let store = context.store()?;
    let asked = args.read_data || context.settings.identities_typed;
    let (identities, closed) = if asked || !context.settings.identities.is_empty() {
        (context.identities(store.id())?, None)
    } else {
        // The outer layer takes no identity, so nobody is asked for a passphrase.
        match context.identities_at_hand(store.id()) {
            Ok(identities) => (identities, None),
            Err(error) => (Vec::new(), Some(sentence(&error))),
        }
    };
    if args.read_data && identities.is_empty() {
        return Err(Error::new(ErrorKind::NoIdentity, "there is no identity to open the objects with"));
    }
    drop(store);
    let progress = context.start(Shape::Document)?;
    let request = VerifyRequest { identities: &identities, read_data: args.read_data };
    let report = verify(context.disk()?, &request, context.run(&progress));
    progress.finish();
    let report = report?;
    let closed = (!report.inner).then(|| closed.unwrap_or_else(|| why_closed(&report, &identities)));
    show(&report, closed.as_deref(), context)?;
    context.output.flush()?;
    let mut outcome = Outcome::Done;
    if let Some(why) = &closed {
        context.notices.line(&format!("chunkstore: only the outer layer was checked: {why}"));
        if asked {
            outcome = outcome.and(found(ErrorKind::NoIdentity, context));
        }
    }
    if !report.findings.is_empty() {
        let (count, path) = (report.findings.len(), shown(&context.store_path()));
        let what = if count == 1 { "1 problem was".to_owned() } else { format!("{count} problems were") };
        context.notices.line(&format!("chunkstore: {path} is damaged: {what} found"));
        outcome = outcome.and(found(ErrorKind::Corrupt, context));
    }
    Ok(outcome)
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

fn show(report: &Report, closed: Option<&str>, context: &Context) -> Result<()> {
    let output = &context.output;
    for finding in &report.findings {
        output.text(format!("{}: {}", finding.kind.name(), on_one_line(&finding.file)))?;
        for path in &finding.paths {
            output.text(format!("    {path}"))?;
        }
    }
    let depth =
        if report.inner { format!(", {} objects", report.objects) } else { ", the outer layer alone".to_owned() };
    let checked = format!("checked {} packs, {}{depth}", report.packs, show_size(report.checked_bytes));
    output.text(match report.findings.len() {
        0 if report.inner => format!("{checked}: everything holds"),
        0 => format!("{checked}: what was checked holds"),
        count => format!("{checked}: {count} problems"),
    })?;
    output.json(&json!({
        "ok": report.findings.is_empty(),
        "checked_bytes": report.checked_bytes,
        "packs": report.packs,
        "objects": report.objects,
        "inner": report.inner,
        "inner_closed": closed,
        "problems": report.findings.iter().map(object_of).collect::<Vec<_>>(),
    }))
}

fn object_of(finding: &Finding) -> Value {
    let mut object = Map::new();
    object.insert("kind".to_owned(), json!(finding.kind.name()));
    object.insert("file".to_owned(), json!(finding.file));
    let (mut paths, mut paths_hex) = (Vec::new(), Vec::new());
    for path in &finding.paths {
        let bytes = [b"/", path.as_bytes()].concat();
        match String::from_utf8(bytes) {
            Ok(text) => paths.push(text),
            Err(foreign) => paths_hex.push(hex::encode(foreign.as_bytes())),
        }
    }
    object.insert("paths".to_owned(), json!(paths));
    if !paths_hex.is_empty() {
        object.insert("paths_hex".to_owned(), json!(paths_hex));
    }
    Value::Object(object)
}
