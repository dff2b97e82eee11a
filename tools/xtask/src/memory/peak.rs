//! A command with its memory watched.

use std::io;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::stage::failed;

/// How often the kernel is asked. It keeps no highest mark of anonymous memory alone, so a shorter peak goes unseen.
const LOOK_EVERY: Duration = Duration::from_millis(1);

/// What a command took.
#[derive(Debug, Clone, Copy)]
pub struct Peak {
    /// The most anonymous memory that was seen.
    pub anon_bytes: u64,
    /// How long it ran.
    pub wall: Duration,
}

/// Runs a command to its end with its output thrown away, and watches its memory.
///
/// # Errors
/// When it does not start, does not end well, or its memory was never seen.
pub fn watch(command: &mut Command) -> io::Result<Peak> {
    watch_printing(command.stdout(Stdio::null()))
}

/// As [`watch`], with the output where the caller sends it.
///
/// # Errors
/// As [`watch`].
pub fn watch_printing(command: &mut Command) -> io::Result<Peak> {
    let started = Instant::now();
    let mut child = command.spawn()?;
    let status_file = format!("/proc/{}/status", child.id());
    let mut anon_bytes = 0;
    let status = loop {
        // A process that has ended has a status, but no memory.
        let text = std::fs::read_to_string(&status_file).unwrap_or_default();
        anon_bytes = anon_bytes.max(anon_in(&text).unwrap_or(0));
        match child.try_wait()? {
            Some(status) => break status,
            None => std::thread::sleep(LOOK_EVERY),
        }
    };
    if !status.success() {
        return Err(failed(command, status));
    }
    if anon_bytes == 0 {
        return Err(io::Error::other("its memory was never seen"));
    }
    Ok(Peak { anon_bytes, wall: started.elapsed() })
}

/// Returns the anonymous memory that a status of the kernel tells.
#[must_use]
pub fn anon_in(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib << 10)
}

#[cfg(test)]
mod tests;
