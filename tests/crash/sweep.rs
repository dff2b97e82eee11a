//! A sweep: each image of each cut of a recorded run, taken once, counted, and replayed alone when the environment asks for it.

use std::collections::{BTreeSet, HashSet};
use std::env;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use chunkstore::disk::sim::ImageBudget;
use chunkstore::disk::sim_folder::ImageBudget as FolderBudget;
use chunkstore::disk::{SimDisk, SimFolder};

/// Distinct images that the long form takes of each test.
const LONG_IMAGES: usize = 24_000;
/// Rounds of the long form end here even if each still finds something new.
const ROUNDS_MAX: u64 = 1000;
/// Images of a cut among which the ones that are cut again are drawn.
const FIRST_IMAGES: usize = 24;

/// A recorded run of a verb on a disk, and what must hold of each image.
pub trait Recorded {
    /// The disk with the record.
    fn disk(&self) -> &SimDisk;

    /// Returns the first operation that is cut.
    fn first_op(&self) -> usize {
        0
    }

    /// Returns what had been acknowledged before an operation began.
    fn promised(&self, at_op: usize) -> usize {
        usize::from(at_op == self.disk().op_count())
    }

    /// Runs the verb again on an image; returns what was promised before, and what is now that it has returned.
    fn again(&self, image: &SimDisk) -> (usize, usize);

    /// Checks an image that a cut left under a promise, and notes what was met.
    fn check(&self, met: &Met, promise: usize, image: &SimDisk);
}

/// What a sweep takes. The long form takes rounds, each of another record, until it has checked `target` images or finds
/// hardly one that is new.
pub struct Sweep {
    test: &'static str,
    target: usize,
    rounds: u64,
    round: Round,
    replay: Option<Replay>,
    met: Met,
}

/// What one round takes; rounds differ by seed, from 1 on, and the seed tells what is recorded, too.
#[derive(Clone, Copy)]
struct Round {
    seed: u64,
    /// Most images of each cut.
    images: usize,
    tears: u32,
    /// Images of each cut that are gone on with and cut again.
    firsts: u64,
    /// Cuts of each run that goes on with one.
    seconds: u64,
}

/// One image, as the environment names it: `SEED/IMAGES/TEARS/CUT/IMAGE`, and for a second cut `/CUT/IMAGE` again.
struct Replay {
    round: Round,
    place: Place,
}

/// A cut and the number of its image.
type Spot = (usize, usize);

/// Where an image was taken.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Place {
    first: Spot,
    second: Option<Spot>,
}

/// Returns how many distinct images the long form shall take of each test, if it was asked for.
fn long_images() -> Option<usize> {
    let form = env::var("CHUNKSTORE_SWEEP").ok()?;
    Some(if form == "long" { LONG_IMAGES } else { form.parse().expect("CHUNKSTORE_SWEEP is `long` or a number") })
}

/// Draws a number below `count` that follows from where it is needed.
fn draw(count: usize, parts: &[u64]) -> usize {
    let bytes: Vec<u8> = parts.iter().flat_map(|part| part.to_le_bytes()).collect();
    let drawn = u64::from_le_bytes(blake3::hash(&bytes).as_bytes()[..8].try_into().unwrap());
    usize::try_from(drawn % count as u64).unwrap()
}

impl Round {
    fn budget(&self) -> ImageBudget {
        ImageBudget { max_images: self.images, seed: self.seed, tears: self.tears }
    }
}

impl Replay {
    fn from_env() -> Option<Self> {
        let text = env::var("CHUNKSTORE_REPLAY").ok()?;
        let numbers: Vec<usize> = text.split('/').map(|part| part.parse().expect("a number")).collect();
        let (&[seed, images, tears, cut, image], second) =
            numbers.split_first_chunk().expect("SEED/IMAGES/TEARS/CUT/IMAGE");
        let round = Round { seed: seed as u64, images, tears: u32::try_from(tears).unwrap(), firsts: 1, seconds: 1 };
        let second = second.first_chunk().map(|&[cut, image]| (cut, image));
        Some(Self { round, place: Place { first: (cut, image), second } })
    }
}

impl Sweep {
    /// Plans the sweep of a test: one round of at most `short` images of each cut, or the long form.
    pub fn new(test: &'static str, short: usize) -> Self {
        let replay = Replay::from_env();
        let long = long_images();
        let (rounds, mut round) = if long.is_some() {
            (ROUNDS_MAX, Round { seed: 1, images: short.max(64), tears: 2, firsts: 2, seconds: 6 })
        } else {
            (1, Round { seed: 1, images: short, tears: 0, firsts: 1, seconds: 2 })
        };
        if let Some(replay) = &replay {
            round = replay.round;
        }
        let rounds = if replay.is_some() { 1 } else { rounds };
        Self { test, target: long.unwrap_or(0), rounds, round, replay, met: Met::default() }
    }

    /// Makes the long form a hundred times shorter, for images that take a hundred times longer.
    pub fn costly(self) -> Self {
        Self { target: self.target / 100, rounds: self.rounds.min(2), ..self }
    }

    /// Checks every image of every cut of what `record` makes of a number; prints and returns how many there were.
    pub fn run<R: Recorded>(&self, record: impl Fn(u64) -> R) -> usize {
        self.run_rounds(record, |tally, round, recorded, at_op| {
            for (label, image) in recorded.disk().crash_images(at_op, &round.budget()) {
                let place = Place { first: (at_op, label.number), second: None };
                let promise = recorded.promised(at_op);
                let check = || recorded.check(&self.met, promise, &image);
                tally.take(round, place, promise, image.fingerprint(), &label, check);
            }
        })
    }

    /// Goes on with some images of each cut, and checks images of cuts of that run: two cuts in a row.
    pub fn run_again<R: Recorded>(&self, record: impl Fn(u64) -> R) -> usize {
        self.run_rounds(record, |tally, round, recorded, at_op| {
            let budget = ImageBudget { max_images: FIRST_IMAGES, ..round.budget() };
            let firsts: Vec<_> = recorded.disk().crash_images(at_op, &budget).collect();
            let drawn =
                (0..round.firsts).map(|number| draw(firsts.len(), &[round.seed, at_op as u64, number])).collect();
            let asked = self.replay.as_ref().map(|replay| BTreeSet::from([replay.place.first.1]));
            for number in asked.unwrap_or(drawn) {
                let (label, image) = &firsts[number];
                let first = (at_op, number);
                let mut promises = (0, 0);
                self.guard(round, Place { first, second: None }, label, || promises = recorded.again(image));
                self.cut_again(tally, round, first, recorded, image, promises);
            }
        })
    }

    /// Checks images of some cuts of a run that went on with an image.
    fn cut_again<R: Recorded>(
        &self,
        tally: &mut Tally<'_>,
        round: Round,
        first: Spot,
        recorded: &R,
        image: &SimDisk,
        (before, after): (usize, usize),
    ) {
        let parts = [round.seed, first.0 as u64, first.1 as u64];
        let last = image.op_count();
        let drawn = (0..round.seconds).map(|number| draw(last + 1, &[&parts[..], &[number]].concat())).collect();
        let asked = self.replay.as_ref().and_then(|replay| replay.place.second);
        for cut in asked.map_or(drawn, |(cut, _)| BTreeSet::from([cut])) {
            let promise = if cut == last { after } else { before };
            for (label, image) in image.crash_images(cut, &round.budget()) {
                let place = Place { first, second: Some((cut, label.number)) };
                let check = || recorded.check(&self.met, promise, &image);
                tally.take(round, place, promise, image.fingerprint(), &label, check);
            }
        }
    }

    /// Runs rounds, each over all cuts of another record, until there are enough images.
    fn run_rounds<R: Recorded>(
        &self,
        record: impl Fn(u64) -> R,
        mut take: impl FnMut(&mut Tally<'_>, Round, &R, usize),
    ) -> usize {
        let mut tally = Tally::new(self);
        for round in self.rounds() {
            let recorded = record(round.seed - 1);
            let (first_op, last_op) = (recorded.first_op(), recorded.disk().op_count());
            tally.begin(format!("{:?}", recorded.disk().profile()), last_op - first_op);
            for at_op in (first_op..=last_op).filter(|at| self.wants_cut(*at)) {
                take(&mut tally, round, &recorded, at_op);
            }
            if tally.is_enough() {
                break;
            }
        }
        tally.print()
    }

    /// Checks every image of every cut of the folders that `record` makes of a number, each with its check; prints and
    /// returns how many there were.
    pub fn run_folder<C: Fn(&Met, usize, &SimFolder)>(
        &self,
        rules: &str,
        record: impl Fn(u64) -> (SimFolder, C),
    ) -> usize {
        let mut tally = Tally::new(self);
        for round in self.rounds() {
            let (folder, check) = record(round.seed - 1);
            let last_op = folder.op_count();
            tally.begin(rules.to_owned(), last_op);
            for at_op in (0..=last_op).filter(|at| self.wants_cut(*at)) {
                let promise = usize::from(at_op == last_op);
                let images = folder.crash_images(at_op, &FolderBudget { max_images: round.images, seed: round.seed });
                for (number, image) in images.into_iter().enumerate() {
                    let place = Place { first: (at_op, number), second: None };
                    let label = format_args!("cut at operation {at_op}, image {number}");
                    let fingerprint = fingerprint_of_folder(&image);
                    tally.take(round, place, promise, fingerprint, &label, || check(&self.met, promise, &image));
                }
            }
            if tally.is_enough() {
                break;
            }
        }
        tally.print()
    }

    fn rounds(&self) -> impl Iterator<Item = Round> + use<> {
        let first = self.round;
        (0..self.rounds).map(move |number| Round { seed: first.seed + number, ..first })
    }

    fn wants_cut(&self, at_op: usize) -> bool {
        self.replay.as_ref().is_none_or(|replay| replay.place.first.0 == at_op)
    }

    /// Runs a check; when it panics, says on what and how to see it again.
    fn guard(&self, round: Round, place: Place, label: &dyn fmt::Display, check: impl FnOnce()) {
        let Err(panic) = catch_unwind(AssertUnwindSafe(check)) else { return };
        let Round { seed, images, tears, .. } = round;
        let Place { first: (cut, image), second } = place;
        let second = second.map(|(cut, image)| format!("/{cut}/{image}")).unwrap_or_default();
        eprintln!("{}: {label}", self.test);
        eprintln!(
            "replay: CHUNKSTORE_REPLAY={seed}/{images}/{tears}/{cut}/{image}{second} \
             cargo test --test crash {} -- --exact --nocapture",
            self.test
        );
        resume_unwind(panic);
    }

    /// Fails when a whole sweep had fewer images than it should, or never met one of these kinds of states.
    pub fn require(&self, count: usize, least: usize, kinds: &[&'static str]) {
        if self.replay.is_none() {
            assert!(count >= least, "{}: only {count} images, expected {least}", self.test);
            let met = self.met.0.lock().unwrap();
            let never: Vec<_> = kinds.iter().filter(|what| !met.contains(*what)).collect();
            assert!(never.is_empty(), "{}: never met {never:?}", self.test);
        }
    }
}

/// Hashes all that a folder holds.
fn fingerprint_of_folder(folder: &SimFolder) -> blake3::Hash {
    let mut hasher = blake3::Hasher::new();
    for (path, entry) in folder.entries() {
        hasher.update(format!("{path:?} {:?} {} ", entry.stat, entry.bytes.len()).as_bytes()).update(&entry.bytes);
    }
    hasher.finalize()
}

/// The images that a sweep has checked.
struct Tally<'a> {
    sweep: &'a Sweep,
    medium: String,
    /// Operations of all records.
    ops: usize,
    /// Each distinct image.
    images: HashSet<blake3::Hash>,
    /// Each image of this round with what was promised when it was taken: the same bytes must hold more after an
    /// acknowledgement.
    checked: HashSet<(usize, blake3::Hash)>,
    /// How many images the rounds before had found.
    before: usize,
}

impl<'a> Tally<'a> {
    fn new(sweep: &'a Sweep) -> Self {
        let (images, checked) = (HashSet::new(), HashSet::new());
        Self { sweep, medium: String::new(), ops: 0, images, checked, before: 0 }
    }

    /// Begins a round over a record.
    fn begin(&mut self, medium: String, ops: usize) {
        (self.medium, self.before) = (medium, self.images.len());
        self.checked.clear();
        self.ops += ops;
    }

    /// Checks an image unless an equal one was checked under the same promise.
    fn take(
        &mut self,
        round: Round,
        place: Place,
        promise: usize,
        fingerprint: blake3::Hash,
        label: &dyn fmt::Display,
        check: impl FnOnce(),
    ) {
        let wanted = self.sweep.replay.as_ref().is_none_or(|replay| replay.place == place);
        if wanted && self.checked.insert((promise, fingerprint)) {
            self.sweep.guard(round, place, label, check);
            self.images.insert(fingerprint);
        }
    }

    /// Tells at the end of a round whether it was the last one: enough are found, or hardly one was new.
    fn is_enough(&self) -> bool {
        self.images.len() >= self.sweep.target || self.images.len() - self.before <= self.checked.len() / 10
    }

    /// Prints and returns how many distinct images were checked.
    fn print(&self) -> usize {
        let (test, medium, ops, images) = (self.sweep.test, &self.medium, self.ops, self.images.len());
        println!("sweep | {test:40} | {medium:6} | {ops:6} operations | {images:6} images");
        images
    }
}

/// Counts kinds of states that a sweep must have met at least once.
#[derive(Default)]
pub struct Met(std::sync::Mutex<BTreeSet<&'static str>>);

impl Met {
    /// Notes one.
    pub fn note(&self, what: &'static str) {
        self.0.lock().unwrap().insert(what);
    }
}

/// States that a whole check found right; an equal one, byte for byte, need not be checked again.
#[derive(Default)]
pub struct Seen(std::sync::Mutex<HashSet<(u64, blake3::Hash)>>);

impl Seen {
    /// Runs a check of a disk for something that it should hold, unless it has been run for an equal disk.
    pub fn once(&self, holds: u64, disk: &SimDisk, check: impl FnOnce()) {
        let state = (holds, disk.fingerprint());
        if !self.0.lock().unwrap().contains(&state) {
            check();
            self.0.lock().unwrap().insert(state);
        }
    }
}
