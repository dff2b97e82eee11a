//! `status`: where a store stands. Needs no identity and asks for none; with one at hand it names the newest snapshot.

use serde_json::{Value, json};

use crate::base::units::show_size;
use crate::cli::context::{Context, Shape};
use crate::cli::outcome::Outcome;
use crate::cli::output::{on_one_line, shown};
use crate::error::Result;
use crate::ops::host_state::HostState;
use crate::ops::status::{Status, Unfinished, status};
use crate::store::head::Soundness;

/// Shows where a store stands.
///
/// # Errors
/// Those of the op.
pub fn run(context: &Context) -> Result<Outcome> {
    let store = context.store()?;
    let state = HostState::load(context.settings.cache.as_deref(), store.id());
    let identities = context.identities_at_hand(store.id()).unwrap_or_default();
    drop(store);
    let progress = context.start(Shape::Document)?;
    let status = status(context.disk()?, &identities, &state, context.run(&progress))?;
    show(&status, context)?;
    context.output.json(&object_of(&status))?;
    Ok(if status.stale { Outcome::Stale } else { Outcome::Done })
}

fn show(status: &Status, context: &Context) -> Result<()> {
    let output = &context.output;
    let or_none = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
    output.field("store", shown(&context.store_path()))?;
    output.field("store id", status.store.to_string())?;
    output.field("replica id", or_none(status.replica.map(|id| id.to_string())))?;
    output.field("fingerprint", &status.fingerprint)?;
    output.field("generation", status.generation.to_string())?;
    output.field("snapshot", or_none(status.snapshot.map(|id| id.to_string())))?;
    output.field("signed", super::short_time(status.time.to_string()))?;
    let expires = if status.stale { "expired" } else { "expires" };
    output.field(expires, super::short_time(status.expires.to_string()))?;
    output.field("packs", format!("{}, {}", status.packs.0, show_size(status.packs.1)))?;
    output.field("free", or_none(status.free_bytes.map(show_size)))?;
    output.field("remote", or_none(status.remote.as_deref().map(on_one_line)))?;
    output.field("last sync", or_none(status.last_sync.map(|time| super::short_time(time.to_string()))))?;
    for line in remarks(status) {
        output.field("state", line)?;
    }
    Ok(())
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
    if status.unclean {
        lines.push("a run was cut off; the next one looks at what it left".into());
    }
    if status.highest_seen > status.generation {
        lines.push(format!("this host has seen generation {} of this store", status.highest_seen));
    }
    if status.stale {
        lines.push(super::STALE.into());
    }
    lines
}

/// Returns how far an update came, in whole percent; what is empty is done.
fn percent_of(left: &Unfinished) -> u64 {
    match u128::from(left.total_bytes) {
        0 => 100,
        total => u64::try_from(u128::from(left.here_bytes) * 100 / total).unwrap_or(100),
    }
}

fn object_of(status: &Status) -> Value {
    json!({
        "store_id": status.store.to_string(),
        "replica_id": status.replica.map(|id| id.to_string()),
        "generation": status.generation.0,
        "snapshot": status.snapshot.map(|id| id.to_string()),
        "fingerprint": status.fingerprint,
        "time": status.time.to_string(),
        "expires": status.expires.to_string(),
        "stale": status.stale,
        "degraded": status.soundness != Soundness::Sound,
        "last_sync": status.last_sync.map(|time| time.to_string()),
        "packs": status.packs.0,
        "pack_bytes": status.packs.1,
        "missing_packs": status.missing_packs,
        "free_bytes": status.free_bytes,
        "remote": status.remote,
        "highest_seen": status.highest_seen.0,
        "unclean": status.unclean,
        "unfinished": status.unfinished.as_ref().map(|left| json!({
            "generation": left.generation.0,
            "here_bytes": left.here_bytes,
            "total_bytes": left.total_bytes,
            "percent": percent_of(left),
        })),
    })
}
