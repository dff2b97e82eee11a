//! How trust changes: from one file to the next as a pure function, and the signatures that the next one takes.
//!
//! The floor never falls, nobody is listed twice, and no change leaves a store that nobody can write to or whose trust nobody
//! can change.

use super::signed_count;
use crate::base::{PublicKey, Timestamp};
use crate::crypto::sign::{Purpose, SignKey};
use crate::format::trust::{ROOTS_MAX, SIGNATURES_MAX, SignedTrust, Trust, WRITERS_MAX, Writer};
use crate::store::trust::CHAIN_MAX;

/// One change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Edit {
    /// A writer comes.
    AddWriter(Writer),
    /// A writer goes.
    RemoveWriter(PublicKey),
    /// A root comes.
    AddRoot(PublicKey),
    /// A root goes.
    RemoveRoot(PublicKey),
    /// So many roots must sign the next file.
    Threshold(u32),
    /// It holds until then.
    Renew(Timestamp),
}

/// A change that cannot be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// The key or its recipient is listed.
    #[error("that key or its recipient is a writer already")]
    AlreadyWriter,
    /// The key is not listed.
    #[error("that key is no writer")]
    NoWriter,
    /// Nobody could write any more.
    #[error("it is the last writer, and without one nobody can write to the store")]
    LastWriter,
    /// There is no room.
    #[error("a store has at most {WRITERS_MAX} writers")]
    TooManyWriters,
    /// The key is listed.
    #[error("that key is a root already")]
    AlreadyRoot,
    /// The key is not listed.
    #[error("that key is no root")]
    NoRoot,
    /// Nobody could change trust any more.
    #[error("that leaves {left} roots, and {threshold} must sign: lower the threshold first")]
    TooFewRoots {
        /// How many would be left.
        left: usize,
        /// How many must sign.
        threshold: u32,
    },
    /// There is no room.
    #[error("a store has at most {ROOTS_MAX} roots")]
    TooManyRoots,
    /// Too low or too high.
    #[error("the threshold is a number from 1 to the number of roots, which is {roots}")]
    BadThreshold {
        /// How many roots there are.
        roots: usize,
    },
    /// It would lie in the past already.
    #[error("the trust file would have expired already")]
    ExpiryPast,
    /// It says what the last file says.
    #[error("that changes nothing")]
    NothingChanges,
    /// The chain is as long as one may be.
    #[error("the chain of trust is as long as one may be")]
    ChainFull,
}

/// Returns what the file after `last` says, not signed yet.
///
/// # Errors
/// [`EditError`].
pub fn next_trust(last: &SignedTrust, edits: &[Edit], now: Timestamp) -> Result<Trust, EditError> {
    let mut next = last.trust.clone();
    for edit in edits {
        apply(&mut next, edit, now)?;
    }
    if next == last.trust {
        return Err(EditError::NothingChanges);
    }
    if next.version >= CHAIN_MAX {
        return Err(EditError::ChainFull);
    }
    next.version += 1;
    next.previous = Some(last.hash());
    next.time = now;
    Ok(next)
}

fn apply(trust: &mut Trust, edit: &Edit, now: Timestamp) -> Result<(), EditError> {
    match edit {
        Edit::AddWriter(new) => {
            let is_listed = |writer: &Writer| writer.key == new.key || writer.recipient == new.recipient;
            if trust.writers.iter().any(is_listed) {
                return Err(EditError::AlreadyWriter);
            }
            if trust.writers.len() >= WRITERS_MAX {
                return Err(EditError::TooManyWriters);
            }
            trust.writers.push(new.clone());
        }
        Edit::RemoveWriter(key) => {
            if !trust.is_writer(key) {
                return Err(EditError::NoWriter);
            }
            if trust.writers.len() == 1 {
                return Err(EditError::LastWriter);
            }
            trust.writers.retain(|writer| writer.key != *key);
        }
        Edit::AddRoot(key) => {
            if trust.roots.contains(key) {
                return Err(EditError::AlreadyRoot);
            }
            if trust.roots.len() >= ROOTS_MAX {
                return Err(EditError::TooManyRoots);
            }
            trust.roots.push(*key);
        }
        Edit::RemoveRoot(key) => {
            if !trust.roots.contains(key) {
                return Err(EditError::NoRoot);
            }
            let (left, threshold) = (trust.roots.len() - 1, trust.threshold);
            if left < threshold as usize {
                return Err(EditError::TooFewRoots { left, threshold });
            }
            trust.roots.retain(|root| root != key);
        }
        Edit::Threshold(threshold) => {
            let roots = trust.roots.len();
            if *threshold == 0 || *threshold as usize > roots {
                return Err(EditError::BadThreshold { roots });
            }
            trust.threshold = *threshold;
        }
        Edit::Renew(expires) => {
            if *expires <= now {
                return Err(EditError::ExpiryPast);
            }
            trust.expires = *expires;
        }
    }
    Ok(())
}

/// Puts the signatures of some roots under what a file says, beside those that hold already; each root signs once.
#[must_use]
pub fn sign<'a>(file: &SignedTrust, roots: impl IntoIterator<Item = &'a SignKey>) -> SignedTrust {
    let mut signatures = Vec::new();
    for (root, signature) in &file.signatures {
        let is_new = signatures.iter().all(|(other, _)| other != root);
        if is_new && crate::crypto::sign::verify(root, Purpose::Trust, file.body(), signature) {
            signatures.push((*root, *signature));
        }
    }
    for root in roots {
        let is_new = signatures.iter().all(|(other, _)| *other != root.public());
        if is_new && signatures.len() < SIGNATURES_MAX {
            signatures.push((root.public(), root.sign(Purpose::Trust, &file.trust.encode_body())));
        }
    }
    SignedTrust::new(file.trust.clone(), signatures)
}

/// Returns how many signatures a file lacks of the roots before it and of its own: of whichever lacks more, since one root may
/// count for both.
#[must_use]
pub fn missing_signatures(file: &SignedTrust, before: &Trust) -> usize {
    let lacks = |roots: &Trust| (roots.threshold as usize).saturating_sub(signed_count(file, roots));
    lacks(before).max(lacks(&file.trust))
}

#[cfg(test)]
mod tests;
