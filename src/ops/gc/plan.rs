//! Which packs a generation should drop, and which are worth making anew from what still lives in them: pure, from how much
//! of each pack lives.

use crate::base::PackHash;
use crate::base::units::{GIB, MIB};
use crate::format::Class;
use crate::format::manifest::PackRef;

/// How much of a pack lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PackUse {
    /// The pack.
    pub pack: PackRef,
    /// Bytes of the frames in it.
    pub frame_bytes: u64,
    /// Bytes of those that a kept snapshot reaches.
    pub live_bytes: u64,
    /// How many frames that are.
    pub live_objects: u64,
    /// Its index does not read, so nobody knows what it holds, and it stays.
    pub unknown: bool,
}

impl PackUse {
    fn dead_bytes(&self) -> u64 {
        self.frame_bytes.saturating_sub(self.live_bytes)
    }

    /// Returns whether at least so many percent of the frames are dead.
    fn is_dead_by(&self, percent: u64) -> bool {
        self.dead_bytes().saturating_mul(100) >= self.frame_bytes.saturating_mul(percent) && self.dead_bytes() > 0
    }
}

/// When a pack is worth making anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// A pack of which so many percent are dead is made anew in any case.
    pub mostly_dead_percent: u64,
    /// While more than so many percent of all packs are dead, the deadest others are made anew, too,
    pub dead_percent_max: u64,
    /// but none of which fewer than so many percent are dead.
    pub pack_dead_percent_min: u64,
    /// Packs below this length are small,
    pub small_bytes: u64,
    /// and made anew as fewer ones once a class has so many of them.
    pub small_packs_max: usize,
    /// Most bytes that are copied in one generation, since every key needs the room for them besides what it holds.
    pub copied_bytes_max: u64,
    /// Most objects that are copied in one generation, since all their places are held in memory.
    pub copied_objects_max: u64,
}

impl Default for Policy {
    /// Half dead; 10 % of all, from packs that are a fifth dead; 64 packs below 1 MiB; 1 GiB and 200,000 objects at a time.
    fn default() -> Self {
        Self {
            mostly_dead_percent: 50,
            dead_percent_max: 10,
            pack_dead_percent_min: 20,
            small_bytes: MIB,
            small_packs_max: 64,
            copied_bytes_max: GIB,
            copied_objects_max: 200_000,
        }
    }
}

/// What the next generation drops and copies.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// Packs of which nothing lives.
    pub drop: Vec<PackRef>,
    /// Packs of which what lives is copied into new ones, in the order of the manifest.
    pub repack: Vec<PackRef>,
    /// Bytes that are copied.
    pub copied_bytes: u64,
    /// Packs that would be made anew, but for the bound on one generation.
    pub postponed: u64,
    /// Bytes of live frames in all packs.
    pub live_bytes: u64,
    /// Bytes of dead frames that stay where they are.
    pub dead_bytes_left: u64,
}

impl Plan {
    /// Returns whether no pack changes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.drop.is_empty() && self.repack.is_empty()
    }

    /// Returns the packs that the next generation does not list.
    pub fn gone(&self) -> impl Iterator<Item = &PackRef> {
        self.drop.iter().chain(&self.repack)
    }
}

/// Plans. `uses` stand in the order of the manifest.
#[must_use]
pub fn plan(uses: &[PackUse], policy: &Policy) -> Plan {
    let mut plan = Plan { live_bytes: uses.iter().map(|found| found.live_bytes).sum(), ..Plan::default() };
    let (dead, rest): (Vec<&PackUse>, Vec<&PackUse>) =
        uses.iter().partition(|found| !found.unknown && found.live_bytes == 0 && found.live_objects == 0);
    plan.drop = dead.iter().map(|found| found.pack).collect();
    let mut room = Room { bytes: policy.copied_bytes_max, objects: policy.copied_objects_max };
    let mut chosen: Vec<PackHash> = Vec::new();
    for candidate in candidates(&rest, policy) {
        if room.takes(candidate) {
            chosen.push(candidate.pack.hash);
            plan.copied_bytes += candidate.live_bytes;
        } else {
            plan.postponed += 1;
        }
    }
    chosen.sort_unstable();
    for found in rest {
        if chosen.binary_search(&found.pack.hash).is_ok() {
            plan.repack.push(found.pack);
        } else {
            plan.dead_bytes_left += found.dead_bytes();
        }
    }
    plan
}

/// What one generation may still copy.
struct Room {
    bytes: u64,
    objects: u64,
}

impl Room {
    fn takes(&mut self, found: &PackUse) -> bool {
        let fits = found.live_bytes <= self.bytes && found.live_objects <= self.objects;
        if fits {
            self.bytes -= found.live_bytes;
            self.objects -= found.live_objects;
        }
        fits
    }
}

/// Returns the packs worth making anew, the deadest first and small ones last.
fn candidates<'a>(packs: &[&'a PackUse], policy: &Policy) -> Vec<&'a PackUse> {
    let known = || packs.iter().copied().filter(|found| !found.unknown);
    let mut by_death: Vec<&PackUse> = known().filter(|found| found.dead_bytes() > 0).collect();
    by_death.sort_by_key(|found| {
        let share = u128::from(found.dead_bytes()) * 1_000_000 / u128::from(found.frame_bytes.max(1));
        (std::cmp::Reverse(share), found.pack.hash)
    });
    let all: u64 = packs.iter().map(|found| found.frame_bytes).sum();
    let mut dead: u64 = packs.iter().map(|found| found.dead_bytes()).sum();
    let mut chosen = Vec::new();
    for found in by_death {
        let too_much = dead.saturating_mul(100) > all.saturating_mul(policy.dead_percent_max);
        let is_worth_it = found.is_dead_by(policy.mostly_dead_percent)
            || (too_much && found.is_dead_by(policy.pack_dead_percent_min));
        if is_worth_it {
            dead -= found.dead_bytes();
            chosen.push(found);
        }
    }
    for class in [Class::Data, Class::Meta] {
        let is_small = |found: &&PackUse| found.pack.class == class && found.pack.len_bytes < policy.small_bytes;
        let small: Vec<&PackUse> = known().filter(is_small).collect();
        if small.len() > policy.small_packs_max {
            let fresh: Vec<&PackUse> = small
                .into_iter()
                .filter(|found| !chosen.iter().any(|other| other.pack.hash == found.pack.hash))
                .collect();
            chosen.extend(fresh);
        }
    }
    chosen
}

#[cfg(test)]
mod tests;
