//! Errors as people and scripts see them: the chain on one line, what to do on a second, and a line of JSON.

use std::error::Error as _;

use serde_json::{Value, json};

use super::output::on_one_line;
use crate::error::{Error, ErrorKind};

/// Returns the whole chain, outermost first, on one line.
#[must_use]
pub fn sentence(error: &Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        // A layer that only passes its cause on says it once.
        if !text.ends_with(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        next = cause.source();
    }
    on_one_line(&text)
}

/// Returns what to do about an error of this kind, if that can be said for all of them.
#[must_use]
pub fn hint(kind: ErrorKind) -> Option<&'static str> {
    match kind {
        ErrorKind::Usage => Some("`chunkstore --help`, or `--help` after a verb, shows what is understood"),
        ErrorKind::NoStore => Some("name the store with --store, or make one with `chunkstore init` or `clone`"),
        ErrorKind::Locked => Some("another run is writing to this store: try again when it has ended"),
        ErrorKind::NoIdentity => {
            Some("--keys DIR or --identity FILE name identities, --passphrase-file FILE answers for the passphrase")
        }
        ErrorKind::Corrupt => Some("`chunkstore verify` lists what is damaged, and with --heal REMOTE mends it"),
        ErrorKind::Remote => Some("try again later; what was transferred so far is kept"),
        ErrorKind::NoSpace => Some("make room, then run the same command again: it goes on where it stopped"),
        ErrorKind::Gone => Some("plug the medium in again and run the same command again: it goes on where it stopped"),
        ErrorKind::Conflict => Some("this needs a person's decision; nothing was changed"),
        ErrorKind::NotTrusted => Some("do not use this remote; ask the publisher for the fingerprint"),
        ErrorKind::Interrupted => Some("run the same command again: it goes on where it stopped"),
        ErrorKind::Other => None,
    }
}

/// Returns an error as the line of JSON that ends a stream of events, or stands alone instead of a document.
#[must_use]
pub fn as_json(error: &Error) -> Value {
    json!({"event": "error", "kind": error.kind().name(), "code": error.kind().exit_code(), "message": sentence(error)})
}

#[cfg(test)]
mod tests;
