//! Packs drawn by chance, for looks that cannot afford all of them.

use crate::base::PackHash;
use crate::base::random::random_array;
use crate::format::manifest::PackRef;
use crate::ops::Run;

/// Draws packs without repeats, as long as `wants` says that there are too few yet: it hears their number and their bytes.
#[must_use]
pub fn draw(packs: &[&PackRef], wants: &dyn Fn(usize, u64) -> bool, run: Run<'_>) -> Vec<PackHash> {
    let mut left: Vec<&PackRef> = packs.to_vec();
    let mut drawn = Vec::new();
    let mut bytes = 0;
    while !left.is_empty() && wants(drawn.len(), bytes) {
        let at = u64::from_le_bytes(random_array(run.random)) % left.len() as u64;
        let pack = left.swap_remove(usize::try_from(at).unwrap_or(0));
        drawn.push(pack.hash);
        bytes += pack.len_bytes;
    }
    drawn
}
