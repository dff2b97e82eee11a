//! [`KernelView`]: what the kernel's own driver shows of an image, beside what the lab's reader says of it.
//!
//! The image is a key of the machine. Everything on it is listed and read, the program is asked what it thinks of the
//! store, and in the end everything is removed; after each of these the mount tells whether the driver stopped writing.
//!
//! Limits: the guest's `find` does not say that a listing broke off in its middle, only that the driver stopped writing there.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chunkstore::base::clock::SystemClock;
use chunkstore::base::monitor::SilentMonitor;
use chunkstore::base::random::SeededRandom;
use chunkstore::disk::Disk;
use chunkstore::error::Error;
use chunkstore::ops::Run;
use chunkstore::ops::host_state::HostState;
use chunkstore::ops::status::status;
use chunkstore::ops::verify::{VerifyRequest, verify};
use serde_json::Value;
use tempfile::TempDir;

use crate::bench::{Bench, Ended, MOUNT};
use crate::check::is_met;
use crate::error::{LabError, Result};
use crate::image::Image;
use crate::image_file::write_image;
use crate::kit::Kit;
use crate::machine::{Key, Machine};
use crate::media::Medium;
use crate::recording::Header;
use crate::volume::{Act, Refusal, Volume, VolumeError, Walked, WalkedKind};
use crate::volume_disk::VolumeDisk;

/// Differences of one state that are told; the rest are counted.
const TOLD_MAX: usize = 6;
/// Lists directories and what cannot be looked at, then files with their lengths.
const LIST: &str = "find . -type d 2>&1; find . -type f -exec stat -c '%s %n' {} + 2>/dev/null";
/// Hashes every file that can be read.
const HASH: &str = "find . -type f -exec sha256sum {} + 2>/dev/null";
/// Removes everything.
const REMOVE: &str = "rm -rf ./* 2>/dev/null";
/// Characters of a SHA-256 in hexadecimal.
const SHA256_CHARS: usize = 64;

/// A machine that images are shown to, one after the other.
pub struct KernelView {
    kit: Kit,
    medium: &'static Medium,
    store: String,
    device_bytes: u64,
    scratch: TempDir,
    /// The machine with no key in it; nothing before the first image, and after one that it did not survive.
    bench: Option<Bench>,
}

impl KernelView {
    /// Makes ready to show the images of a recording.
    ///
    /// # Errors
    /// [`LabError`] where the machine's parts are missing or it does not start, or for a medium that the lab does not mount.
    pub fn open(dir: &Path, header: &Header) -> Result<Self> {
        let scratch = tempfile::Builder::new().prefix("lab-kernel").tempdir();
        let scratch = scratch.map_err(|error| LabError::because("cannot make a folder for images", error))?;
        let (kit, medium) = (Kit::open(dir)?, Medium::named(&header.medium)?);
        // What no machine can do is told once, and not of each image.
        Machine::restore(&kit)?.kill();
        let (store, device_bytes) = (header.store.clone(), header.device_bytes);
        Ok(Self { kit, medium, store, device_bytes, scratch, bench: None })
    }

    /// Shows an image to the kernel and compares.
    ///
    /// # Errors
    /// What the kernel shows otherwise than the lab's reader; also that it shows nothing.
    pub fn compare(&mut self, image: &Arc<Image>) -> std::result::Result<(), String> {
        let ours = Shown::by_reader(image, &self.store).map_err(|error| error.to_string())?;
        let theirs = self.show(image).map_err(|error| format!("the kernel does not show it: {error}"))?;
        let differences = ours.differences(&theirs);
        if differences.is_empty() {
            return Ok(());
        }
        let more = differences.len().saturating_sub(TOLD_MAX);
        let told = differences[..differences.len() - more].join("; ");
        Err(if more > 0 { format!("{told}; and {more} more") } else { told })
    }

    /// Shows an image to the machine at hand, and once more to a new one where that fails.
    fn show(&mut self, image: &Image) -> Result<Shown> {
        if let Some(bench) = self.bench.take()
            && let Ok(shown) = self.show_on(image, Some(bench))
        {
            return Ok(shown);
        }
        self.show_on(image, None)
    }

    /// Shows an image; a machine that survives it is kept for the next one.
    fn show_on(&mut self, image: &Image, bench: Option<Bench>) -> Result<Shown> {
        let file: PathBuf = self.scratch.path().join("key.img");
        write_image(image, self.device_bytes, &file)?;
        let key = Key::new("key", &file);
        let mut bench = match bench {
            None => Bench::new(&self.kit, key, self.medium)?,
            Some(mut bench) => {
                bench.change(key)?;
                bench
            }
        };
        let shown = Shown::by_kernel(&mut bench, &self.store)?;
        bench.eject()?;
        self.bench = Some(bench);
        Ok(shown)
    }
}

/// What stands under a path.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Seen {
    /// A directory.
    Dir,
    /// A file that was read whole.
    File { len_bytes: u64, sha256: String },
    /// It is listed and not found.
    NotFound,
    /// It cannot be looked at, listed or read.
    Damaged,
}

/// What is seen of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Shown {
    /// Everything, by its path; the root is empty.
    paths: BTreeMap<String, Seen>,
    /// What the program says when it is asked for the store's state.
    status: String,
    /// What the program finds wrong with the store.
    verify: String,
    /// What was done to the files when the driver stopped writing, if it did.
    stops: Option<Act>,
}

impl Shown {
    /// Sees an image by the lab's reader.
    fn by_reader(image: &Arc<Image>, store: &str) -> Result<Self> {
        let volume = Volume::open(Arc::clone(image));
        let volume = Arc::new(volume.map_err(|error| LabError::because("the lab's reader does not open it", error))?);
        let paths = volume.walk().into_iter().map(|walked| (walked.path.clone(), seen(walked))).collect();
        let stops = volume.refusals("").iter().filter(|refusal| is_met(refusal)).map(|Refusal { act, .. }| *act).min();
        let disk: Arc<dyn Disk> = Arc::new(VolumeDisk::new(volume, store));
        Ok(Self { paths, status: status_here(&disk), verify: verify_here(&disk), stops })
    }

    /// Sees the key of a machine, and empties it.
    fn by_kernel(bench: &mut Bench, store: &str) -> Result<Self> {
        let mut stops = None;
        let mut act = |bench: &mut Bench, act, command| -> Result<String> {
            let printed = bench.guest(&format!("cd {MOUNT} && {{ {command}; true; }}"))?;
            if stops.is_none() && is_read_only(&bench.guest("cat /proc/mounts")?) {
                stops = Some(act);
            }
            Ok(printed)
        };
        let listed = act(bench, Act::LookUp, LIST)?;
        let hashed = act(bench, Act::Read, HASH)?;
        let mut ask = |verb| bench.program(&format!("{verb} --store {MOUNT}/{store} --json"));
        let (status, verify) = (status_there(&ask("status")?), verify_there(&ask("verify")?));
        act(bench, Act::Remove, REMOVE)?;
        Ok(Self { paths: parse(&listed, &hashed)?, status, verify, stops })
    }

    /// Says what the kernel shows otherwise.
    fn differences(&self, kernel: &Self) -> Vec<String> {
        let mut said = Vec::new();
        let mut compare = |what: &str, ours: String, theirs: String| {
            if ours != theirs {
                said.push(format!("{what}: the reader says {ours}, the kernel {theirs}"));
            }
        };
        let names: BTreeSet<&String> = self.paths.keys().chain(kernel.paths.keys()).collect();
        for name in names {
            let (ours, theirs) = (self.paths.get(name), kernel.paths.get(name));
            let breaks_off = (ours, theirs) == (Some(&Seen::Damaged), Some(&Seen::Dir)) && kernel.stops.is_some();
            if !breaks_off {
                compare(&format!("`{name}`"), format!("{ours:?}"), format!("{theirs:?}"));
            }
        }
        compare("status", self.status.clone(), kernel.status.clone());
        compare("verify", self.verify.clone(), kernel.verify.clone());
        compare("Linux stops writing at", format!("{:?}", self.stops), format!("{:?}", kernel.stops));
        said
    }
}

/// Says what the lab's reader found under a path.
fn seen(walked: Walked) -> Seen {
    match walked.kind {
        Ok(WalkedKind::Dir) => Seen::Dir,
        Ok(WalkedKind::File { len_bytes, sha256 }) => Seen::File { len_bytes, sha256 },
        Err(VolumeError::NotFound { .. }) => Seen::NotFound,
        Err(_) => Seen::Damaged,
    }
}

/// Puts together what [`LIST`] and [`HASH`] printed; a file without a hash was not read whole.
fn parse(listed: &str, hashed: &str) -> Result<BTreeMap<String, Seen>> {
    let mut hashes = BTreeMap::new();
    for line in hashed.lines() {
        let parts = line.split_once("  ").filter(|(hash, _)| hash.len() == SHA256_CHARS);
        let (hash, path) = parts.ok_or_else(|| unread(line))?;
        hashes.insert(inside(path).ok_or_else(|| unread(line))?, hash);
    }
    let mut paths = BTreeMap::new();
    for line in listed.lines() {
        let (path, seen) = parse_listed(line, &hashes).ok_or_else(|| unread(line))?;
        // A directory that cannot be listed is there twice, first as a directory.
        paths.insert(path, seen);
    }
    Ok(paths)
}

/// Reads a line of [`LIST`]: a path, a length and a path, or an error.
fn parse_listed(line: &str, hashes: &BTreeMap<String, &str>) -> Option<(String, Seen)> {
    if let Some(path) = inside(line) {
        return Some((path, Seen::Dir));
    }
    if let Some((path, why)) = line.strip_prefix("find: ").and_then(|line| line.rsplit_once(": ")) {
        let seen = if why == "No such file or directory" { Seen::NotFound } else { Seen::Damaged };
        return Some((inside(path)?, seen));
    }
    let (len, path) = line.split_once(' ')?;
    let (len_bytes, path) = (len.parse().ok()?, inside(path)?);
    let seen = match hashes.get(&path) {
        Some(sha256) => Seen::File { len_bytes, sha256: (*sha256).to_owned() },
        None => Seen::Damaged,
    };
    Some((path, seen))
}

/// Returns a path that `find .` printed, as the lab's reader writes it.
fn inside(path: &str) -> Option<String> {
    let path = path.strip_prefix('.')?;
    if path.is_empty() { Some(String::new()) } else { path.strip_prefix('/').map(str::to_owned) }
}

fn unread(line: &str) -> LabError {
    LabError::new(format!("the guest's listing does not read: `{line}`"))
}

/// Returns whether the key is mounted read-only, by the guest's `/proc/mounts`.
fn is_read_only(mounts: &str) -> bool {
    let fields = mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>());
    let mut options = fields.filter(|fields| fields.get(1) == Some(&MOUNT)).filter_map(|fields| fields.get(3).copied());
    options.any(|options| options.split(',').any(|option| option == "ro"))
}

/// Asks the program on the host for a store's state.
fn status_here(disk: &Arc<dyn Disk>) -> String {
    let (clock, random) = (SystemClock, SeededRandom::new(1));
    let run = Run { clock: &clock, random: &random, monitor: &SilentMonitor };
    match status(Arc::clone(disk), &[], &HostState::default(), run) {
        Ok(status) => {
            let degraded = status.soundness != chunkstore::store::head::Soundness::Sound;
            state(status.generation.0, degraded, status.missing_packs, status.unclean)
        }
        Err(error) => refused(&error),
    }
}

/// Reads what the program in the guest says of a store's state; one that is not vouched for any more is told like others.
fn status_there(ended: &Ended) -> String {
    let said = ended.json();
    match said["generation"].as_u64() {
        Some(generation) => {
            let missing = said["missing_packs"].as_u64().unwrap_or(u64::MAX);
            state(generation, said["degraded"] == true, missing, said["unclean"] == true)
        }
        None => exit(ended.code),
    }
}

fn state(generation: u64, degraded: bool, missing_packs: u64, unclean: bool) -> String {
    let word = |is: bool, word| if is { word } else { "" };
    let (degraded, unclean) = (word(degraded, ", degraded"), word(unclean, ", unclean"));
    format!("generation {generation}, {missing_packs} packs missing{degraded}{unclean}")
}

/// Asks the program on the host what is wrong with a store.
fn verify_here(disk: &Arc<dyn Disk>) -> String {
    let (clock, random) = (SystemClock, SeededRandom::new(1));
    let run = Run { clock: &clock, random: &random, monitor: &SilentMonitor };
    match verify(
        Arc::clone(disk),
        &VerifyRequest { identities: &[], read_data: false, ..VerifyRequest::default() },
        run,
    ) {
        Ok(report) => problems(report.findings.iter().map(|found| format!("{} {}", found.kind.name(), found.file))),
        Err(error) => refused(&error),
    }
}

/// Reads what the program in the guest finds wrong with a store.
fn verify_there(ended: &Ended) -> String {
    let word = |problem: &Value, key: &str| problem[key].as_str().unwrap_or_default().to_owned();
    match ended.json()["problems"].as_array() {
        Some(found) => problems(found.iter().map(|one| format!("{} {}", word(one, "kind"), word(one, "file")))),
        None => exit(ended.code),
    }
}

fn problems(found: impl Iterator<Item = String>) -> String {
    let found: BTreeSet<String> = found.collect();
    if found.is_empty() { "no problem".to_owned() } else { Vec::from_iter(found).join(", ") }
}

fn refused(error: &Error) -> String {
    exit(error.kind().exit_code().into())
}

fn exit(code: i32) -> String {
    format!("exit {code}")
}

#[cfg(test)]
mod tests;
