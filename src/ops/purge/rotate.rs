//! New identities for what this machine holds: an old image of `keys/` opens with the identities of its time, so those are worth
//! nothing once they are thrown away.
//!
//! The key files hold old and new identity before the generation is made that goes by the new one, and the new one alone
//! afterwards; so at every cut one of them opens the store. `writer.key` notes that generation first and forgets it last: as
//! long as it does, there is something to end, and until the store is there nobody knows which identities will count.

use std::path::Path;
use std::sync::Arc;

use crate::base::Timestamp;
use crate::base::limits::TRUST_MAX_BYTES;
use crate::crypto::sign::SignKey;
use crate::crypto::wrap::{Identity, Recipient};
use crate::disk::Disk;
use crate::error::Error;
use crate::format::keylist::{KeyRole, KeyTag};
use crate::format::trust::{SignedTrust, Trust};
use crate::ops::Run;
use crate::ops::local_keys::{AskPassphrase, KeyDir, MORE_IDENTITIES_MAX, WriterKey};
use crate::ops::writing::Writing;
use crate::store::roster::Roster;
use crate::store::trust::change::{missing_signatures, sign};
use crate::store::trust::{CHAIN_MAX, TrustChain};
use crate::store::{layout, pack};

/// The keys of this machine.
pub struct OwnKeys<'a> {
    /// Where they live.
    pub dir: KeyDir,
    /// Opens and wraps them.
    pub ask: AskPassphrase<'a>,
    /// Those root keys that are at hand.
    pub roots: &'a [SignKey],
}

/// What becomes of one of this machine's identities.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rotated {
    /// It has a new one.
    Yes,
    /// There is none here.
    Absent,
    /// The store knows nobody by it.
    Unknown,
    /// Trust names the writer's recipient, and the roots that must sign the next file are not all at hand.
    LacksRoots,
    /// Trust names the writer's recipient, and its chain is as long as one may be.
    ChainFull,
}

/// A rotation on its way.
pub struct Rotation<'a> {
    own: &'a OwnKeys<'a>,
    /// Old identities, the new one, and whose it is.
    reader: Option<(Vec<Identity>, Identity, KeyTag)>,
    /// The writer's key as it is, the identity first that opens the store.
    key: WriterKey,
    /// Its new identity, and whose it is.
    writer: Option<(Identity, KeyTag)>,
    /// The next trust file, which names the new recipient.
    trust: Option<SignedTrust>,
    /// What becomes of the reader's and of the writer's.
    pub done: (Rotated, Rotated),
}

impl<'a> Rotation<'a> {
    /// Draws new identities for those that can have one; writes nothing.
    ///
    /// # Errors
    /// [`crate::error::ErrorKind::NoIdentity`] for a key file that does not open, [`crate::error::ErrorKind::Corrupt`] for the roster.
    pub fn prepare(writing: &Writing, writer: &WriterKey, own: &'a OwnKeys<'a>, now: Timestamp) -> Result<Self, Error> {
        let roster = Roster::of(&writing.store, &writing.keys)?;
        let tag_of = |role, identity: &Identity| {
            let found = roster.find(role, identity.recipient().as_str());
            found.first().map(|holder| holder.tag)
        };
        let (key, done) = (writer.clone(), (Rotated::Absent, Rotated::Unknown));
        let mut rotation = Self { own, reader: None, key, writer: None, trust: None, done };
        let readers = own.dir.load_reader(own.ask)?;
        if !readers.is_empty() {
            let known = readers.iter().find_map(|identity| tag_of(KeyRole::Reader, identity));
            rotation.done.0 = if known.is_some() { Rotated::Yes } else { Rotated::Unknown };
            rotation.reader = known.map(|tag| (readers, Identity::generate(), tag));
        }
        let identities = writer.identities();
        let known =
            identities.iter().enumerate().find_map(|(at, identity)| Some((at, tag_of(KeyRole::Writer, identity)?)));
        if let Some((at, tag)) = known {
            let mut more = identities;
            rotation.key.identity = more.remove(at);
            rotation.key.more = more;
            let new = Identity::generate();
            let trust = next_trust(writing.store.trust().newest(), writer, &new.recipient(), own.roots, now);
            rotation.done.1 = trust.as_ref().err().copied().unwrap_or(Rotated::Yes);
            rotation.writer = trust.is_ok().then_some((new, tag));
            rotation.trust = trust.ok();
        }
        Ok(rotation)
    }

    /// Returns whose recipients change.
    #[must_use]
    pub fn replacements(&self) -> Vec<(KeyTag, Recipient)> {
        let reader = self.reader.iter().map(|(_, new, tag)| (*tag, new.recipient()));
        reader.chain(self.writer.iter().map(|(new, tag)| (*tag, new.recipient()))).collect()
    }

    /// Writes the new identities beside all that there were, and the next trust file; returns the chain of trust that goes on with
    /// it.
    ///
    /// # Durability
    /// All is durable when this returns.
    ///
    /// # Errors
    /// Those of the disks.
    pub fn stage(&self, writing: &Writing) -> Result<TrustChain, Error> {
        if self.reader.is_some() || self.writer.is_some() {
            let new = self.writer.iter().map(|(new, _)| new.clone());
            let more = new.chain(self.key.more.iter().cloned()).take(MORE_IDENTITIES_MAX).collect();
            let rotating = writing.store.head().head.generation.next();
            self.own.dir.replace_writer(&WriterKey { more, rotating, ..self.key.clone() }, self.own.ask)?;
        }
        if let Some((old, new, tag)) = &self.reader {
            let both: Vec<Identity> = [new.clone()].into_iter().chain(old.iter().cloned()).collect();
            self.own.dir.replace_reader(&both, *tag, self.own.ask)?;
        }
        let mut chain = writing.store.trust().clone();
        if let Some(trust) = &self.trust {
            chain.add(trust.bytes())?;
            pack::create_immutable(writing.disk(), &layout::trust(trust.trust.version), trust.bytes())?;
            writing.disk().sync_dir(&layout::trust_dir())?;
        }
        Ok(chain)
    }

    /// Forgets the old identities, once the new generation is the one that opens.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn settle(self) -> Result<(Rotated, Rotated), Error> {
        if self.reader.is_none() && self.writer.is_none() {
            return Ok(self.done);
        }
        if let Some((_, new, tag)) = self.reader {
            self.own.dir.replace_reader(&[new], tag, self.own.ask)?;
        }
        let identity = self.writer.map_or(self.key.identity, |(new, _)| new);
        let key = WriterKey { identity, more: Vec::new(), rotating: None, ..self.key };
        self.own.dir.replace_writer(&key, self.own.ask)?;
        Ok(self.done)
    }
}

/// Locks a store and ends a rotation that was cut off; returns the writer's key as it is then.
///
/// # Durability
/// As [`KeyDir::replace_writer`].
///
/// # Errors
/// Those of [`Writing::begin`] and of the host's disk; all identities stay.
pub fn end_rotation(
    disk: &Arc<dyn Disk>,
    writer: &WriterKey,
    own: &OwnKeys<'_>,
    cache: Option<&Path>,
    run: Run<'_>,
) -> Result<WriterKey, Error> {
    let (_lock, writing) = Writing::begin(disk, writer, cache, run)?;
    settle_left(&writing, writer, own)
}

/// Forgets identities that a rotation left which was cut off: those that open the state of a store stay alone. Before the store
/// is at the generation that the rotation was for, all stay. The store is locked.
///
/// # Errors
/// Those of the host's disk, [`crate::error::ErrorKind::Corrupt`] for the roster.
pub fn settle_left(writing: &Writing, writer: &WriterKey, own: &OwnKeys<'_>) -> Result<WriterKey, Error> {
    let reached = writing.store.head().head.generation;
    if writer.rotating.is_none_or(|generation| reached < generation) {
        return Ok(writer.clone());
    }
    let roster = Roster::of(&writing.store, &writing.keys)?;
    let holds =
        |role, identity: &Identity| roster.find(role, identity.recipient().as_str()).first().map(|holder| holder.tag);
    let mut readers = own.dir.load_reader(own.ask)?;
    if readers.len() > 1
        && let Some(tag) = readers.iter().find_map(|identity| holds(KeyRole::Reader, identity))
    {
        readers.retain(|identity| holds(KeyRole::Reader, identity).is_some());
        own.dir.replace_reader(&readers, tag, own.ask)?;
    }
    let known = writer.identities().into_iter().find(|identity| holds(KeyRole::Writer, identity).is_some());
    let Some(identity) = known else { return Ok(writer.clone()) };
    let settled = WriterKey { identity, more: Vec::new(), rotating: None, ..writer.clone() };
    own.dir.replace_writer(&settled, own.ask)?;
    Ok(settled)
}

/// Makes the trust file that names another recipient of a writer, or says why there is none.
fn next_trust(
    last: &SignedTrust,
    writer: &WriterKey,
    recipient: &Recipient,
    roots: &[SignKey],
    now: Timestamp,
) -> Result<SignedTrust, Rotated> {
    let mut writers = last.trust.writers.clone();
    let own = writers.iter_mut().find(|listed| listed.key == writer.signer().public()).ok_or(Rotated::Unknown)?;
    recipient.as_str().clone_into(&mut own.recipient);
    if last.trust.version >= CHAIN_MAX {
        return Err(Rotated::ChainFull);
    }
    let version = last.trust.version + 1;
    let next = Trust { version, previous: Some(last.hash()), time: now, writers, ..last.trust.clone() };
    let signed = sign(&SignedTrust::new(next, Vec::new()), roots);
    let is_enough = missing_signatures(&signed, &last.trust) == 0 && signed.bytes().len() as u64 <= TRUST_MAX_BYTES;
    is_enough.then_some(signed).ok_or(Rotated::LacksRoots)
}

#[cfg(test)]
mod tests;
