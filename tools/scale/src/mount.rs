//! What a mount takes beside an empty fuser tree of the same shape, `restore` and direct reads, all in one run: the first listing of a tree of
//! 65,000 files, a long file from end to end, pages of it at random, and one directory of a million files.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use xtask::content::{Draw, noise, tree};
use xtask::stage::{Stage, succeed};

use crate::Result;

pub mod peer;

const MIB: u64 = 1 << 20;
const LONG_BYTES: u64 = 256 * MIB;
const PAGE_BYTES: usize = 4096;
const PAGES: u64 = 2000;
/// The kernel counts time of processes in hundredths of a second.
const TICK_SECS: f64 = 0.01;

/// What is asked for.
#[derive(Debug, clap::Args)]
pub struct MountArgs {
    /// The tree that is listed [default: a made one]
    #[arg(long, value_name = "DIR")]
    tree: Option<PathBuf>,
    /// Files of the made one
    #[arg(long, value_name = "N", default_value_t = 65_000)]
    files: u64,
    /// Files of the large directory's store; 0 leaves it out
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    many: u64,
    /// How often each is measured, in turns
    #[arg(long, value_name = "N", default_value_t = 5)]
    rounds: usize,
    /// Serves an empty tree of the shape of --tree there: what the measurement starts beside the program
    #[arg(long, value_name = "DIR", hide = true, requires = "tree")]
    peer: Option<PathBuf>,
}

/// One way of reading, measured in turns with the others.
#[derive(Default)]
struct Row {
    what: &'static str,
    walls: Vec<f64>,
    cpus: Vec<f64>,
}

impl Row {
    fn of(what: &'static str) -> Self {
        Self { what, ..Self::default() }
    }

    fn add(&mut self, (wall, cpu): (f64, f64)) {
        self.walls.push(wall);
        self.cpus.push(cpu);
    }

    fn wall(&self) -> f64 {
        median(&self.walls)
    }

    fn cpu(&self) -> f64 {
        median(&self.cpus)
    }
}

fn median(all: &[f64]) -> f64 {
    let mut all = all.to_vec();
    all.sort_unstable_by(f64::total_cmp);
    all.get(all.len() / 2).copied().unwrap_or(f64::NAN)
}

/// A mounted process: this program or the peer.
struct Mounted(Child);

impl Mounted {
    /// Starts it and waits for the line that says that it can be used.
    fn start(command: &mut Command) -> Result<Self> {
        let mut child = command.stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().ok_or("no output")?).read_line(&mut line)?;
        if line.contains("mounted") { Ok(Self(child)) } else { Err(format!("it does not mount: {line}").into()) }
    }

    fn cpu_secs(&self) -> Result<f64> {
        let text = std::fs::read_to_string(format!("/proc/{}/stat", self.0.id()))?;
        let fields: Vec<&str> = text.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<f64>().ok()).unwrap_or(0.0);
        Ok((ticks(11) + ticks(12)) * TICK_SECS)
    }

    fn anon_mib(&self) -> Result<u64> {
        let text = std::fs::read_to_string(format!("/proc/{}/status", self.0.id()))?;
        let line = text.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap_or("0 kB");
        Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? >> 10)
    }

    fn end(mut self) -> Result<()> {
        kill_process(Pid::from_child(&self.0), Signal::TERM)?;
        self.0.wait()?;
        Ok(())
    }
}

/// Measures and prints; returns whether all bounds held.
///
/// # Errors
/// When a verb fails, or nothing can be mounted.
pub fn run(root: &Path, args: &MountArgs) -> Result<bool> {
    if let (Some(at), Some(shape)) = (&args.peer, &args.tree) {
        return peer::serve(shape, at).map(|()| true);
    }
    let stage = Stage::new(root, "scale-mount")?;
    stage.init("store")?;
    std::fs::create_dir(stage.path("mnt"))?;
    let listed = match &args.tree {
        Some(dir) => dir.clone(),
        None => {
            let dir = stage.path("tree");
            tree(&dir, args.files, &mut Draw::new(1))?;
            dir
        }
    };
    commit(&stage, &listed, "store")?;
    let mut held = listings(&stage, &listed, args.rounds)?;
    std::fs::create_dir(stage.path("long"))?;
    noise(&stage.path("long/file"), LONG_BYTES, &mut Draw::new(2))?;
    commit(&stage, &stage.path("long"), "store")?;
    held &= reads(&stage, args.rounds)?;
    if args.many > 0 {
        held &= many(&stage, args)?;
    }
    Ok(held)
}

fn commit(stage: &Stage, folder: &Path, store: &str) -> Result<()> {
    let folder = folder.to_string_lossy();
    Ok(succeed(stage.program(&["commit", &folder, "--store", store, "--quiet"]).stdout(Stdio::null()))?)
}

fn own(stage: &Stage, store: &str) -> Result<Mounted> {
    Mounted::start(&mut stage.program(&["mount", "mnt", "HEAD", "--store", store, "--json"]))
}

/// Forgets what the kernel keeps of files, where this user may ask for it.
fn cold() {
    if std::fs::write("/proc/sys/vm/drop_caches", "3").is_err() {
        println!("not cold: only root can make it so");
    }
}

fn timed(what: impl FnOnce() -> Result<()>) -> Result<f64> {
    let start = Instant::now();
    what()?;
    Ok(start.elapsed().as_secs_f64())
}

fn list(dir: &Path) -> Result<()> {
    Ok(succeed(Command::new("ls").arg("-lR").arg(dir).stdout(Stdio::null()))?)
}

/// Mounts and lists everything, in turns with the peer.
fn listings(stage: &Stage, listed: &Path, rounds: usize) -> Result<bool> {
    let (mut ours, mut peers) = (Row::of("mount and ls -lR"), Row::of("an empty fuser tree"));
    let mnt = stage.path("mnt");
    let mut anon_mib = 0;
    for _ in 0..rounds {
        cold();
        let start = Instant::now();
        let mounted = own(stage, "store")?;
        list(&mnt)?;
        ours.add((start.elapsed().as_secs_f64(), mounted.cpu_secs()?));
        anon_mib = anon_mib.max(mounted.anon_mib()?);
        mounted.end()?;
        let mut peer = Command::new(std::env::current_exe()?);
        peer.args(["mount", "--tree"]).arg(listed).arg("--peer").arg(&mnt);
        let peer = Mounted::start(&mut peer)?;
        let before = peer.cpu_secs()?;
        let wall = timed(|| list(&mnt))?;
        peers.add((wall, peer.cpu_secs()? - before));
        peer.end()?;
    }
    println!("| {} | wall s | own CPU s |\n| --- | ---: | ---: |", listed.display());
    for row in [&ours, &peers] {
        println!("| {} | {:.2} | {:.2} |", row.what, row.wall(), row.cpu());
    }
    let ratio = ours.wall() / peers.wall();
    println!("ratio {ratio:.2} (at most 1.3), own CPU {:.2} s (at most 1), {anon_mib} MiB (at most 256)\n", ours.cpu());
    Ok(ratio <= 1.3 && ours.cpu() <= 1.0 && anon_mib <= 256)
}

/// Reads a long file, in turns with `restore` and with the file itself, and pages of it at random.
fn reads(stage: &Stage, rounds: usize) -> Result<bool> {
    let mut rows =
        [Row::of("through the mount"), Row::of("restore"), Row::of("the file itself"), Row::of("2000 pages at random")];
    let mut anon_mib = 0;
    for _ in 0..rounds {
        cold();
        let mounted = own(stage, "store")?;
        let (before, wall) = (mounted.cpu_secs()?, timed(|| read_all(&stage.path("mnt/file")))?);
        rows[0].add((wall, mounted.cpu_secs()? - before));
        anon_mib = anon_mib.max(mounted.anon_mib()?);
        mounted.end()?;
        stage.remove("out")?;
        cold();
        let restore = &mut stage.program(&["restore", "/", "out", "--store", "store", "--quiet"]);
        rows[1].add((timed(|| Ok(succeed(restore.stdout(Stdio::null()))?))?, f64::NAN));
        cold();
        rows[2].add((timed(|| read_all(&stage.path("long/file")))?, f64::NAN));
        cold();
        let mounted = own(stage, "store")?;
        let before = mounted.cpu_secs()?;
        let wall = timed(|| read_pages(&stage.path("mnt/file")))?;
        rows[3].add((wall, mounted.cpu_secs()? - before));
        mounted.end()?;
    }
    println!("| {} MiB | wall s | MB/s | own CPU s |\n| --- | ---: | ---: | ---: |", LONG_BYTES / MIB);
    for row in &rows {
        println!(
            "| {} | {:.2} | {:.0} | {:.2} |",
            row.what,
            row.wall(),
            LONG_BYTES as f64 / 1e6 / row.wall(),
            row.cpu()
        );
    }
    let share = rows[1].wall() / rows[0].wall();
    println!("{:.0} % of restore's speed (at least 70), {anon_mib} MiB (at most 256)\n", share * 100.0);
    Ok(share >= 0.7 && anon_mib <= 256)
}

fn read_all(path: &Path) -> Result<()> {
    let mut buffer = vec![0; 1 << 20];
    let mut file = File::open(path)?;
    while file.read(&mut buffer)? > 0 {}
    Ok(())
}

fn read_pages(path: &Path) -> Result<()> {
    let (file, mut draw, mut page) = (File::open(path)?, Draw::new(3), [0; PAGE_BYTES]);
    let pages = LONG_BYTES / PAGE_BYTES as u64;
    for _ in 0..PAGES {
        file.read_exact_at(&mut page, draw.below(pages) * PAGE_BYTES as u64)?;
    }
    Ok(())
}

/// Lists one directory of a thousand files in a store of a million.
fn many(stage: &Stage, args: &MountArgs) -> Result<bool> {
    stage.init("many")?;
    let dir = stage.path("million");
    for at in 0..args.many {
        if at % 1000 == 0 {
            std::fs::create_dir_all(dir.join(format!("d{:03}", at / 1000)))?;
        }
        std::fs::write(dir.join(format!("d{:03}/file number {at}", at / 1000)), at.to_le_bytes())?;
    }
    commit(stage, &dir, "many")?;
    let (mut cold_ls, mut warm_ls, mut mounts) = (Row::of("cold"), Row::of("warm"), Row::of("mount"));
    let one = stage.path("mnt/d017");
    let ls = |dir: &Path| -> Result<()> { Ok(succeed(Command::new("ls").arg("-l").arg(dir).stdout(Stdio::null()))?) };
    for _ in 0..args.rounds {
        cold();
        let start = Instant::now();
        let mounted = own(stage, "many")?;
        mounts.add((start.elapsed().as_secs_f64(), mounted.cpu_secs()?));
        cold_ls.add((timed(|| ls(&one))?, mounted.cpu_secs()?));
        std::thread::sleep(Duration::from_millis(10));
        warm_ls.add((timed(|| ls(&one))?, mounted.cpu_secs()?));
        mounted.end()?;
    }
    let (cold_ms, warm_ms) = (cold_ls.wall() * 1e3, warm_ls.wall() * 1e3);
    println!(
        "ls -l of 1000 of {} files: {cold_ms:.0} ms cold (at most 300), {warm_ms:.0} ms warm (at most 50)",
        args.many
    );
    println!("mount took {:.2} s, {:.2} s of CPU", mounts.wall(), mounts.cpu());
    Ok(cold_ms <= 300.0 && warm_ms <= 50.0)
}

/// Says on stdout that the peer can be used.
fn tell_mounted() -> io::Result<()> {
    use std::io::Write;
    let mut out = io::stdout().lock();
    writeln!(out, "mounted")?;
    out.flush()
}
