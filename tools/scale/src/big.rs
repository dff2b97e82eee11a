//! What the verbs take on a big store: a release build, watched from outside, each round on copies of one store that share its
//! files.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use chunkstore::disk::{Disk, OsDisk};
use serde_json::{Value, json};
use xtask::content::files_below;
use xtask::memory::peak::{Peak, watch_printing};
use xtask::stage::{Stage, succeed};

use crate::Result;
use crate::fetched::{Tally, listed};
use crate::make::{Sizes, make};
use crate::table::{Bound, Row, document, table};

/// Most that a publisher's gc may take.
const PUBLISHER: Bound = Bound { secs: Some(60.0), mib: Some(256) };
/// Most that a key's gc may take.
const KEY: Bound = Bound { secs: Some(2.0), mib: Some(256) };
/// No bound: told, so that it is seen when it grows.
const TOLD: Bound = Bound { secs: None, mib: None };
/// The least share of b3sum's speed that `verify` may have.
const VERIFY_SPEED_MIN: f64 = 0.8;
/// Files of the folder that is committed.
const COMMITTED_FILES: usize = 20;
/// How often `verify` and b3sum take turns, since they differ by less than a busy machine varies.
const VERIFY_ROUNDS: u64 = 9;

/// What is asked for.
#[derive(Debug, clap::Args)]
pub struct BigArgs {
    #[command(flatten)]
    sizes: Sizes,
    /// Takes the store of an earlier `scale make DIR`, on the same file system, instead of making one
    #[arg(long, value_name = "DIR")]
    from: Option<PathBuf>,
    /// How often each verb is timed
    #[arg(long, value_name = "N", default_value_t = 3)]
    rounds: u64,
    /// Threads of b3sum; as many as `verify` has
    #[arg(long, value_name = "N", default_value_t = 1)]
    threads: u64,
}

/// Measures and prints; returns whether all bounds held.
///
/// # Errors
/// When the store cannot be made or a verb fails.
pub fn run(root: &Path, args: &BigArgs) -> Result<bool> {
    let stage = Stage::new(root, "scale")?;
    match &args.from {
        Some(dir) => {
            link(&dir.join("store"), &stage.path("made"))?;
            succeed(Command::new("cp").arg("-a").arg(dir.join("keys")).arg(stage.path("keys")))?;
        }
        None => {
            let started = Instant::now();
            make(&stage.path("made"), &stage.path("keys"), &args.sizes)?;
            eprintln!("scale: a store of {} objects took {} s", args.sizes.objects, started.elapsed().as_secs());
        }
    }
    let mut bench = Bench { stage: &stage, rows: Vec::new(), fetched: Tally::default() };
    for round in 0..args.rounds.max(1) {
        bench.upkeep()?;
        eprintln!("scale: round {} of {} is over", round + 1, args.rounds.max(1));
    }
    let speed = verify_speed(&stage, args)?;
    println!("{}\n{}", table(&bench.rows), bench.fetched.table());
    println!(
        "verify of the outer layer: {:.0} MB/s, b3sum --no-mmap --num-threads {}: {:.0} MB/s, ratio {:.2} (at least {VERIFY_SPEED_MIN})",
        speed.verify,
        args.threads,
        speed.b3sum,
        speed.ratio()
    );
    let verify = json!({"verify_mb_s": speed.verify, "b3sum_mb_s": speed.b3sum, "ratio": speed.ratio()});
    println!("{}", json!({"rows": document(&bench.rows), "fetched": bench.fetched.document(), "verify": verify}));
    Ok(bench.rows.iter().all(Row::holds) && speed.ratio() >= VERIFY_SPEED_MIN)
}

/// The rows under way.
struct Bench<'a> {
    stage: &'a Stage,
    rows: Vec<Row>,
    /// Of the packs that the first gc made.
    fetched: Tally,
}

impl Bench<'_> {
    /// Times every verb once, on fresh copies.
    fn upkeep(&mut self) -> Result<()> {
        let stage = self.stage;
        // The host remembers generations that a fresh copy has not seen.
        stage.remove("home")?;
        for copy in ["publisher", "key"] {
            stage.remove(copy)?;
            link(&stage.path("made"), &stage.path(copy))?;
        }
        let store = ["--store", "publisher"];
        self.time("`ls /`", TOLD, stage.program(&["ls", "/", store[0], store[1]]))?;
        self.time("`gc --dry-run`", PUBLISHER, stage.program(&["gc", "--dry-run", store[0], store[1]]))?;
        let disk: Arc<dyn Disk> = Arc::new(OsDisk::create(&stage.path("publisher"))?);
        let before = listed(&disk)?;
        self.time("`gc`", PUBLISHER, stage.program(&["gc", store[0], store[1]]))?;
        self.fetched = Tally::default();
        self.fetched.count(&disk, &before)?;
        // A key that follows both generations, so that its last two records no longer lead to what was dropped.
        let sync = || stage.program_without_keys(&["sync", "./publisher", "--store", "key"]);
        self.time("`sync` of a key by path", TOLD, sync())?;
        let next = ["gc", "--grace", "0s", store[0], store[1]];
        self.time("`gc --grace 0s`, the next", PUBLISHER, stage.program(&next))?;
        succeed(sync().stdout(Stdio::null()).stderr(Stdio::null()))?;
        let on_key = stage.program_without_keys(&["gc", "--files-only", "--grace", "0s", "--store", "key"]);
        self.time("`gc` of the key", KEY, on_key)?;
        self.commits()
    }

    fn commits(&mut self) -> Result<()> {
        let stage = self.stage;
        let folder = stage.path("folder");
        std::fs::create_dir_all(&folder)?;
        let commit = || stage.program(&["commit", "folder", "--store", "publisher", "-m", "small"]);
        for number in 0..COMMITTED_FILES {
            std::fs::write(folder.join(format!("file {number}")), number.to_le_bytes())?;
        }
        // The first one has everything else go.
        succeed(commit().stdout(Stdio::null()).stderr(Stdio::null()))?;
        std::fs::write(folder.join("file 0"), "changed")?;
        self.time("`commit` of a small change", TOLD, commit())
    }

    fn time(&mut self, what: &str, bound: Bound, mut command: Command) -> Result<()> {
        let said = self.stage.path("said");
        // Whoever fails says why at the end of the round.
        command.arg("--json").stdout(File::create(&said)?).stderr(File::create(self.stage.path("complaints"))?);
        let Peak { anon_bytes, wall } = watch_printing(&mut command).inspect_err(|_| self.complain())?;
        let said = std::fs::read_to_string(said)?;
        let last: Value = said.lines().last().and_then(|line| serde_json::from_str(line).ok()).unwrap_or_default();
        let row = match self.rows.iter_mut().find(|row| row.what == what) {
            Some(row) => row,
            None => {
                self.rows.push(Row { what: what.to_owned(), bound, ..Row::default() });
                self.rows.last_mut().ok_or("no row")?
            }
        };
        row.walls.push(wall);
        row.anon_bytes = row.anon_bytes.max(anon_bytes);
        row.copied_bytes = last["packs"]["copied_bytes"].as_u64().unwrap_or(0);
        row.removed_bytes = last["removed_bytes"].as_u64().unwrap_or(0);
        Ok(())
    }

    fn complain(&self) {
        eprintln!("{}", std::fs::read_to_string(self.stage.path("complaints")).unwrap_or_default());
    }
}

/// Copies a store without its bytes: the program replaces files, but never changes one.
fn link(from: &Path, to: &Path) -> io::Result<()> {
    succeed(Command::new("cp").arg("-al").arg(from).arg(to))
}

/// Speeds in MB/s.
struct Speed {
    verify: f64,
    b3sum: f64,
}

impl Speed {
    fn ratio(&self) -> f64 {
        self.verify / self.b3sum
    }
}

/// Takes turns with b3sum over the same packs, all in the system's cache.
fn verify_speed(stage: &Stage, args: &BigArgs) -> Result<Speed> {
    let packs = files_below(&stage.path("made/packs"))?;
    let bytes: u64 = packs.iter().map(|pack| pack.metadata().map_or(0, |found| found.len())).sum();
    let (mut ours, mut theirs) = (Row::default(), Row::default());
    for round in 0..=VERIFY_ROUNDS {
        let mut b3sum = Command::new("b3sum");
        b3sum.args(["--no-mmap", "--num-threads", &args.threads.to_string()]).args(&packs);
        let times = (took(&mut b3sum)?, took(&mut stage.program_without_keys(&["verify", "--store", "made"]))?);
        // The first round fills the cache.
        if round > 0 {
            theirs.walls.push(times.0);
            ours.walls.push(times.1);
        }
    }
    let speed = |row: &Row| bytes as f64 / 1e6 / row.median_secs();
    Ok(Speed { verify: speed(&ours), b3sum: speed(&theirs) })
}

fn took(command: &mut Command) -> io::Result<Duration> {
    let started = Instant::now();
    succeed(command.stdout(Stdio::null()).stderr(Stdio::null()))?;
    Ok(started.elapsed())
}
