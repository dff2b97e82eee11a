//! Who is handed which keys from the next generation on: holders come and go, recipients change, and with them the epoch and
//! the dedup generation. Draws the secrets, writes key files, key lists and roster, and leaves the generation to its caller.
//!
//! A new epoch seals nothing old again: its sealed part hands the older secrets on, unless they are cut off.

use std::collections::HashSet;

use crate::base::random::random_array;
use crate::base::{Epoch, StoreId};
use crate::crypto::wrap::{Recipient, WrapError};
use crate::disk::Disk;
use crate::error::{Error, ErrorKind, Result};
use crate::format::keylist::{KeyEntry, KeyRole, KeyTag};
use crate::format::manifest::FileKind;
use crate::format::roster::{HOLDER_NAME_MAX_BYTES, Holder, IDENTITY_MAX_BYTES, NOTE_MAX_BYTES};
use crate::ops::Run;
use crate::ops::writing::Writing;
use crate::store::keyring::{Step, WriterKeys};
use crate::store::keys::{NewKeyFile, newest_key_dir, read_entries, write_key_files, write_key_lists};
use crate::store::roster::Roster;
use crate::store::{Next, StoreError};

/// Someone who is to hold keys.
#[derive(Debug, Clone)]
pub struct NewHolder {
    /// A reader or a writer.
    pub role: KeyRole,
    /// Whom key files are wrapped for.
    pub recipient: Recipient,
    /// The identity of that recipient under a passphrase, as an age file; empty where the holder keeps it.
    pub identity: Vec<u8>,
    /// What people call the holder; no other of the role that holds keys may have it.
    pub name: String,
    /// Whatever else is worth knowing.
    pub note: String,
}

/// What changes. Dropping, replacing and a step of the dedup secret take a new epoch; where none is asked for, the next one
/// begins.
#[derive(Debug, Clone, Default)]
pub struct Change {
    /// Who comes.
    pub add: Vec<NewHolder>,
    /// Who goes.
    pub drop: Vec<KeyTag>,
    /// Whose key files are wrapped for another recipient from now on.
    pub replace: Vec<(KeyTag, Recipient)>,
    /// What becomes of the epoch.
    pub epoch: Step,
    /// What becomes of the dedup secret.
    pub dedup: Step,
}

/// The keys after a change, and everything that hands them out; not written yet.
pub struct Rekeyed {
    /// What it takes to write from now on.
    pub keys: WriterKeys,
    /// Who holds keys from now on.
    pub roster: Roster,
    /// The tags of those who came, in the order in which they were named.
    pub added: Vec<KeyTag>,
    store: StoreId,
    standing: Vec<KeyEntry>,
    made: Vec<NewKeyFile>,
}

impl Rekeyed {
    /// Hands the keys of a new store to its first holders.
    ///
    /// # Errors
    /// As [`Rekeyed::draw`].
    pub fn first(store: StoreId, keys: WriterKeys, holders: Vec<NewHolder>, run: Run<'_>) -> Result<Self> {
        let (roster, added, standing) = (Roster::default(), Vec::new(), Vec::new());
        let mut first = Self { keys, roster, added, store, standing, made: Vec::new() };
        first.add(holders, run)?;
        first.made = wrap_for(&first.keys, first.roster.current())?;
        Ok(first)
    }

    /// Works out a change to a store that is open for writing. Costs one wrapping, about 0.1 ms, for each key file that is made:
    /// those who come, or everyone where an epoch begins.
    ///
    /// # Errors
    /// [`ErrorKind::Other`] for a name or recipient that is taken or does not fit, and for a tag that nobody holds;
    /// [`ErrorKind::Corrupt`] when key lists or the roster do not read, or do not agree.
    pub fn draw(writing: &Writing, mut change: Change, run: Run<'_>) -> Result<Self> {
        let (disk, store) = (writing.disk(), writing.store.id());
        let changes_files = !change.drop.is_empty() || !change.replace.is_empty() || change.dedup != Step::Keep;
        if changes_files && change.epoch == Step::Keep {
            change.epoch = Step::Next;
        }
        let roster = Roster::of(&writing.store, &writing.keys)?;
        let standing = read_entries(disk, store, writing.store.packs(), writing.keys.reader.epoch())?;
        require_known(&roster, &standing)?;
        let above = if change.epoch == Step::Keep { Epoch(0) } else { newest_key_dir(disk)? };
        let keys = writing.keys.step(change.epoch, change.dedup, above, run.random);
        let keys = keys.ok_or(StoreError::NoEpochLeft)?;
        let mut next = Self { keys, roster, added: Vec::new(), store, standing, made: Vec::new() };
        next.drop_and_replace(&change)?;
        next.add(change.add, run)?;
        if change.epoch == Step::Keep {
            let added: HashSet<KeyTag> = next.added.iter().copied().collect();
            next.made = wrap_for(&next.keys, next.roster.current().filter(|holder| added.contains(&holder.tag)))?;
        } else {
            next.standing.clear();
            next.made = wrap_for(&next.keys, next.roster.current())?;
        }
        Ok(next)
    }

    fn drop_and_replace(&mut self, change: &Change) -> Result<()> {
        let epoch = self.keys.reader.epoch();
        let nobody = |tag: &KeyTag| Error::new(ErrorKind::Other, format!("nobody holds the key file {tag}"));
        for tag in &change.drop {
            let holder = self.roster.holder_mut(*tag).filter(|holder| holder.until.is_none());
            holder.ok_or_else(|| nobody(tag))?.until = Some(epoch);
        }
        for (tag, recipient) in &change.replace {
            let holder = self.roster.holder_mut(*tag).filter(|holder| holder.until.is_none());
            let holder = holder.ok_or_else(|| nobody(tag))?;
            recipient.as_str().clone_into(&mut holder.recipient);
            holder.identity.clear();
        }
        Ok(())
    }

    fn add(&mut self, holders: Vec<NewHolder>, run: Run<'_>) -> Result<()> {
        let mut names: HashSet<(KeyRole, String)> = HashSet::new();
        let mut recipients: HashSet<(KeyRole, String)> = HashSet::new();
        for holder in self.roster.current() {
            names.insert((holder.role, holder.name.clone()));
            recipients.insert((holder.role, holder.recipient.clone()));
        }
        for holder in holders {
            require_fit(&holder)?;
            let NewHolder { role, recipient, identity, name, note } = holder;
            if !names.insert((role, name.clone())) {
                let text = format!("there is a {} named {name:?} already: choose another name", role.name());
                return Err(Error::new(ErrorKind::Other, text));
            }
            if !recipients.insert((role, recipient.as_str().to_owned())) {
                let text = format!("{} is a {} already", recipient.as_str(), role.name());
                return Err(Error::new(ErrorKind::Other, text));
            }
            let mut tag = KeyTag(random_array(run.random));
            while self.roster.is_taken(tag) || self.standing.iter().any(|entry| entry.tag == tag) {
                tag = KeyTag(random_array(run.random));
            }
            let (recipient, added) = (recipient.as_str().to_owned(), run.clock.now());
            let (since, until, extensions) = (self.keys.reader.epoch(), None, Vec::new());
            self.roster.put(Holder { tag, role, recipient, identity, name, note, added, since, until, extensions });
            self.added.push(tag);
        }
        Ok(())
    }

    /// Writes key files, key lists and roster, and puts them and the secrets that are handed on into a generation to be.
    ///
    /// # Durability
    /// All that was written is durable when this returns.
    ///
    /// # Errors
    /// Those of the disk; the state stays as it was.
    pub fn write(&self, disk: &dyn Disk, next: &mut Next) -> Result<()> {
        let epoch = self.keys.reader.epoch();
        write_key_files(disk, epoch, &self.made)?;
        let entries = self.standing.iter().copied().chain(self.made.iter().map(|file| file.entry)).collect();
        let lists = write_key_lists(disk, self.store, epoch, entries)?;
        let roster = self.roster.write(disk, self.store, &self.keys, self.keys.dedup_generation())?;
        // Whoever holds the newest epoch learns the older ones from the sealed part, so their key files go.
        next.key_lists = vec![lists];
        next.files.retain(|file| file.kind != FileKind::ROSTER);
        next.files.extend(roster);
        next.files.sort_unstable_by_key(|file| (file.kind, file.hash));
        next.sealed.older_epochs = self.keys.reader.older();
        next.sealed.index_keys = self.keys.reader.index_keys();
        next.sealed.dedup_generation = self.keys.dedup_generation();
        Ok(())
    }
}

/// Wraps what each is handed; an identity under a passphrase comes with it.
fn wrap_for<'a>(keys: &WriterKeys, holders: impl Iterator<Item = &'a Holder>) -> Result<Vec<NewKeyFile>> {
    let (reader, writer) = (keys.reader.encode(), keys.encode());
    let mut made = Vec::new();
    for holder in holders {
        let content = if holder.role == KeyRole::Writer { &writer } else { &reader };
        let recipient = Recipient::parse(&holder.recipient).map_err(|error| unusable(holder, error))?;
        made.push(NewKeyFile::wrap(&recipient, holder.role, content, holder.tag)?);
        if !holder.identity.is_empty() {
            made.push(NewKeyFile::of(holder.tag.twin(), KeyRole::Identity, holder.identity.clone()));
        }
    }
    Ok(made)
}

/// Tells a recipient of a kind that this program was built without from a damaged one.
fn unusable(holder: &Holder, error: WrapError) -> Error {
    if holder.recipient.starts_with("ssh-") {
        let text = format!(
            "the reader {:?} has an SSH key, which takes a program that was built with `--features ssh`: use that one, or \
             revoke the reader first",
            holder.name
        );
        return Error::with_source(ErrorKind::Other, text, error);
    }
    StoreError::corrupt(format!("the recipient of {} in the roster", holder.name), error).into()
}

/// Refuses to go on where key files are listed that the roster does not know: their holders would be shut out unseen.
fn require_known(roster: &Roster, standing: &[KeyEntry]) -> Result<()> {
    let is_known = |entry: &KeyEntry| {
        let tag = if entry.role == KeyRole::Identity { entry.tag.twin() } else { entry.tag };
        roster.holder(tag).is_some_and(|holder| holder.until.is_none())
    };
    match standing.iter().find(|entry| !is_known(entry)) {
        Some(entry) => Err(StoreError::damaged(format!("the roster (it lacks the key file {})", entry.tag)).into()),
        None => Ok(()),
    }
}

fn require_fit(holder: &NewHolder) -> Result<()> {
    let is_text = |text: &str| !text.chars().any(char::is_control);
    let fits = !holder.name.trim().is_empty()
        && holder.name.len() <= HOLDER_NAME_MAX_BYTES
        && is_text(&holder.name)
        && holder.note.len() <= NOTE_MAX_BYTES
        && is_text(&holder.note)
        && holder.identity.len() <= IDENTITY_MAX_BYTES;
    if fits {
        return Ok(());
    }
    let text = format!(
        "the name {:?} or its note does not fit: a name has 1 to {HOLDER_NAME_MAX_BYTES} bytes, a note up to {NOTE_MAX_BYTES}, \
         both without control characters",
        holder.name
    );
    Err(Error::new(ErrorKind::Usage, text))
}

#[cfg(test)]
mod tests;
