//! Every kind of damage at every place of a store, crossed with every verb: how each ends, what is told, what still works, and
//! what comes back. The table is `expected.txt`; what must hold in every cell, whatever the table says, is in `verbs.rs`.
//!
//! A row of the table is some damages of one place that come to the same: how the store opens (or the exit code of `status`), the
//! exit code of `verify` with what it finds, what `verify --heal` and `repair` bring back (with their exit codes where those are
//! not 0), and by exit code all other verbs that do not end with 0. `CHUNKSTORE_PLACE=HEAD` runs one place alone; the ignored test
//! writes the table anew, and with it the one in `objects-format.md`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;

mod document;
mod leftovers;
mod stage;
mod verbs;

use stage::{Damage, Stage};
use verbs::{Ran, Trial, VERBS, Verb};

/// Damages, and what each of them comes to by the columns.
type Row = (String, [String; 5]);

const COLUMNS: [&str; 5] = ["opens", "verify", "heal", "repair", "fails"];

/// Every place.
const PLACES: &[&str] = &[
    "STORE",
    "HEAD",
    "HEAD.new",
    "newest record",
    "older record",
    "HEAD and newest record",
    "heads",
    "trust/1",
    "trust",
    "top manifest",
    "base manifest",
    "manifests",
    "key list",
    "reader's key file",
    "writer's key file",
    "keys",
    "carried file",
    "recipe",
    "pending",
    "replica/id",
    "replica/remote",
    "replica/tag",
    "replica/unclean",
    "replica",
    "lock",
    "readers",
    "old data pack",
    "old tree pack",
    "new data pack",
    "new tree pack",
    "header of an old data pack",
    "index of an old data pack",
    "tail of an old data pack",
    "index of a new data pack",
    "tail of a new tree pack",
    "chunk in an old data pack",
    "tree in a new tree pack",
    "snapshot in a new tree pack",
    "merged index",
    "pack of the merged index",
    "packs/XX",
    "packs",
];

/// Says what a damage at a place comes to, in the words of the table.
fn outcome(ran: &BTreeMap<Verb, Ran>) -> [String; 5] {
    let of = |verb| &ran[&verb];
    let opens = match of(Verb::Status) {
        Ran { code: 0, said, .. } => said.clone(),
        Ran { code, .. } => format!("{code}"),
    };
    let with_code = |verb| match of(verb) {
        Ran { code: 0, said, .. } => said.clone(),
        Ran { code, said, .. } => format!("{code} {said}").trim_end().to_owned(),
    };
    let brought = |verb| with_code(verb);
    let repaired = match (brought(Verb::Repair), brought(Verb::RepairKey)) {
        (without, with) if without == with => with,
        (without, with) => format!("{without}; with the key {with}"),
    };
    let mut codes: BTreeMap<u8, Vec<&str>> = BTreeMap::new();
    let told_apart = [Verb::Heal, Verb::Repair, Verb::RepairKey];
    for verb in VERBS.into_iter().filter(|verb| !told_apart.contains(verb) && of(*verb).code > 0) {
        codes.entry(of(verb).code).or_default().push(verb.name());
    }
    let mut fails: Vec<_> = codes.into_iter().map(|(code, verbs)| format!("{code}: {}", verbs.join(" "))).collect();
    if of(Verb::PushTo).code == 0 && of(Verb::PushTo).said != "mended" {
        fails.push("push-to leaves it".to_owned());
    }
    [opens, with_code(Verb::VerifyData), brought(Verb::Heal), repaired, fails.join("; ")]
}

/// Runs every verb on one damaged store; adds to `off` what must not be.
fn cell(stage: &Stage, place: &str, damage: Damage, off: &mut Vec<String>) -> [String; 5] {
    let (healthy, damaged) = (stage.healthy(place), stage.damaged(place, damage));
    let trial = Trial { stage, healthy: &healthy, damaged: &damaged };
    let mut ran = BTreeMap::new();
    for verb in VERBS {
        let mut wrong = Vec::new();
        let done = catch_unwind(AssertUnwindSafe(|| trial.run(verb, &mut wrong)));
        off.extend(wrong.into_iter().map(|wrong| format!("{place}, {damage:?}, {}: {wrong}", verb.name())));
        ran.insert(
            verb,
            done.unwrap_or_else(|_| {
                off.push(format!("{place}, {damage:?}, {}: it panicked", verb.name()));
                Ran::default()
            }),
        );
    }
    outcome(&ran)
}

/// Runs a place through all its damages; those with the same outcome share a row.
fn rows(stage: &Stage, place: &str, off: &mut Vec<String>) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    for damage in stage.place(place).damages() {
        let outcome = cell(stage, place, damage, off);
        match rows.iter_mut().find(|(_, same)| *same == outcome) {
            Some((damages, _)) => damages.push_str(&format!(" {damage:?}")),
            None => rows.push((format!("{damage:?}"), outcome)),
        }
    }
    rows
}

/// Writes a place and its rows as `expected.txt` has them.
fn shown(place: &str, rows: &[Row]) -> String {
    let mut text = format!("{place}\n");
    for (damages, outcome) in rows {
        writeln!(text, "  {damages}").unwrap();
        for (column, outcome) in COLUMNS.iter().zip(outcome) {
            writeln!(text, "    {column}: {outcome}").unwrap();
        }
    }
    text
}

fn expected() -> String {
    std::fs::read_to_string(file("tests/it/damaged_stores/expected.txt")).unwrap()
}

fn file(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Returns what the table says of a place.
fn section<'a>(table: &'a str, place: &str) -> &'a str {
    let start = format!("\n{place}\n");
    let Some(at) = table.find(&start) else { return "" };
    let text = &table[at + 1..];
    text.find("\n\n").map_or(text, |end| &text[..=end])
}

// U10 U11
#[test]
fn each_damage_at_each_place_comes_to_what_the_table_says() {
    let (stage, table, mut off) = (Stage::new(), expected(), Vec::new());
    let only = std::env::var("CHUNKSTORE_PLACE").ok();
    for place in PLACES.iter().filter(|place| only.as_deref().is_none_or(|only| only == **place)) {
        let found = shown(place, &rows(&stage, place, &mut off));
        if found != section(&table, place) {
            off.push(format!("{place}: the table says\n{}and it is\n{found}", section(&table, place)));
        }
    }
    assert!(off.is_empty(), "{}", off.join("\n"));
}

#[test]
#[ignore = "writes the table anew"]
fn rewrite() {
    let (stage, mut off) = (Stage::new(), Vec::new());
    let sections = PLACES.iter().map(|place| shown(place, &rows(&stage, place, &mut off))).collect::<Vec<_>>();
    let table = format!("What each damage at each place comes to, see damaged_stores.rs.\n\n{}", sections.join("\n"));
    std::fs::write(file("tests/it/damaged_stores/expected.txt"), &table).unwrap();
    document::rewrite(&table);
    assert!(off.is_empty(), "{}", off.join("\n"));
}
