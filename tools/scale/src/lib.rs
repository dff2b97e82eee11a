//! Upkeep at scale: [`make`] makes a store of millions of objects with the program's own parts, [`big`] times what the verbs take
//! on it, [`mount`] what reading through a mount takes, [`monday`] has hundreds of agents ask one server at once, [`fleet`] plays a week of many more,
//! [`readers`] counts what revoking one reader of hundreds moves, and [`weeks`] what a key fetches of packs that were made anew after a year of weekly commits.
//!
//! `README.md` beside this crate holds the figures. Everything follows from a seed, but for the keys.
#![allow(clippy::disallowed_methods, reason = "a tool may read files and the clock")]

use std::path::Path;
use std::process::Command;

use chunkstore::base::StoreId;
use chunkstore::base::clock::SystemClock;
use chunkstore::base::monitor::SilentMonitor;
use chunkstore::base::random::OsRandom;
use chunkstore::error::{Error, ErrorKind};
use chunkstore::ops::Run;
use chunkstore::ops::local_keys::{KeyDir, WriterKey};
use serde_json::Value;
use xtask::stage::failed;

pub mod big;
pub mod fetched;
pub mod fleet;
pub mod make;
pub mod monday;
pub mod mount;
pub mod readers;
pub mod table;
pub mod weeks;

/// The result of anything here; whatever went wrong is for a person to read.
pub type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// What every verb is given here.
#[must_use]
pub fn run() -> Run<'static> {
    Run { clock: &SystemClock, random: &OsRandom, monitor: &SilentMonitor }
}

/// Reads the publisher's key of a store from a folder of keys without passphrases.
///
/// # Errors
/// When there is none.
pub fn writer_key(keys: &Path, store: StoreId) -> Result<WriterKey> {
    let ask = |_: &str| Err(Error::new(ErrorKind::NoIdentity, "keys here have no passphrase"));
    Ok(KeyDir::new(keys, store).load_writer(&ask)?.ok_or("there is no writer's key")?)
}

/// Runs a verb, and returns the last document that it says.
///
/// # Errors
/// When it does not start, does not end well, or says no document.
pub fn said(command: &mut Command) -> Result<Value> {
    let said = command.arg("--json").output()?;
    if !said.status.success() {
        return Err(failed(command, said.status).into());
    }
    let text = String::from_utf8(said.stdout)?;
    Ok(serde_json::from_str(text.lines().last().unwrap_or_default())?)
}

/// Keeps the newest snapshots of a store alone, as a new generation.
///
/// # Errors
/// Those of the store.
pub fn keep_newest(store: &Path, keys: &Path, kept: usize) -> Result<()> {
    let disk: std::sync::Arc<dyn chunkstore::disk::Disk> =
        std::sync::Arc::new(chunkstore::disk::OsDisk::create(store)?);
    let id = chunkstore::store::Store::open(std::sync::Arc::clone(&disk))?.id();
    let writer = writer_key(keys, id)?;
    let (_lock, writing) = chunkstore::ops::writing::Writing::begin(&disk, &writer, None, run())?;
    let mut sealed = writing.unlocked.sealed.clone();
    sealed.snapshots.drain(..sealed.snapshots.len().saturating_sub(kept));
    let now = run().clock.now();
    writing.publish(chunkstore::store::Next::following(writing.store.packs(), sealed, now))?;
    Ok(())
}
