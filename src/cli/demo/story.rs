//! The story, step by step. Each step does what a verb does, by the same op, and says what it cost.

use std::cell::Cell;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::compare::compare;
use super::content::Author;
use super::cut::CutInHalf;
use super::place;
use crate::base::units::show_size;
use crate::base::{Monitor, RelPath, StoreId};
use crate::cli::context::Context;
use crate::crypto::wrap::Identity;
use crate::disk::served::ServedDir;
use crate::disk::{Disk, OsDisk, OsFolder};
use crate::error::{Error, ErrorKind, Result};
use crate::folder::Excludes;
use crate::format::head::Group;
use crate::ops::clone::{CloneRequest, clone_store};
use crate::ops::commit::{CommitRequest, commit};
use crate::ops::host_state::HostState;
use crate::ops::init::{InitRequest, Initialised, init};
use crate::ops::list::ls;
use crate::ops::local_keys::KeyDir;
use crate::ops::open::{Reading, Spot};
use crate::ops::push::{PushRequest, push};
use crate::ops::restore::{RestoreOptions, RestoreRequest, restore};
use crate::ops::status::status;
use crate::ops::sync::{SyncRequest, Synced, sync};
use crate::ops::verify::{VerifyRequest, verify};
use crate::remote::Remote;
use crate::remote::ftp::{FtpOptions, FtpRemote};
use crate::remote::url::FtpUrl;
use crate::serve::{Faults, ServeOptions, Server};

const SEED: u64 = 20_261_121;

/// Everyone in the story, each with a folder of their own below `root`.
struct Story<'a> {
    root: &'a Path,
    context: &'a Context,
    monitor: &'a dyn Monitor,
    folder: OsFolder,
    publisher: Arc<dyn Disk>,
    key: Arc<dyn Disk>,
    made: Initialised,
    #[expect(dead_code, reason = "serves until it is dropped")]
    server: Server,
    remote: Arc<dyn Remote>,
    steps: Steps<'a>,
}

/// Numbers the steps and says how long each took.
struct Steps<'a> {
    context: &'a Context,
    count: Cell<u32>,
    began: Cell<Duration>,
}

impl Steps<'_> {
    /// Shows a step that is done.
    fn done(&self, name: &str, text: &str, figures: Value) -> Result<()> {
        let now = self.context.clock.monotonic();
        let secs = now.saturating_sub(self.began.replace(now)).as_secs_f64();
        self.count.set(self.count.get() + 1);
        let number = self.count.get();
        let output = &self.context.output;
        output.text(format!("{number:>2}  {name:<14} {text}  ({secs:.2} s)"))?;
        let mut event = Map::new();
        event.insert("event".to_owned(), json!("step"));
        event.insert("step".to_owned(), json!(number));
        event.insert("name".to_owned(), json!(name));
        if let Value::Object(figures) = figures {
            event.extend(figures);
        }
        output.json(&Value::Object(event))?;
        output.flush()
    }
}

/// Plays the story below `root`.
///
/// # Errors
/// [`ErrorKind::Other`] when what came back differs, and those of the ops.
pub fn tell(root: &Path, context: &Context, monitor: &dyn Monitor) -> Result<()> {
    let story = begin(root, context, monitor)?;
    story.commit("week 1")?;
    story.push()?;
    story.clone_key()?;
    story.next_week()?;
    story.commit("week 2")?;
    story.push()?;
    story.update()?;
    story.verify()?;
    story.list()?;
    story.restore_and_compare()
}

fn open(root: &Path, name: &str) -> Result<Arc<dyn Disk>> {
    Ok(Arc::new(OsDisk::create(&place(root, name))?))
}

fn begin<'a>(root: &'a Path, context: &'a Context, monitor: &'a dyn Monitor) -> Result<Story<'a>> {
    let steps = Steps { context, count: Cell::new(0), began: Cell::new(context.clock.monotonic()) };
    let [publisher, key, _server_dir] = [open(root, "publisher")?, open(root, "key")?, open(root, "server")?];
    drop(OsDisk::create(&place(root, "files"))?);
    let folder = OsFolder::open(&place(root, "files"))?;
    Author::new(&folder, SEED).first_week()?;
    steps.done("write", "a folder of text, random bytes, links and odd names", json!({}))?;
    let keys = place(root, "keys");
    let request = InitRequest { readers: Vec::new(), keys: &keys, root_keys: &keys, passphrase: None };
    let made = init(publisher.as_ref(), &request, context.run(monitor))?;
    let figures = json!({"store_id": made.store.to_string(), "fingerprint": made.fingerprint});
    steps.done("init", &format!("a store with the fingerprint {}", made.fingerprint), figures)?;
    let options = ServeOptions { allow_upload: true, ..ServeOptions::default() };
    let dir = ServedDir::open_root(&place(root, "server"))?;
    let server = Server::start(dir, options, Faults::none(), Arc::clone(&context.clock))
        .map_err(|error| Error::with_source(ErrorKind::Other, "cannot listen on loopback", error))?;
    let address = format!("ftp://{}/", server.addr());
    let url = FtpUrl::parse(&address)
        .map_err(|error| Error::with_source(ErrorKind::Other, "cannot use the server's own address", error))?;
    steps.done("serve", &format!("an empty folder at {address}"), json!({"url": address}))?;
    let remote = Arc::new(FtpRemote::new(url, None, FtpOptions::default(), Arc::clone(&context.clock)));
    Ok(Story { root, context, monitor, folder, publisher, key, made, server, remote, steps })
}

impl Story<'_> {
    fn store(&self) -> StoreId {
        self.made.store
    }

    fn keys(&self) -> KeyDir {
        KeyDir::new(&place(self.root, "keys"), self.store())
    }

    /// Returns the reader's identities; no key of the demo has a passphrase.
    fn readers(&self) -> Result<Vec<Identity>> {
        self.keys().load_reader(&nobody)
    }

    fn commit(&self, message: &str) -> Result<()> {
        let none = || Error::new(ErrorKind::NoIdentity, "init left no writer's key");
        let writer = self.keys().load_writer(&nobody)?.ok_or_else(none)?;
        let request = CommitRequest {
            message: message.to_owned(),
            author: "demo@localhost".to_owned(),
            tags: Vec::new(),
            excludes: Excludes::none(),
            writer: &writer,
            cache: Some(&place(self.root, "cache of the publisher")),
        };
        let done = commit(Arc::clone(&self.publisher), &self.folder, &request, self.context.run(self.monitor))?;
        let (files, bytes) = (done.totals.files, show_size(done.totals.bytes));
        let text = format!("{message}: {files} files, {bytes}, of which {} are new", show_size(done.new_bytes));
        let figures = json!({"generation": done.generation.0, "files": files, "bytes": done.totals.bytes, "new_bytes": done.new_bytes});
        self.steps.done("commit", &text, figures)
    }

    fn push(&self) -> Result<()> {
        let mut state = self.memory("cache of the publisher");
        let run = self.context.run(self.monitor);
        let done = push(&self.publisher, &self.remote, &PushRequest::default(), &mut state, run)?;
        let text = format!("{} packs, {} to the server", done.packs_sent, show_size(done.sent_bytes));
        let figures =
            json!({"packs_sent": done.packs_sent, "sent_bytes": done.sent_bytes, "wire_bytes": done.wire_bytes});
        self.steps.done("push", &text, figures)
    }

    fn clone_key(&self) -> Result<()> {
        let request = CloneRequest {
            group: Group::all(),
            trust: Some(self.made.fingerprint.clone()),
            confirm: &|_| Ok(false),
            reader: None,
            accept_older: false,
        };
        let cache = place(self.root, "cache of the key");
        let done = clone_store(&self.remote, &self.key, &request, Some(&cache), self.context.run(self.monitor))?;
        let text = format!("a key with {} packs, {}", done.packs_fetched, show_size(done.fetched_bytes));
        self.steps.done(
            "clone",
            &text,
            json!({"packs_fetched": done.packs_fetched, "fetched_bytes": done.fetched_bytes}),
        )
    }

    fn next_week(&self) -> Result<()> {
        Author::new(&self.folder, SEED + 1).next_week()?;
        self.steps.done("change", "a week's worth of edits, additions, moves and removals", json!({}))
    }

    /// Cuts an update off in its middle, shows what the key says of itself, and goes on.
    fn update(&self) -> Result<()> {
        let cut = CutInHalf::new(self.monitor);
        match self.sync(&cut) {
            Err(error) if error.kind() == ErrorKind::Interrupted && !self.monitor.cancelled() => {}
            Err(error) => return Err(error),
            Ok(_) => return Err(Error::new(ErrorKind::Other, "the update was over before it could be cut off")),
        }
        self.steps.done("sync", "pulled out in the middle of the update", json!({}))?;
        let (generation, total_bytes) = self.status()?;
        let done = self.sync(self.monitor)?;
        let twice = cut.fetched_bytes().saturating_add(done.fetched_bytes).saturating_sub(total_bytes);
        let text = format!(
            "generation {generation} to {}: fetched {}, found {} on the key, {} more than without the cut",
            done.generation,
            show_size(done.fetched_bytes),
            show_size(done.reused_bytes),
            show_size(twice),
        );
        let figures = json!({
            "generation": done.generation.0,
            "fetched_bytes": done.fetched_bytes,
            "reused_bytes": done.reused_bytes,
            "refetched_bytes": twice,
        });
        self.steps.done("sync again", &text, figures)
    }

    fn sync(&self, monitor: &dyn Monitor) -> Result<Synced> {
        let mut state = self.memory("cache of the key");
        let remotes = [Arc::clone(&self.remote)];
        sync(&self.key, &remotes, SyncRequest::default(), &mut state, self.context.run(monitor))
    }

    /// Returns the generation that opens meanwhile, and how many bytes the whole update has.
    fn status(&self) -> Result<(u64, u64)> {
        let state = self.memory("cache of the key");
        let found = status(Arc::clone(&self.key), &self.readers()?, &state, self.context.run(self.monitor))?;
        let none = || Error::new(ErrorKind::Other, "the cut-off update left nothing to go on from");
        let left = found.unfinished.ok_or_else(none)?;
        let (here, total) = (show_size(left.here_bytes), show_size(left.total_bytes));
        let text =
            format!("generation {} opens as ever; update {here} of {total}, continues next time", found.generation);
        let figures =
            json!({"generation": found.generation.0, "here_bytes": left.here_bytes, "total_bytes": left.total_bytes});
        self.steps.done("status", &text, figures)?;
        Ok((found.generation.0, left.total_bytes))
    }

    fn verify(&self) -> Result<()> {
        let readers = self.readers()?;
        let request = VerifyRequest { identities: &readers, read_data: true, ..VerifyRequest::default() };
        let report = verify(Arc::clone(&self.key), &request, self.context.run(self.monitor))?;
        if let Some(finding) = report.findings.first() {
            return Err(Error::new(ErrorKind::Corrupt, format!("the key has a damaged {}", finding.file)));
        }
        let text = format!(
            "{} packs, {}, {} objects: all hold",
            report.packs,
            show_size(report.checked_bytes),
            report.objects
        );
        self.steps.done("verify", &text, json!({"checked_bytes": report.checked_bytes, "objects": report.objects}))
    }

    fn list(&self) -> Result<()> {
        let reading = Reading::open(Arc::clone(&self.key), &self.readers()?, self.context.run(self.monitor))?;
        let spot = Spot { snapshot: "HEAD".to_owned(), path: RelPath::root() };
        let mut entries = 0_u64;
        ls(&reading, &spot, true, &mut |_, _| {
            entries += 1;
            Ok(())
        })?;
        self.steps.done("ls", &format!("{entries} entries in the newest snapshot"), json!({"entries": entries}))
    }

    fn restore_and_compare(&self) -> Result<()> {
        let target = place(self.root, "restored");
        drop(OsDisk::create(&target)?);
        let restored = OsFolder::open(&target)?;
        let readers = self.readers()?;
        let spot = Spot { snapshot: "HEAD".to_owned(), path: RelPath::root() };
        let request = RestoreRequest { spot, identities: &readers, owners: false, options: RestoreOptions::default() };
        let done = restore(Arc::clone(&self.key), &restored, &request, self.context.run(self.monitor))?;
        let text = format!("{} files and links, {} from the key", done.files, show_size(done.bytes));
        self.steps.done("restore", &text, json!({"files": done.files, "bytes": done.bytes}))?;
        let compared = compare(&self.folder, &restored)?;
        for difference in &compared.differences {
            self.context.notices.line(&format!("chunkstore: {difference}"));
        }
        let count = compared.differences.len();
        let text = format!(
            "{} entries, {} with the original: {count} differences",
            compared.entries,
            show_size(compared.bytes)
        );
        let figures = json!({"entries": compared.entries, "bytes": compared.bytes, "differences": count});
        self.steps.done("compare", &text, figures)?;
        match count {
            0 => Ok(()),
            _ => Err(Error::new(ErrorKind::Other, format!("{count} entries came back different"))),
        }
    }

    fn memory(&self, cache: &str) -> HostState {
        HostState::load(Some(&place(self.root, cache)), self.store())
    }
}

/// No key of the demo has a passphrase.
fn nobody(_: &str) -> Result<zeroize::Zeroizing<String>> {
    Err(Error::new(ErrorKind::NoIdentity, "a key of the demo asks for a passphrase"))
}
