//! `lab amplification`: what each step of a recording wrote to the device, against what it had to.

use std::collections::BTreeMap;
use std::path::PathBuf;

use chunkstore::base::StorePath;
use chunkstore::disk::{Disk, DiskFileKind};
use serde::Serialize;

use crate::blocklog::Entry;
use crate::error::{LabError, Result};
use crate::image::SECTOR_BYTES;
use crate::opening::{OpensImages, opener_of};
use crate::recording::Recording;
use crate::replay::{recordings, skipped};
use crate::states::{Player, StateId};

/// What a step may write above 1.1 times its payload.
const ALLOWANCE_BYTES: u64 = 64 * 1024;
/// The directories whose new files are a step's payload.
const PAYLOAD_DIRS: [&str; 4] = ["packs", "manifests", "keys", "trust"];

/// Shows what each step of recordings wrote to the device, against what it had to.
#[derive(Debug, clap::Args)]
pub struct AmplificationArgs {
    /// Recordings, or folders of them
    #[arg(value_name = "FILE|DIR", required = true)]
    pub recordings: Vec<PathBuf>,
    /// Prints one JSON object a step
    #[arg(long)]
    pub json: bool,
}

/// What one step wrote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Step {
    /// Its number.
    pub step: u64,
    /// What was done.
    pub verb: String,
    /// The generation since.
    pub generation: u64,
    /// Write requests.
    pub writes: u64,
    /// Flush requests.
    pub flushes: u64,
    /// Bytes that reached the device.
    pub written_bytes: u64,
    /// Bytes of the new packs, manifests, key files and trust files.
    pub payload_bytes: u64,
}

impl Step {
    /// Returns the bytes that were written and are no payload.
    #[must_use]
    pub fn above_bytes(&self) -> u64 {
        self.written_bytes.saturating_sub(self.payload_bytes)
    }

    /// Returns the bytes written for each byte of payload.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "shown with two digits")]
    pub fn ratio(&self) -> f64 {
        self.written_bytes as f64 / self.payload_bytes.max(1) as f64
    }

    /// Returns whether it wrote at most 1.1 times its payload and 64 KiB.
    // U24
    #[must_use]
    pub fn is_within(&self) -> bool {
        self.written_bytes <= self.payload_bytes + self.payload_bytes / 10 + ALLOWANCE_BYTES
    }
}

/// Measures each step of a recording.
///
/// # Errors
/// [`LabError`] where the store at a mark does not list.
pub fn steps(recording: &Recording, medium: &dyn OpensImages) -> Result<Vec<Step>> {
    let mut player = Player::new(recording);
    let mut before = BTreeMap::new();
    let mut start = 0;
    let mut steps = Vec::new();
    for mark in recording.marks() {
        let opened = player.show(&StateId::Prefix { count: mark.at + 1 }, |image| medium.open(image))??;
        let after = payload(opened.disk.as_ref())?;
        let is_new = |(path, len_bytes): &(&String, &u64)| before.get(*path) != Some(*len_bytes);
        let payload_bytes = after.iter().filter(is_new).map(|(_, len_bytes)| len_bytes).sum();
        let requests = start..mark.at;
        let sectors = |at: usize| match recording.log.entries[at] {
            Entry::Write { .. } => recording.changed_sectors(at),
            _ => 0,
        };
        let is_flush = |at: &usize| recording.log.entries[*at] == Entry::Flush;
        steps.push(Step {
            step: mark.step,
            verb: mark.verb.clone(),
            generation: mark.generation,
            writes: requests.clone().filter(|at| sectors(*at) > 0).count() as u64,
            flushes: requests.clone().filter(is_flush).count() as u64,
            written_bytes: requests.map(sectors).sum::<u64>() * SECTOR_BYTES as u64,
            payload_bytes,
        });
        (before, start) = (after, mark.at + 1);
    }
    Ok(steps)
}

/// Lists the files that are a step's payload, with their lengths.
fn payload(disk: &dyn Disk) -> Result<BTreeMap<String, u64>> {
    let mut found = BTreeMap::new();
    let mut dirs: Vec<String> = PAYLOAD_DIRS.iter().map(|dir| (*dir).to_owned()).collect();
    while let Some(dir) = dirs.pop() {
        let failed = |error| LabError::because(format!("cannot list {dir} at a mark"), error);
        let Ok(path) = StorePath::new(&dir) else { continue };
        for (name, metadata) in disk.list(&path).map_err(failed)? {
            match metadata.kind {
                DiskFileKind::Dir => dirs.push(format!("{dir}/{name}")),
                _ => drop(found.insert(format!("{dir}/{name}"), metadata.len_bytes)),
            }
        }
    }
    Ok(found)
}

/// Measures what is asked for; returns whether each commit kept its bound where chunkstore and a driver of the kernel write
/// alone: NTFS-3G rewrites its own tables in between.
///
/// # Errors
/// [`LabError`].
pub fn run(args: &AmplificationArgs) -> Result<bool> {
    let mut is_held = true;
    for path in recordings(&args.recordings)? {
        let recording = Recording::read(&path)?;
        let medium = match opener_of(&recording.header) {
            Ok(medium) => medium,
            Err(error) => {
                skipped(args.json, &path, &error);
                continue;
            }
        };
        let failed = |error| LabError::because(format!("cannot measure {}", path.display()), error);
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        if !args.json {
            println!("{name:<24} generation   writes  flushes    written    payload  ratio      above  1.1 x + 64 KiB");
        }
        for step in steps(&recording, medium.as_ref()).map_err(failed)? {
            show(args, &name, &step);
            is_held &= step.verb != "commit" || step.is_within() || recording.header.medium.starts_with("ntfs");
        }
    }
    Ok(is_held)
}

fn show(args: &AmplificationArgs, name: &str, step: &Step) {
    let Step { verb, generation, writes, flushes, written_bytes, payload_bytes, .. } = step;
    if args.json {
        println!("{}", serde_json::json!({ "recording": name, "step": step, "is_within": step.is_within() }));
        return;
    }
    let (number, above, ratio) = (step.step, step.above_bytes(), step.ratio());
    let within = if step.is_within() { "yes" } else { "no" };
    let head = format!("{number} {verb}");
    println!(
        "  {head:<22} {generation:>10} {writes:>8} {flushes:>8} {written_bytes:>10} {payload_bytes:>10} {ratio:>6.2} {above:>10}  {within}"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_may_write_a_tenth_and_64_kib_more_than_its_payload() {
        let step = |written_bytes, payload_bytes| {
            let verb = "commit".to_owned();
            Step { step: 1, verb, generation: 1, writes: 1, flushes: 1, written_bytes, payload_bytes }
        };
        assert!(step(65_536, 0).is_within() && !step(65_537, 0).is_within());
        assert!(step(1_100_000 + 65_536, 1_000_000).is_within() && !step(1_100_001 + 65_536, 1_000_000).is_within());
        assert_eq!((step(300, 100).above_bytes(), step(300, 100).ratio()), (200, 3.0));
    }
}
