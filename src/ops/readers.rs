//! `reader add/list/revoke` and `key rotate`: who may read what is written from now on.
//!
//! Adding wraps one key file for each who comes. Revoking begins a new epoch: everyone who stays gets a key file of it, and
//! nothing old is sealed or sent again.

use std::path::Path;
use std::sync::Arc;

use crate::base::{Epoch, Generation};
use crate::disk::Disk;
use crate::error::{Error, ErrorKind, Result};
use crate::format::keylist::KeyRole;
use crate::format::roster::Holder;
use crate::ops::Run;
use crate::ops::local_keys::WriterKey;
use crate::ops::rekey::{Change, NewHolder, Rekeyed};
use crate::ops::transfer::settle;
use crate::ops::writing::{Writing, remember};
use crate::store::keyring::Step;
use crate::store::lock::ReadLock;
use crate::store::roster::Roster;
use crate::store::{Next, Store, StoreError, read_marker};

/// What became of a store's readers.
#[derive(Debug, Clone)]
pub struct Handed {
    /// Who came, who went, or for a new epoch who holds its keys.
    pub holders: Vec<Holder>,
    /// The epoch that is in force.
    pub epoch: Epoch,
    /// The generation that is in force.
    pub generation: Generation,
    /// How many readers hold its keys.
    pub readers: u64,
}

/// Lets people read. Costs one wrapping and one small file for each.
///
/// # Durability
/// They can read once this returns; after a cut within, none of them or all.
///
/// # Errors
/// [`ErrorKind::Other`] for a name or recipient that is taken, and those of [`Writing::begin`].
pub fn add(
    disk: &Arc<dyn Disk>,
    writer: &WriterKey,
    readers: Vec<NewHolder>,
    cache: Option<&Path>,
    run: Run<'_>,
) -> Result<Handed> {
    let change = |_: &Writing| Ok(Change { add: readers, ..Change::default() });
    let (rekeyed, mut handed) = change_keys(disk, writer, cache, change, run)?;
    handed.holders = rekeyed.added.iter().filter_map(|tag| rekeyed.roster.holder(*tag).cloned()).collect();
    Ok(handed)
}

/// Shuts people out of what is written from now on. Each goes by name, tag or recipient.
///
/// # Durability
/// As [`add`].
///
/// # Errors
/// [`ErrorKind::Other`] when nobody goes by one of the names, or more than one does, and those of [`Writing::begin`].
pub fn revoke(
    disk: &Arc<dyn Disk>,
    writer: &WriterKey,
    names: &[String],
    cache: Option<&Path>,
    run: Run<'_>,
) -> Result<Handed> {
    let change = |writing: &Writing| {
        let roster = Roster::of(&writing.store, &writing.keys)?;
        let drop = names.iter().map(|name| Ok(one_of(&roster, KeyRole::Reader, name)?.tag)).collect::<Result<_>>()?;
        Ok(Change { drop, epoch: Step::Next, ..Change::default() })
    };
    let (rekeyed, mut handed) = change_keys(disk, writer, cache, change, run)?;
    let went = rekeyed.roster.all().filter(|holder| holder.until == Some(handed.epoch));
    handed.holders = went.cloned().collect();
    Ok(handed)
}

/// Begins a new epoch with the same holders, as after a key may have been copied.
///
/// # Durability
/// As [`add`].
///
/// # Errors
/// Those of [`Writing::begin`].
pub fn rotate(disk: &Arc<dyn Disk>, writer: &WriterKey, cache: Option<&Path>, run: Run<'_>) -> Result<Handed> {
    let change = |_: &Writing| Ok(Change { epoch: Step::Next, ..Change::default() });
    let (rekeyed, mut handed) = change_keys(disk, writer, cache, change, run)?;
    handed.holders = rekeyed.roster.current().cloned().collect();
    Ok(handed)
}

/// Lists everyone who holds or held keys, of one role, by name.
///
/// # Errors
/// [`ErrorKind::NoIdentity`] when the writer's key does not open the store, and those of opening it.
pub fn list(disk: &Arc<dyn Disk>, writer: &WriterKey, role: KeyRole) -> Result<Vec<Holder>> {
    read_marker(disk.as_ref())?.ok_or(StoreError::NoStore)?;
    let look = || {
        let _lock = ReadLock::share(disk.as_ref())?;
        let store = Store::open(Arc::clone(disk))?;
        let (keys, _) = store.unlock_writer(&writer.identities())?;
        let roster = Roster::of(&store, &keys)?;
        let mut holders: Vec<Holder> = roster.all().filter(|holder| holder.role == role).cloned().collect();
        holders.sort_by(|a, b| (&a.name, a.tag).cmp(&(&b.name, b.tag)));
        Ok(holders)
    };
    look().map_err(|error| settle(disk.as_ref(), error))
}

/// Finds the one who goes by a name, a tag or a recipient.
///
/// # Errors
/// [`ErrorKind::Other`] when nobody does, or more than one.
pub fn one_of<'a>(roster: &'a Roster, role: KeyRole, who: &str) -> Result<&'a Holder> {
    let role_name = role.name();
    match roster.find(role, who).as_slice() {
        [one] => Ok(one),
        [] => {
            Err(Error::new(ErrorKind::Other, format!("no {role_name} goes by {who:?}; `{role_name} list` shows them")))
        }
        _ => Err(Error::new(ErrorKind::Other, format!("more than one {role_name} goes by {who:?}: name a tag"))),
    }
}

/// Makes a generation that changes nothing but who is handed which keys.
fn change_keys(
    disk: &Arc<dyn Disk>,
    writer: &WriterKey,
    cache: Option<&Path>,
    change: impl FnOnce(&Writing) -> Result<Change>,
    run: Run<'_>,
) -> Result<(Rekeyed, Handed)> {
    read_marker(disk.as_ref())?.ok_or(StoreError::NoStore)?;
    let make = || {
        let (_lock, writing) = Writing::begin(disk, writer, cache, run)?;
        let rekeyed = Rekeyed::draw(&writing, change(&writing)?, run)?;
        run.check()?;
        let mut next = Next::following(writing.store.packs(), writing.unlocked.sealed.clone(), run.clock.now());
        rekeyed.write(disk.as_ref(), &mut next)?;
        let record = writing.publish_under(writing.store.trust(), &rekeyed.keys, next)?;
        remember(cache, &writing, record.head.generation, run);
        let readers = rekeyed.roster.current().filter(|holder| holder.role == KeyRole::Reader).count() as u64;
        let (epoch, generation) = (record.head.epoch, record.head.generation);
        Ok((rekeyed, Handed { holders: Vec::new(), epoch, generation, readers }))
    };
    make().map_err(|error| settle(disk.as_ref(), error))
}
