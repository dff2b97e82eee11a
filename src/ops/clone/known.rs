//! What a host knows of a store before it clones it: a server that went back, or that shows what a removed writer signed, is no
//! more to be believed by a new key than by one that was there before.

use crate::base::Timestamp;
use crate::error::{Error, ErrorKind, Result};
use crate::format::head::SignedHead;
use crate::ops::Run;
use crate::ops::host_state::{Accepted, HostState};
use crate::ops::transfer::judge::{Shown, Verdict, judge_again};
use crate::ops::transfer::remote_state::RemoteState;
use crate::store::trust::TrustChain;

/// What a remote is held against.
pub struct Known<'a> {
    /// The trust that a person confirmed.
    pub pinned: &'a TrustChain,
    /// The host's memory of the store.
    pub state: &'a HostState,
    /// The remote's address.
    pub address: String,
    /// A person takes less than was known.
    pub accept_older: bool,
}

impl Known<'_> {
    /// Refuses what speaks against what this host saw, at this remote and at others.
    ///
    /// # Errors
    /// [`ErrorKind::NotTrusted`].
    pub fn check(&self, found: &RemoteState, run: Run<'_>) -> Result<()> {
        let (shown, trust, address) = (found.shown(), found.trust_of_head(), &self.address);
        let (theirs, version) = (shown.generation(), shown.rank.trust_version);
        let highest = self.state.highest_head();
        let counts = !highest.is_disowned_by(trust);
        // Whoever signed the later generation under the older file may be whom the newer one removed.
        let outlived = counts && version < highest.rank.trust_version && theirs >= highest.rank.generation;
        let before = self.state.shown(address);
        let verdict = before.and_then(|before| judge_again(before, shown, trust));
        let takes_back = self.accept_older && version >= highest.rank.trust_version;
        let reason = match verdict {
            _ if outlived => old_trust(address, &shown),
            Some(Verdict::OldTrust) => old_trust(address, &shown),
            Some(Verdict::Fork) => format!("{address} shows another history at generation {theirs}"),
            Some(_) if takes_back => return Ok(()),
            Some(_) => format!(
                "{address} went back to generation {theirs}, and showed {} to this host before: clone another copy, or take \
                 what there is with --accept-older",
                before.map_or(theirs, |before| before.generation())
            ),
            None => {
                let known = highest.rank.generation;
                if counts && theirs < known {
                    run.monitor
                        .note(&format!("{address} only has generation {theirs} so far, and this host saw {known}"));
                }
                return Ok(());
            }
        };
        Err(Error::new(ErrorKind::NotTrusted, reason))
    }

    /// Returns what there is to remember of a way back that a person took, where this was one.
    pub fn went_back(&self, taken: &SignedHead, time: Timestamp) -> Option<Accepted> {
        let (from, to) = (self.state.shown(&self.address)?.generation(), taken.head.generation);
        (self.accept_older && to < from).then(|| Accepted { time, remote: self.address.clone(), from, to })
    }
}

fn old_trust(address: &str, shown: &Shown) -> String {
    format!(
        "{address} shows generation {} under trust file {}, and a newer one is known: whoever signed it may have been \
         removed since",
        shown.generation(),
        shown.rank.trust_version
    )
}
