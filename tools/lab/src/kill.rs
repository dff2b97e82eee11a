//! `lab kill`: the program, or the whole machine, is killed at a seeded moment of a sync, a collection or a heal.

use std::path::PathBuf;
use std::time::Duration;

use crate::bench::{AT_MOST, Bench};
use crate::chore::Chore;
use crate::error::Result;
use crate::kit::DEFAULT_DIR;
use crate::recovery::demand;
use crate::trials::{Drawn, Ground, Outcome, Table, Trials};
use crate::unplug::count;

/// The exit status of a killed process, as a shell has it.
const KILLED: i32 = 137;

/// What `lab kill` is asked for.
#[derive(Debug, clap::Args)]
pub struct KillArgs {
    /// What is interrupted
    #[arg(long, value_enum, default_value = "sync")]
    pub chore: Chore,
    /// A medium, repeatable [default: vfat, vfat-flush, exfat, ext4, ntfs]
    #[arg(long, value_name = "M")]
    pub medium: Vec<String>,
    /// Kills over all media
    #[arg(long, value_name = "N", default_value_t = 60)]
    pub kills: u64,
    /// The first kill's seed; each next one's is one more
    #[arg(long, value_name = "S", default_value_t = 1)]
    pub seed: u64,
    /// One JSON document a line
    #[arg(long)]
    pub json: bool,
    /// The work directory
    #[arg(long, value_name = "DIR", default_value = DEFAULT_DIR)]
    pub dir: PathBuf,
}

/// Kills syncs.
///
/// # Errors
/// When a kill did harm, or the lab cannot run.
pub fn run(args: &KillArgs) -> Result<()> {
    let trials = Trials::prepare(&args.dir, &args.medium, args.chore, args.json)?;
    let mut table = Table::default();
    let grounds = trials.grounds.iter().cycle();
    for (seed, ground) in (args.seed..args.seed.saturating_add(args.kills)).zip(grounds) {
        table.add(kill(&trials, ground, seed), args.json);
    }
    table.conclude(args.json)
}

fn kill(trials: &Trials, ground: &Ground, seed: u64) -> Outcome {
    let medium = ground.medium.name;
    let option = trials.chore.option();
    let replay = format!("cargo xtask lab kill{option} --medium {medium} --kills 1 --seed {seed}");
    let mut outcome = Outcome { medium, replay, counts: Vec::new(), took: Duration::ZERO, failure: None };
    outcome.failure = try_kill(trials, ground, Drawn::by(seed), &mut outcome).err();
    outcome
}

fn try_kill(trials: &Trials, ground: &Ground, drawn: Drawn, outcome: &mut Outcome) -> Result<()> {
    let mut bench = Bench::new(&trials.kit, trials.key(ground)?, ground.medium)?;
    let job = bench.start(&trials.chore.args(&trials.weeks))?;
    std::thread::sleep(ground.takes.mul_f64(drawn.moment));
    if drawn.other_way {
        bench.cut();
        outcome.counts.push("machine killed");
        bench = Bench::new(&trials.kit, trials.same_key(), ground.medium)?;
    } else {
        bench.guest("killall -9 chunkstore 2>/dev/null; true")?;
        let ended = bench.end(job, AT_MOST)?;
        outcome.counts.push(match ended.code {
            0 => "done before",
            KILLED => "program killed",
            _ => "another exit",
        });
        demand([0, KILLED].contains(&ended.code), || format!("the run ended with {}: {}", ended.code, ended.stderr))?;
    }
    count(outcome, trials.chore, trials.chore.recover(&mut bench, &trials.weeks)?);
    Ok(())
}
