//! A sweep: each image of each cut of a recorded run, counted, and replayed alone when the environment asks for it.

use std::collections::BTreeSet;
use std::env;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use chunkstore::disk::SimDisk;
use chunkstore::disk::sim::ImageBudget;

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

    /// Checks every image of every cut from `first_op` on; prints and returns how many there were.
    pub fn run(&self, disk: &SimDisk, first_op: usize, check: impl Fn(&Cut, &SimDisk)) -> usize {
        let mut count = 0;
        for &seed in &self.seeds {
            for at_op in (first_op..=disk.op_count()).filter(|at| self.cut.is_none_or(|cut| cut == *at)) {
                let images = disk.crash_images(at_op, &ImageBudget { max_images: self.images, seed });
                for (label, image) in images.filter(|(label, _)| self.image.is_none_or(|only| only == label.number)) {
                    let cut = Cut { at_op, label: label.to_string() };
                    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| check(&cut, &image))) {
                        eprintln!("{:?}, {}", disk.profile(), cut.label);
                        eprintln!("files: {:?}", image.paths());
                        eprintln!("replay: {}", self.replay(at_op, label.number, seed));
                        resume_unwind(panic);
                    }
                    count += 1;
                }
            }
        }
        let (profile, ops) = (format!("{:?}", disk.profile()), disk.op_count() - first_op);
        println!("sweep | {:40} | {profile:6} | {ops:4} operations | {count:6} images", self.test);
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
