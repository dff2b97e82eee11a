//! `status`: where a store stands. Needs no identity and asks for none; with one at hand it names the newest snapshot.

use serde_json::{Value, json};

use crate::base::Timestamp;
use crate::base::units::{show_size, show_span};
use crate::cli::args::StatusArgs;
use crate::cli::context::{Context, Shape};
use crate::cli::outcome::Outcome;
use crate::cli::output::{on_one_line, shown};
use crate::error::Result;
use crate::ops::freshness::ahead_remark;
use crate::ops::host_state::{Accepted, LastVerify, Likeness};
use crate::ops::status::{Orphans, Status, Unfinished, orphans, status};
use crate::store::Audience;
use crate::store::head::Soundness;

/// Shows where a store stands.
///
/// # Errors
/// Those of the op.
pub fn run(args: &StatusArgs, context: &Context) -> Result<Outcome> {
    let store = context.store()?;
    let state = context.host_state(store.id());
    let identities = context.identities_at_hand(store.id()).unwrap_or_default();
    drop(store);
    let progress = context.start(Shape::Document)?;
    let status = status(context.disk()?, &identities, &state, context.run(&progress))?;
    let orphans = args.check.then(|| orphans(context.disk()?, context.run(&progress))).transpose()?;
    show(&status, orphans, context)?;
    context.output.json(&object_of(&status, orphans))?;
    Ok(if status.stale { Outcome::Stale } else { Outcome::Done })
}

/// How many of the ways back that a person took are shown; `--json` has them all.
const ACCEPTED_SHOWN: usize = 3;

fn show(status: &Status, orphans: Option<Orphans>, context: &Context) -> Result<()> {
    let output = &context.output;
    let or_none = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
    output.field("store", shown(&context.store_path()))?;
    output.field("store id", status.store.to_string())?;
    output.field("replica id", or_none(status.replica.map(|id| id.to_string())))?;
    output.field("fingerprint", &status.fingerprint)?;
    output.field("generation", status.generation.to_string())?;
    output.field("snapshot", or_none(status.snapshot.map(|id| id.to_string())))?;
    let now = status.now;
    output.field("signed", when(status.time, now))?;
    let expires = if status.stale { "expired" } else { "expires" };
    output.field(expires, super::short_time(status.expires.to_string()))?;
    output.field("packs", format!("{}, {}", status.packs.0, show_size(status.packs.1)))?;
    output.field("condemned", format!("{}, {}", status.condemned.0, show_size(status.condemned.1)))?;
    if let Some(orphans) = orphans {
        let text = format!("{} packs, {}, which `gc` gives back", orphans.packs, show_size(orphans.bytes));
        output.field("orphans", text)?;
    }
    output.field("free", or_none(status.free_bytes.map(show_size)))?;
    output.field("remote", or_none(status.remote.as_deref().map(on_one_line)))?;
    if !status.group.is_all() {
        output.field("group", status.group.to_string())?;
    }
    output.field("last sync", or_none(status.last_sync.map(|time| when(time, now))))?;
    output.field("last verify", or_none(status.last_verify.map(|last| verify_text(last, now))))?;
    for accepted in status.accepted.iter().rev().take(ACCEPTED_SHOWN).rev() {
        output.field("went back", accepted_text(accepted))?;
    }
    for line in remarks(status).into_iter().chain(of_replica(status, &context.place())) {
        output.field("state", line)?;
    }
    Ok(())
}

/// Says when something was, and how long ago.
fn when(time: Timestamp, now: Timestamp) -> String {
    format!("{}, {} ago", super::short_time(time.to_string()), show_span(now.secs_since(time)))
}

fn verify_text(last: LastVerify, now: Timestamp) -> String {
    let found = match last.problems {
        0 => "everything held".to_owned(),
        1 => "1 problem".to_owned(),
        count => format!("{count} problems"),
    };
    let sample = if last.sample { " in a sample" } else { "" };
    format!("{}: {found}{sample}", when(last.time, now))
}

fn accepted_text(accepted: &Accepted) -> String {
    let Accepted { time, remote, from, to } = accepted;
    let time = super::short_time(time.to_string());
    format!("{time}, from generation {from} to {to} of {}", on_one_line(remote))
}

/// Says what this host knows of other stores with the same replica id.
fn of_replica(status: &Status, place: &str) -> Option<String> {
    let seen = status.replica_seen.as_ref()?;
    let at = seen.places.last().filter(|last| *last != place).map(|last| format!(" at {}", on_one_line(last)));
    let at = at.unwrap_or_default();
    let own = "`chunkstore repair --new-replica` gives it an id of its own";
    match status.likeness {
        Likeness::Forked => Some(format!(
            "another history was seen here under its replica id{at}: one of the two is a copy, and both wrote; it takes no \
             commit, and {own}"
        )),
        Likeness::Behind => Some(format!(
            "its replica id was seen here at generation {}{at}: this is a copy of that store, or restored from a backup; {own}",
            seen.rank.generation
        )),
        Likeness::Same if !at.is_empty() => Some(format!(
            "its replica id was last seen here{at}: if that store is there still, this one is a copy, and {own}"
        )),
        Likeness::Same => None,
    }
}

/// Says what is out of the ordinary.
fn remarks(status: &Status) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(left) = &status.unfinished {
        let here = show_size(left.here_bytes);
        let percent = percent_of(left);
        lines.push(format!("update {percent} % ({here} of {}), continues next time", show_size(left.total_bytes)));
    }
    match status.soundness {
        Soundness::Sound => {}
        Soundness::HeadLost => {
            lines.push(
                "degraded: HEAD is lost, its newest record opened; the next sync or commit writes HEAD again".into(),
            );
        }
        Soundness::Older => {
            lines.push("degraded: opened from an older record; it reads and heals, and refuses to commit".into());
        }
    }
    if status.missing_packs > 0 {
        lines.push(format!(
            "{} packs are missing or short: `chunkstore verify` says what that touches",
            status.missing_packs
        ));
    }
    if !status.audience.group.is_all() {
        let Audience { group, floor } = &status.audience;
        lines.push(format!("for the group {group} alone so far; other keys stay at generation {floor}"));
    }
    if status.unclean {
        lines.push("a run was cut off; the next one looks at what it left".into());
    }
    if status.highest_seen > status.generation {
        lines.push(format!("this host has seen generation {} of this store", status.highest_seen));
    }
    if status.stale {
        lines.push(super::STALE.into());
    }
    lines.extend(status.ahead_secs.map(ahead_remark));
    lines
}

/// Returns how far an update came, in whole percent; what is empty is done.
fn percent_of(left: &Unfinished) -> u64 {
    match u128::from(left.total_bytes) {
        0 => 100,
        total => u64::try_from(u128::from(left.here_bytes) * 100 / total).unwrap_or(100),
    }
}

fn likeness_name(likeness: Likeness) -> &'static str {
    match likeness {
        Likeness::Same => "same",
        Likeness::Behind => "behind",
        Likeness::Forked => "forked",
    }
}

fn object_of(status: &Status, orphans: Option<Orphans>) -> Value {
    json!({
        "store_id": status.store.to_string(),
        "replica_id": status.replica.map(|id| id.to_string()),
        "generation": status.generation.0,
        "snapshot": status.snapshot.map(|id| id.to_string()),
        "group": status.group.to_string(),
        "for_group": status.audience.group.to_string(),
        "floor": status.audience.floor.0,
        "fingerprint": status.fingerprint,
        "time": status.time.to_string(),
        "expires": status.expires.to_string(),
        "stale": status.stale,
        "ahead_secs": status.ahead_secs,
        "degraded": status.soundness != Soundness::Sound,
        "last_sync": status.last_sync.map(|time| time.to_string()),
        "last_verify": status.last_verify.map(|last| json!({
            "time": last.time.to_string(),
            "ok": last.problems == 0,
            "problems": last.problems,
            "sample": last.sample,
        })),
        "packs": status.packs.0,
        "pack_bytes": status.packs.1,
        "condemned_packs": status.condemned.0,
        "condemned_bytes": status.condemned.1,
        "orphan_packs": orphans.map(|orphans| orphans.packs),
        "orphan_bytes": orphans.map(|orphans| orphans.bytes),
        "missing_packs": status.missing_packs,
        "free_bytes": status.free_bytes,
        "remote": status.remote,
        "highest_seen": status.highest_seen.0,
        "replica_seen": status.replica_seen.as_ref().map(|seen| json!({
            "generation": seen.rank.generation.0,
            "places": seen.places,
            "likeness": likeness_name(status.likeness),
        })),
        "accepted": status.accepted.iter().map(super::accepted_object).collect::<Vec<_>>(),
        "unclean": status.unclean,
        "unfinished": status.unfinished.as_ref().map(|left| json!({
            "generation": left.generation.0,
            "here_bytes": left.here_bytes,
            "total_bytes": left.total_bytes,
            "percent": percent_of(left),
        })),
    })
}
