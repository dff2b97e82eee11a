//! The chain of trust: from the pinned first file to the newest, each signed by the roots before and after it.
//!
//! Source: the root role of The Update Framework, section 5.3 of its specification.

use super::error::StoreError;
use super::layout;
use crate::base::limits::TRUST_MAX_BYTES;
use crate::base::{PublicKey, StoreId};
use crate::crypto::sign::{Purpose, verify};
use crate::disk::{Disk, read_all};
use crate::format::head::SignedHead;
use crate::format::trust::{SignedTrust, Trust};

pub mod change;

/// Most versions that one chain may have.
pub const CHAIN_MAX: u32 = 10_000;
/// Longest time that a HEAD may vouch for itself, in seconds: a year and a day.
pub const VOUCHED_MAX_SECS: i64 = 366 * 24 * 3600;

/// A verified chain, version 1 first.
#[derive(Debug, Clone)]
pub struct TrustChain {
    files: Vec<SignedTrust>,
}

impl TrustChain {
    /// Starts a chain with the first file, which its own roots must have signed.
    ///
    /// Whether it is the right one is for whoever compares fingerprints.
    ///
    /// # Errors
    /// [`StoreError::NotTrusted`].
    pub fn start(bytes: &[u8]) -> Result<Self, StoreError> {
        let first = decode(bytes, 1)?;
        if first.trust.version != 1 || !signed_by(&first, &first.trust) {
            return Err(StoreError::NotTrusted("the first trust file is not signed by its own roots".into()));
        }
        Ok(Self { files: vec![first] })
    }

    /// Adds the next file, which the roots before it and its own must have signed.
    ///
    /// # Errors
    /// [`StoreError::NotTrusted`] for a gap, a fork, signatures that are too few or wrong, and after [`CHAIN_MAX`] files.
    pub fn add(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        let last = self.newest();
        if last.trust.version >= CHAIN_MAX {
            return Err(StoreError::NotTrusted("the chain of trust is as long as one may be".into()));
        }
        let next = decode(bytes, last.trust.version + 1)?;
        let follows = next.trust.version == last.trust.version + 1
            && next.trust.previous == Some(last.hash())
            && next.trust.store == last.trust.store
            && next.trust.floor >= last.trust.floor;
        if !follows || !signed_by(&next, &last.trust) || !signed_by(&next, &next.trust) {
            let version = next.trust.version;
            return Err(StoreError::NotTrusted(format!("trust file {version} does not follow from the one before it")));
        }
        self.files.push(next);
        Ok(())
    }

    /// Loads the chain that a store holds: as far as files stand without a gap.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when the first is missing or damaged, [`StoreError::NotTrusted`] when a link does not hold.
    pub fn load(disk: &dyn Disk, store: StoreId) -> Result<Self, StoreError> {
        let read = |version| {
            let path = layout::trust(version);
            read_all(disk, &path, TRUST_MAX_BYTES).map_err(|error| StoreError::unread(path, error))
        };
        let first = read(1)?;
        let first = first.ok_or_else(|| StoreError::damaged("trust/1"))?;
        let mut chain = Self::start(&first)?;
        if chain.newest().trust.store != store {
            return Err(StoreError::NotTrusted("the trust file is of another store".into()));
        }
        for version in 2..=CHAIN_MAX {
            match read(version)? {
                // A torn file here is an interrupted sync's; a HEAD that names it will not open without it.
                Some(bytes) if chain.add(&bytes).is_ok() => {}
                _ => break,
            }
        }
        Ok(chain)
    }

    /// Returns the chain as far as one of its versions: what a HEAD under that version knows of.
    #[must_use]
    pub fn up_to(&self, version: u32) -> Self {
        let len = (version as usize).clamp(1, self.files.len());
        Self { files: self.files[..len].to_vec() }
    }

    /// Returns the newest file.
    #[must_use]
    pub fn newest(&self) -> &SignedTrust {
        // A chain is never empty: it starts with a file and only grows.
        &self.files[self.files.len() - 1]
    }

    /// Returns a file by its version.
    #[must_use]
    pub fn version(&self, version: u32) -> Option<&SignedTrust> {
        self.files.get(usize::try_from(version.checked_sub(1)?).ok()?)
    }

    /// Returns all files, version 1 first.
    #[must_use]
    pub fn files(&self) -> &[SignedTrust] {
        &self.files
    }

    /// Returns the fingerprint by which people recognise a store, that of the first file.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        self.files[0].fingerprint()
    }

    /// Checks that a HEAD is of this store and signed by a writer of the trust file that it names.
    ///
    /// # Errors
    /// [`StoreError::NotTrusted`].
    pub fn check_head(&self, head: &SignedHead) -> Result<(), StoreError> {
        let refuse = |why: &str| Err(StoreError::NotTrusted(why.to_owned()));
        let said = &head.head;
        if said.store != self.newest().trust.store {
            return refuse("it is the HEAD of another store");
        }
        let Some(trust) = self.version(said.trust_version).filter(|trust| trust.hash() == said.trust) else {
            return refuse("its HEAD names a trust file that is not in the chain");
        };
        if !trust.trust.is_writer(&said.writer) {
            return refuse("its HEAD is signed by a key that is no writer");
        }
        if said.generation < trust.trust.floor {
            return refuse("its HEAD is older than the trust file allows");
        }
        // Else what a stolen key signed once would count as fresh for good on a machine that heard of nothing else.
        if said.expires.secs_since(said.time) > VOUCHED_MAX_SECS {
            return refuse("its HEAD vouches for itself for longer than a year");
        }
        if !verify(&said.writer, Purpose::Head, head.body(), &head.signature) {
            return refuse("the signature of its HEAD does not hold");
        }
        Ok(())
    }
}

fn decode(bytes: &[u8], version: u32) -> Result<SignedTrust, StoreError> {
    SignedTrust::decode(bytes).map_err(|error| StoreError::format(format!("trust/{version}"), error))
}

/// Returns whether enough distinct roots of `roots` signed `file`.
fn signed_by(file: &SignedTrust, roots: &Trust) -> bool {
    signed_count(file, roots) >= roots.threshold as usize
}

/// Returns how many distinct roots of `roots` signed `file`.
fn signed_count(file: &SignedTrust, roots: &Trust) -> usize {
    let mut seen: Vec<PublicKey> = Vec::new();
    for (root, signature) in &file.signatures {
        let counts = roots.roots.contains(root) && !seen.contains(root);
        if counts && verify(root, Purpose::Trust, file.body(), signature) {
            seen.push(*root);
        }
    }
    seen.len()
}

#[cfg(test)]
mod tests;
