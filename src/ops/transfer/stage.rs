//! Rollouts in stages: a state that is for one group of keys first, while all others stay where they are or go up to its floor.
//!
//! A server chooses nothing by it: the state says for whom it is under its signature, and its manifests name the HEAD of the floor.

use super::TransferError;
use super::caller::Caller;
use super::remote_state::RemoteState;
use super::target::Target;
use crate::base::Generation;
use crate::base::limits::HEAD_MAX_BYTES;
use crate::disk::Disk;
use crate::error::{Error, ErrorKind};
use crate::format::head::{Group, SignedHead};
use crate::store::manifest::PackSet;
use crate::store::{StoreError, layout};

/// A generation that is for another group of keys so far, and that group.
pub type Held = (Generation, Group);

/// A key that asks what a state means to it.
#[derive(Clone, Copy)]
pub struct Asking<'a> {
    /// Where manifests are read from that stand there.
    pub disk: &'a dyn Disk,
    /// The group that the key is in.
    pub group: &'a Group,
    /// What it has, if anything.
    pub mine: Option<(&'a SignedHead, &'a PackSet)>,
    /// What it has may stay where it is at the floor or above.
    pub may_stay: bool,
}

/// What a state means to a key.
#[derive(Debug, Clone)]
pub enum Meant {
    /// The state itself.
    Itself,
    /// Nothing new: what the key has.
    Nothing,
    /// The floor.
    Floor(Box<RemoteState>),
}

/// Returns what a verified state of a remote means to a key. Costs nothing but for a key that has to go up to a floor.
///
/// # Errors
/// [`ErrorKind::NotTrusted`] for a floor that the state does not come from, [`ErrorKind::Conflict`] where there is nothing for this
/// key yet, [`TransferError::Vanished`] and others.
pub fn meant(asking: Asking<'_>, found: &RemoteState, caller: &mut Caller<'_>) -> Result<Meant, TransferError> {
    let said = &found.head.head;
    if said.group.is_for(asking.group) {
        return Ok(Meant::Itself);
    }
    if asking.may_stay && asking.mine.is_some_and(|(head, _)| head.head.generation >= said.floor) {
        return Ok(Meant::Nothing);
    }
    if said.floor.0 == 0 {
        let (group, address) = (&said.group, caller.address());
        let text = format!("what {address} has is for the group {group} so far, and there is nothing for others yet");
        return Err(Error::new(ErrorKind::Conflict, text).into());
    }
    let packs = asking.mine.map(|(_, packs)| packs);
    let state = Target::load(asking.disk, packs, found.clone(), caller)?;
    let path = layout::head_record(said.floor);
    let Some(bytes) = caller.fetch_small(&path, HEAD_MAX_BYTES).map_err(Error::from)? else {
        return Err(TransferError::Vanished(path.to_string()));
    };
    let floor = SignedHead::decode(&bytes).ok();
    let is_named = |floor: &SignedHead| {
        let says = &floor.head;
        state.packs.heads.get(&said.floor) == Some(&floor.hash())
            && says.generation == said.floor
            && says.group.is_for(asking.group)
    };
    let Some(floor) = floor.filter(is_named) else {
        let (floor, address) = (said.floor, caller.address());
        let text = format!("{address} shows another generation {floor} than the one that its HEAD comes from");
        return Err(Error::from(StoreError::NotTrusted(text)).into());
    };
    found.trust.check_head(&floor).map_err(Error::from)?;
    if asking.mine.is_some_and(|(head, _)| head.bytes() == floor.bytes()) {
        return Ok(Meant::Nothing);
    }
    Ok(Meant::Floor(Box::new(RemoteState { head: floor, trust: found.trust.clone() })))
}

/// Says to a person that a generation is for others so far.
#[must_use]
pub fn held_remark((generation, group): &Held) -> String {
    format!("generation {generation} is for the group {group} so far")
}
