//! Which packs a store lacks for a target: pure, from what the target lists, what is trusted already, and what stands
//! on the disk.

use crate::base::PackHash;
use crate::base::units::MIB;
use crate::format::manifest::PackRef;
use crate::store::pack::PackState;

/// A pack to fetch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    /// Which.
    pub pack: PackRef,
    /// Whole MiB at its start that stand already and may be gone on from.
    pub resume_from_bytes: u64,
    /// Bytes of room that its file takes already.
    pub standing_bytes: u64,
}

/// What there is to do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FetchPlan {
    /// To fetch, in the order in which they were written.
    pub fetch: Vec<Wanted>,
    /// Of full length, but to be hashed before they count.
    pub check: Vec<PackRef>,
    /// There, and taken as whole.
    pub present: Vec<PackRef>,
    /// Those of `present` that were hashed in this run, since no state vouched for them.
    pub found: Vec<PackRef>,
}

impl FetchPlan {
    /// Takes over what became of a check.
    pub fn checked(&mut self, pack: PackRef, is_whole: bool) {
        self.check.retain(|other| other.hash != pack.hash);
        if is_whole {
            self.present.push(pack);
            self.found.push(pack);
        } else {
            // What stands there is replaced, so its room comes back before it is needed.
            self.fetch.push(Wanted { pack, resume_from_bytes: 0, standing_bytes: pack.len_bytes });
        }
    }

    /// Returns the bytes that a remote has to give.
    #[must_use]
    pub fn fetch_bytes(&self) -> u64 {
        self.fetch.iter().map(|wanted| wanted.pack.len_bytes - wanted.resume_from_bytes).sum()
    }

    /// Returns the room that the packs to fetch take beyond what they take already.
    #[must_use]
    pub fn needed_bytes(&self) -> u64 {
        self.fetch.iter().map(|wanted| wanted.pack.len_bytes.saturating_sub(wanted.standing_bytes)).sum()
    }

    /// Returns the bytes that need not be fetched.
    #[must_use]
    pub fn reused_bytes(&self) -> u64 {
        let present: u64 = self.present.iter().map(|pack| pack.len_bytes).sum();
        present + self.fetch.iter().map(|wanted| wanted.resume_from_bytes).sum::<u64>()
    }
}

/// Plans the way to a target. `states` says what stands where each of its packs should, in the same order; `trusted`
/// says which need no look when their length is right.
#[must_use]
pub fn plan(target: &[PackRef], states: &[PackState], trusted: &dyn Fn(&PackHash) -> bool) -> FetchPlan {
    let mut plan = FetchPlan::default();
    for (pack, state) in target.iter().zip(states) {
        let (resume_from_bytes, standing_bytes) = match *state {
            PackState::FullLength if trusted(&pack.hash) => {
                plan.present.push(*pack);
                continue;
            }
            PackState::FullLength => {
                plan.check.push(*pack);
                continue;
            }
            PackState::Partial(len_bytes) => (len_bytes / MIB * MIB, len_bytes),
            PackState::Missing | PackState::Foreign => (0, 0),
        };
        plan.fetch.push(Wanted { pack: *pack, resume_from_bytes, standing_bytes });
    }
    plan
}

#[cfg(test)]
mod tests;
