//! Meeting a store at a remote from which it is read: what `clone` asks before it makes a key, asked before anything is shown.
//!
//! A reader has no store of his own that could tell him what is old or forged, so it is his host that remembers: by which
//! fingerprint it knows the store, the newest state that it saw of it anywhere, and the newest that this remote showed.

use super::clone::known::Known;
use super::host_state::HostState;
use super::transfer::remote_state::RemoteState;
use crate::error::{Error, ErrorKind, Result};
use crate::ops::Run;
use crate::store::Store;

/// What a remote shows, and who answers for it.
pub struct Meeting<'a> {
    /// The store, opened from the remote.
    pub store: &'a Store,
    /// The remote's address.
    pub address: &'a str,
    /// The fingerprint that a person named.
    pub trust: Option<&'a str>,
    /// Shows a fingerprint that is neither named nor known to a person, and returns whether it is the right one.
    pub confirm: &'a dyn Fn(&str) -> Result<bool>,
    /// Less is taken than was shown to this host before.
    pub accept_older: bool,
}

/// Refuses what this host knows better, and remembers what it saw. Returns what a person should hear, a sentence each.
///
/// # Errors
/// [`ErrorKind::NotTrusted`] for another fingerprint, a state that this remote or another one has left behind, or another history;
/// those of `confirm`.
pub fn meet(meeting: &Meeting<'_>, state: &mut HostState, run: Run<'_>) -> Result<Vec<String>> {
    let (store, address) = (meeting.store, meeting.address);
    state.check_fingerprint(store)?;
    let found = RemoteState { head: store.head().clone(), trust: store.trust().clone() };
    let was_known = vouch(meeting, state)?;
    let pinned = store.trust();
    let known = Known { pinned, state, address: address.to_owned(), accept_older: meeting.accept_older };
    known.check(&found, run)?;
    let highest = state.highest_head();
    let lags = !highest.is_disowned_by(found.trust_of_head()) && found.shown().generation() < highest.rank.generation;
    let went_back = known.went_back(&found.head, run.clock.now());
    if went_back.is_some() {
        state.forget(address, &found.head);
    }
    let is_news = state.shown(address) != Some(found.shown());
    state.saw(address, &found.head);
    if !was_known {
        state.knows_as(store.trust().fingerprint());
    }
    let met = state.met(store, &found.head);
    if is_news || met || !was_known {
        // A host that cannot remember reads all the same, and asks again the next time.
        let _ = state.save();
    }
    let lagging = (lags && went_back.is_none()).then(|| {
        let (theirs, known) = (found.shown().generation(), highest.rank.generation);
        format!("{address} only has generation {theirs} so far, and this host saw {known}")
    });
    Ok(went_back.iter().map(ToString::to_string).chain(lagging).collect())
}

/// Has somebody answer for the store's trust; says whether this host knew it.
fn vouch(meeting: &Meeting<'_>, state: &HostState) -> Result<bool> {
    let (trust, was_known) = (meeting.store.trust(), state.fingerprint().is_some());
    let agreed = match meeting.trust {
        Some(expected) => trust.files().iter().any(|file| expected.trim().eq_ignore_ascii_case(&file.fingerprint())),
        None => was_known || (meeting.confirm)(&trust.fingerprint())?,
    };
    if agreed {
        return Ok(was_known);
    }
    let text = format!("the store's fingerprint {} is not the one that was expected", trust.fingerprint());
    Err(Error::new(ErrorKind::NotTrusted, text))
}
