//! `forget`: what stays and why, what goes, and that `gc` gives back its space.

use serde_json::{Value, json};

use crate::base::paths::show_bytes;
use crate::cli::args::forget::ForgetArgs;
use crate::cli::context::{Context, Shape};
use crate::cli::outcome::Outcome;
use crate::cli::output::Ink;
use crate::cli::quantities::parse_keep;
use crate::error::{Error, ErrorKind, Result};
use crate::format::sealed::SnapshotRef;
use crate::ops::forget::{Choice, ForgetRequest, Forgotten, forget, preview};
use crate::tree::retention::{Policy, Reason, WithinError};

/// Forgets snapshots by a policy or by name.
///
/// # Errors
/// [`ErrorKind::Usage`] when it does not say which, and those of the op.
pub fn run(args: &ForgetArgs, context: &Context) -> Result<Outcome> {
    let choice = choice(args)?;
    let (disk, store) = context.marked_disk()?;
    let writer = context.writer_key(store)?;
    let request = ForgetRequest { choice, writer: &writer, cache: context.settings.cache.as_deref() };
    let progress = context.start(Shape::Document)?;
    let op = if args.dry_run { preview } else { forget };
    let done = op(&disk, &request, context.run(&progress));
    progress.finish();
    let done = done.map_err(|error| error.within("cannot forget"))?;
    show(&done, args.dry_run, context)?;
    Ok(Outcome::Done)
}

/// Returns which snapshots go.
fn choice(args: &ForgetArgs) -> Result<Choice> {
    let policy = policy(args)?;
    let usage = |why: &str| Err(Error::new(ErrorKind::Usage, why));
    match (policy.is_empty(), args.snapshots.is_empty()) {
        (true, true) => usage("nothing says what to forget: name snapshots, or say with --keep-.. which stay"),
        (false, false) => usage("snapshots are forgotten by name or by what --keep-.. leaves, not by both at once"),
        (true, false) => Ok(Choice::ByName(args.snapshots.clone())),
        (false, true) => Ok(Choice::ByPolicy(policy)),
    }
}

fn policy(args: &ForgetArgs) -> Result<Policy> {
    let count = |word: &str, text: &Option<String>| text.as_deref().map(|text| parse_keep(word, text)).transpose();
    let within = args.keep_within.as_deref().map(|text| {
        text.parse().map_err(|_: WithinError| {
            let text =
                format!("--keep-within takes years, months, weeks, days and hours, as 30d or 2y6mo, not {text:?}");
            Error::new(ErrorKind::Usage, text)
        })
    });
    Ok(Policy {
        last: count("--keep-last", &args.keep_last)?,
        periods: [
            count("--keep-hourly", &args.keep_hourly)?,
            count("--keep-daily", &args.keep_daily)?,
            count("--keep-weekly", &args.keep_weekly)?,
            count("--keep-monthly", &args.keep_monthly)?,
            count("--keep-yearly", &args.keep_yearly)?,
        ],
        tags: args.keep_tag.clone(),
        within: within.transpose()?,
    })
}

fn show(done: &Forgotten, dry_run: bool, context: &Context) -> Result<()> {
    let output = &context.output;
    for (word, count) in [("keep", done.kept.len()), ("forget", done.forgotten.len())] {
        if count == 0 {
            continue;
        }
        output.text(output.paint(Ink::Bold, &format!("{word} {}", snapshots(count))))?;
        match word {
            "keep" => done.kept.iter().rev().try_for_each(|(named, why)| output.text(row(named, why, context)))?,
            _ => done.forgotten.iter().rev().try_for_each(|named| output.text(row(named, &[], context)))?,
        }
        output.text("")?;
    }
    let gone = snapshots(done.forgotten.len());
    output.text(match (done.forgotten.len(), dry_run) {
        (0, _) => "nothing to forget, so nothing was written".to_owned(),
        (_, true) => format!("{gone} would be forgotten; nothing was written"),
        (_, false) => {
            format!(
                "forgot {gone}, now at generation {}: run `chunkstore gc` to give back their space",
                done.generation
            )
        }
    })?;
    let kept = |(named, why): &(SnapshotRef, Vec<Reason>)| {
        let mut object = object_of(named);
        object["reasons"] = why.iter().map(Reason::to_string).collect();
        object
    };
    output.json(&json!({
        "kept": done.kept.iter().rev().map(kept).collect::<Vec<_>>(),
        "forgotten": done.forgotten.iter().rev().map(object_of).collect::<Vec<_>>(),
        "generation": done.generation.0,
        "dry_run": dry_run,
    }))
}

fn snapshots(count: usize) -> String {
    if count == 1 { "1 snapshot".to_owned() } else { format!("{count} snapshots") }
}

fn row(named: &SnapshotRef, why: &[Reason], context: &Context) -> String {
    let output = &context.output;
    let line = |text: &str| show_bytes(text.as_bytes());
    let tags: String = named.tags.iter().map(|tag| output.paint(Ink::Green, &format!(" [{}]", line(tag)))).collect();
    let why = why.iter().map(|reason| line(&reason.to_string())).collect::<Vec<_>>().join(", ");
    let id = output.paint(Ink::Yellow, &super::short_id(&named.id));
    format!("{id}  {}{tags}  {why}", super::short_time(named.time.to_string())).trim_end().to_owned()
}

fn object_of(named: &SnapshotRef) -> Value {
    json!({"snapshot": named.id.to_string(), "time": named.time.to_string(), "tags": named.tags})
}
