//! The two processes beside a mount: the one that goes on in the background, and the one that unmounts when a mount was killed.

use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command, Stdio};
use std::time::Duration;

use rustix::process::setsid;

use crate::cli::context::Context;
use crate::cli::environment::program;
use crate::cli::outcome::Outcome;
use crate::cli::output::shown;
use crate::disk::mount_point::{self, is_dead};
use crate::error::{Error, ErrorKind, Result};
use crate::mount::clear;

/// What a mount that ends by itself tells its guard.
const ENDED: u8 = b'.';
/// What a mount that goes on in the background says last to the process that waits for it: no text ends so.
const STANDS_ALONE: u8 = 0;
/// A log that is longer is begun anew.
const LOG_MAX_BYTES: u64 = 1 << 20;
/// How often, and with what between, it is looked whether a mount is dead whose program went: the kernel takes a moment.
const LOOKS: (u32, Duration) = (50, Duration::from_millis(20));

/// Watches over a mount from a process of its own.
pub struct Guard(Option<ChildStdin>);

impl Guard {
    /// Starts it. A mount goes on without one where the system does not.
    pub fn start(dir: &Path) -> Self {
        let start = || -> Option<ChildStdin> {
            let mut command = Command::new(program().ok()?);
            command.args(["mount", "--guard", "--"]).arg(dir).current_dir("/");
            command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
            command.spawn().ok()?.stdin.take()
        };
        Self(start())
    }

    /// Ends it: the mount is unmounted, or not mounted any more.
    pub fn end(mut self) {
        if let Some(mut stdin) = self.0.take() {
            let _ = stdin.write_all(&[ENDED]);
        }
    }
}

/// Waits until a mount ends, and takes away what it left when it was killed.
///
/// # Errors
/// None: nobody would hear of it.
pub fn guard(dir: &Path, context: &Context) -> Result<Outcome> {
    // Ctrl-C and a closed terminal are for the mount.
    let _ = setsid();
    let mut told = Vec::new();
    if io::stdin().read_to_end(&mut told).is_ok() && told.is_empty() {
        for _ in 0..LOOKS.0 {
            if is_dead(dir) {
                let _ = clear(dir);
                break;
            }
            context.clock.sleep(LOOKS.1);
        }
    }
    Ok(Outcome::Done)
}

/// Starts the same mount in the background and waits until it can be used, or ended.
///
/// It asks for a passphrase and tells of an error as if it had stayed here.
///
/// # Errors
/// [`ErrorKind::Other`] where the system gives no process.
pub fn start_in_background(context: &Context) -> Result<Outcome> {
    let refused = |error| Error::with_source(ErrorKind::Other, "cannot start a process in the background", error);
    let mut command = Command::new(program()?);
    command.args(child_args(std::env::args_os().skip(1))).stdout(Stdio::piped());
    let mut child = command.spawn().map_err(refused)?;
    let mut said = Vec::new();
    // The other end is closed once it stands alone, or has ended.
    child.stdout.take().map(|mut stdout| stdout.read_to_end(&mut said)).transpose().map_err(refused)?;
    let stands_alone = said.pop_if(|last| *last == STANDS_ALONE).is_some();
    context.output.bytes(&said)?;
    context.output.flush()?;
    if stands_alone {
        return Ok(Outcome::Done);
    }
    let ended = child.wait().map_err(refused)?;
    Ok(ended.code().and_then(|code| u8::try_from(code).ok()).map_or(Outcome::Found(ErrorKind::Other), outcome))
}

/// Puts what the child goes by in the place of the flag that a person gave.
fn child_args(args: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let mut args: Vec<OsString> = args.collect();
    if let Some(flag) = args.iter_mut().find(|arg| *arg == "--background") {
        *flag = "--background-child".into();
    }
    args
}

/// Finds the outcome of a code that another process ended with after it had told why.
fn outcome(code: u8) -> Outcome {
    use ErrorKind::{
        Conflict, Corrupt, Gone, Interrupted, Locked, NoIdentity, NoSpace, NoStore, NotTrusted, Other, Remote, Usage,
    };
    let kinds = [Usage, NoStore, Locked, NoIdentity, Corrupt, Remote, NoSpace, Gone, Conflict, NotTrusted, Interrupted];
    match code {
        0 => Outcome::Done,
        _ => Outcome::Found(kinds.into_iter().find(|kind| kind.exit_code() == code).unwrap_or(Other)),
    }
}

/// Opens the log of a mount in the background, in the folder where this host keeps what it remembers of the store; where it keeps
/// nothing, there is none.
///
/// # Errors
/// [`ErrorKind::Other`] where it cannot be written.
pub fn open_log(dir: Option<PathBuf>) -> Result<(OwnedFd, Option<PathBuf>)> {
    let path = dir.map(|dir| dir.join("mount.log"));
    let opened = match &path {
        Some(path) => mount_point::open_log(path, LOG_MAX_BYTES),
        None => mount_point::open_nothing(),
    };
    let place = path.as_deref().map_or_else(|| "to nowhere".to_owned(), shown);
    let log = opened.map_err(|error| Error::with_source(ErrorKind::Other, format!("cannot write {place}"), error))?;
    Ok((log, path))
}

/// Leaves the terminal, the working directory and the process that waits: what is told from here on goes to the log.
///
/// # Errors
/// [`ErrorKind::Other`] where the system refuses.
pub fn stand_alone(log: &OwnedFd) -> Result<()> {
    let leave = || -> io::Result<()> {
        std::env::set_current_dir("/")?;
        rustix::stdio::dup2_stdin(mount_point::open_nothing()?)?;
        rustix::stdio::dup2_stderr(log)?;
        setsid()?;
        io::stdout().write_all(&[STANDS_ALONE])?;
        io::stdout().flush()?;
        // Last, for the process that waits goes on here.
        Ok(rustix::stdio::dup2_stdout(log)?)
    };
    leave().map_err(|error| Error::with_source(ErrorKind::Other, "cannot go on in the background", error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_child_is_given_the_same_but_for_the_one_flag() {
        let args = |all: &[&str]| all.iter().map(OsString::from).collect::<Vec<_>>();
        let given = args(&["mount", "--background", "--", "--background"]);
        assert_eq!(child_args(given.into_iter()), args(&["mount", "--background-child", "--", "--background"]));
    }

    #[test]
    fn every_exit_code_is_passed_on() {
        for code in [0, 1, 2, 10, 11, 12, 13, 14, 15, 16, 17, 18, 130] {
            assert_eq!(outcome(code).exit_code(), code);
        }
    }
}
