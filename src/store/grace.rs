//! How long a pack that a generation dropped stays where it is: whoever reads or fetches an older state still needs it.

use crate::base::Timestamp;
use crate::format::manifest::CondemnedPack;

/// How long a condemned pack stays on a server, where keys may be in the middle of a sync: 30 days.
pub const REMOTE_SECS: i64 = 30 * 24 * 3600;
/// How long it stays in a store of one's own once nothing reaches it: 24 hours.
pub const LOCAL_SECS: i64 = 24 * 3600;
/// How long it is listed: as long as a HEAD may be vouched for after it left the servers, so that each of them hears of it, and
/// keys that come late find the way from it to what was made of it.
pub const LISTED_SECS: i64 = REMOTE_SECS + super::EXPIRY_SECS;

/// Returns since when a pack counts as condemned that may leave servers `grace_secs` after now. The date in the manifest says
/// it all, so whoever carries the manifest needs not be told of a grace that was made shorter or longer.
#[must_use]
pub fn condemned_since(now: Timestamp, grace_secs: i64) -> Timestamp {
    now.plus_secs(grace_secs.saturating_sub(REMOTE_SECS))
}

/// Returns whether a server may delete it.
#[must_use]
pub fn may_leave_remotes(condemned: &CondemnedPack, now: Timestamp) -> bool {
    now.secs_since(condemned.since) >= REMOTE_SECS
}

/// Returns whether it need not be listed any longer.
#[must_use]
pub fn may_be_forgotten(condemned: &CondemnedPack, now: Timestamp) -> bool {
    now.secs_since(condemned.since) >= LISTED_SECS
}
