//! `stats`: what snapshots hold or directories take, what of the packs is dead, and what sharing and compression save.

use std::ffi::OsStr;

use serde_json::{Map, Value, json};

use crate::base::units::{show_size, show_span};
use crate::cli::args::reading::StatsArgs;
use crate::cli::context::{Context, Shape};
use crate::cli::outcome::Outcome;
use crate::cli::output::{Ink, put_path};
use crate::cli::quantities::parse_count;
use crate::cli::verbs::ls::format_path;
use crate::error::{Error, ErrorKind, Result};
use crate::format::snapshot::Totals;
use crate::ops::open::Spot;
use crate::ops::stats::by_path::{ByPath, DIRS_MAX, by_path};
use crate::ops::stats::{Dead, SnapshotStats, Stats, Stored, stats};

/// Deepest level that can be asked for.
const DEPTH_MAX: usize = 999;

/// What is counted.
#[derive(Debug, PartialEq, Eq)]
enum Wanted {
    Snapshots(Option<String>),
    Paths(Spot, usize),
}

/// Counts snapshots, or the directories of one.
///
/// # Errors
/// Those of the op and of stdout.
pub fn run(args: &StatsArgs, context: &Context) -> Result<Outcome> {
    let wanted = wanted(args)?;
    let progress = context.start(Shape::Document)?;
    let reading = context.reading(&progress)?;
    let damaged = match wanted {
        Wanted::Snapshots(name) => {
            let counted = stats(&reading, name.as_deref(), context.run(&progress));
            progress.finish();
            let counted = counted?;
            show(&counted, name.is_some(), context)?;
            context.output.json(&object_of(&counted, context))?;
            counted.damaged
        }
        Wanted::Paths(spot, depth) => {
            let counted = by_path(&reading, &spot, depth, context.run(&progress));
            progress.finish();
            let counted = counted?;
            show_paths(&counted, depth, context)?;
            counted.damaged
        }
    };
    Ok(super::past_damage(damaged))
}

/// Tells a snapshot from a path: only a path has a `/`. What follows `--by-path` and is no depth is meant as a place.
fn wanted(args: &StatsArgs) -> Result<Wanted> {
    let mut place = args.place.as_deref();
    let mut depth = args.by_path.as_deref();
    if let Some(word) = depth.filter(|word| word.contains(['/', ':']))
        && place.is_none()
    {
        (place, depth) = (Some(OsStr::new(word)), Some("1"));
    }
    let is_path = place.is_some_and(|place| place.as_encoded_bytes().contains(&b'/'));
    let name = |place: &OsStr| {
        let text = place.to_str().map(str::to_owned);
        text.ok_or_else(|| Error::new(ErrorKind::Usage, "the snapshot's name is not text"))
    };
    if depth.is_none() && !is_path {
        return Ok(Wanted::Snapshots(place.map(name).transpose()?));
    }
    let depth = parse_count("--by-path", depth.unwrap_or("1"), 0..=DEPTH_MAX)?;
    let spot = match place {
        Some(place) if is_path => Spot::parse(place.as_encoded_bytes())?,
        Some(place) => Spot { snapshot: name(place)?, ..Spot::parse(b"/")? },
        None => Spot::parse(b"/")?,
    };
    Ok(Wanted::Paths(spot, depth))
}

fn show(stats: &Stats, is_one: bool, context: &Context) -> Result<()> {
    let output = &context.output;
    if !is_one {
        let head = format!(
            "{:<12}  {:<19}  {:>9}  {:>10}  {:>11}  {:>11}  {:>11}",
            "snapshot", "time", "files", "holds", "new content", "new stored", "alone"
        );
        output.text(output.paint(Ink::Bold, &head))?;
        stats.snapshots.iter().try_for_each(|snapshot| output.text(row(snapshot, context)))?;
        output.text("")?;
    }
    let Totals { files, dirs, others, bytes } = stats.totals;
    let stored = &stats.stored;
    if let Some(secs) = newest_age_secs(stats, context) {
        output.field(if is_one { "age" } else { "newest" }, format!("{} ago", show_span(secs)))?;
    }
    output.field("holds", format!("{files} files, {dirs} directories, {others} others, {}", show_size(bytes)))?;
    output.field("content", format!("{}, each piece once", show_size(stored.content_bytes)))?;
    output.field("sharing", ratio_text(bytes, stored.content_bytes))?;
    output.field("compression", ratio_text(stored.content_bytes, stored.content_stored_bytes))?;
    let objects = format!("{} in {} objects", show_size(stored.stored_bytes), stored.objects);
    output.field("stored", objects)?;
    output.field("packs", format!("{}, {}", stats.packs, show_size(stats.pack_bytes)))?;
    if let Some(Dead { bytes, full_packs, full_pack_bytes, part_packs }) = stats.dead {
        let (bytes, full) = (show_size(bytes), show_size(full_pack_bytes));
        output.field("dead", format!("{bytes}: {full_packs} whole packs, {full}, and parts of {part_packs}"))?;
    }
    output.field("condemned", format!("{} packs, {}", stats.condemned.0, show_size(stats.condemned.1)))
}

fn row(snapshot: &SnapshotStats, context: &Context) -> String {
    format!(
        "{}  {}  {:>9}  {:>10}  {:>11}  {:>11}  {:>11}",
        context.output.paint(Ink::Yellow, &super::short_id(&snapshot.named.id)),
        super::short_time(snapshot.named.time.to_string()),
        snapshot.totals.files,
        show_size(snapshot.totals.bytes),
        show_size(snapshot.stored.content_bytes),
        show_size(snapshot.stored.stored_bytes),
        snapshot.alone_bytes.map_or_else(|| "-".to_owned(), show_size),
    )
}

/// Returns how old the newest of the snapshots is that were counted.
fn newest_age_secs(stats: &Stats, context: &Context) -> Option<i64> {
    stats.snapshots.first().map(|newest| context.clock.now().secs_since(newest.named.time).max(0))
}

/// Returns how many times larger one size is than another, to the hundredth.
fn ratio(large: u64, small: u64) -> Option<f64> {
    (small > 0).then(|| (large as f64 / small as f64 * 100.0).round() / 100.0)
}

fn ratio_text(large: u64, small: u64) -> String {
    ratio(large, small).map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.2} to 1"))
}

fn object_of(stats: &Stats, context: &Context) -> Value {
    let snapshot = |each: &SnapshotStats| {
        let mut object = counts(&each.totals, &each.stored);
        object["snapshot"] = json!(each.named.id.to_string());
        object["generation"] = json!(each.named.generation.0);
        object["time"] = json!(each.named.time.to_string());
        object["tags"] = json!(each.named.tags);
        object["alone_bytes"] = json!(each.alone_bytes);
        object
    };
    let (totals, stored) = (&stats.totals, &stats.stored);
    let mut object = counts(totals, stored);
    object["snapshots"] = stats.snapshots.iter().map(snapshot).collect();
    object["dedup_ratio"] = json!(ratio(totals.bytes, stored.content_bytes));
    object["compression_ratio"] = json!(ratio(stored.content_bytes, stored.content_stored_bytes));
    object["newest_age_secs"] = json!(newest_age_secs(stats, context));
    object["packs"] = json!(stats.packs);
    object["pack_bytes"] = json!(stats.pack_bytes);
    object["dead_bytes"] = json!(stats.dead.map(|dead| dead.bytes));
    object["dead_packs"] = json!(stats.dead.map(|dead| dead.full_packs));
    object["dead_pack_bytes"] = json!(stats.dead.map(|dead| dead.full_pack_bytes));
    object["partly_dead_packs"] = json!(stats.dead.map(|dead| dead.part_packs));
    object["condemned_packs"] = json!(stats.condemned.0);
    object["condemned_bytes"] = json!(stats.condemned.1);
    object["damaged"] = json!(stats.damaged);
    object
}

fn counts(totals: &Totals, stored: &Stored) -> Value {
    let mut object = stored_counts(stored);
    for (name, count) in
        [("files", totals.files), ("dirs", totals.dirs), ("others", totals.others), ("bytes", totals.bytes)]
    {
        object.insert(name.to_owned(), json!(count));
    }
    object.into()
}

fn stored_counts(stored: &Stored) -> Map<String, Value> {
    let counts = [
        ("objects", stored.objects),
        ("content_bytes", stored.content_bytes),
        ("content_stored_bytes", stored.content_stored_bytes),
        ("stored_bytes", stored.stored_bytes),
    ];
    counts.into_iter().map(|(name, count)| (name.to_owned(), json!(count))).collect()
}

fn show_paths(counted: &ByPath, depth: usize, context: &Context) -> Result<()> {
    let output = &context.output;
    let head = format!("{:>10}  {:>10}  {:>10}  path", "stored", "shared", "content");
    output.text(output.paint(Ink::Bold, &head))?;
    for each in &counted.paths {
        let sizes = [each.stored.stored_bytes, each.shared_bytes, each.stored.content_bytes].map(show_size);
        let path = output.paint(Ink::Blue, &each.path.to_string());
        output.text(format!("{:>10}  {:>10}  {:>10}  {path}", sizes[0], sizes[1], sizes[2]))?;
    }
    if counted.left_out {
        context.notices.line(&format!("chunkstore: deeper levels are left out: they have over {DIRS_MAX} directories"));
    }
    let paths = counted.paths.iter().map(|each| {
        let mut object = stored_counts(&each.stored);
        put_path(&mut object, &format_path(&each.path));
        object.insert("shared_bytes".to_owned(), json!(each.shared_bytes));
        Value::Object(object)
    });
    output.json(&json!({
        "snapshot": counted.snapshot.id.to_string(),
        "depth": depth,
        "paths": paths.collect::<Vec<_>>(),
        "left_out": counted.left_out,
        "damaged": counted.damaged,
    }))
}
