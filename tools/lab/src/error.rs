//! [`LabError`]: what went wrong in the lab, for a person.

use std::error::Error;

/// What failed, on what and, where there is one, the error below it.
#[derive(Debug, thiserror::Error)]
#[error("{what}{}", because(.source.as_deref()))]
pub struct LabError {
    what: String,
    #[source]
    source: Option<Box<dyn Error + Send + Sync>>,
}

/// The result of anything that the lab does.
pub type Result<T> = std::result::Result<T, LabError>;

impl LabError {
    /// Makes an error that stands for itself.
    #[must_use]
    pub fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), source: None }
    }

    /// Makes an error with the one that led to it.
    #[must_use]
    pub fn because(what: impl Into<String>, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { what: what.into(), source: Some(source.into()) }
    }
}

fn because(source: Option<&(dyn Error + Send + Sync)>) -> String {
    source.map(|source| format!(": {source}")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_says_what_led_to_it() {
        assert_eq!(LabError::new("no key").to_string(), "no key");
        assert_eq!(
            LabError::because("cannot read a", std::io::Error::other("gone")).to_string(),
            "cannot read a: gone"
        );
    }
}
