//! The fingerprint of a store's trust: how it is typed, and how a person is asked for it.

use std::io::{BufRead, Write};

use super::context::Context;
use crate::error::{Error, ErrorKind, Result};

/// Length of a fingerprint, as `init` prints it.
const FINGERPRINT_DIGITS: usize = 32;
/// Longest answer that is read.
const ANSWER_MAX_BYTES: u64 = 1024;

/// Tells a slip of the pen from another store, of which nobody need be warned.
///
/// # Errors
/// [`ErrorKind::Usage`].
pub fn require_fingerprint(text: &str) -> Result<()> {
    let text = text.trim();
    if text.len() == FINGERPRINT_DIGITS && text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Ok(());
    }
    let what = format!("--trust takes a fingerprint, {FINGERPRINT_DIGITS} hex digits, not {text:?}");
    Err(Error::new(ErrorKind::Usage, what))
}

/// Shows a fingerprint to a person and returns whether it is the right one.
///
/// # Errors
/// [`ErrorKind::Usage`] where nobody can be asked.
pub fn confirm_fingerprint(fingerprint: &str, context: &Context) -> Result<bool> {
    if !context.settings.can_ask {
        let text = format!("nobody can confirm the fingerprint {fingerprint} without a terminal: --trust answers it");
        return Err(Error::new(ErrorKind::Usage, text));
    }
    let cannot_ask = |error| Error::with_source(ErrorKind::Usage, "cannot ask for the fingerprint: use --trust", error);
    let mut stderr = std::io::stderr().lock();
    write!(stderr, "fingerprint {fingerprint}\nis it the one that the publisher told you? [y/N] ")
        .map_err(cannot_ask)?;
    stderr.flush().map_err(cannot_ask)?;
    let mut answer = String::new();
    let mut stdin = std::io::Read::take(std::io::stdin().lock(), ANSWER_MAX_BYTES);
    stdin.read_line(&mut answer).map_err(cannot_ask)?;
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}
