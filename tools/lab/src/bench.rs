//! [`Bench`]: a guest with one key plugged in and mounted, and the program run on it.

use std::time::Duration;

use serde_json::Value;

use crate::error::{LabError, Result};
use crate::kit::Kit;
use crate::machine::{Job, Key, Machine};
use crate::media::Medium;

/// Where the key is mounted in the guest.
pub const MOUNT: &str = "/mnt/key";
/// Longest wait for anything that the guest does; what takes longer hangs.
pub const AT_MOST: Duration = Duration::from_secs(120);

/// A guest with one key.
pub struct Bench {
    machine: Machine,
    key: Key,
    medium: &'static Medium,
    was_repaired: bool,
}

/// How a run of the program ended.
#[derive(Debug, Clone)]
pub struct Ended {
    /// Its exit code; 137 when it was killed.
    pub code: i32,
    /// What it printed on stdout.
    pub stdout: String,
    /// What it printed on stderr.
    pub stderr: String,
}

impl Ended {
    /// Returns the last line of stdout as JSON; null where it is none.
    #[must_use]
    pub fn json(&self) -> Value {
        self.stdout.lines().last().and_then(|line| serde_json::from_str(line).ok()).unwrap_or_default()
    }

    /// Returns the sentences on stderr: what is neither a hint nor blank.
    #[must_use]
    pub fn sentences(&self) -> Vec<&str> {
        let lines = self.stderr.lines().map(str::trim);
        lines.filter(|line| !line.is_empty() && !line.starts_with("hint: ")).collect()
    }
}

impl Bench {
    /// Restores the saved machine, plugs the key in and mounts it.
    ///
    /// # Errors
    /// When the machine does not start or the key does not mount.
    pub fn new(kit: &Kit, key: Key, medium: &'static Medium) -> Result<Self> {
        let mut machine = Machine::restore(kit)?;
        machine.attach(&key)?;
        let mut bench = Self { machine, key, medium, was_repaired: false };
        bench.mount("")?;
        Ok(bench)
    }

    /// As [`Bench::new`], for a key with a write-protect switch.
    ///
    /// # Errors
    /// As [`Bench::new`].
    pub fn protected(kit: &Kit, key: Key, medium: &'static Medium) -> Result<Self> {
        let key = key.read_only();
        let mut machine = Machine::restore(kit)?;
        machine.attach(&key)?;
        let mut bench = Self { machine, key, medium, was_repaired: false };
        bench.mount("-r ")?;
        Ok(bench)
    }

    /// Plugs the key in again and mounts it.
    ///
    /// # Errors
    /// When it does not mount.
    pub fn replug(&mut self) -> Result<()> {
        self.unmount()?;
        self.mount("")
    }

    fn mount(&mut self, switch: &str) -> Result<()> {
        let device = self.machine.plug(&self.key)?;
        let command = self.medium.mount_command(&device, MOUNT).replacen("mount -t", &format!("mount {switch}-t"), 1);
        let mounted = self.machine.run(&command, AT_MOST).map(drop);
        if mounted.is_ok() || self.medium.repair.is_empty() {
            return mounted;
        }
        self.machine.run(&format!("{} {device}", self.medium.repair), AT_MOST)?;
        self.was_repaired = true;
        self.machine.run(&command, AT_MOST).map(drop)
    }

    /// Returns whether the key was mounted only after a repair of its file system.
    #[must_use]
    pub fn was_repaired(&self) -> bool {
        self.was_repaired
    }

    /// Unmounts the key, dead or alive.
    ///
    /// # Errors
    /// When the guest cannot.
    pub fn unmount(&mut self) -> Result<()> {
        self.machine.run(&format!("umount {MOUNT}"), AT_MOST).map(drop)
    }

    /// Unmounts the key and takes it out for good; its image is complete after it.
    ///
    /// # Errors
    /// When the guest cannot.
    pub fn eject(&mut self) -> Result<()> {
        self.unmount()?;
        self.machine.pull(&self.key)?;
        self.machine.detach(&self.key)
    }

    /// Plugs another key in after [`Bench::eject`] and mounts it.
    ///
    /// # Errors
    /// When it does not mount.
    pub fn change(&mut self, key: Key) -> Result<()> {
        self.machine.attach(&key)?;
        self.key = key;
        self.mount("")
    }

    /// Pulls the key.
    ///
    /// # Errors
    /// When it is not plugged in.
    pub fn pull(&mut self) -> Result<()> {
        self.machine.pull(&self.key)
    }

    /// Cuts the power of the whole machine.
    pub fn cut(self) {
        self.machine.kill();
    }

    /// Runs any command of the guest that has to succeed.
    ///
    /// # Errors
    /// When it fails or hangs.
    pub fn guest(&mut self, command: &str) -> Result<String> {
        self.machine.run(command, AT_MOST)
    }

    /// Plugs another volume in beside the key and mounts it.
    ///
    /// # Errors
    /// When it does not mount.
    pub fn add(&mut self, key: &Key, medium: &Medium, at: &str) -> Result<()> {
        self.machine.attach(key)?;
        let device = self.machine.plug(key)?;
        self.guest(&medium.mount_command(&device, at)).map(drop)
    }

    /// Starts any command of the guest, which goes on beside others.
    ///
    /// # Errors
    /// When the machine has ended.
    pub fn beside(&mut self, command: &str) -> Result<Job> {
        self.machine.spawn(command)
    }

    /// Waits for the end of what [`Bench::beside`] began; returns its exit status.
    ///
    /// # Errors
    /// When it does not end in time.
    pub fn finish(&self, job: Job) -> Result<i32> {
        Ok(self.machine.finish(job, AT_MOST)?.0)
    }

    /// Starts the program.
    ///
    /// # Errors
    /// When the machine has ended.
    pub fn start(&mut self, args: &str) -> Result<Job> {
        self.machine.spawn(&format!("chunkstore {args} >/tmp/out 2>/tmp/err"))
    }

    /// Waits for the end of what [`Bench::start`] began.
    ///
    /// # Errors
    /// When it does not end in time.
    pub fn end(&mut self, job: Job, at_most: Duration) -> Result<Ended> {
        let (code, _) = self.machine.finish(job, at_most)?;
        // The line carries text, and what `cat` writes is a file's own bytes.
        let mut shown = |file| self.machine.run(&format!("tail -c 65536 {file} | tr -cd '\\t\\n -~'"), AT_MOST);
        let (stdout, stderr) = (shown("/tmp/out")?, shown("/tmp/err")?);
        Ok(Ended { code, stdout, stderr })
    }

    /// Runs the program to its end.
    ///
    /// # Errors
    /// When it hangs.
    pub fn program(&mut self, args: &str) -> Result<Ended> {
        let job = self.start(args)?;
        self.end(job, AT_MOST)
    }

    /// Runs the program, which has to succeed.
    ///
    /// # Errors
    /// When it hangs or its exit code is not 0.
    pub fn must(&mut self, args: &str) -> Result<Ended> {
        let ended = self.program(args)?;
        if ended.code == 0 {
            return Ok(ended);
        }
        Err(LabError::new(format!("`chunkstore {args}` ended with {}: {}", ended.code, ended.stderr)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_leave_out_hints_and_the_last_line_is_the_document() {
        let stdout = "{\"event\":\"progress\"}\n{\"event\":\"done\",\"packs_fetched\":3}\n".to_owned();
        let stderr = "chunkstore: cannot sync: gone\r\nhint: plug it in\n\n".to_owned();
        let ended = Ended { code: 16, stdout, stderr };
        assert_eq!(ended.json()["packs_fetched"], 3);
        assert_eq!(ended.sentences(), ["chunkstore: cannot sync: gone"]);
        let silent = Ended { code: 0, stdout: String::new(), stderr: String::new() };
        assert_eq!((silent.json(), silent.sentences().len()), (Value::Null, 0));
    }
}
