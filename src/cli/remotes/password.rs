//! Where the password of a named remote comes from.

use std::io::Read;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use crate::base::Clock;
use crate::cli::config::RemoteEntry;
use crate::cli::output::shown;
use crate::disk::host::{is_open_to_others, read_host_file};
use crate::error::{Error, ErrorKind, Result};
use crate::remote::url::Password;

/// Longest file of a password, and most that is read of what a program writes.
const PASSWORD_MAX_BYTES: u64 = 4096;
/// How often a program is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Returns the password of a named remote: as it is written there, from a file, or from a program, which has so long for it, or as
/// long as it takes, since it may ask the person.
///
/// # Errors
/// [`ErrorKind::Usage`].
pub(super) fn of_entry(entry: &RemoteEntry, clock: &dyn Clock, within: Option<Duration>) -> Result<Option<Password>> {
    match (&entry.password, &entry.password_file, &entry.password_command) {
        (Some(secret), ..) => Ok(Some(secret.password())),
        (None, Some(file), _) => in_file(file).map(Some),
        (None, None, Some(command)) => of_program(command, clock, within).map(Some),
        (None, None, None) => Ok(None),
    }
}

fn in_file(file: &Path) -> Result<Password> {
    if is_open_to_others(file) {
        let file = shown(file);
        let text = format!("{file} can be read by others, so its password is not used: chmod 600 {file}");
        return Err(Error::new(ErrorKind::Usage, text));
    }
    let missing = || Error::new(ErrorKind::Usage, format!("there is no password file {}", shown(file)));
    Ok(first_line(&read_host_file(file, PASSWORD_MAX_BYTES)?.ok_or_else(missing)?))
}

/// Asks a program, such as one of a keyring.
fn of_program(command: &[String], clock: &dyn Clock, within: Option<Duration>) -> Result<Password> {
    let wrong = |why: String| Error::new(ErrorKind::Usage, format!("password-command gave no password: {why}"));
    let (program, arguments) = command.split_first().ok_or_else(|| wrong("it is empty".to_owned()))?;
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    match ask(&mut command, clock, within).map_err(|error| wrong(error.to_string()))? {
        None => Err(wrong("it took too long, and nobody is there whom it could ask".to_owned())),
        Some((status, bytes)) if !status.success() || bytes.is_empty() => Err(wrong(status.to_string())),
        Some((_, bytes)) => Ok(first_line(&bytes)),
    }
}

/// Runs a program to its end, or kills it when its time is over; returns how it ended, and the beginning of what it wrote.
fn ask(
    command: &mut Command,
    clock: &dyn Clock,
    within: Option<Duration>,
) -> std::io::Result<Option<(ExitStatus, Vec<u8>)>> {
    let mut child = command.spawn()?;
    let written = child.stdout.take().map(read_aside).transpose()?;
    let start = clock.monotonic();
    let mut bytes = None;
    // What the program started itself may hold its pipe open for longer than it lives, and it may live on with its pipe closed.
    loop {
        bytes = bytes.or_else(|| written.as_ref().and_then(|written| written.try_recv().ok()));
        if let (Some(status), true) = (child.try_wait()?, bytes.is_some()) {
            return Ok(Some((status, bytes.unwrap_or_default())));
        }
        if within.is_some_and(|within| clock.monotonic().saturating_sub(start) >= within) {
            // It may have ended by itself; either way it is reaped here.
            let _ = child.kill();
            let _ = child.wait();
            return Ok(None);
        }
        clock.sleep(LOOK_EVERY);
    }
}

/// Reads a pipe to its end, or as much as a password may take, in a thread of its own.
fn read_aside(pipe: impl Read + Send + 'static) -> std::io::Result<Receiver<Vec<u8>>> {
    let (sender, receiver) = channel();
    let read = move || {
        let mut bytes = Vec::new();
        // What cannot be read to its end counts as far as it came.
        let _ = pipe.take(PASSWORD_MAX_BYTES).read_to_end(&mut bytes);
        let _ = sender.send(bytes);
    };
    std::thread::Builder::new().name("password".to_owned()).spawn(read)?;
    Ok(receiver)
}

fn first_line(bytes: &[u8]) -> Password {
    let text = String::from_utf8_lossy(bytes);
    Password::new(text.lines().next().unwrap_or_default().to_owned())
}

#[cfg(test)]
mod tests;
