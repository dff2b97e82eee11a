//! `lab replay`: looks at every state of recordings and says of each whether what was promised holds.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use crate::check::{Facts, Failed, Failure, Outcome, check, check_refused, is_mended_from_remote, is_met};
use crate::error::{LabError, Result};
use crate::image::Image;
use crate::image_file::{Fsck, write_image};
use crate::kernel_view::KernelView;
use crate::kit::DEFAULT_DIR;
use crate::opening::{OpensImages, has_reader, opener_of};
use crate::recording::Recording;
use crate::states::{Choice, Player, StateId, Torn, draw_states, states};
use crate::volume::Refusal;

mod tally;

use tally::Verdict;
pub use tally::{COLUMNS, Finding, RefusedAt, Row, Tally, Way, sort_of};

/// Every how many states the next sync is tried, too.
const DEEP_EVERY: u64 = 100;
/// Every how many states a repair is tried, unless told otherwise.
const REPAIR_EVERY: u64 = 50;
/// How many states of a mounted medium are looked at, unless told otherwise.
const EXT4_STATES: usize = 2500;
const NTFS_STATES: usize = 700;
/// Sectors of the blocks that ext4 counts on to be there whole or not at all: 4 KiB.
const BLOCK_SECTORS: u64 = 8;
/// States that a thread takes at once.
const BATCH: usize = 16;
const PROGRESS_EVERY: Duration = Duration::from_secs(2);

/// What happens to a state before it is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum After {
    /// The system's checker repairs the file system.
    Fsck,
}

/// What becomes of a state to which Linux would stop writing in the next run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Refused {
    /// It fails, once something was acknowledged.
    Fail,
    /// It is counted alone.
    Count,
}

/// Replays recordings into every state that a power cut may have left, and opens each.
#[derive(Debug, clap::Args)]
pub struct ReplayArgs {
    /// Recordings, or folders of them
    #[arg(value_name = "FILE|DIR", required = true)]
    pub recordings: Vec<PathBuf>,
    /// Random subsets of the writes between two flushes
    #[arg(long, value_name = "K", default_value_t = 20)]
    pub subsets: u32,
    /// Which writes are cut inside
    #[arg(long, value_enum, default_value = "few")]
    pub torn: Torn,
    /// What everything random follows from
    #[arg(long, value_name = "S", default_value_t = 1)]
    pub seed: u64,
    /// Looks at one state alone and says everything about it
    #[arg(long, value_name = "ID")]
    pub state: Option<StateId>,
    /// Repairs a sample of the states, and looks at those again
    #[arg(long, value_enum)]
    pub after: Option<After>,
    /// Looks at every Nth state alone; with --after, repairs every Nth
    #[arg(long, value_name = "N")]
    pub sample: Option<u64>,
    /// A medium that acknowledges flushes and loses up to W of them; what that breaks, the remote has to mend
    #[arg(long, value_name = "W", default_value_t = 0)]
    pub lying: u32,
    /// What becomes of a state to which Linux would stop writing in the next run
    #[arg(long, value_enum, default_value = "fail")]
    pub refused: Refused,
    /// Shows N states of each FAT32 and exFAT recording to the kernel's own driver in the machine, and compares
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub kernel: usize,
    /// The work directory, for the machine of --kernel
    #[arg(long, value_name = "DIR", default_value = DEFAULT_DIR)]
    pub dir: PathBuf,
    /// Writes the image of the one state to a file
    #[arg(long, value_name = "FILE", requires = "state")]
    pub image: Option<PathBuf>,
    /// Prints the counts alone, without examples
    #[arg(long)]
    pub brief: bool,
    /// Prints one JSON object a row
    #[arg(long)]
    pub json: bool,
}

/// One recording and how its states are looked at.
pub struct Replay<'a> {
    /// The recording.
    pub recording: &'a Recording,
    /// What it says about its states.
    pub facts: &'a Facts,
    /// Opens the images.
    pub medium: &'a dyn OpensImages,
    /// Every how many states the next sync is tried, too.
    pub deep_every: u64,
    /// The checker, and every how many states it repairs a copy that is looked at again.
    pub repair: Option<(Fsck, u64)>,
    /// What becomes of a state to which Linux would stop writing in the next run.
    pub refused: Refused,
    /// Whether a sync or a clone is tried on what is broken.
    pub mends: bool,
    /// How many threads look.
    pub threads: usize,
}

impl Replay<'_> {
    /// Looks at all states; `hear` is told now and then how many are done.
    ///
    /// # Errors
    /// [`LabError`] for a state that the recording does not have, or when a repair's file cannot be written.
    pub fn run(&self, states: &[StateId], hear: &mut dyn FnMut(u64)) -> Result<Tally> {
        let next = AtomicUsize::new(0);
        let (sender, receiver) = mpsc::channel();
        std::thread::scope(|scope| {
            for _ in 0..self.threads.max(1) {
                let (sender, next) = (sender.clone(), &next);
                // A failed send means that another thread's error ended the run.
                scope.spawn(move || match self.work(states, next, &sender) {
                    Ok(()) => {}
                    Err(error) => drop(sender.send(Err(error))),
                });
            }
            drop(sender);
            let mut tally = Tally::default();
            for part in receiver {
                tally.merge(part.inspect_err(|_| next.store(states.len(), Ordering::Relaxed))?);
                hear(tally.looked);
            }
            tally.findings.sort_by_key(|finding| finding.id.begun());
            Ok(tally)
        })
    }

    fn work(&self, states: &[StateId], next: &AtomicUsize, sender: &mpsc::Sender<Result<Tally>>) -> Result<()> {
        let mut player = Player::new(self.recording);
        let failed = |error| LabError::because("cannot make a folder for images", error);
        let scratch = tempfile::Builder::new().prefix("lab-images").tempdir().map_err(failed)?;
        loop {
            let start = next.fetch_add(BATCH, Ordering::Relaxed).min(states.len());
            let batch = &states[start..(start + BATCH).min(states.len())];
            if batch.is_empty() {
                return Ok(());
            }
            let mut tally = Tally::default();
            for id in batch {
                player.show(id, |image| self.look(id, image, &scratch.path().join("image"), &mut tally))?;
            }
            if sender.send(Ok(tally)).is_err() {
                return Ok(());
            }
        }
    }

    /// Judges one state, and what a repair makes of it.
    fn look(&self, id: &StateId, image: &Arc<Image>, path: &Path, tally: &mut Tally) {
        let is_deep = id.is_every(self.deep_every);
        tally.looked += 1;
        tally.deep += u64::from(is_deep);
        let is_acknowledged = self.facts.expected(id).acknowledged.is_some();
        tally.note(id, Way::AsItIs, is_acknowledged, self.judge(id, image, is_deep));
        let Some((fsck, every)) = self.repair else { return };
        if id.is_every(every) {
            tally.note(id, Way::Repaired, is_acknowledged, self.judge_repaired(id, image, fsck, path, is_deep));
        }
    }

    /// Judges what a repair makes of a state; `path` is a file that may be overwritten.
    fn judge_repaired(&self, id: &StateId, image: &Image, fsck: Fsck, path: &Path, is_deep: bool) -> Verdict {
        match fsck.repair(image, self.recording.header.volume_bytes, path) {
            Ok(repaired) => self.judge(id, &repaired, is_deep),
            Err(error) => Verdict::inconsistent(&error),
        }
    }

    fn judge(&self, id: &StateId, image: &Arc<Image>, is_deep: bool) -> Verdict {
        let opened = match self.medium.open(image) {
            Ok(opened) => opened,
            Err(error) => return Verdict::inconsistent(&error),
        };
        let expected = self.facts.expected(id);
        let mut result = check(&opened.disk, self.facts, expected, is_deep);
        let refused: Vec<Refusal> = opened.refusals.into_iter().filter(is_met).collect();
        if let (Some(refusal), Refused::Fail) = (refused.first(), self.refused) {
            result = result.and_then(|outcome| check_refused(refusal, expected).map(|()| outcome));
        }
        let is_broken =
            matches!(&result, Err(failed) if matches!(failed.failure, Failure::Inconsistent | Failure::Lost));
        let is_mended = self.mends && is_broken && is_mended_from_remote(&opened.disk, self.facts);
        Verdict { result, refused, is_mended }
    }
}

/// Replays what is asked for; returns whether every state was what was promised.
///
/// # Errors
/// [`LabError`].
pub fn run(args: &ReplayArgs) -> Result<bool> {
    let started = Instant::now();
    let (mut total, mut is_right, mut opened) = (Row::default(), true, 0);
    if !args.json && args.state.is_none() {
        print_line("recording / kind", &COLUMNS.map(str::to_owned));
    }
    for path in recordings(&args.recordings)? {
        let recording = Recording::read(&path)?;
        let Some(medium) = open_medium(args, &path, &recording) else { continue };
        opened += 1;
        let facts = Facts::gather(&recording, medium.as_ref())
            .map_err(|error| LabError::because(format!("cannot replay {}", path.display()), error))?;
        let replay = Replay {
            recording: &recording,
            facts: &facts,
            medium: medium.as_ref(),
            deep_every: DEEP_EVERY,
            repair: repair(args, &recording),
            refused: args.refused,
            mends: args.lying > 0 || matches!(args.state, Some(StateId::Lying { .. })),
            threads: 2,
        };
        if let Some(id) = &args.state {
            is_right &= explain(args, &path, &replay, id)?;
            continue;
        }
        let states = chosen_states(args, &recording);
        let mut tally = replay_all(&path, &replay, &states)?;
        if args.kernel > 0 {
            show_to_kernel(args, &path, &replay, &states, &mut tally)?;
        }
        show(args, &path, &tally);
        if medium.repaired() > 0 && !args.json {
            println!("  images that were mounted only after ntfsfix: {}", medium.repaired());
        }
        is_right &= tally.total().failures() == tally.total().mended;
        total.add(&tally.total());
    }
    if !args.json && args.state.is_none() {
        print_line("all", &total.counts().map(|count| count.to_string()));
        println!("{:.1} s", started.elapsed().as_secs_f64());
    }
    if opened == 0 {
        return Err(LabError::new("none of these recordings can be looked at here"));
    }
    Ok(is_right)
}

/// Lists the recordings that files and folders name, in order.
///
/// # Errors
/// [`LabError`] for a folder that does not read, or when there are none.
pub fn recordings(named: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for path in named {
        if !path.is_dir() {
            found.push(path.clone());
            continue;
        }
        let failed = |error| LabError::because(format!("cannot list {}", path.display()), error);
        let mut inside = Vec::new();
        for entry in std::fs::read_dir(path).map_err(failed)? {
            inside.push(entry.map_err(failed)?.path());
        }
        inside.retain(|path| path.extension().is_some_and(|extension| extension == "rec"));
        inside.sort();
        found.extend(inside);
    }
    if found.is_empty() {
        return Err(LabError::new("there are no recordings (files named .rec) here: make some with `lab record`"));
    }
    Ok(found)
}

/// Opens what reads a recording; a host that cannot is told of, and the recording is skipped.
fn open_medium(args: &ReplayArgs, path: &Path, recording: &Recording) -> Option<Box<dyn OpensImages>> {
    opener_of(&recording.header).inspect_err(|error| skipped(args.json, path, error)).ok()
}

/// Says among the results that a recording was not looked at.
pub fn skipped(is_json: bool, path: &Path, error: &LabError) {
    if is_json {
        println!("{}", serde_json::json!({ "skipped": path.display().to_string(), "why": error.to_string() }));
    } else {
        println!("SKIPPED {}: {error}", path.display());
    }
}

fn repair(args: &ReplayArgs, recording: &Recording) -> Option<(Fsck, u64)> {
    let is_mounted = !has_reader(&recording.header.medium);
    let (wanted, every) = match args.after {
        Some(After::Fsck) if args.state.is_some() => (true, 1),
        Some(After::Fsck) => (true, args.sample.unwrap_or(if is_mounted { 1 } else { REPAIR_EVERY })),
        None => (false, 1),
    };
    let fsck = Fsck::of(&recording.header.medium).filter(|_| wanted)?;
    if !fsck.is_installed() {
        eprintln!("lab: SKIPPED the repair of {}: {} is not installed", recording.header.medium, fsck.program());
        return None;
    }
    Some((fsck, every))
}

/// Returns the states that are asked for; of a mounted medium a sample.
fn chosen_states(args: &ReplayArgs, recording: &Recording) -> Vec<StateId> {
    let ReplayArgs { torn, subsets, seed, lying: window, .. } = *args;
    let torn_unit = if recording.header.medium.starts_with("ext4") { BLOCK_SECTORS } else { 1 };
    let mut states = states(recording, Choice { torn, torn_unit, subsets, seed, window });
    let most = match recording.header.medium.split('-').next() {
        Some("ext4") => EXT4_STATES,
        Some("ntfs") => NTFS_STATES,
        _ => usize::MAX,
    };
    let every = match args.sample {
        Some(every) if args.after.is_none() => every,
        _ => (states.len() / most).max(1) as u64,
    };
    states.retain(|id| id.is_every(every));
    states
}

fn replay_all(path: &Path, replay: &Replay<'_>, states: &[StateId]) -> Result<Tally> {
    let mut told = Instant::now();
    replay.run(states, &mut |done| {
        if told.elapsed() >= PROGRESS_EVERY {
            told = Instant::now();
            eprintln!("{}: {done} of {} states", path.display(), states.len());
        }
    })
}

/// Shows a sample of the states to the kernel: the example of each outcome and of each refusal, and drawn ones.
fn show_to_kernel(
    args: &ReplayArgs,
    path: &Path,
    replay: &Replay<'_>,
    states: &[StateId],
    tally: &mut Tally,
) -> Result<()> {
    let Some(mut kernel) = kernel_view(args, replay.recording)? else { return Ok(()) };
    let examples = tally.examples.values().chain(tally.refused.values().map(|at| &at.example));
    let sample = draw_states(states, &examples.copied().collect::<Vec<_>>(), args.kernel, args.seed);
    let mut player = Player::new(replay.recording);
    let mut told = Instant::now();
    for (done, id) in sample.iter().enumerate() {
        let verdict = player.show(id, |image| {
            let mut verdict = replay.judge(id, image, false);
            if let Err(why) = kernel.compare(image) {
                verdict.result = Err(Failed { failure: Failure::Differs, why });
            }
            verdict
        })?;
        tally.note(id, Way::Kernel, replay.facts.expected(id).acknowledged.is_some(), verdict);
        if told.elapsed() >= PROGRESS_EVERY {
            told = Instant::now();
            eprintln!("{}: {} of {} states by the kernel", path.display(), done + 1, sample.len());
        }
    }
    Ok(())
}

/// Returns the machine that states are shown to; nothing where the lab has no reader to compare with.
fn kernel_view(args: &ReplayArgs, recording: &Recording) -> Result<Option<KernelView>> {
    if args.kernel == 0 || !has_reader(&recording.header.medium) {
        return Ok(None);
    }
    KernelView::open(&args.dir, &recording.header).map(Some)
}

fn show(args: &ReplayArgs, path: &Path, tally: &Tally) {
    let name = path.file_stem().unwrap_or_default().to_string_lossy();
    for (kind, row) in &tally.rows {
        if args.json {
            println!("{}", serde_json::json!({ "recording": name, "kind": kind, "counts": row }));
        } else {
            print_line(&format!("{name} {kind}"), &row.counts().map(|count| count.to_string()));
        }
    }
    if !args.json && !args.brief {
        show_examples(path, tally);
    }
    for Finding { id, way, failed } in &tally.findings {
        let how = format!("{:?}", failed.failure).to_lowercase();
        eprintln!("{how}: {}\n  cargo xtask lab replay {} --state {id}{}", failed.why, path.display(), way.option());
    }
}

fn show_examples(path: &Path, tally: &Tally) {
    for outcome in [Outcome::Unread, Outcome::HeadLost, Outcome::Older] {
        if let Some(id) = tally.examples.get(&outcome) {
            println!("  {outcome:?}, for instance: cargo xtask lab replay {} --state {id}", path.display());
        }
    }
    for (sort, RefusedAt { states, acknowledged, example }) in &tally.refused {
        println!("  refused: {states} ({acknowledged} acknowledged), {sort}, for instance --state {example}");
    }
}

fn print_line(name: &str, counts: &[String; COLUMNS.len()]) {
    let mut line = format!("{name:<36}");
    for (count, head) in counts.iter().zip(COLUMNS) {
        line.push_str(&format!(" {count:>width$}", width = head.len().max(8)));
    }
    println!("{line}");
    // A reader that went away wants no more of the table.
    let _ = std::io::stdout().flush();
}

/// Looks at one state and says everything about it.
fn explain(args: &ReplayArgs, path: &Path, replay: &Replay<'_>, id: &StateId) -> Result<bool> {
    let recording = replay.recording;
    let expected = replay.facts.expected(id);
    let show = |generation: Option<u64>| generation.map_or_else(|| "none".to_owned(), |number| number.to_string());
    println!("{} {id}", path.display());
    println!("  acknowledged generation: {}, next: {}", show(expected.acknowledged), show(expected.next));
    if let Some((sector, sectors)) = id.begun().checked_sub(1).and_then(|at| recording.log.entries.get(at)?.reach()) {
        println!("  last request begun: {}, sectors {sector} to {}", id.begun() - 1, sector + sectors);
    }
    let scratch = tempfile::tempdir().map_err(|error| LabError::because("cannot make a folder for images", error))?;
    Player::new(recording).show(id, |image| {
        if let Some(file) = &args.image {
            write_image(image, recording.header.volume_bytes, file)?;
        }
        let verdict = replay.judge(id, image, true);
        println!("  as it is: {}", told(&verdict));
        let mut is_right = verdict.result.is_ok() || verdict.is_mended;
        if let Some((fsck, _)) = replay.repair {
            let verdict = replay.judge_repaired(id, image, fsck, &scratch.path().join("image"), true);
            println!("  after {}: {}", fsck.program(), told(&verdict));
            is_right &= verdict.result.is_ok() || verdict.is_mended;
        }
        if let Some(mut kernel) = kernel_view(args, recording)? {
            let compared = kernel.compare(image);
            println!("  by the kernel: {}", compared.as_ref().map_or_else(|why| why.as_str(), |()| "the same"));
            is_right &= compared.is_ok();
        }
        Ok(is_right)
    })?
}

fn told(verdict: &Verdict) -> String {
    match &verdict.result {
        Ok(outcome) => match verdict.refused.first() {
            Some(refusal) => format!("right ({outcome:?}), but refused: {}: {}", refusal.path, sort_of(refusal)),
            None => format!("right ({outcome:?}); the next sync, too"),
        },
        Err(Failed { failure, why }) => {
            let mended = if verdict.is_mended { "; the remote made it whole again" } else { "" };
            format!("{failure:?}: {why}{mended}")
        }
    }
}
