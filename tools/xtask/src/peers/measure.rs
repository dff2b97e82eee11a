//! One timed step: wall and CPU time, and the most anonymous memory that its processes held together.
//!
//! The memory is `RssAnon` of `/proc/PID/status`, read every 5 ms and added up over a process and all that it started; new
//! processes are looked for every 50 ms. CPU time is what the kernel adds up for children that ended, in ticks of 10 ms.

use std::fs::{self, File};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::Result;

const POLL: Duration = Duration::from_millis(5);
/// After so many polls new processes are looked for.
const POLLS_A_SCAN: u32 = 10;
/// Linux counts in hundredths of a second for programs, whatever it counts in itself.
const TICK: Duration = Duration::from_millis(10);

/// What a step took.
#[derive(Debug, Clone, Copy)]
pub struct Measured {
    /// To the end of the sync.
    pub wall: Duration,
    /// To the end of the command.
    pub cpu: Duration,
    pub anonymous_bytes: u64,
}

/// Runs commands one after the other and syncs the file system that their folder is on.
///
/// # Errors
/// When one cannot be started or fails, with the end of what it said.
pub fn timed(commands: Vec<Command>, own: &Path) -> Result<Measured> {
    let cpu_before = children_cpu()?;
    let start = Instant::now();
    let mut anonymous_bytes = 0;
    for mut command in commands {
        anonymous_bytes = anonymous_bytes.max(watched(&mut command, own)?);
    }
    let cpu = children_cpu()?.saturating_sub(cpu_before);
    sync(own)?;
    Ok(Measured { wall: start.elapsed(), cpu, anonymous_bytes })
}

/// Runs a command that nobody times.
///
/// # Errors
/// Those of [`timed`].
pub fn succeed(command: &mut Command, own: &Path) -> Result<()> {
    watched(command, own).map(drop)
}

/// Makes everything on a file system durable.
///
/// # Errors
/// When it cannot be done.
pub fn sync(dir: &Path) -> Result<()> {
    let status = Command::new("sync").arg("-f").arg(dir).status();
    let status = status.map_err(|error| format!("cannot start sync: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("cannot sync {}", dir.display())) }
}

/// Runs a command and returns the most anonymous memory that it held, in bytes.
fn watched(command: &mut Command, own: &Path) -> Result<u64> {
    let said = own.join("stderr");
    let to_file = File::create(&said).map_err(|error| format!("cannot make {}: {error}", said.display()))?;
    let name = command.get_program().to_string_lossy().into_owned();
    let mut child = command.stderr(to_file).spawn().map_err(|error| format!("cannot start {name}: {error}"))?;
    let (id, ended) = (child.id(), AtomicBool::new(false));
    let (status, peak_bytes) = thread::scope(|scope| {
        let watch = scope.spawn(|| watch(id, &ended));
        let status = child.wait();
        ended.store(true, Ordering::Relaxed);
        (status, watch.join().unwrap_or(0))
    });
    let status = status.map_err(|error| format!("cannot wait for {name}: {error}"))?;
    if status.success() {
        return Ok(peak_bytes);
    }
    let said = fs::read(&said).unwrap_or_default();
    let said = String::from_utf8_lossy(&said);
    let last: Vec<&str> = said.lines().rev().take(3).collect();
    Err(format!("{name} failed with {status}: {}", last.into_iter().rev().collect::<Vec<_>>().join(" / ")))
}

fn watch(id: u32, ended: &AtomicBool) -> u64 {
    let mut ids = vec![id];
    let mut peak_bytes = 0;
    for poll in 0_u32.. {
        if ended.load(Ordering::Relaxed) {
            break;
        }
        if poll % POLLS_A_SCAN == POLLS_A_SCAN - 1 {
            ids = with_descendants(id);
        }
        peak_bytes = peak_bytes.max(ids.iter().filter_map(|&id| anonymous_bytes(id)).sum());
        thread::sleep(POLL);
    }
    peak_bytes
}

/// Returns nothing for a process that has ended.
fn anonymous_bytes(id: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"))?;
    line.trim().strip_suffix(" kB")?.parse::<u64>().ok().map(|kib| kib * 1024)
}

/// Returns a process and all that came from it.
fn with_descendants(id: u32) -> Vec<u32> {
    let names = fs::read_dir("/proc").into_iter().flatten().flatten().map(|entry| entry.file_name());
    let parents: Vec<(u32, u32)> = names
        .filter_map(|name| name.to_str()?.parse::<u32>().ok())
        .filter_map(|id| Some((id, stat_field(&format!("/proc/{id}/stat"), 4)?.try_into().ok()?)))
        .collect();
    let mut found = vec![id];
    let mut at = 0;
    while let Some(&parent) = found.get(at) {
        found.extend(parents.iter().filter(|(_, its)| *its == parent).map(|(id, _)| *id));
        at += 1;
    }
    found
}

/// Returns the CPU time of all children that ended and were waited for, and of theirs.
fn children_cpu() -> Result<Duration> {
    let ticks = |field| stat_field("/proc/self/stat", field).and_then(|ticks| u32::try_from(ticks).ok());
    let (user, system) = ticks(16).zip(ticks(17)).ok_or("the kernel does not tell CPU times")?;
    Ok(TICK * (user + system))
}

/// Reads a number of a `stat` file of the kernel; fields count from 1, and only those after the name can be read.
fn stat_field(path: &str, field: usize) -> Option<u64> {
    let stat = fs::read_to_string(path).ok()?;
    // The name in parentheses may hold anything; what follows it is field 3.
    stat.rsplit_once(')')?.1.split_whitespace().nth(field - 3)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_has_the_time_and_memory_of_what_it_starts() {
        let own = tempfile::tempdir().unwrap();
        // The second shell holds 16 MiB while it burns CPU and sleeps; the first waits for it.
        let script = "x=$(head -c 16777216 /dev/zero | tr '\\0' x); i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done; sleep 0.2";
        let mut command = Command::new("sh");
        command.args(["-c", &format!("sh -c '{}'; true", script.replace('\'', "'\\''"))]);
        let measured = timed(vec![command], own.path()).unwrap();
        assert!(measured.wall >= Duration::from_millis(200), "{measured:?}");
        assert!(measured.cpu >= TICK && measured.cpu < measured.wall * 4, "{measured:?}");
        assert!((16 << 20..256 << 20).contains(&measured.anonymous_bytes), "{measured:?}");
    }

    #[test]
    fn a_step_that_fails_says_what_the_tool_said() {
        let own = tempfile::tempdir().unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", "echo first >&2; echo no such repository >&2; exit 7"]);
        let why = timed(vec![command], own.path()).unwrap_err();
        assert!(why.contains("exit status: 7") && why.ends_with("first / no such repository"), "{why}");
        let why = timed(vec![Command::new("a-tool-that-is-nowhere")], own.path()).unwrap_err();
        assert!(why.starts_with("cannot start a-tool-that-is-nowhere"), "{why}");
    }
}
