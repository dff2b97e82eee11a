//! The state that a run works towards: a verified HEAD with its chain of manifests, read from the disk where they stand
//! whole and from the remote where not.

use super::TransferError;
use super::caller::{Caller, fetch_from_any};
use super::remote_state::RemoteState;
use crate::base::ManifestHash;
use crate::disk::{Disk, read_all};
use crate::error::Error;
use crate::format::head::SignedHead;
use crate::store::manifest::PackSet;
use crate::store::trust::TrustChain;
use crate::store::{StoreError, layout};

/// A state to work towards, with what the disk lacks of its manifests.
pub struct Target {
    /// Its HEAD.
    pub head: SignedHead,
    /// The chain of trust that it needs.
    pub trust: TrustChain,
    /// Its packs.
    pub packs: PackSet,
    /// Manifests that the store's own state does not name: from the remote, or left by a run that may not have synced them.
    pub new_manifests: Vec<(ManifestHash, Vec<u8>)>,
}

impl Target {
    /// Takes the state that a store has already.
    #[must_use]
    pub fn standing(head: &SignedHead, trust: &TrustChain, packs: &PackSet) -> Self {
        Self { head: head.clone(), trust: trust.clone(), packs: packs.clone(), new_manifests: Vec::new() }
    }

    /// Loads the chain of manifests of a remote's HEAD; writes nothing. `mine` is the state that the store has.
    ///
    /// # Errors
    /// [`TransferError::Vanished`] when the remote lacks a manifest.
    pub fn load(
        disk: &dyn Disk,
        mine: Option<&PackSet>,
        state: RemoteState,
        caller: &mut Caller<'_>,
    ) -> Result<Self, TransferError> {
        let said = &state.head.head;
        let mut new_manifests = Vec::new();
        let mut stopped: Option<TransferError> = None;
        let mut read = |hash: &ManifestHash, len_bytes: u64| {
            let found = standing(disk, hash, len_bytes);
            let is_mine = mine.is_some_and(|mine| mine.chain.iter().any(|(known, _)| known == hash));
            match found.map_or_else(|| fetch_manifest(caller, hash, len_bytes), Ok) {
                Ok(bytes) => {
                    if !is_mine {
                        new_manifests.push((*hash, bytes.clone()));
                    }
                    Ok(bytes)
                }
                Err(error) => {
                    stopped = Some(error);
                    Err(StoreError::Interrupted)
                }
            }
        };
        let loaded = PackSet::load(said.store, said.manifest, said.manifest_len_bytes, &mut read);
        match (loaded, stopped) {
            (_, Some(error)) => Err(error),
            (Ok(packs), None) => Ok(Self { head: state.head, trust: state.trust, packs, new_manifests }),
            (Err(error), None) => Err(Error::from(error).into()),
        }
    }
}

/// Reads a manifest that stands on the disk whole.
fn standing(disk: &dyn Disk, hash: &ManifestHash, len_bytes: u64) -> Option<Vec<u8>> {
    let bytes = read_all(disk, &layout::manifest(hash), len_bytes).ok()??;
    (*blake3::hash(&bytes).as_bytes() == hash.0).then_some(bytes)
}

fn fetch_manifest(caller: &mut Caller<'_>, hash: &ManifestHash, len_bytes: u64) -> Result<Vec<u8>, TransferError> {
    fetch_from_any(std::slice::from_mut(caller), "manifest", &layout::manifest(hash), len_bytes, &hash.0)
}
