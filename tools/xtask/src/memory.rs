//! What each verb holds in memory: a release build on a folder of many files and on long files, watched from outside.
//!
//! Counted is anonymous memory, which nobody gets back while the program runs; pages of files come and go. A stage is at most
//! three times its content on the disk, and is removed at the end.

use std::io::{self, BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Instant;

use crate::content::{Draw, files_below, noise, sparse, tree};
use crate::stage::{Stage, read_flags, text_field};

pub mod peak;

/// Most that a verb may hold. What writes snapshots or folders, what carries packs, what reads.
const COMMIT_MIB: u64 = 256;
const SYNC_MIB: u64 = 64;
const READ_MIB: u64 = 128;

const USAGE: &str = "\
Usage: cargo xtask memory [--files N] [--huge-gb N] [--noise-gb N]

  --files N     files of the folder of many files (1000000)
  --huge-gb N   length of the sparse file in GB (100)
  --noise-gb N  length of the file that does not compress in GB (8)
";

/// What is measured on.
#[derive(Debug, Clone, Copy)]
struct Sizes {
    files: u64,
    huge_gb: u64,
    noise_gb: u64,
}

/// Measures and prints a table; returns whether every verb stayed within its bound.
#[must_use]
pub fn run(root: &Path, words: &[&str]) -> bool {
    let Some([files, huge_gb, noise_gb]) = read_flags(words, [("files", 1_000_000), ("huge-gb", 100), ("noise-gb", 8)])
    else {
        eprint!("{USAGE}");
        return false;
    };
    let sizes = Sizes { files: files.max(1), huge_gb, noise_gb };
    let measured = measure(root, sizes);
    measured.as_ref().inspect_err(|error| eprintln!("memory: {error}")).is_ok_and(|held| *held)
}

fn measure(root: &Path, sizes: Sizes) -> io::Result<bool> {
    let stage = Stage::new(root, "memory")?;
    let mut table = Table { stage: &stage, held: true };
    println!("| verb | peak anonymous MiB | bound MiB | wall s |\n| --- | ---: | ---: | ---: |");
    table.many_files(sizes.files)?;
    stage.remove("")?;
    std::fs::create_dir(stage.path(""))?;
    table.long_files(sizes.huge_gb, sizes.noise_gb)?;
    Ok(table.held)
}

/// The rows, printed as they come.
struct Table<'a> {
    stage: &'a Stage,
    held: bool,
}

impl Table<'_> {
    /// Runs a call of the program and prints its row.
    fn row(&mut self, what: &str, bound_mib: u64, words: &[&str]) -> io::Result<()> {
        let peak = peak::watch(self.stage.program(words).stderr(Stdio::inherit()))?;
        let (mib, wall) = (peak.anon_bytes as f64 / f64::from(1 << 20), peak.wall.as_secs_f64());
        let is_held = peak.anon_bytes <= bound_mib << 20;
        let mark = if is_held { "" } else { " BROKEN" };
        println!("| {what} | {mib:.1}{mark} | {bound_mib} | {wall:.1} |");
        self.held &= is_held;
        Ok(())
    }

    fn many_files(&mut self, files: u64) -> io::Result<()> {
        let stage = self.stage;
        let started = Instant::now();
        tree(&stage.path("files"), files, &mut Draw::new(1))?;
        eprintln!("memory: a folder of {files} files took {} s", started.elapsed().as_secs());
        let fingerprint = stage.init("store")?;
        self.row("commit, the first", COMMIT_MIB, &["commit", "files", "--store", "store", "-m", "first"])?;
        self.row("commit, nothing changed", COMMIT_MIB, &["commit", "files", "--store", "store", "-m", "same"])?;
        self.row("push to a path", SYNC_MIB, &["push", "./pushed", "--store", "store"])?;
        self.row("clone from a path", SYNC_MIB, &["clone", "./store", "key", "--trust", &fingerprint])?;
        let server = Server::start(stage, "store")?;
        let from = server.url.as_str();
        self.row("clone by FTP", SYNC_MIB, &["clone", from, "far-key", "--trust", &fingerprint])?;
        let changed = change_some(&stage.path("files"))?;
        self.row(
            "commit, one file in a hundred changed",
            COMMIT_MIB,
            &["commit", "files", "--store", "store", "-m", "next"],
        )?;
        self.row("sync from a path", SYNC_MIB, &["sync", "./store", "--store", "key"])?;
        self.row("sync by FTP", SYNC_MIB, &["sync", from, "--store", "far-key"])?;
        self.row("sync with nothing new", SYNC_MIB, &["sync", from, "--store", "far-key"])?;
        drop(server);
        ["pushed", "far-key"].into_iter().try_for_each(|name| stage.remove(name))?;
        self.row("ls -r", READ_MIB, &["ls", "-r", "/", "--store", "key"])?;
        self.row("cat of a small file", READ_MIB, &["cat", &changed, "--store", "key"])?;
        self.row("find", READ_MIB, &["find", "*7.dat", "--store", "key"])?;
        self.row("diff", READ_MIB, &["diff", "HEAD~1", "HEAD", "--store", "key"])?;
        self.row("verify --read-data", COMMIT_MIB, &["verify", "--read-data", "--store", "key"])?;
        stage.remove("files")?;
        self.row("restore", COMMIT_MIB, &["restore", "/", "out", "--store", "key"])
    }

    fn long_files(&mut self, huge_gb: u64, noise_gb: u64) -> io::Result<()> {
        let stage = self.stage;
        std::fs::create_dir(stage.path("long"))?;
        sparse(&stage.path("long/huge"), huge_gb * 1_000_000_000, &mut Draw::new(2))?;
        noise(&stage.path("long/noise"), noise_gb * 1_000_000_000, &mut Draw::new(3))?;
        let fingerprint = stage.init("store")?;
        let title = format!("commit of {huge_gb} GB with holes and {noise_gb} GB of noise");
        self.row(&title, COMMIT_MIB, &["commit", "long", "--store", "store", "-m", "first"])?;
        stage.remove("long")?;
        self.row("cat of the file with holes", READ_MIB, &["cat", "/huge", "--store", "store"])?;
        self.row("cat of the noise", READ_MIB, &["cat", "/noise", "--store", "store"])?;
        self.row("verify --read-data", COMMIT_MIB, &["verify", "--read-data", "--store", "store"])?;
        self.row("restore of both", COMMIT_MIB, &["restore", "/", "out", "--store", "store"])?;
        stage.remove("out")?;
        self.row("clone from a path", SYNC_MIB, &["clone", "./store", "key", "--trust", &fingerprint])?;
        stage.remove("key")?;
        let server = Server::start(stage, "store")?;
        self.row("clone by FTP", SYNC_MIB, &["clone", &server.url, "key", "--trust", &fingerprint])
    }
}

/// Writes one file in a hundred anew, and returns the path of one in the snapshot to come.
fn change_some(root: &Path) -> io::Result<String> {
    let mut files = files_below(root)?;
    files.sort_unstable();
    for file in files.iter().step_by(100) {
        std::fs::write(file, file.to_string_lossy().as_bytes())?;
    }
    let below = files.first().and_then(|file| file.strip_prefix(root).ok()).unwrap_or(root);
    Ok(format!("/{}", below.display()))
}

/// The program's own FTP server; killed when dropped.
struct Server {
    child: Child,
    url: String,
}

impl Server {
    fn start(stage: &Stage, dir: &str) -> io::Result<Self> {
        let mut command = stage.program(&["serve", dir, "--listen", "127.0.0.1:0", "--json"]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
        let mut said = String::new();
        if let Some(out) = child.stdout.take() {
            BufReader::new(out).read_line(&mut said)?;
        }
        let mut server = Self { child, url: String::new() };
        server.url = text_field(&said, "url").ok_or_else(|| io::Error::other("the server said no address"))?;
        Ok(server)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
