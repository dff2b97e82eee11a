//! The outer layer of a store that opens, beyond what it opens by: key lists and key files, carried files, recipes and packs.

use std::collections::HashSet;

use super::packs::check_packs;
use super::{Finding, ProblemKind, Report};
use crate::base::limits::KEY_FILE_MAX_BYTES;
use crate::base::{Epoch, PackHash, StorePath};
use crate::error::{Error, Result};
use crate::format::keylist::KeyList;
use crate::ops::Run;
use crate::ops::heal::Small;
use crate::ops::transfer::key_files::Carried;
use crate::store::keys::read_key_list;
use crate::store::order::{missing_parts, orders_of};
use crate::store::survey::{Fault, Wanted, fault_of};
use crate::store::{Store, StoreError, layout};

/// What was found in it.
#[derive(Default)]
pub struct Outer {
    /// Everything that is wrong, packs last and in the order of the manifest.
    pub findings: Vec<Finding>,
    /// Files among it that only their hash leads to.
    pub small: Vec<Small>,
    /// Key files that are listed.
    pub key_files: u64,
    /// Those of them that are there.
    pub key_files_here: u64,
    packs: u64,
    total_packs: u64,
    checked_bytes: u64,
    broken: Vec<PackHash>,
}

impl Outer {
    /// Checks it, and hashes the chosen packs.
    ///
    /// # Errors
    /// [`crate::error::ErrorKind::Gone`], [`crate::error::ErrorKind::Interrupted`].
    pub fn check(store: &Store, chosen: &HashSet<PackHash>, threads: usize, run: Run<'_>) -> Result<Self> {
        let mut outer = Self { total_packs: store.packs().packs().len() as u64, ..Self::default() };
        outer.keys(store)?;
        for file in &store.packs().top.files {
            let wanted = Wanted { hash: file.hash.0, max_bytes: u64::from(file.len_bytes) };
            outer.file(store, ProblemKind::CarriedFile, &layout::carried_file(&file.hash), &wanted)?;
        }
        outer.orders(store)?;
        outer.recipes(store)?;
        // Everything is missing on a medium that went away.
        if !outer.findings.is_empty()
            && let gone @ StoreError::Gone(_) = store.settle(StoreError::damaged("a file"))
        {
            return Err(gone.into());
        }
        let checked = check_packs(store, chosen, threads, run)?;
        (outer.packs, outer.checked_bytes) = (checked.packs, checked.hashed_bytes);
        for (pack, fault) in checked.broken {
            let kind = if fault == Fault::Missing { ProblemKind::MissingPack } else { ProblemKind::DamagedPack };
            let says_more = matches!(fault, Fault::Unreadable(_) | Fault::InTheWay);
            let why = says_more.then(|| fault.to_string());
            outer.findings.push(Finding::new(kind, layout::pack(&pack.hash).to_string(), why));
            outer.broken.push(pack.hash);
        }
        Ok(outer)
    }

    /// Returns the packs that are missing or wrong.
    #[must_use]
    pub fn broken_packs(&self) -> Vec<PackHash> {
        self.broken.clone()
    }

    /// Adds what was found to a report.
    pub fn tell(&self, report: &mut Report) {
        report.findings.extend(self.findings.iter().cloned());
        (report.key_files, report.key_files_here) = (self.key_files, self.key_files_here);
        (report.packs, report.total_packs) = (self.packs, self.total_packs);
        report.checked_bytes = self.checked_bytes;
    }

    fn file(&mut self, store: &Store, kind: ProblemKind, path: &StorePath, wanted: &Wanted) -> Result<()> {
        if let Some(fault) = fault_of(store.disk().as_ref(), path, wanted)? {
            self.findings.push(Finding::of_fault(kind, path.to_string(), &fault));
        }
        Ok(())
    }

    /// Orders whose files are whole may still be signed by nobody, or lack parts.
    fn orders(&mut self, store: &Store) -> Result<()> {
        if !self.findings.is_empty() {
            return Ok(());
        }
        let why = match orders_of(store) {
            Err(error @ StoreError::Gone(_)) => return Err(error.into()),
            Err(error) => Some(Error::from(error).in_full()),
            Ok(orders) => missing_parts(&orders),
        };
        self.findings
            .extend(why.map(|why| Finding::new(ProblemKind::CarriedFile, "purge order".to_owned(), Some(why))));
        Ok(())
    }

    /// A recipe only saves a key from fetching what it can make, so that one is missing is no damage.
    fn recipes(&mut self, store: &Store) -> Result<()> {
        for recipe in &store.packs().recipes {
            let path = layout::recipe(&recipe.recipe);
            let wanted = Wanted { hash: recipe.recipe.0, max_bytes: recipe.len_bytes };
            match fault_of(store.disk().as_ref(), &path, &wanted)? {
                None | Some(Fault::Missing) => {}
                Some(fault) => {
                    self.findings.push(Finding::of_fault(ProblemKind::Recipe, path.to_string(), &fault));
                    self.small.push(Small { what: "recipe", path, wanted });
                }
            }
        }
        Ok(())
    }

    fn keys(&mut self, store: &Store) -> Result<()> {
        let disk = store.disk().as_ref();
        let carried = match Carried::by(disk) {
            Ok(carried) => carried,
            Err(gone @ StoreError::Gone(_)) => return Err(gone.into()),
            Err(error) => {
                let why = Some(format!("it does not say which key files the store carries: {error}"));
                self.findings.push(Finding::new(ProblemKind::Key, layout::replica_tag().to_string(), why));
                Carried::WhileFew
            }
        };
        for lists in &store.packs().top.key_lists {
            for (hash, len_bytes) in carried.lists(lists) {
                match read_key_list(disk, store.id(), hash, *len_bytes) {
                    Ok(list) => self.key_files(store, lists.epoch, carried, &list)?,
                    Err(gone @ StoreError::Gone(_)) => return Err(gone.into()),
                    Err(_) => {
                        let (path, wanted) = (layout::key_list(hash), Wanted { hash: hash.0, max_bytes: *len_bytes });
                        let fault = fault_of(disk, &path, &wanted)?.unwrap_or(Fault::Damaged);
                        self.findings.push(Finding::of_fault(ProblemKind::Key, path.to_string(), &fault));
                    }
                }
            }
        }
        Ok(())
    }

    fn key_files(&mut self, store: &Store, epoch: Epoch, carried: Carried, list: &KeyList) -> Result<()> {
        for entry in &list.entries {
            let path = layout::key_file(epoch, entry.tag);
            self.key_files += 1;
            let wanted = Wanted { hash: entry.hash, max_bytes: KEY_FILE_MAX_BYTES };
            let fault = fault_of(store.disk().as_ref(), &path, &wanted)?;
            self.key_files_here += u64::from(fault != Some(Fault::Missing));
            // A key carries its own reader's file alone, so that others are missing is no damage.
            let is_missed = fault != Some(Fault::Missing) || carried.wants(list, entry);
            if let Some(fault) = fault.filter(|_| is_missed) {
                self.findings.push(Finding::of_fault(ProblemKind::Key, path.to_string(), &fault));
            }
        }
        Ok(())
    }
}
