//! [`Courteous`]: a remote as the agent uses it, which goes away when it is told to instead of knocking again.
//!
//! A person who runs `sync` waits for it, so that tries a few times. An agent has time: when the server turns it away before the
//! first session stands, the run ends at once, and [`step`](super::step) decides when the next one begins. What the server said
//! is kept, since it may say when that should be:
//!
//! ```text
//! 421 too many users, come again in 20 minutes
//! 421 come later: spread over 8 hours
//! ```
//!
//! The words before a span tell what it is: `spread`, or `over`, that all keys are to take their own places in so long; any other that
//! this key is to stay away for so long. Units are seconds, minutes, hours and days, or their first letters.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::event::{Asked, Outcome};
use crate::remote::{Remote, RemoteError, RemoteErrorKind, Session};

/// What a remote said to whoever tried to connect.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Heard {
    is_connected: bool,
    busy: Option<String>,
    refused: Option<String>,
}

/// A remote that is left alone when it says so.
pub struct Courteous {
    inner: Arc<dyn Remote>,
    heard: Mutex<Heard>,
}

impl Courteous {
    /// Takes a remote for one run.
    #[must_use]
    pub fn new(inner: Arc<dyn Remote>) -> Self {
        Self { inner, heard: Mutex::default() }
    }

    fn heard(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says how a run ended that no remote answered: what it was told on the way decides, else `why`.
    #[must_use]
    pub fn explain(remotes: &[Arc<Self>], why: String) -> Outcome {
        let heard: Vec<_> = remotes.iter().map(|remote| remote.heard().clone()).collect();
        if let Some(text) = heard.iter().find_map(|heard| heard.busy.as_ref()) {
            return Outcome::Later(asked_in(text));
        }
        match heard.into_iter().find_map(|heard| heard.refused) {
            Some(text) => Outcome::Refused(text),
            None => Outcome::Unreachable(why),
        }
    }
}

impl Remote for Courteous {
    fn address(&self) -> String {
        self.inner.address()
    }

    fn connect(&self) -> Result<Box<dyn Session>, RemoteError> {
        let connected = self.inner.connect();
        let mut heard = self.heard();
        match connected {
            Ok(session) => {
                *heard = Heard { is_connected: true, ..Heard::default() };
                Ok(session)
            }
            Err(error) if error.kind == RemoteErrorKind::Busy && !heard.is_connected => {
                heard.busy = Some(error.reason.clone());
                // A kind that is not tried again.
                Err(RemoteError { kind: RemoteErrorKind::Refused, ..error })
            }
            Err(error) => {
                if error.kind == RemoteErrorKind::Refused {
                    heard.refused = Some(error.reason.clone());
                }
                Err(error)
            }
        }
    }

    fn session_limit(&self) -> usize {
        self.inner.session_limit()
    }

    fn wire_bytes(&self) -> u64 {
        self.inner.wire_bytes()
    }

    fn hang_up(&self) {
        self.inner.hang_up();
    }
}

/// Finds what a server asks for in its words.
#[must_use]
pub fn asked_in(text: &str) -> Asked {
    let text = text.to_ascii_lowercase();
    let words: Vec<&str> = text.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()).collect();
    let mut asked = Asked::default();
    for (at, word) in words.iter().enumerate() {
        // A code, or a count of users, has no unit behind it.
        let Some(span) = span_at(word, words.get(at + 1).copied()) else { continue };
        let before = words[..at].iter().rev().take(3);
        if before.clone().any(|word| matches!(*word, "over" | "spread")) {
            asked.spread.get_or_insert(span);
        } else {
            asked.after.get_or_insert(span);
        }
    }
    asked
}

/// Reads a number with its unit, in one word or in two.
fn span_at(word: &str, next: Option<&str>) -> Option<Duration> {
    let digits = word.bytes().take_while(u8::is_ascii_digit).count();
    let number: u64 = word[..digits].parse().ok()?;
    let unit = if digits < word.len() { &word[digits..] } else { next? };
    let secs = match unit {
        "s" | "sec" | "secs" | "second" | "seconds" => 1,
        "m" | "min" | "mins" | "minute" | "minutes" => 60,
        "h" | "hour" | "hours" => 3600,
        "d" | "day" | "days" => 86_400,
        _ => return None,
    };
    Some(Duration::from_secs(number.saturating_mul(secs)))
}

#[cfg(test)]
mod tests;
