//! `lab unplug`: a key is pulled at a seeded moment of a sync, a collection or a heal. The program says so, the key opens, the next
//! run finishes.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::bench::{AT_MOST, Bench, Ended};
use crate::chore::Chore;
use crate::error::Result;
use crate::kit::DEFAULT_DIR;
use crate::recovery::{Recovered, demand};
use crate::trials::{Drawn, Ground, Outcome, Table, Trials};
use crate::weeks::STORE;

/// How long the program may take to end once the key is gone.
const END_WITHIN: Duration = Duration::from_secs(2);
/// The exit code of a medium that went away.
const GONE: i32 = 16;

/// What `lab unplug` is asked for.
#[derive(Debug, clap::Args)]
pub struct UnplugArgs {
    /// What is interrupted
    #[arg(long, value_enum, default_value = "sync")]
    pub chore: Chore,
    /// A medium, repeatable [default: vfat, vfat-flush, exfat, ext4, ntfs]
    #[arg(long, value_name = "M")]
    pub medium: Vec<String>,
    /// Pulls over all media
    #[arg(long, value_name = "N", default_value_t = 200)]
    pub pulls: u64,
    /// The first pull's seed; each next one's is one more
    #[arg(long, value_name = "S", default_value_t = 1)]
    pub seed: u64,
    /// One JSON document a line
    #[arg(long)]
    pub json: bool,
    /// The work directory
    #[arg(long, value_name = "DIR", default_value = DEFAULT_DIR)]
    pub dir: PathBuf,
}

/// Pulls keys.
///
/// # Errors
/// When a pull did harm, or the lab cannot run.
pub fn run(args: &UnplugArgs) -> Result<()> {
    let trials = Trials::prepare(&args.dir, &args.medium, args.chore, args.json)?;
    let mut table = Table::default();
    let grounds = trials.grounds.iter().cycle();
    for (seed, ground) in (args.seed..args.seed.saturating_add(args.pulls)).zip(grounds) {
        table.add(pull(&trials, ground, seed), args.json);
    }
    table.conclude(args.json)
}

/// Makes one pull and looks at all that follows.
fn pull(trials: &Trials, ground: &Ground, seed: u64) -> Outcome {
    let medium = ground.medium.name;
    let option = trials.chore.option();
    let replay = format!("cargo xtask lab unplug{option} --medium {medium} --pulls 1 --seed {seed}");
    let mut outcome = Outcome { medium, replay, counts: Vec::new(), took: Duration::ZERO, failure: None };
    outcome.failure = try_pull(trials, ground, Drawn::by(seed), &mut outcome).err();
    outcome
}

fn try_pull(trials: &Trials, ground: &Ground, drawn: Drawn, outcome: &mut Outcome) -> Result<()> {
    let mut bench = Bench::new(&trials.kit, trials.key(ground)?, ground.medium)?;
    let job = bench.start(&trials.chore.args(&trials.weeks))?;
    std::thread::sleep(ground.takes.mul_f64(drawn.moment));
    let start = Instant::now();
    bench.pull()?;
    let ended = bench.end(job, AT_MOST)?;
    outcome.took = start.elapsed();
    outcome.counts.push(match ended.code {
        0 => "done before",
        GONE => "exit 16",
        _ => "another exit",
    });
    demand(is_told(&ended), || format!("the run ended with {} and said: {}", ended.code, ended.stderr))?;
    demand(outcome.took < END_WITHIN, || format!("the run ended {:.1} s after the pull", outcome.took.as_secs_f64()))?;
    for args in [format!("status --store {STORE}"), format!("ls / --store {STORE} --no-passphrase")] {
        let dead = bench.program(&args)?;
        demand(dead.code == GONE, || format!("on the dead mount `{args}` ended with {}: {}", dead.code, dead.stderr))?;
    }
    if drawn.other_way {
        bench.cut();
        bench = Bench::new(&trials.kit, trials.same_key(), ground.medium)?;
    } else {
        bench.replug()?;
    }
    count(outcome, trials.chore, trials.chore.recover(&mut bench, &trials.weeks)?);
    Ok(())
}

/// What verify says where no key of a reader is at hand.
const OUTER_ONLY: &str = "chunkstore: only the outer layer was checked";

/// Returns whether a run that lost its key says so once, and one that was done before says nothing of it.
fn is_told(ended: &Ended) -> bool {
    let mut sentences = ended.sentences();
    sentences.retain(|sentence| !sentence.starts_with(OUTER_ONLY));
    match ended.code {
        0 => sentences.is_empty(),
        GONE => matches!(sentences[..], [sentence] if sentence.contains("the medium went away")),
        _ => false,
    }
}

/// Counts what a key showed on the way back.
pub fn count(outcome: &mut Outcome, chore: Chore, back: Recovered) {
    outcome.counts.push(match chore {
        Chore::Sync if back.opened == crate::weeks::GENERATIONS[0] => "opened old",
        Chore::Sync => "opened new",
        Chore::Gc | Chore::Heal if back.left => "ended by the next run",
        Chore::Gc | Chore::Heal => "nothing left to do",
    });
    if back.degraded {
        outcome.counts.push("degraded, then mended");
    }
    if back.was_repaired {
        outcome.counts.push("file system repaired first");
    }
    if back.opened == crate::weeks::GENERATIONS[0] && back.whole > 2 {
        outcome.counts.push("packs reused");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(code: i32, stderr: &str) -> Ended {
        Ended { code, stdout: String::new(), stderr: stderr.to_owned() }
    }

    #[test]
    fn a_pull_is_told_in_one_sentence() {
        let sentence = "chunkstore: cannot sync: the medium went away: cannot write packs/a: I/O error\n";
        assert!(is_told(&ended(16, &format!("{sentence}hint: plug the medium in again\n"))));
        assert!(is_told(&ended(0, "")));
        assert!(!is_told(&ended(16, &format!("chunkstore: pack a: cannot write\n{sentence}"))));
        assert!(!is_told(&ended(16, "")) && !is_told(&ended(1, sentence)) && !is_told(&ended(0, sentence)));
    }
}
