//! stderr: everything that is no result. A line that cannot be written there has nowhere else to go.

use std::io::Write;

/// Writes lines to stderr.
#[derive(Clone, Default)]
pub struct Notices {
    pub(super) is_silent: bool,
    #[cfg(test)]
    pub(super) kept: Option<std::sync::Arc<std::sync::Mutex<Vec<String>>>>,
}

impl Notices {
    /// Makes some that write nothing.
    #[must_use]
    pub fn silent() -> Self {
        Self {
            is_silent: true,
            #[cfg(test)]
            kept: None,
        }
    }

    /// Writes a line.
    pub fn line(&self, text: &str) {
        if self.is_silent {
            return;
        }
        #[cfg(test)]
        if let Some(kept) = &self.kept {
            kept.lock().unwrap().push(text.to_owned());
            return;
        }
        let _ = writeln!(std::io::stderr().lock(), "{text}");
    }
}
