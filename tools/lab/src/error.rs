//! [`LabError`]: what a part of the lab could not do, and why.

use std::error::Error;

/// What was done to what, and why it failed.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub struct LabError {
    what: String,
    #[source]
    source: Option<Box<dyn Error + Send + Sync>>,
}

/// What most of the lab returns.
pub type Result<T> = std::result::Result<T, LabError>;

impl LabError {
    /// Makes an error that says everything itself.
    #[must_use]
    pub fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), source: None }
    }

    /// Makes an error with its cause.
    pub fn because(what: impl Into<String>, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { what: what.into(), source: Some(source.into()) }
    }

    /// Returns the error and its causes in one line.
    #[must_use]
    pub fn in_full(&self) -> String {
        let mut text = self.what.clone();
        let mut cause = self.source();
        while let Some(error) = cause {
            text = format!("{text}: {error}");
            cause = error.source();
        }
        text
    }
}
