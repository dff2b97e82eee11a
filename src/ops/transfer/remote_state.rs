//! What a remote shows, checked: its HEAD under the pinned chain of trust and whatever the remote adds to that chain.

use std::time::Duration;

use super::caller::Caller;
use crate::base::Generation;
use crate::base::limits::{HEAD_MAX_BYTES, TRUST_MAX_BYTES};
use crate::error::{Error, ErrorKind, Result};
use crate::format::head::SignedHead;
use crate::format::trust::Trust;
use crate::ops::transfer::judge::Shown;
use crate::store::trust::{CHAIN_MAX, TrustChain};
use crate::store::{StoreError, layout};

/// How often HEAD is asked for before it counts as missing or wrong: a publisher may be writing it.
const HEAD_TRIES: u32 = 4;
/// How many generations are looked for behind a torn HEAD.
const RECORDS_TRIED: u64 = 8;
/// How long to wait in between.
const HEAD_DELAY: Duration = Duration::from_millis(500);

/// A remote's state, verified down to the signature of its HEAD.
#[derive(Debug, Clone)]
pub struct RemoteState {
    /// Its HEAD.
    pub head: SignedHead,
    /// The pinned chain, with what the remote added.
    pub trust: TrustChain,
}

impl RemoteState {
    /// Returns what judging needs.
    #[must_use]
    pub fn shown(&self) -> Shown {
        Shown::of(&self.head)
    }

    /// Returns the trust file that its HEAD names.
    #[must_use]
    pub fn trust_of_head(&self) -> &Trust {
        // A HEAD that names none of the chain was refused when it was looked at.
        &self.trust.version(self.head.head.trust_version).unwrap_or(self.trust.newest()).trust
    }
}

/// Looks at a remote.
///
/// # Errors
/// [`ErrorKind::NoStore`] when it has no HEAD, [`ErrorKind::NotTrusted`] when what it has does not hold, of whatever store;
/// [`ErrorKind::Remote`].
pub fn look(caller: &mut Caller<'_>, pinned: &TrustChain) -> Result<RemoteState> {
    let mut failure = no_store(caller);
    for attempt in 0..HEAD_TRIES {
        if attempt > 0 {
            caller.wait(HEAD_DELAY)?;
        }
        let Some(bytes) = caller.fetch_small(&layout::head(), HEAD_MAX_BYTES)? else { continue };
        match check(caller, pinned, &bytes) {
            Ok(state) => return Ok(state),
            Err(error) if matches!(error.kind(), ErrorKind::Remote | ErrorKind::Interrupted) => return Err(error),
            Err(error) => failure = error.within(format!("cannot trust {}", caller.address())),
        }
    }
    Err(failure)
}

/// Returns whether a remote keeps a record of this store under `heads/`, from `newest` a few generations down: what its
/// publisher goes by when a cut has torn HEAD itself, which is always written after its record. Readers never do, since a
/// server could so choose what they see.
///
/// # Errors
/// [`ErrorKind::Remote`].
pub fn has_record(caller: &mut Caller<'_>, pinned: &TrustChain, newest: Generation) -> Result<bool> {
    for generation in (newest.0.saturating_sub(RECORDS_TRIED)..=newest.0).rev() {
        let record = caller.fetch_small(&layout::head_record(Generation(generation)), HEAD_MAX_BYTES)?;
        match record.map(|bytes| check(caller, pinned, &bytes)) {
            Some(Ok(_)) => return Ok(true),
            Some(Err(error)) if matches!(error.kind(), ErrorKind::Remote | ErrorKind::Interrupted) => {
                return Err(error);
            }
            _ => {}
        }
    }
    Ok(false)
}

fn no_store(caller: &Caller<'_>) -> Error {
    Error::new(ErrorKind::NoStore, format!("there is no store at {}", caller.address()))
}

fn check(caller: &mut Caller<'_>, pinned: &TrustChain, bytes: &[u8]) -> Result<RemoteState> {
    let head = SignedHead::decode(bytes).map_err(|error| match StoreError::format("its HEAD", error) {
        StoreError::Corrupt { .. } => StoreError::NotTrusted("its HEAD is no HEAD".into()),
        error => error,
    })?;
    if head.head.store != pinned.newest().trust.store {
        return Err(StoreError::NotTrusted("it holds another store".into()).into());
    }
    let trust = extend(caller, pinned, head.head.trust_version)?;
    trust.check_head(&head)?;
    Ok(RemoteState { head, trust })
}

/// Fetches the trust files after the pinned ones; each must follow from the one before it, so what is fetched is bounded by
/// what the roots signed.
fn extend(caller: &mut Caller<'_>, pinned: &TrustChain, version: u32) -> Result<TrustChain> {
    let mut trust = pinned.clone();
    if version > CHAIN_MAX {
        return Err(StoreError::NotTrusted("its chain of trust is too long".into()).into());
    }
    for next in pinned.newest().trust.version + 1..=version {
        let bytes = caller.fetch_small(&layout::trust(next), TRUST_MAX_BYTES)?;
        let bytes = bytes.ok_or_else(|| StoreError::NotTrusted(format!("it lacks the trust file {next}")))?;
        trust.add(&bytes).map_err(distrust)?;
    }
    Ok(trust)
}

/// Fetches the first trust file, which a clone pins once its fingerprint is confirmed.
///
/// # Errors
/// As [`look`].
pub fn first_trust(caller: &mut Caller<'_>) -> Result<TrustChain> {
    let has_head = caller.fetch_small(&layout::head(), HEAD_MAX_BYTES)?.is_some();
    match caller.fetch_small(&layout::trust(1), TRUST_MAX_BYTES)? {
        Some(bytes) => Ok(TrustChain::start(&bytes).map_err(distrust)?),
        None if has_head => Err(StoreError::NotTrusted("it lacks the first trust file".into()).into()),
        None => Err(no_store(caller)),
    }
}

/// A trust file that does not read is no more to be trusted than one with a wrong signature.
fn distrust(error: StoreError) -> StoreError {
    match error {
        StoreError::Corrupt { what, .. } => StoreError::NotTrusted(format!("its {what} is damaged")),
        error => error,
    }
}
