//! A fleet as a table for people, with a sentence below it.

use super::{date, short_id};
use crate::base::units::{show_size, show_span};
use crate::cli::context::short_time;
use crate::cli::output::{Ink, Output, on_one_line};
use crate::error::Result;
use crate::ops::fleet::judge::{Flag, Row, Standing};
use crate::ops::fleet::{Fleet, Summary};

const HEADS: [&str; 8] = ["key", "name", "generation", "behind", "seen", "last run", "free", "look at"];
/// Longest name that is shown whole.
const NAME_MAX_CHARS: usize = 32;
/// Most keys that are named below the table.
const NAMED_MAX: usize = 20;

/// Shows all rows and what they come to.
///
/// # Errors
/// Those of the output.
pub fn show(fleet: &Fleet, summary: &Summary, output: &Output) -> Result<()> {
    if output.is_json() {
        return Ok(());
    }
    let mut widths = HEADS.map(str::len);
    for row in &fleet.rows {
        for (width, cell) in widths.iter_mut().zip(cells(fleet, row)) {
            *width = (*width).max(cell.chars().count());
        }
    }
    if !fleet.rows.is_empty() {
        let heads = HEADS.map(str::to_owned);
        output.text(output.paint(Ink::Bold, &line(&heads, &widths)))?;
    }
    for row in &fleet.rows {
        let text = line(&cells(fleet, row), &widths);
        output.text(match ink(row) {
            Some(ink) => output.paint(ink, &text),
            None => text,
        })?;
    }
    output.text(counts(fleet, summary))?;
    if let Some(stage) = stage(fleet) {
        output.text(stage)?;
    }
    for flag in [Flag::StartsOver, Flag::AnotherKey, Flag::Revoked, Flag::WentBack] {
        let named = named(fleet, flag);
        if !named.is_empty() {
            output.text(format!("{}: {named}", meaning(flag)))?;
        }
    }
    if summary.keys > 0 {
        output.text("all of this is advice: whoever finds a key can sign its receipts")?;
    }
    Ok(())
}

/// Returns how many keys there are, and how they are, in a sentence.
pub(super) fn counts(fleet: &Fleet, summary: &Summary) -> String {
    let remote = on_one_line(&fleet.remote);
    if summary.keys == 0 {
        return format!("no key has given a receipt at {remote}");
    }
    let keys = if summary.keys == 1 { "1 key".to_owned() } else { format!("{} keys", summary.keys) };
    let mut parts = vec![format!("{} current", summary.current), format!("{} behind", summary.behind)];
    let rest = [
        (summary.held, "held at what they may stay at"),
        (summary.unknown, "not known"),
        (summary.count(Flag::Stale), "stale"),
        (summary.count(Flag::NoReceipt), "without a receipt"),
        (summary.count(Flag::PurgePending), "with a purge pending"),
        (summary.count(Flag::StartsOver), "would have to start over"),
    ];
    parts.extend(rest.into_iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")));
    format!("{keys} at {remote}, where generation {} is the newest: {}", fleet.newest, parts.join(", "))
}

/// Returns whom the newest generation is for, where that is not everyone.
pub(super) fn stage(fleet: &Fleet) -> Option<String> {
    let (group, floor) = fleet.stage.as_ref()?;
    Some(format!("generation {} is for the group {group} so far: others may stay at {floor}", fleet.newest))
}

/// Returns what a flag means.
pub(super) fn meaning(flag: Flag) -> &'static str {
    match flag {
        Flag::AnotherKey => "signed by another key than before, so a copy, or forged",
        Flag::Unreadable => "what stands in the place of the receipt is none of this key",
        Flag::Sealed => "the receipt is sealed for other writers, as before a purge, so there was no sync since",
        Flag::ForeignStore => "the receipt is of another store",
        Flag::Revoked => "revoked, and still in use",
        Flag::UnknownHolder => "carries a key file that was never handed out",
        Flag::OtherHistory => "holds another state than this store had under that generation",
        Flag::Ahead => "holds a generation that this store does not have",
        Flag::WentBack => "went back to an older generation",
        Flag::OlderReceipt => "the receipt is older than the last one that was seen",
        Flag::NoReceipt => "known on this machine, and without a receipt",
        Flag::StartsOver => "would have to start over, since packs that it has may be gone",
        Flag::PurgePending => "has not carried out a purge",
        Flag::Stale => "holds what is not vouched for any more",
        Flag::FromTheFuture => "has a clock that is ahead by more than a day",
    }
}

/// Returns for how long a key has been behind, and by how much.
pub(super) fn behind(row: &Row) -> String {
    let over = if row.is_behind_longer { "over " } else { "" };
    match (row.behind, row.behind_secs) {
        (None | Some(0), _) => String::new(),
        (Some(count), None) => count.to_string(),
        (Some(count), Some(secs)) => format!("{count}, {over}{}", show_span(secs)),
    }
}

fn named(fleet: &Fleet, flag: Flag) -> String {
    let flagged: Vec<&Row> = fleet.rows.iter().filter(|row| row.has(flag)).collect();
    let name = |row: &&Row| match fleet.holder(row) {
        Some(holder) => clipped(&holder.name),
        None => short_id(row.replica),
    };
    let mut names: Vec<String> = flagged.iter().take(NAMED_MAX).map(name).collect();
    if flagged.len() > NAMED_MAX {
        names.push(format!("and {} more", flagged.len() - NAMED_MAX));
    }
    names.join(", ")
}

fn cells(fleet: &Fleet, row: &Row) -> [String; 8] {
    let outcome = match (&row.outcome, row.problems) {
        (Some(outcome), Some(problems)) if problems > 0 => format!("{outcome} ({problems} problems)"),
        (outcome, _) => outcome.clone().unwrap_or_default(),
    };
    let flags: Vec<&str> = row.flags.iter().map(|flag| flag.word()).collect();
    [
        short_id(row.replica),
        fleet.holder(row).map(|holder| clipped(&holder.name)).unwrap_or_default(),
        row.generation.map(|generation| generation.to_string()).unwrap_or_default(),
        behind(row),
        row.seen.map(|time| minutes(&short_time(time.to_string()))).unwrap_or_default(),
        outcome,
        row.free_bytes.map(show_size).unwrap_or_default(),
        flags.join(" "),
    ]
}

/// Drops the seconds of a time.
fn minutes(time: &str) -> String {
    time.get(..16).map_or_else(|| date(time.to_owned()), str::to_owned)
}

fn clipped(name: &str) -> String {
    let name = on_one_line(name);
    if name.chars().count() <= NAME_MAX_CHARS {
        return name;
    }
    name.chars().take(NAME_MAX_CHARS - 1).chain(['…']).collect()
}

fn line(cells: &[String; 8], widths: &[usize; 8]) -> String {
    let padded: Vec<String> = cells.iter().zip(widths).map(|(cell, &width)| format!("{cell:<width$}")).collect();
    padded.join("  ").trim_end().to_owned()
}

fn ink(row: &Row) -> Option<Ink> {
    let is_grave = [Flag::AnotherKey, Flag::Unreadable, Flag::Revoked, Flag::OtherHistory].iter().any(|f| row.has(*f));
    match row.standing {
        _ if is_grave => Some(Ink::Red),
        Standing::Current | Standing::Held => None,
        Standing::Behind | Standing::Unknown => Some(Ink::Yellow),
    }
}
