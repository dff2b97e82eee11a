//! Monday at nine: hundreds of agents, each a process with a key of its own, start at once against one vsftpd that takes few
//! sessions. Says when each key had the new generation, how many were turned away, and what the server moved and took.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use xtask::content::{Draw, noise};
use xtask::stage::{Stage, succeed};
use xtask::syncratio::vsftpd::Vsftpd;

use crate::Result;
use measure::{Memory, ServerLog};

mod measure;

/// How often the keys are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Longest wait for the agents to end after they were told to.
const END_TIMEOUT: Duration = Duration::from_secs(60);
/// What every agent goes by: any key, no desktop, and nothing waited for but the server.
const CONFIG: &str = "[agent]\nany = true\nnotify = false\nsettle = \"2s\"\n";

/// What is asked for.
#[derive(Debug, clap::Args)]
pub struct MondayArgs {
    /// Keys, each with an agent of its own
    #[arg(long, value_name = "N", default_value_t = 400)]
    keys: usize,
    /// Sessions that the server takes at a time
    #[arg(long, value_name = "N", default_value_t = 20)]
    sessions: u32,
    /// What the store holds in KiB before
    #[arg(long, value_name = "KIB", default_value_t = 2048)]
    base_kib: u64,
    /// What the update adds in KiB
    #[arg(long, value_name = "KIB", default_value_t = 1024)]
    update_kib: u64,
    /// A window that the configuration spreads the starts over, as the agent's file has it, such as `2m`
    #[arg(long, value_name = "SPAN")]
    spread: Option<String>,
    /// Longest wait for the last key in seconds
    #[arg(long, value_name = "N", default_value_t = 1200)]
    timeout_secs: u64,
}

/// Plays the morning and prints it; returns whether every key ended at the new generation.
///
/// # Errors
/// When there is no vsftpd, or a verb fails.
pub fn run(root: &Path, args: &MondayArgs) -> Result<bool> {
    let stage = Stage::new(root, "scale-monday")?;
    let home = stage.path("server");
    let log = home.join("vsftpd.log");
    let extra = format!(
        "max_clients={}\nmax_per_ip=0\nxferlog_enable=YES\nxferlog_std_format=NO\nvsftpd_log_file={}\n",
        args.sessions,
        log.display()
    );
    let server = Vsftpd::start_with(root, &home, &extra)?;
    let url = server.url("store");
    prepare(&stage, &url, args)?;
    let generation = generation_of(&stage.path("store")).ok_or("the publisher has no HEAD")?;
    let before = ServerLog::read(&log)?;
    let cpu_before = server.cpu_secs()?;
    let started = Instant::now();
    let mut agents = Agents::start(&stage, args.keys)?;
    let arrived = wait(&stage, args, generation, started)?;
    let memory = agents.memory();
    agents.end()?;
    let cpu_secs = server.cpu_secs()? - cpu_before;
    let moved = ServerLog::read(&log)?.since(&before);
    let whole = (0..args.keys).filter(|at| same_head(&stage, *at)).count();
    let document = document(args, &arrived, &moved, cpu_secs, memory, whole);
    println!("{}\n{document}", table(&document));
    Ok(whole == args.keys)
}

/// Publishes a store, clones it onto every key, and publishes an update.
fn prepare(stage: &Stage, url: &str, args: &MondayArgs) -> Result<()> {
    let quiet = |command: &mut Command| succeed(command.stdout(Stdio::null()).stderr(Stdio::null()));
    let trust = stage.init("store")?;
    let mut draw = Draw::new(1);
    std::fs::create_dir_all(stage.path("folder"))?;
    noise(&stage.path("folder/base"), args.base_kib << 10, &mut draw)?;
    quiet(&mut stage.program(&["commit", "folder", "--store", "store"]))?;
    quiet(&mut stage.program(&["push", url, "--store", "store"]))?;
    for at in 0..args.keys {
        let key = volumes(at) + "/key";
        std::fs::create_dir_all(stage.path(&volumes(at)))?;
        quiet(&mut stage.program_without_keys(&["clone", url, &key, "--trust", &trust]))?;
        let config = stage.path(&format!("agents/{at}/config/chunkstore"));
        std::fs::create_dir_all(&config)?;
        let spread = args.spread.as_ref().map(|span| format!("spread = \"{span}\"\n")).unwrap_or_default();
        std::fs::write(config.join("config.toml"), format!("{CONFIG}{spread}"))?;
    }
    noise(&stage.path("folder/update"), args.update_kib << 10, &mut draw)?;
    quiet(&mut stage.program(&["commit", "folder", "--store", "store"]))?;
    Ok(quiet(&mut stage.program(&["push", url, "--store", "store"]))?)
}

fn volumes(at: usize) -> String {
    format!("agents/{at}/volumes")
}

fn key(stage: &Stage, at: usize) -> PathBuf {
    stage.path(&volumes(at)).join("key")
}

/// Reads the generation out of a store's HEAD.
fn generation_of(store: &Path) -> Option<u64> {
    let head = std::fs::read_to_string(store.join("HEAD")).ok()?;
    head.lines().find_map(|line| line.strip_prefix("generation ")?.parse().ok())
}

fn same_head(stage: &Stage, at: usize) -> bool {
    let head = |store: &Path| std::fs::read(store.join("HEAD")).ok();
    head(&stage.path("store")).is_some_and(|own| head(&key(stage, at)) == Some(own))
}

/// Looks at the keys until all have the generation, or the time is over; returns when each had it.
fn wait(stage: &Stage, args: &MondayArgs, generation: u64, started: Instant) -> Result<Vec<Option<Duration>>> {
    let mut arrived = vec![None; args.keys];
    let longest = Duration::from_secs(args.timeout_secs);
    while arrived.iter().any(Option::is_none) && started.elapsed() < longest {
        std::thread::sleep(LOOK_EVERY);
        let now = started.elapsed();
        for (at, time) in arrived.iter_mut().enumerate().filter(|(_, time)| time.is_none()) {
            *time = (generation_of(&key(stage, at)) == Some(generation)).then_some(now);
        }
    }
    Ok(arrived)
}

/// Agents that run; killed when dropped.
struct Agents(Vec<Child>);

impl Agents {
    fn start(stage: &Stage, keys: usize) -> Result<Self> {
        let mut agents = Self(Vec::with_capacity(keys));
        for at in 0..keys {
            let home = stage.path(&format!("agents/{at}"));
            let mut command = stage.program_without_keys(&["agent", "run", "--volumes"]);
            command.arg(stage.path(&volumes(at))).env("HOME", &home).env_remove("DBUS_SESSION_BUS_ADDRESS");
            for (name, dir) in [("CACHE", "cache"), ("CONFIG", "config"), ("STATE", "state")] {
                command.env(format!("XDG_{name}_HOME"), home.join(dir));
            }
            command.env("XDG_RUNTIME_DIR", home.join("run")).stdout(Stdio::null()).stderr(Stdio::null());
            agents.0.push(command.spawn()?);
        }
        Ok(agents)
    }

    /// Returns the most memory that any of them had, and that of the one in the middle.
    fn memory(&self) -> Memory {
        Memory::of(self.0.iter().map(Child::id))
    }

    /// Tells all to end, and waits for it.
    fn end(&mut self) -> Result<()> {
        for agent in &self.0 {
            rustix::process::kill_process(rustix::process::Pid::from_child(agent), rustix::process::Signal::TERM)?;
        }
        let told = Instant::now();
        while told.elapsed() < END_TIMEOUT {
            let mut left = 0;
            for agent in &mut self.0 {
                left += usize::from(agent.try_wait()?.is_none());
            }
            if left == 0 {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Err("agents did not end when they were told to".into())
    }
}

impl Drop for Agents {
    fn drop(&mut self) {
        for agent in &mut self.0 {
            // One that has ended already needs no more.
            let _ = agent.kill();
            let _ = agent.wait();
        }
    }
}

fn document(
    args: &MondayArgs,
    arrived: &[Option<Duration>],
    moved: &ServerLog,
    cpu_secs: f64,
    memory: Memory,
    whole: usize,
) -> Value {
    let mut secs: Vec<f64> = arrived.iter().flatten().map(Duration::as_secs_f64).collect();
    secs.sort_by(f64::total_cmp);
    let at = |share: f64| secs.get(((secs.len() as f64 - 1.0).max(0.0) * share) as usize).copied();
    json!({
        "keys": args.keys, "sessions_max": args.sessions, "update_kib": args.update_kib, "spread": args.spread,
        "up_to_date": whole, "first_secs": at(0.0), "median_secs": at(0.5), "p95_secs": at(0.95), "last_secs": at(1.0),
        "logins": moved.logins, "turned_away": moved.turned_away, "files": moved.files, "server_bytes": moved.bytes,
        "server_cpu_secs": cpu_secs, "agent_peak_mib": memory.most_mib, "agent_median_mib": memory.median_mib,
    })
}

fn table(document: &Value) -> String {
    let rows = document.as_object().into_iter().flatten();
    rows.map(|(name, value)| format!("{name:18} {value}\n")).collect()
}

#[cfg(test)]
mod tests;
