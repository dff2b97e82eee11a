//! What an agent costs: idle, in a sync, and how soon it lets go of a volume while it waits for a server that does not answer.
//!
//! A release build, watched from outside by what Linux tells of a process, and by strace where that is installed. Volumes are folders
//! of a directory for what is synced; idle is measured on what people plug in, by uevents and the table of mounts.

use std::io::{self, BufRead, BufReader};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use crate::content::{Draw, files_below, noise};
use crate::stage::{Stage, read_flags, succeed, text_field};
use crate::syncratio::vsftpd::Vsftpd;

/// Most resident memory of an agent that waits.
const IDLE_MIB: f64 = 16.0;
/// Most resident memory of an agent that syncs.
const SYNC_MIB: f64 = 64.0;
/// Longest time that it may hold a volume that went away.
const LETS_GO_WITHIN: Duration = Duration::from_secs(2);
/// How often that is tried.
const PULLS: u32 = 5;
/// Longest wait for anything.
const PATIENCE: Duration = Duration::from_secs(300);
const LOOK_EVERY: Duration = Duration::from_millis(10);

const USAGE: &str = "\
Usage: cargo xtask agent [--idle-seconds N] [--mib N]

  --idle-seconds N  how long it is watched while nothing is plugged in (60)
  --mib N           length of what is synced in MiB (200)

Needs vsftpd: CHUNKSTORE_TEST_VSFTPD says where it is (tools/test-tools.sh fetches it). With strace, calls of the system are counted.
";

/// Measures and prints a table; returns whether every bound held.
#[must_use]
pub fn run(root: &Path, words: &[&str]) -> bool {
    let Some([idle_seconds, mib]) = read_flags(words, [("idle-seconds", 60), ("mib", 200)]) else {
        eprint!("{USAGE}");
        return false;
    };
    let measured = measure(root, Duration::from_secs(idle_seconds), mib);
    measured.as_ref().inspect_err(|error| eprintln!("agent: {error}")).is_ok_and(|held| *held)
}

fn measure(root: &Path, idle: Duration, mib: u64) -> io::Result<bool> {
    let stage = Stage::new(root, "agent")?;
    let mut table = Table { held: true };
    println!("| what | measured | bound |\n| --- | ---: | ---: |");
    stage_idle(&stage, &mut table, idle)?;
    let server = Vsftpd::start(root, &stage.path("ftp"))?;
    let store = prepare(&stage, &server, mib)?;
    stage_sync(&stage, &mut table, mib)?;
    stage_hang(&stage, &mut table, &store)?;
    Ok(table.held)
}

/// The rows, printed as they come.
struct Table {
    held: bool,
}

impl Table {
    fn row(&mut self, what: &str, measured: f64, unit: &str, bound: f64) {
        let is_held = measured <= bound;
        let mark = if is_held { "" } else { " BROKEN" };
        println!("| {what} | {measured:.2} {unit}{mark} | {bound} {unit} |");
        self.held &= is_held;
    }
}

fn stage_idle(stage: &Stage, table: &mut Table, idle: Duration) -> io::Result<()> {
    let agent = Agent::start(stage, "stores = \"any\"\n", &[])?;
    table.row("idle, peak resident", agent.status_mib("VmHWM")?, "MiB", IDLE_MIB);
    table.row("idle, anonymous", agent.status_mib("RssAnon")?, "MiB", IDLE_MIB);
    let (seconds, before) = (idle.as_secs(), agent.switches()?);
    let calls = count_calls(agent.child.id(), idle);
    if let Some(calls) = calls {
        table.row(&format!("idle for {seconds} s, calls of the system"), calls as f64, "calls", 0.0);
    } else {
        println!("| idle, calls of the system | not counted: strace cannot be used here | 0 calls |");
        // Whoever is traced wakes up when the tracer comes and when it goes.
        std::thread::sleep(idle);
        let woke = agent.switches()? - before;
        table.row(&format!("idle for {seconds} s, times that it woke up"), woke as f64, "times", 0.0);
    }
    Ok(())
}

fn stage_sync(stage: &Stage, table: &mut Table, mib: u64) -> io::Result<()> {
    let agent = Agent::start(stage, "stores = \"any\"\nsettle = \"1ms\"\n", &["--volumes", "volumes"])?;
    stage.shelve("key", "volumes/key")?;
    let started = Instant::now();
    agent.wait_for_end("updated")?;
    let took = started.elapsed().as_secs_f64();
    table.row(
        &format!("a sync of {mib} MiB in {took:.1} s, peak resident"),
        agent.status_mib("VmHWM")?,
        "MiB",
        SYNC_MIB,
    );
    let packs = files_below(&stage.path("volumes/key/packs"))?;
    let held: u64 = packs.iter().filter_map(|pack| pack.metadata().ok()).map(|metadata| metadata.len()).sum();
    if held < mib << 20 {
        return Err(io::Error::other(format!("the key holds {held} bytes of packs after the sync")));
    }
    stage.shelve("volumes/key", "key")
}

fn stage_hang(stage: &Stage, table: &mut Table, store: &str) -> io::Result<()> {
    let mute = Mute::listen()?;
    let remotes = format!("[agent.remotes]\n{store} = [\"mute\"]\n[remotes.mute]\nurl = \"ftp://{}/\"\n", mute.address);
    let section = format!("stores = \"any\"\nsettle = \"1ms\"\n{remotes}");
    let agent = Agent::start(stage, &section, &["--volumes", "volumes"])?;
    let mut longest = Duration::ZERO;
    for _ in 0..PULLS {
        let asked = mute.asked()?;
        stage.shelve("key", "volumes/key")?;
        agent.wait("a connect", || Ok(mute.asked()? > asked))?;
        let pulled = Instant::now();
        stage.shelve("volumes/key", "key")?;
        agent.wait_for_end("interrupted")?;
        longest = longest.max(pulled.elapsed());
    }
    let what = format!("lets go of a volume while it connects to a server that does not answer, longest of {PULLS}");
    table.row(&what, longest.as_secs_f64(), "s", LETS_GO_WITHIN.as_secs_f64());
    Ok(())
}

/// Publishes one week, makes a key of it, and publishes a long one; returns the store's id.
fn prepare(stage: &Stage, server: &Vsftpd, mib: u64) -> io::Result<String> {
    let fingerprint = stage.init("store")?;
    let quiet = |words: &[&str]| succeed(stage.program(words).stdout(Stdio::null()));
    let remote = server.url("store");
    std::fs::create_dir(stage.path("files"))?;
    for (week, len_bytes) in [(1, 1 << 20), (2, mib << 20)] {
        noise(&stage.path(&format!("files/week-{week}")), len_bytes, &mut Draw::new(week))?;
        quiet(&["commit", "files", "--store", "store", "-m", "weekly"])?;
        quiet(&["push", &remote, "--store", "store"])?;
        if week == 1 {
            quiet(&["clone", &remote, "key", "--trust", &fingerprint])?;
        }
    }
    std::fs::create_dir(stage.path("volumes"))?;
    let status = stage.program(&["status", "--store", "store", "--json"]).output()?;
    let id = text_field(&String::from_utf8_lossy(&status.stdout), "store_id");
    id.ok_or_else(|| io::Error::other("status said no store_id"))
}

impl Stage {
    /// Moves a folder: a key is plugged in, or pulled.
    fn shelve(&self, from: &str, to: &str) -> io::Result<()> {
        std::fs::rename(self.path(from), self.path(to))
    }
}

/// A running agent; killed when dropped.
struct Agent {
    child: Child,
    lines: Receiver<String>,
}

impl Agent {
    /// Starts an agent with this section `[agent]`, and waits until it is ready.
    fn start(stage: &Stage, section: &str, words: &[&str]) -> io::Result<Self> {
        let config = stage.path("home/config/chunkstore");
        std::fs::create_dir_all(&config)?;
        std::fs::write(config.join("config.toml"), format!("[agent]\n{section}"))?;
        let fixed = ["agent", "run", "--json"];
        let mut command = stage.program_without_keys(&[&fixed[..], words].concat());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
        let (sender, lines) = channel();
        let stdout = child.stdout.take().ok_or_else(|| io::Error::other("no pipe"))?;
        std::thread::spawn(move || {
            let said = BufReader::new(stdout).lines().map_while(Result::ok);
            said.for_each(|line| drop(sender.send(line)));
        });
        let agent = Self { child, lines };
        agent.wait_for("\"event\":\"ready\"")?;
        Ok(agent)
    }

    /// Waits for a line with these words.
    fn wait_for(&self, words: &str) -> io::Result<String> {
        loop {
            let line = self.lines.recv_timeout(PATIENCE);
            let line = line.map_err(|_| io::Error::other(format!("the agent never said {words}")))?;
            if line.contains(words) {
                return Ok(line);
            }
        }
    }

    /// Waits for the end of a run, which has to be this one.
    fn wait_for_end(&self, result: &str) -> io::Result<()> {
        let line = self.wait_for("\"event\":\"ended\"")?;
        match text_field(&line, "result") {
            Some(ended) if ended == result => Ok(()),
            _ => Err(io::Error::other(format!("a run should end as {result}: {line}"))),
        }
    }

    fn wait(&self, what: &str, mut is_so: impl FnMut() -> io::Result<bool>) -> io::Result<()> {
        let started = Instant::now();
        while !is_so()? {
            if started.elapsed() > PATIENCE {
                return Err(io::Error::other(format!("waited in vain for {what}")));
            }
            std::thread::sleep(LOOK_EVERY);
        }
        Ok(())
    }

    /// Reads a size from what the system tells of the process.
    fn status_mib(&self, name: &str) -> io::Result<f64> {
        let text = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        number_after(&text, name).map(|kib| kib as f64 / 1024.0).ok_or_else(|| io::Error::other(format!("no {name}")))
    }

    /// Counts how often threads of the process began to wait so far.
    fn switches(&self) -> io::Result<u64> {
        let mut sum = 0;
        for task in std::fs::read_dir(format!("/proc/{}/task", self.child.id()))? {
            let text = std::fs::read_to_string(task?.path().join("status"))?;
            sum += number_after(&text, "voluntary_ctxt_switches").unwrap_or_default();
        }
        Ok(sum)
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn number_after(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Counts the calls that a process ends within a span; nothing without strace.
fn count_calls(process: u32, span: Duration) -> Option<u64> {
    let mut strace = Command::new("timeout");
    strace.args(["--signal=INT", &span.as_secs().to_string(), "strace", "-f", "-c", "-p", &process.to_string()]);
    let output = strace.stdin(Stdio::null()).stdout(Stdio::null()).output().ok()?;
    calls_in(&String::from_utf8_lossy(&output.stderr))
}

/// Reads strace's table: its last line is the sum, and where nothing was called there is no table.
fn calls_in(table: &str) -> Option<u64> {
    let has_come = table.lines().any(|line| line.contains("attached"));
    let total = table.lines().find(|line| line.trim_end().ends_with("total"));
    match total {
        Some(total) => total.split_whitespace().nth(3)?.parse().ok(),
        None => has_come.then_some(0),
    }
}

/// A server that says nothing to who comes: its queue is full.
struct Mute {
    address: SocketAddr,
    _listener: TcpListener,
    _queue: Vec<TcpStream>,
}

impl Mute {
    fn listen() -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let mut queue = Vec::new();
        // Whoever is not answered at once on this host is not answered at all.
        while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(500)) {
            queue.push(stream);
        }
        Ok(Self { address, _listener: listener, _queue: queue })
    }

    /// Counts the connects that the system still tries, whether anybody waits for them or not.
    fn asked(&self) -> io::Result<usize> {
        let wanted = format!(" 0100007F:{:04X} 02 ", self.address.port());
        Ok(std::fs::read_to_string("/proc/net/tcp")?.matches(&wanted).count())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_read_from_the_table_of_strace() {
        let none = "strace: Process 7 attached with 2 threads\nstrace: Process 7 detached\n";
        assert_eq!(calls_in(none), Some(0));
        let some = format!(
            "{none}% time     seconds  usecs/call     calls    errors syscall\n100.00    0.000021           2         9         1 total\n"
        );
        assert_eq!(calls_in(&some), Some(9));
        assert_eq!(calls_in("strace: attach: ptrace(PTRACE_SEIZE, 7): Operation not permitted\n"), None);
    }

    #[test]
    fn sizes_are_read_from_what_the_system_tells() {
        let status = "Name:\tx\nVmHWM:\t    9000 kB\nRssAnon:\t  100 kB\nvoluntary_ctxt_switches:\t12\n";
        assert_eq!(number_after(status, "VmHWM"), Some(9000));
        assert_eq!(number_after(status, "voluntary_ctxt_switches"), Some(12));
        assert_eq!(number_after(status, "Vm"), None);
    }
}
