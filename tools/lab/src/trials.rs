//! What `unplug` and `kill` share: seeded moments, media that this kernel has, base images, and the table at the end.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use chunkstore::base::Random;
use chunkstore::base::random::SeededRandom;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::bench::Bench;
use crate::chore::Chore;
use crate::error::{LabError, Result};
use crate::kit::Kit;
use crate::machine::{Key, Machine};
use crate::media::Medium;
use crate::recovery::must;
use crate::weeks::Weeks;

/// The media that are tried unless some are named.
pub const MEDIA: [&str; 5] = ["vfat", "vfat-flush", "exfat", "ext4", "ntfs"];
/// Makes a sync last long enough to be met in all its parts.
pub const RATE: &str = "--limit-rate 14M";

/// A medium that a trial runs on.
pub struct Ground {
    /// The medium.
    pub medium: &'static Medium,
    base: PathBuf,
    /// How long an undisturbed run takes.
    pub takes: Duration,
}

/// Everything that trials need, made once.
pub struct Trials {
    /// The machine's parts.
    pub kit: Kit,
    /// The publisher.
    pub weeks: Weeks,
    /// The media, at least one.
    pub grounds: Vec<Ground>,
    /// What is interrupted.
    pub chore: Chore,
    dir: TempDir,
}

impl Trials {
    /// Publishes, makes one key for each medium, and times an undisturbed run on each. A medium that this kernel has no driver for is
    /// left out with a line among the results.
    ///
    /// # Errors
    /// When a name is unknown, no medium is left, or an undisturbed run fails.
    pub fn prepare(kit_dir: &Path, media: &[String], chore: Chore, is_json: bool) -> Result<Self> {
        let kit = Kit::open(kit_dir)?;
        let dir = tempfile::tempdir().map_err(|error| LabError::because("cannot make a directory", error))?;
        let weeks = Weeks::publish(&kit)?;
        let mut machine = Machine::restore(&kit)?;
        let mut trials = Self { kit, weeks, grounds: Vec::new(), chore, dir };
        let named: Vec<&str> = media.iter().map(String::as_str).collect();
        for name in if named.is_empty() { &MEDIA[..] } else { &named } {
            let medium = Medium::named(name)?;
            if machine.sh(&medium.driver_command(), Duration::from_secs(20))?.0 == 0 {
                let ground = trials.ground(medium)?;
                trials.grounds.push(ground);
            } else if is_json {
                println!("{}", json!({ "medium": name, "left_out": true }));
            } else {
                println!("{name:<11} LEFT OUT: nothing in the machine mounts it");
            }
        }
        if trials.grounds.is_empty() {
            return Err(LabError::new("no medium is left to try"));
        }
        Ok(trials)
    }

    fn ground(&self, medium: &'static Medium) -> Result<Ground> {
        let base = self.dir.path().join(format!("{}.base", medium.name));
        self.weeks.first_key(&self.kit, medium, &base)?;
        let mut ground = Ground { medium, base, takes: Duration::ZERO };
        if self.chore != Chore::Sync {
            let mut bench = Bench::new(&self.kit, Key::new("key", &ground.base), medium)?;
            self.chore.prepare(&mut bench, &self.weeks)?;
            bench.unmount()?;
        }
        let key = self.key(&ground)?;
        let mut bench = Bench::new(&self.kit, key, medium)?;
        let start = Instant::now();
        must(bench.program(&self.chore.args(&self.weeks))?, "an undisturbed run")?;
        ground.takes = start.elapsed();
        Ok(ground)
    }

    /// Returns a fresh key, as the run finds it; the one before it is gone.
    ///
    /// # Errors
    /// When the image cannot be copied.
    pub fn key(&self, ground: &Ground) -> Result<Key> {
        let image = self.image();
        let copied = std::process::Command::new("cp").arg("--sparse=always").arg(&ground.base).arg(&image).status();
        match copied {
            Ok(status) if status.success() => Ok(self.same_key()),
            Ok(status) => Err(LabError::new(format!("cannot copy {}: {status}", ground.base.display()))),
            Err(error) => Err(LabError::because("cannot start cp", error)),
        }
    }

    /// Returns the key at hand, as it is.
    #[must_use]
    pub fn same_key(&self) -> Key {
        let key = Key::new("key", &self.image());
        match self.chore.limit() {
            Some((operations, bytes)) => key.slow(operations, bytes),
            None => key,
        }
    }

    /// Returns the image of the key at hand.
    #[must_use]
    pub fn image(&self) -> PathBuf {
        self.dir.path().join("key.img")
    }
}

/// What a seed decides: a moment of a run, and a choice of two.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Drawn {
    /// The moment as a share of an undisturbed run; a little more than 1 is after its end.
    pub moment: f64,
    /// One of two ways to go on.
    pub other_way: bool,
}

impl Drawn {
    /// Draws by a seed: a fifth of the moments lies around the opening, a fifth around the swing of HEAD.
    #[must_use]
    pub fn by(seed: u64) -> Self {
        let mut bytes = [0; 6];
        SeededRandom::new(seed).fill(&mut bytes);
        let share = f64::from(u16::from_le_bytes([bytes[0], bytes[1]])) / f64::from(u16::MAX);
        let moment = match bytes[2] % 5 {
            0 => share * 0.15,
            1 => 0.85 + share * 0.2,
            _ => share,
        };
        Self { moment, other_way: bytes[3] % 2 == 1 }
    }
}

/// What came of one trial.
pub struct Outcome {
    /// The medium's name.
    pub medium: &'static str,
    /// What replays it.
    pub replay: String,
    /// What it counts for in the table, by column.
    pub counts: Vec<&'static str>,
    /// How long the program took to end.
    pub took: Duration,
    /// What was wrong, if anything.
    pub failure: Option<LabError>,
}

/// The outcomes of a verb.
#[derive(Default)]
pub struct Table {
    rows: BTreeMap<&'static str, Row>,
    failures: usize,
}

#[derive(Default)]
struct Row {
    trials: usize,
    failures: usize,
    slowest: Duration,
    counts: BTreeMap<&'static str, usize>,
}

impl Table {
    /// Takes an outcome, and prints it where it is a failure or every one is asked for.
    pub fn add(&mut self, outcome: Outcome, json: bool) {
        let row = self.rows.entry(outcome.medium).or_default();
        row.trials += 1;
        row.slowest = row.slowest.max(outcome.took);
        for count in &outcome.counts {
            *row.counts.entry(count).or_default() += 1;
        }
        if json {
            let failure = outcome.failure.as_ref().map(ToString::to_string);
            let took = outcome.took.as_millis() as u64;
            println!(
                "{}",
                json!({"medium": outcome.medium, "replay": outcome.replay, "counts": outcome.counts,
                                  "took_ms": took, "failure": failure})
            );
        }
        if let Some(failure) = outcome.failure {
            row.failures += 1;
            self.failures += 1;
            eprintln!("FAILED on {}: {failure}\n  replay: {}", outcome.medium, outcome.replay);
        }
    }

    /// Prints a row a medium.
    ///
    /// # Errors
    /// When there was a failure.
    pub fn conclude(&self, json: bool) -> Result<()> {
        for (medium, row) in &self.rows {
            if json {
                println!("{}", row.as_json(medium));
            } else {
                println!("{}", row.as_line(medium));
            }
        }
        match self.failures {
            0 => Ok(()),
            count => Err(LabError::new(format!("{count} trials failed"))),
        }
    }
}

impl Row {
    fn as_line(&self, medium: &str) -> String {
        let counts: Vec<String> = self.counts.iter().map(|(name, count)| format!("{name} {count}")).collect();
        let slowest = self.slowest.as_secs_f64();
        let (trials, failures) = (self.trials, self.failures);
        format!(
            "{medium:<11} trials {trials:>4}  failed {failures:>3}  slowest end {slowest:.2} s  {}",
            counts.join(", ")
        )
    }

    fn as_json(&self, medium: &str) -> Value {
        json!({"medium": medium, "trials": self.trials, "failed": self.failures,
               "slowest_ms": self.slowest.as_millis() as u64, "counts": self.counts})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_draws_the_same_again_and_seeds_reach_early_and_late_moments() {
        let drawn: Vec<Drawn> = (0..200).map(Drawn::by).collect();
        assert_eq!(drawn[7], Drawn::by(7));
        assert!(drawn.iter().all(|drawn| (0.0..=1.06).contains(&drawn.moment)));
        assert!(drawn.iter().filter(|drawn| drawn.moment < 0.1).count() > 20);
        assert!(drawn.iter().filter(|drawn| drawn.moment > 0.9).count() > 20);
        assert!((60..140).contains(&drawn.iter().filter(|drawn| drawn.other_way).count()));
    }

    #[test]
    fn a_table_counts_by_medium_and_fails_with_any_trial() {
        let outcome = |took, failure: Option<&str>| Outcome {
            medium: "vfat",
            replay: "lab unplug".to_owned(),
            counts: vec!["exit 16"],
            took: Duration::from_millis(took),
            failure: failure.map(LabError::new),
        };
        let mut table = Table::default();
        table.add(outcome(100, None), false);
        assert!(table.conclude(false).is_ok());
        table.add(outcome(50, Some("it hangs")), false);
        assert!(table.conclude(false).is_err());
        let line = table.rows["vfat"].as_line("vfat");
        assert_eq!(line, "vfat        trials    2  failed   1  slowest end 0.10 s  exit 16 2");
    }
}
