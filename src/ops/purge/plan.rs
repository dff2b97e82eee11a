//! The plan of a purge: what it would do, in numbers and paths, and the hash by which a person approves it.

use std::collections::{BTreeSet, HashSet};

use super::find::{Elsewhere, Found, Paths};
use crate::base::{Generation, PackHash, RelPath};
use crate::error::Result;
use crate::format::sealed::SnapshotRef;
use crate::format::snapshot::Totals;
use crate::ops::writing::Writing;
use crate::store::StoreError;

/// Bytes of the hash that people are shown.
const HASH_BYTES: usize = 16;

/// Names that are shorter count as words of any sentence.
const NAME_MIN_BYTES: usize = 4;

/// What a purge would do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// What approves exactly this plan on exactly this state.
    pub hash: String,
    /// The generation that it is a plan for.
    pub generation: Generation,
    /// What was named.
    pub paths: Vec<RelPath>,
    /// Snapshots that lose something, oldest first, each with what it loses.
    pub snapshots: Vec<(SnapshotRef, Totals)>,
    /// Snapshots that are kept, all of which are sealed anew.
    pub kept_snapshots: u64,
    /// Those of them whose message or tags name something that goes, oldest first: what they say stays.
    pub mentions: Vec<(SnapshotRef, Mention)>,
    /// Paths of files that go, as far as they are listed.
    pub gone: Vec<RelPath>,
    /// How many those are.
    pub gone_count: u64,
    /// Bytes of content that no file names afterwards, before compression.
    pub gone_bytes: u64,
    /// Paths that stay and hold some of the same, as far as they are listed: what they hold stays readable.
    pub elsewhere: Vec<(RelPath, Elsewhere)>,
    /// There are more of those than are listed.
    pub has_more_elsewhere: bool,
    /// Chunks of which a part goes and the rest is made anew.
    pub recut_chunks: u64,
    /// Bytes of that rest, before compression.
    pub recut_bytes: u64,
    /// Packs that are made anew without what goes, as far as content is concerned, and their bytes: at most so much is copied.
    pub packs: (u64, u64),
}

/// Where a snapshot names what goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mention {
    /// In its message, and maybe in a tag as well.
    Message,
    /// In a tag.
    Tag,
}

/// Makes the plan of what was found.
///
/// # Errors
/// [`StoreError::NoIdentity`].
pub fn plan(writing: &Writing, paths: &Paths, found: &Found) -> Result<Plan> {
    let recut = found.candidates.values().filter(|candidate| candidate.is_recut());
    let (recut_chunks, recut_bytes) =
        recut.fold((0, 0), |(chunks, bytes), candidate| (chunks + 1, bytes + candidate.kept.len_bytes()));
    let sealed = &writing.unlocked.sealed;
    let touched = sealed.snapshots.iter().zip(&found.snapshots).filter(|(_, touched)| touched.is_touched);
    let mut plan = Plan {
        hash: String::new(),
        generation: writing.store.head().head.generation,
        paths: paths.0.clone(),
        snapshots: touched.map(|(named, touched)| (named.clone(), touched.gone)).collect(),
        kept_snapshots: sealed.snapshots.len() as u64,
        mentions: mentions(writing, paths, found),
        gone: found.gone.0.iter().cloned().collect(),
        gone_count: found.gone.1,
        gone_bytes: found.candidates.values().map(super::find::Candidate::gone_bytes).sum(),
        elsewhere: found.elsewhere.0.iter().map(|(path, elsewhere)| (path.clone(), *elsewhere)).collect(),
        has_more_elsewhere: found.elsewhere.1,
        recut_chunks,
        recut_bytes,
        packs: packs(writing, found),
    };
    plan.hash = hash(writing, &plan)?;
    Ok(plan)
}

/// Finds the snapshots whose message or tags name a path that was named, by its last part alone if that is no common word, or any
/// listed path below it.
fn mentions(writing: &Writing, paths: &Paths, found: &Found) -> Vec<(SnapshotRef, Mention)> {
    let whole = paths.0.iter().chain(&found.gone.0).map(RelPath::as_bytes);
    let names = paths.0.iter().filter_map(|path| path.as_bytes().rsplit(|byte| *byte == b'/').next());
    let names = names.filter(|name| name.len() >= NAME_MIN_BYTES);
    let words: BTreeSet<String> = whole.chain(names).map(|word| String::from_utf8_lossy(word).to_lowercase()).collect();
    let says = |text: &str| {
        let text = text.to_lowercase();
        words.iter().any(|word| has_word(&text, word))
    };
    let kept = writing.unlocked.sealed.snapshots.iter().zip(&found.snapshots);
    let mentions = kept.filter_map(|(named, touched)| {
        let in_tag = || named.tags.iter().any(|tag| says(tag)).then_some(Mention::Tag);
        let mention = says(&touched.snapshot.message).then_some(Mention::Message).or_else(in_tag)?;
        Some((named.clone(), mention))
    });
    mentions.collect()
}

/// Returns whether a text has a word that is no part of a longer one.
fn has_word(text: &str, word: &str) -> bool {
    let ends = |other: Option<char>| !other.is_some_and(char::is_alphanumeric);
    text.match_indices(word).any(|(at, _)| {
        let (before, after) = (&text[..at], &text[at + word.len()..]);
        ends(before.chars().next_back()) && ends(after.chars().next())
    })
}

/// Counts the packs that hold content which goes.
fn packs(writing: &Writing, found: &Found) -> (u64, u64) {
    let going = found.candidates.iter().filter(|(_, candidate)| candidate.gone_bytes() > 0 || candidate.is_recut());
    let places = going.filter_map(|((id, generation), _)| writing.reader.index().find(id, *generation));
    let packs: HashSet<PackHash> = places.map(|place| place.pack).collect();
    let listed = packs.iter().filter_map(|pack| writing.store.packs().pack(pack));
    listed.fold((0, 0), |(count, bytes), pack| (count + 1, bytes + pack.len_bytes))
}

/// Hashes the state and what is done to it, under a key of readers: what people are shown, and what stays in a terminal, tells
/// nobody a path.
fn hash(writing: &Writing, plan: &Plan) -> Result<String> {
    let keys = &writing.keys.reader;
    let key = keys.plan_key(keys.epoch()).ok_or(StoreError::NoIdentity)?;
    let mut said = writing.store.head().hash().0.to_vec();
    for path in &plan.paths {
        said.extend_from_slice(&(path.as_bytes().len() as u64).to_le_bytes());
        said.extend_from_slice(path.as_bytes());
    }
    for number in [plan.gone_count, plan.gone_bytes, plan.recut_chunks, plan.recut_bytes] {
        said.extend_from_slice(&number.to_le_bytes());
    }
    Ok(hex::encode(&key.keyed_hash(&[&said])[..HASH_BYTES]))
}

#[cfg(test)]
mod tests {
    use super::has_word;

    #[test]
    fn a_word_stands_alone() {
        for text in ["letter.txt", "drops letter.txt", "/private/letter.txt, at last", "(letter.txt)"] {
            assert!(has_word(text, "letter.txt"), "{text}");
        }
        for text in ["", "newsletter.txt", "letter.txts", "letter-txt", "\u{e4}letter.txt", "letter.txt\u{e4}"] {
            assert!(!has_word(text, "letter.txt"), "{text}");
        }
        assert!(has_word("letters and letter", "letter"));
    }
}
