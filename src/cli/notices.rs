//! stderr: everything that is no result. A line that cannot be written there has nowhere else to go.

use std::io::Write;

/// Writes lines to stderr.
#[derive(Clone, Default)]
pub struct Notices {
    #[cfg(test)]
    pub(super) kept: Option<std::sync::Arc<std::sync::Mutex<Vec<String>>>>,
}

impl Notices {
    /// Writes a line.
    pub fn line(&self, text: &str) {
        #[cfg(test)]
        if let Some(kept) = &self.kept {
            kept.lock().unwrap().push(text.to_owned());
            return;
        }
        let _ = writeln!(std::io::stderr().lock(), "{text}");
    }
}
