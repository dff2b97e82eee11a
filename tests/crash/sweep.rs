//! A sweep: each image of each cut of a recorded run, counted, and replayed alone when the environment asks for it.

use std::collections::BTreeSet;
use std::env;
use std::ops::RangeInclusive;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use chunkstore::disk::sim::ImageBudget;
use chunkstore::disk::sim_folder::ImageBudget as FolderBudget;
use chunkstore::disk::{SimDisk, SimFolder};

/// Which images are taken.
pub struct Sweep {
    test: &'static str,
    images: usize,
    seeds: Vec<u64>,
    cut: Option<usize>,
    image: Option<usize>,
}

/// One image under check.
pub struct Cut {
    /// The operation that the cut hit: those before it have returned.
    pub at_op: usize,
    /// What became of each unsynced effect.
    pub label: String,
}

fn number<T: std::str::FromStr>(name: &str) -> Option<T> {
    env::var(name).ok().and_then(|text| text.parse().ok())
}

/// Tells whether the long form was asked for.
pub fn is_long() -> bool {
    env::var("CHUNKSTORE_SWEEP").is_ok_and(|form| form == "long")
}

impl Sweep {
    /// Plans the sweep of a test: at most `short` images of each cut, in the long form forty times as many of three seeds.
    pub fn new(test: &'static str, short: usize) -> Self {
        let images = number("CHUNKSTORE_IMAGES").unwrap_or(if is_long() { short * 40 } else { short });
        let seeds = match number("CHUNKSTORE_SEED") {
            Some(seed) => vec![seed],
            None if is_long() => vec![1, 2, 3],
            None => vec![1],
        };
        Self { test, images, seeds, cut: number("CHUNKSTORE_CUT"), image: number("CHUNKSTORE_IMAGE") }
    }

    /// Checks every image of every cut of a disk from `first_op` on; prints and returns how many there were.
    pub fn run(&self, disk: &SimDisk, first_op: usize, check: impl Fn(&Cut, &SimDisk)) -> usize {
        let images = |at_op, max_images, seed| {
            let images = disk.crash_images(at_op, &ImageBudget { max_images, seed });
            images.map(|(label, image)| (label.number, label.to_string(), image))
        };
        self.run_over(&format!("{:?}", disk.profile()), first_op..=disk.op_count(), images, check)
    }

    /// Checks every image of every cut of a folder; prints and returns how many there were.
    pub fn run_folder(&self, rules: &str, folder: &SimFolder, check: impl Fn(&Cut, &SimFolder)) -> usize {
        let images = |at_op, max_images, seed| {
            let images = folder.crash_images(at_op, &FolderBudget { max_images, seed });
            let label = move |number| format!("cut at operation {at_op}, image {number}");
            images.into_iter().enumerate().map(move |(number, image)| (number, label(number), image))
        };
        self.run_over(rules, 0..=folder.op_count(), images, check)
    }

    fn run_over<T, I: Iterator<Item = (usize, String, T)>>(
        &self,
        medium: &str,
        cuts: RangeInclusive<usize>,
        images: impl Fn(usize, usize, u64) -> I,
        check: impl Fn(&Cut, &T),
    ) -> usize {
        let mut count = 0;
        for &seed in &self.seeds {
            for at_op in cuts.clone().filter(|at| self.cut.is_none_or(|cut| cut == *at)) {
                let images = images(at_op, self.images, seed);
                for (number, label, image) in
                    images.filter(|(number, ..)| self.image.is_none_or(|only| only == *number))
                {
                    let cut = Cut { at_op, label };
                    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| check(&cut, &image))) {
                        eprintln!("{medium}, {}", cut.label);
                        eprintln!("replay: {}", self.replay(at_op, number, seed));
                        resume_unwind(panic);
                    }
                    count += 1;
                }
            }
        }
        let ops = cuts.end() - cuts.start();
        println!("sweep | {:40} | {medium:6} | {ops:4} operations | {count:6} images", self.test);
        count
    }

    fn replay(&self, cut: usize, image: usize, seed: u64) -> String {
        let (images, test) = (self.images, self.test);
        format!(
            "CHUNKSTORE_CUT={cut} CHUNKSTORE_IMAGE={image} CHUNKSTORE_IMAGES={images} CHUNKSTORE_SEED={seed} \
             cargo test --test crash {test} -- --exact --nocapture"
        )
    }

    /// Fails when a whole sweep had fewer images than it should.
    pub fn require(&self, count: usize, least: usize) {
        let replayed = self.cut.is_some() || self.image.is_some() || number::<usize>("CHUNKSTORE_IMAGES").is_some();
        assert!(replayed || count >= least, "{}: only {count} images, expected {least}", self.test);
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

    /// Fails when one was never met.
    pub fn require(&self, sweep: &Sweep, all: &[&'static str]) {
        let met = self.0.lock().unwrap();
        if sweep.cut.is_none() && sweep.image.is_none() {
            let never: Vec<_> = all.iter().filter(|what| !met.contains(*what)).collect();
            assert!(never.is_empty(), "{}: never met {never:?}", sweep.test);
        }
    }
}
