//! `verify`: what is wrong with a store, a line each.

use serde_json::{Map, Value, json};

use crate::base::units::show_size;
use crate::cli::args::VerifyArgs;
use crate::cli::context::{Context, Shape};
use crate::cli::outcome::Outcome;
use crate::cli::output::{on_one_line, shown};
use crate::error::{Error, ErrorKind, Result};
use crate::ops::verify::{Finding, Report, VerifyRequest, verify};

/// Checks a store.
///
/// # Errors
/// Those of the op.
pub fn run(args: &VerifyArgs, context: &Context) -> Result<Outcome> {
    let store = context.store()?;
    let named = !context.settings.identities.is_empty();
    let identities = if args.read_data || named {
        context.identities(store.id())?
    } else {
        // The outer layer takes no identity, so nobody is asked for a passphrase.
        context.identities_at_hand(store.id())
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
    show(&report, context)?;
    if !report.findings.is_empty() {
        context.output.flush()?;
        let (count, path) = (report.findings.len(), shown(&context.store_path()));
        let what = if count == 1 { "1 problem was".to_owned() } else { format!("{count} problems were") };
        context.notices.line(&format!("chunkstore: {path} is damaged: {what} found"));
        if let Some(hint) = crate::cli::report::hint(ErrorKind::Corrupt) {
            context.notices.line(&format!("hint: {hint}"));
        }
    }
    Ok(if report.findings.is_empty() { Outcome::Done } else { Outcome::Found(ErrorKind::Corrupt) })
}

fn show(report: &Report, context: &Context) -> Result<()> {
    let output = &context.output;
    for finding in &report.findings {
        output.text(format!("{}: {}", finding.kind.name(), on_one_line(&finding.file)))?;
        for path in &finding.paths {
            output.text(format!("    {path}"))?;
        }
    }
    let depth = if report.inner { format!(", {} objects", report.objects) } else { String::new() };
    let checked = format!("checked {} packs, {}{depth}", report.packs, show_size(report.checked_bytes));
    output.text(match report.findings.len() {
        0 => format!("{checked}: everything holds"),
        count => format!("{checked}: {count} problems"),
    })?;
    output.json(&json!({
        "ok": report.findings.is_empty(),
        "checked_bytes": report.checked_bytes,
        "packs": report.packs,
        "objects": report.objects,
        "inner": report.inner,
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
