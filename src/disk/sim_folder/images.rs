//! What a power cut may leave of a simulated folder.
//!
//! Everything up to the last sync stands. Of what came after it any selection of changes may have survived: a
//! name without its file's bytes, bytes in part or as zeros, one half of a rename.

use super::tree::{Change, Tree};
use crate::base::Random;
use crate::base::random::{SeededRandom, random_array};

/// How many images to make, and the seed of those that are drawn at random.
#[derive(Debug, Clone, Copy)]
pub struct ImageBudget {
    /// Most images; all legal ones when there are no more than that.
    pub max_images: usize,
    /// Seed of the random selections.
    pub seed: u64,
}

/// One operation as it went to the medium.
#[derive(Debug, Clone)]
pub(super) enum Op {
    Changes(Vec<Change>),
    Sync,
}

/// Returns the trees that a cut after the first `at_op` operations may leave.
pub(super) fn crash_trees(start: &Tree, ops: &[Op], at_op: usize, budget: &ImageBudget) -> Vec<Tree> {
    let done = &ops[..at_op.min(ops.len())];
    let synced = done.iter().rposition(|op| matches!(op, Op::Sync)).map_or(0, |at| at + 1);
    let mut base = start.clone();
    changes_of(&done[..synced]).for_each(|change| base.apply(change));
    let pending: Vec<&Change> = changes_of(&done[synced..]).collect();
    let random = SeededRandom::new(budget.seed ^ ((at_op as u64) << 32));
    let selections = selections(pending.len(), budget.max_images, &random);
    selections.iter().map(|kept| survivor(&base, &pending, kept, &random)).collect()
}

fn changes_of(ops: &[Op]) -> impl Iterator<Item = &Change> {
    ops.iter().flat_map(|op| match op {
        Op::Changes(changes) => changes.as_slice(),
        Op::Sync => &[],
    })
}

/// Returns which changes each image keeps: all selections if they are few, else the telling ones and random ones.
fn selections(count: usize, max_images: usize, random: &dyn Random) -> Vec<Vec<bool>> {
    if count < 16 && (1 << count) <= max_images {
        return (0..1_usize << count).map(|bits| (0..count).map(|at| bits >> at & 1 == 1).collect()).collect();
    }
    let mut chosen = vec![vec![false; count], vec![true; count]];
    for at in (0..count).rev() {
        chosen.push((0..count).map(|other| other < at).collect());
        chosen.push((0..count).map(|other| other != at).collect());
        chosen.push((0..count).map(|other| other >= at).collect());
    }
    // Half of the budget is left to chance.
    chosen.truncate((max_images / 2).max(2));
    while chosen.len() < max_images {
        let often = random_array::<1>(random)[0];
        chosen.push((0..count).map(|_| random_array::<1>(random)[0] <= often).collect());
    }
    chosen
}

/// Builds one image; a write that is lost leaves nothing, a part of its bytes, or zeros in their place.
fn survivor(base: &Tree, pending: &[&Change], kept: &[bool], random: &dyn Random) -> Tree {
    let mut tree = base.clone();
    for (change, &kept) in pending.iter().zip(kept) {
        match change {
            Change::Inode(..) => tree.apply(change),
            Change::Write(number, offset, bytes) if !kept => {
                let [way, part] = random_array::<2>(random);
                let torn = match way % 3 {
                    0 => Vec::new(),
                    1 => bytes[..bytes.len() * usize::from(part) / 256].to_vec(),
                    _ => vec![0; bytes.len()],
                };
                tree.apply(&Change::Write(*number, *offset, torn));
            }
            _ if kept => tree.apply(change),
            _ => {}
        }
    }
    tree
}
