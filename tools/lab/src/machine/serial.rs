//! [`Serial`]: a shell in the guest, at the other end of its serial line.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::error::{LabError, Result};

/// Most that a guest may print; beyond it something runs wild.
const OUTPUT_MAX_BYTES: usize = 64 << 20;

/// A command that runs in the guest while the host goes on.
#[derive(Debug, Clone, Copy)]
pub struct Job {
    number: u64,
    start: usize,
}

#[derive(Default)]
struct Heard {
    bytes: Vec<u8>,
    ended: bool,
}

/// What the guest printed so far, shared with the thread that reads it.
#[derive(Default)]
struct Console {
    heard: Mutex<Heard>,
    more: Condvar,
}

impl Console {
    fn lock(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The serial line.
pub struct Serial {
    stream: UnixStream,
    console: Arc<Console>,
    jobs: u64,
}

impl Serial {
    /// Begins to listen; all that is heard also goes to a file.
    ///
    /// # Errors
    /// When the file cannot be made.
    pub fn start(stream: UnixStream, transcript: &Path) -> Result<Self> {
        let failed = |error| LabError::because("cannot listen to the guest's serial line", error);
        let reader = stream.try_clone().map_err(failed)?;
        let transcript = std::fs::File::create(transcript).map_err(failed)?;
        let console = Arc::new(Console::default());
        let listener = Arc::clone(&console);
        std::thread::spawn(move || listen(reader, transcript, &listener));
        Ok(Self { stream, console, jobs: 0 })
    }

    /// Starts a command in a shell of its own, without input. Its output and its status come over the line.
    ///
    /// # Errors
    /// When the guest has ended.
    pub fn spawn(&mut self, command: &str) -> Result<Job> {
        self.submit(command, " &")
    }

    /// Runs a command and returns its exit status and what it printed on both streams, without blanks around.
    ///
    /// # Errors
    /// When it does not end in time or the guest has ended.
    pub fn sh(&mut self, command: &str, at_most: Duration) -> Result<(i32, String)> {
        let job = self.submit(command, "")?;
        self.finish(job, at_most).map_err(|error| LabError::because(format!("`{command}` in the guest"), error))
    }

    /// Waits until a job ends; returns its exit status and output. What other jobs print meanwhile is among it.
    ///
    /// # Errors
    /// When it does not end in time or the guest has ended.
    pub fn finish(&self, job: Job, at_most: Duration) -> Result<(i32, String)> {
        let mark = end_mark(job.number);
        let output = self.wait_text(job.start, &mark, at_most)?;
        let line = self.wait_text(job.start + output.len() + mark.len(), "\n", at_most)?;
        let status = line.trim().parse();
        let status = status.map_err(|error| LabError::because(format!("a job ended with `{line}`"), error))?;
        Ok((status, output.trim().to_owned()))
    }

    /// Waits for a text that the guest prints when it has started.
    ///
    /// # Errors
    /// When that does not come in time or the guest has ended.
    pub fn wait_start(&self, text: &str, at_most: Duration) -> Result<()> {
        self.wait_text(0, text, at_most).map(drop)
    }

    /// Returns the last of what was heard.
    #[must_use]
    pub fn tail(&self) -> String {
        let heard = self.console.lock();
        let from = heard.bytes.len().saturating_sub(600);
        String::from_utf8_lossy(&heard.bytes[from..]).trim().to_owned()
    }

    fn submit(&mut self, command: &str, suffix: &str) -> Result<Job> {
        self.jobs += 1;
        let job = Job { number: self.jobs, start: self.console.lock().bytes.len() };
        // The mark is split by quotes, so that an echo of this line would not be taken for it.
        let mark = end_mark(job.number).replace(':', "':'");
        let line = format!("{{ sh -c {} </dev/null 2>&1; echo '{mark}'$?; }}{suffix}\n", quote(command));
        self.stream
            .write_all(line.as_bytes())
            .map_err(|error| LabError::because("the guest does not listen", error))?;
        Ok(job)
    }

    /// Returns what was heard from `start` up to a text, waiting for it.
    fn wait_text(&self, start: usize, text: &str, at_most: Duration) -> Result<String> {
        let deadline = Instant::now() + at_most;
        let mut heard = self.console.lock();
        let mut searched = start;
        loop {
            if let Some(at) = find(&heard.bytes, searched, text.as_bytes()) {
                return Ok(String::from_utf8_lossy(&heard.bytes[start..at]).into_owned());
            }
            searched = heard.bytes.len().saturating_sub(text.len()).max(start);
            if heard.ended {
                return Err(LabError::new("the guest has ended"));
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(LabError::new(format!("no `{}` in {} s", text.trim(), at_most.as_secs())));
            }
            heard = self.console.more.wait_timeout(heard, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

fn listen(mut stream: UnixStream, mut transcript: std::fs::File, console: &Console) {
    let mut buffer = [0; 65536];
    loop {
        let count = stream.read(&mut buffer).unwrap_or(0);
        // The transcript is for people; a full disk must not stop the run.
        let _ = transcript.write_all(&buffer[..count]);
        let mut heard = console.lock();
        heard.bytes.extend_from_slice(&buffer[..count]);
        heard.ended = count == 0 || heard.bytes.len() > OUTPUT_MAX_BYTES;
        console.more.notify_all();
        if heard.ended {
            return;
        }
    }
}

fn end_mark(number: u64) -> String {
    format!("@end:{number}:")
}

fn find(bytes: &[u8], from: usize, text: &[u8]) -> Option<usize> {
    let bytes = bytes.get(from..)?;
    bytes.windows(text.len()).position(|window| window == text).map(|at| from + at)
}

/// Puts a text into single quotes for a shell.
#[must_use]
pub fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair() -> (Serial, UnixStream, tempfile::TempDir) {
        let dir = tempfile::tempdir().unwrap();
        let (ours, theirs) = UnixStream::pair().unwrap();
        (Serial::start(ours, &dir.path().join("serial.log")).unwrap(), theirs, dir)
    }

    #[test]
    fn a_command_is_quoted_and_its_status_and_output_are_read() {
        let (mut serial, mut guest, _dir) = pair();
        guest.write_all(b"boot noise @end:1:9\n").unwrap();
        serial.wait_start("noise @end:1:9\n", Duration::from_secs(1)).unwrap();
        let job = serial.spawn("echo 'a b'").unwrap();
        let mut line = [0; 200];
        let count = guest.read(&mut line).unwrap();
        let expected = "{ sh -c 'echo '\\''a b'\\''' </dev/null 2>&1; echo '@end':'1':''$?; } &\n";
        assert_eq!(std::str::from_utf8(&line[..count]).unwrap(), expected);
        guest.write_all(b"a b\r\n@end:1:").unwrap();
        assert!(serial.finish(job, Duration::from_millis(20)).is_err());
        guest.write_all(b"14\r\n").unwrap();
        assert_eq!(serial.finish(job, Duration::from_secs(1)).unwrap(), (14, "a b".to_owned()));
        drop(guest);
        assert!(serial.wait_start("never", Duration::from_secs(60)).unwrap_err().to_string().contains("ended"));
    }
}
