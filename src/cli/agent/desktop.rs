//! What a person at the desktop is shown: by `notify-send` where there is one, as a toast on Windows.
//!
//! The log and the status file say the same, so what fails here is nobody's trouble, and the agent waits for none of it.

use crate::agent::words::{Person, Priority};
use crate::cli::output::on_one_line;

#[cfg(not(windows))]
mod program;
#[cfg(windows)]
mod toast;

#[cfg(not(windows))]
pub use program::Desktop;
#[cfg(windows)]
pub use toast::Desktop;

/// Longest body, in characters; more than that a toast does not show.
const BODY_MAX_CHARS: usize = 300;

/// What is shown: a title and a line, both bounded.
#[derive(Debug, PartialEq, Eq)]
pub struct Message {
    title: &'static str,
    body: String,
    /// Somebody has to do something.
    is_urgent: bool,
}

impl Message {
    /// Takes what a person is to know.
    #[must_use]
    pub fn new(person: &Person, priority: Priority) -> Self {
        let body = on_one_line(&person.body).chars().take(BODY_MAX_CHARS).collect();
        Self { title: person.title, body, is_urgent: priority <= Priority::Error }
    }
}

#[cfg(test)]
mod tests;
