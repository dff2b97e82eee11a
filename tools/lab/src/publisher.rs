//! [`Publisher`]: the other side of every story, on the host: a store and its keys, pushed to a folder that the project's own
//! FTP server serves, with whatever faults it is told.

use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chunkstore::base::clock::SystemClock;
use chunkstore::base::monitor::SilentMonitor;
use chunkstore::base::random::OsRandom;
use chunkstore::disk::served::ServedDir;
use chunkstore::disk::{Disk, OsDisk, OsFolder};
use chunkstore::error::{Error, ErrorKind};
use chunkstore::folder::Excludes;
use chunkstore::ops::Run;
use chunkstore::ops::commit::{CommitRequest, commit};
use chunkstore::ops::forget::{Choice, ForgetRequest, forget};
use chunkstore::ops::gc::{GcRequest, gc};
use chunkstore::ops::host_state::HostState;
use chunkstore::ops::init::{InitRequest, Initialised, init};
use chunkstore::ops::local_keys::{KeyDir, WriterKey};
use chunkstore::ops::push::{PushRequest, push};
use chunkstore::path_remote::PathRemote;
use chunkstore::remote::Remote;
use chunkstore::serve::{Faults, ServeOptions, Server};
use chunkstore::tree::retention::{Count, Policy};
use tempfile::TempDir;

use crate::content;
use crate::error::{LabError, Result};
use crate::machine::HOST_ADDRESS;

/// What a week brought.
#[derive(Debug, Clone, Copy)]
pub struct Published {
    /// The generation that the server shows now.
    pub generation: u64,
    /// Bytes of packs that are new.
    pub new_bytes: u64,
}

/// A publisher with a server.
pub struct Publisher {
    server: Server,
    store: Arc<dyn Disk>,
    remote: Arc<dyn Remote>,
    made: Initialised,
    unit_bytes: usize,
    // Goes last: everything above lies in it.
    dir: TempDir,
}

impl Publisher {
    /// Makes a store and serves an empty folder, and beside it the weeks as archives.
    ///
    /// # Errors
    /// When the scratch folder cannot be written or nothing listens.
    pub fn start(unit_bytes: usize) -> Result<Self> {
        let dir = tempfile::tempdir().map_err(|error| LabError::because("cannot make a scratch folder", error))?;
        let [store, remote] = [open(dir.path(), "publisher")?, open(dir.path(), "server/store")?];
        open(dir.path(), "files")?;
        for week in [1, 2] {
            let path = dir.path().join(format!("server/week-{week}.cpio"));
            std::fs::write(&path, content::archive(week, unit_bytes)).map_err(failed("write a week's archive"))?;
        }
        let keys = dir.path().join("keys");
        let request = InitRequest { readers: Vec::new(), keys: &keys, root_keys: &keys, passphrase: None };
        let made = init(store.as_ref(), &request, run()).map_err(failed("make the publisher's store"))?;
        let served = ServedDir::open_root(&dir.path().join("server")).map_err(failed("serve a folder"))?;
        let server = Server::start(served, ServeOptions::default(), Faults::none(), Arc::new(SystemClock))
            .map_err(failed("listen on loopback"))?;
        let remote = Arc::new(PathRemote::new(remote, "server".to_owned()));
        Ok(Self { server, store, remote, made, unit_bytes, dir })
    }

    /// Commits a week, which takes several commits, and pushes it.
    ///
    /// # Errors
    /// Those of the ops.
    pub fn publish(&self, week: u32) -> Result<Published> {
        let mut published = Published { generation: 0, new_bytes: 0 };
        for files in content::week(week, self.unit_bytes) {
            content::write(&self.path("files"), &files)?;
            published.new_bytes += self.commit(week)?;
        }
        published.generation = self.push()?;
        Ok(published)
    }

    fn push(&self) -> Result<u64> {
        let mut state = HostState::load(Some(&self.path("cache")), self.made.store);
        let pushed = push(&self.store, &self.remote, &PushRequest::default(), &mut state, run());
        Ok(pushed.map_err(failed("push"))?.generation.0)
    }

    /// Forgets all snapshots but the newest, drops without a grace what nothing needs then, and pushes; returns the generation.
    ///
    /// # Errors
    /// Those of the ops.
    pub fn collect(&self) -> Result<u64> {
        let writer = self.writer()?;
        let last = Policy { last: Some(Count::AtMost(NonZeroU32::MIN)), ..Policy::default() };
        let request = ForgetRequest { choice: Choice::ByPolicy(last), writer: &writer, cache: None };
        forget(&self.store, &request, run()).map_err(failed("forget snapshots"))?;
        let request = GcRequest { writer: Some(&writer), grace_secs: Some(0), ..GcRequest::default() };
        gc(&self.store, &request, run()).map_err(failed("collect garbage"))?;
        self.push()
    }

    /// Returns the reader's key, as a file holds it.
    ///
    /// # Errors
    /// When it does not read.
    pub fn reader_key(&self) -> Result<String> {
        let path = KeyDir::new(&self.path("keys"), self.made.store).path("reader.key");
        std::fs::read_to_string(path).map_err(failed("read the reader's key"))
    }

    /// Returns the address of the served store, as the guest reaches it.
    #[must_use]
    pub fn url(&self) -> String {
        format!("ftp://{HOST_ADDRESS}:{}/store", self.port())
    }

    /// Returns the port that the server listens on.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.server.addr().port()
    }

    /// Returns the store's fingerprint.
    #[must_use]
    pub fn fingerprint(&self) -> &str {
        &self.made.fingerprint
    }

    /// Returns where the served store lies on the host.
    #[must_use]
    pub fn served_store(&self) -> PathBuf {
        self.path("server/store")
    }

    /// Returns the store's id.
    #[must_use]
    pub fn store_id(&self) -> String {
        self.made.store.to_string()
    }

    /// Returns the folder that is committed, on the host.
    #[must_use]
    pub fn files(&self) -> PathBuf {
        self.path("files")
    }

    fn writer(&self) -> Result<WriterKey> {
        let keys = KeyDir::new(&self.path("keys"), self.made.store);
        let writer = keys
            .load_writer(&|_| Err(Error::new(ErrorKind::NoIdentity, "the lab's keys have no passphrase")))
            .map_err(failed("read the writer's key"))?;
        writer.ok_or_else(|| LabError::new("init left no writer's key"))
    }

    fn commit(&self, week: u32) -> Result<u64> {
        let writer = self.writer()?;
        let request = CommitRequest {
            message: format!("week {week}"),
            author: "lab@localhost".to_owned(),
            tags: Vec::new(),
            excludes: Excludes::none(),
            writer: &writer,
            cache: None,
        };
        let folder = OsFolder::open(&self.path("files")).map_err(failed("open the folder"))?;
        let done = commit(Arc::clone(&self.store), &folder, &request, run()).map_err(failed("commit a week"))?;
        Ok(done.new_bytes)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
}

fn run() -> Run<'static> {
    Run { clock: &SystemClock, random: &OsRandom, monitor: &SilentMonitor }
}

fn open(dir: &Path, name: &str) -> Result<Arc<dyn Disk>> {
    let path = dir.join(name);
    let opened = std::fs::create_dir_all(&path).map_err(failed("make a folder"));
    opened.and_then(|()| Ok(Arc::new(OsDisk::create(&path).map_err(failed("open a folder"))?) as Arc<dyn Disk>))
}

fn failed<E: std::error::Error + Send + Sync + 'static>(what: &'static str) -> impl Fn(E) -> LabError {
    move |error| LabError::because(format!("the publisher cannot {what}"), error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_weeks_are_published_and_the_second_has_one_big_pack() {
        let publisher = Publisher::start(1 << 10).unwrap();
        let weeks = [publisher.publish(1).unwrap(), publisher.publish(2).unwrap()];
        assert_eq!(weeks.map(|week| week.generation), [4, 6]);
        let entries =
            |dir: &Path| -> Vec<_> { std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect() };
        let packs = entries(&publisher.served_store().join("packs"));
        let files = packs.iter().flat_map(|dir| entries(dir));
        let mut sizes: Vec<u64> = files.map(|path| path.metadata().unwrap().len()).collect();
        sizes.sort_unstable();
        let big = sizes.iter().filter(|size| **size > 1_200_000).count();
        assert!(big == 1 && sizes.len() >= 8, "{sizes:?}");
    }
}
