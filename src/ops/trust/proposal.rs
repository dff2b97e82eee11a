//! A change of trust on its way from one root to the next: a text file with the trust file to be, the signatures so far, and
//! what new writers are to be called, which no published file says.
//!
//! ```text
//! chunkstore trust proposal
//! writer-name <key> <name>
//! writer-note <key> <note>
//!
//! <the trust file>
//! ```

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::base::PublicKey;
use crate::base::limits::TRUST_MAX_BYTES;
use crate::format::roster::{HOLDER_NAME_MAX_BYTES, NOTE_MAX_BYTES};
use crate::format::trust::{SignedTrust, WRITERS_MAX};

const TITLE: &str = "chunkstore trust proposal";
const NAME: &str = "writer-name";
const NOTE: &str = "writer-note";
/// Longest such file in bytes.
pub const PROPOSAL_MAX_BYTES: u64 =
    TRUST_MAX_BYTES + (WRITERS_MAX * (HOLDER_NAME_MAX_BYTES + NOTE_MAX_BYTES + 256)) as u64;

/// What a new writer is to be called.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Label {
    /// Its name.
    pub name: String,
    /// Whatever else is worth knowing.
    pub note: String,
}

impl Label {
    /// Returns whether it can be kept: a name of 1 to 128 bytes, a note of at most 1024, both on one line.
    #[must_use]
    pub fn fits(&self) -> bool {
        let is_text = |text: &str| text.trim() == text && !text.chars().any(char::is_control);
        let is_name = !self.name.is_empty() && self.name.len() <= HOLDER_NAME_MAX_BYTES && is_text(&self.name);
        is_name && self.note.len() <= NOTE_MAX_BYTES && is_text(&self.note)
    }
}

/// A change of trust.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposal {
    /// The file to be, with the signatures so far.
    pub file: SignedTrust,
    /// What new writers are to be called.
    pub labels: BTreeMap<PublicKey, Label>,
}

/// Reports a file that is no proposal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a change of trust that this program wrote, or a damaged one")]
pub struct ParseProposalError;

impl Proposal {
    /// Writes the file.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut text = format!("{TITLE}\n");
        for (key, label) in &self.labels {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{NAME} {key} {}", label.name);
            if !label.note.is_empty() {
                let _ = writeln!(text, "{NOTE} {key} {}", label.note);
            }
        }
        text.push('\n');
        let mut bytes = text.into_bytes();
        bytes.extend_from_slice(self.file.bytes());
        bytes
    }

    /// Reads the file. Signatures are not checked here.
    ///
    /// # Errors
    /// [`ParseProposalError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, ParseProposalError> {
        let refuse = ParseProposalError;
        if bytes.len() as u64 > PROPOSAL_MAX_BYTES {
            return Err(refuse);
        }
        let split = bytes.windows(2).position(|two| two == b"\n\n").ok_or(refuse)?;
        let (head, file) = (&bytes[..split], &bytes[split + 2..]);
        let mut lines = std::str::from_utf8(head).map_err(|_| refuse)?.lines();
        if lines.next() != Some(TITLE) {
            return Err(refuse);
        }
        let mut labels: BTreeMap<PublicKey, Label> = BTreeMap::new();
        for line in lines {
            let mut words = line.splitn(3, ' ');
            let (Some(what), Some(key), Some(text)) = (words.next(), words.next(), words.next()) else {
                return Err(refuse);
            };
            let label = labels.entry(key.parse().map_err(|_| refuse)?).or_default();
            match what {
                NAME => text.clone_into(&mut label.name),
                NOTE => text.clone_into(&mut label.note),
                _ => return Err(refuse),
            }
        }
        let file = SignedTrust::decode(file).map_err(|_| refuse)?;
        // Fields that are not known here would be lost, and with them every signature.
        let is_plain = file.trust.encode_body() == file.body();
        let fits = is_plain && labels.len() <= WRITERS_MAX && labels.values().all(Label::fits);
        if fits { Ok(Self { file, labels }) } else { Err(refuse) }
    }
}

#[cfg(test)]
mod tests;
