//! `status`: where a store stands. Needs no identity; with one it names the newest snapshot too.

use serde_json::json;

use crate::base::Timestamp;
use crate::cli::args::StatusArgs;
use crate::cli::context::Context;
use crate::cli::outcome::Outcome;
use crate::cli::output::shown;
use crate::error::Result;
use crate::ops::host_state::HostState;
use crate::store::Store;
use crate::store::head::Soundness;

/// What `status` shows.
struct Status {
    store_id: String,
    replica_id: Option<String>,
    generation: u64,
    snapshot: Option<String>,
    fingerprint: String,
    expires: Timestamp,
    stale: bool,
    degraded: bool,
    last_sync: Option<Timestamp>,
}

/// Shows where a store stands.
///
/// # Errors
/// Those of opening.
pub fn run(_args: &StatusArgs, context: &Context) -> Result<Outcome> {
    let store = context.store()?;
    let head = &store.head().head;
    let status = Status {
        store_id: store.id().to_string(),
        replica_id: store.replica()?.map(|id| id.to_string()),
        generation: head.generation.0,
        snapshot: newest_snapshot(&store, context),
        fingerprint: store.trust().fingerprint(),
        expires: head.expires,
        stale: head.expires < context.clock.now(),
        degraded: store.soundness() == Soundness::Older,
        last_sync: HostState::load(context.settings.cache.as_deref(), store.id()).last_sync(),
    };
    show(&status, context)?;
    Ok(if status.stale { Outcome::Stale } else { Outcome::Done })
}

/// Returns the newest snapshot's id where an identity is at hand without asking; nothing else of a store needs one.
fn newest_snapshot(store: &Store, context: &Context) -> Option<String> {
    let unlocked = store.unlock(&context.identities_at_hand(store.id())).ok()?;
    unlocked.sealed.snapshots.last().map(|newest| newest.id.to_string())
}

fn show(status: &Status, context: &Context) -> Result<()> {
    let output = &context.output;
    let or_none = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
    output.field("store", shown(&context.store_path()))?;
    output.field("store id", &status.store_id)?;
    output.field("replica id", or_none(status.replica_id.clone()))?;
    output.field("fingerprint", &status.fingerprint)?;
    output.field("generation", status.generation.to_string())?;
    output.field("snapshot", or_none(status.snapshot.clone()))?;
    let ended = if status.stale { "expired" } else { "expires" };
    output.field(ended, status.expires.to_string())?;
    output.field("last sync", or_none(status.last_sync.map(|time| time.to_string())))?;
    if status.degraded {
        output.field("state", "degraded: opened from an older record; it reads and heals, and refuses to commit")?;
    }
    output.json(&json!({
        "store_id": status.store_id,
        "replica_id": status.replica_id,
        "generation": status.generation,
        "snapshot": status.snapshot,
        "fingerprint": status.fingerprint,
        "expires": status.expires.to_string(),
        "stale": status.stale,
        "degraded": status.degraded,
        "last_sync": status.last_sync.map(|time| time.to_string()),
    }))
}
