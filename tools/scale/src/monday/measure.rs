//! What the server's log and the system say of a morning.

use std::path::Path;

use crate::Result;

/// What stands in vsftpd's log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ServerLog {
    /// Sessions that logged in.
    pub logins: u64,
    /// Sessions that were refused since there were too many.
    pub turned_away: u64,
    /// Files, or parts of them, that went out.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl ServerLog {
    /// Reads a log; one that does not stand yet is empty.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn read(path: &Path) -> Result<Self> {
        match std::fs::read(path) {
            Ok(bytes) => Ok(Self::of(&String::from_utf8_lossy(&bytes))),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error.into()),
        }
    }

    /// Counts the lines of a log.
    #[must_use]
    pub fn of(text: &str) -> Self {
        let mut log = Self::default();
        for line in text.lines() {
            log.logins += u64::from(line.contains("OK LOGIN"));
            log.turned_away += u64::from(line.contains("too many sessions"));
            if line.contains(" DOWNLOAD: ") {
                log.files += 1;
                log.bytes += bytes_of(line);
            }
        }
        log
    }

    /// Returns what was added since another reading.
    #[must_use]
    pub fn since(self, before: &Self) -> Self {
        Self {
            logins: self.logins.saturating_sub(before.logins),
            turned_away: self.turned_away.saturating_sub(before.turned_away),
            files: self.files.saturating_sub(before.files),
            bytes: self.bytes.saturating_sub(before.bytes),
        }
    }
}

/// Reads the length out of a line such as `.. DOWNLOAD: Client "127.0.0.1", "/file", 1048 bytes, 70.01Kbyte/sec`.
fn bytes_of(line: &str) -> u64 {
    let before = line.split(" bytes").next().unwrap_or_default();
    before.rsplit(' ').next().and_then(|number| number.parse().ok()).unwrap_or(0)
}

/// Memory of processes in MiB, at its highest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Memory {
    /// Of the one that had most.
    pub most_mib: u64,
    /// Of the one in the middle.
    pub median_mib: u64,
}

impl Memory {
    /// Asks the system for processes that run (`VmHWM` of proc(5)).
    #[must_use]
    pub fn of(ids: impl Iterator<Item = u32>) -> Self {
        let peak = |id: u32| {
            let status = std::fs::read_to_string(format!("/proc/{id}/status")).ok()?;
            let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
            line.split_whitespace().next()?.parse::<u64>().ok()
        };
        let mut peaks: Vec<u64> = ids.filter_map(peak).map(|kib| kib.div_ceil(1024)).collect();
        peaks.sort_unstable();
        let at = |at: usize| peaks.get(at).copied().unwrap_or(0);
        Self { most_mib: at(peaks.len().saturating_sub(1)), median_mib: at(peaks.len() / 2) }
    }
}
