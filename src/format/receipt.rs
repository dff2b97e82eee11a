//! `receipts/<replica id>`: what a key says of its last run, in a text that it signs.
//!
//! Reading it here proves nothing: the signature is checked by the store, and whose key it is by whoever pinned it.

use std::fmt::Write;

use super::OUTER_VERSION;
use super::codec::FormatError;
use super::keylist::KeyTag;
use super::text::{Lines, parse, parse_signature};
use crate::base::limits::RECEIPT_MAX_BYTES;
use crate::base::{Generation, HeadHash, PublicKey, ReplicaId, StoreId, Timestamp};

const WHOLE: &str = "a receipt";
const TITLE: &str = "chunkstore receipt";
/// Longest word for how a run ended.
pub const OUTCOME_MAX_BYTES: usize = 32;
/// Longest name and version of a program.
pub const PROGRAM_MAX_BYTES: usize = 64;

/// What a receipt says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// Which store.
    pub store: StoreId,
    /// Which key.
    pub replica: ReplicaId,
    /// The generation that it holds.
    pub generation: Generation,
    /// The HEAD of that generation.
    pub head: HeadHash,
    /// When that generation came onto the key, if this run brought it.
    pub reached: Option<Timestamp>,
    /// When the run ended, by the clock of the machine that the key was in.
    pub time: Timestamp,
    /// How the run ended: a word of small letters, digits and dashes.
    pub outcome: String,
    /// Bytes that are free on the medium, where that is known.
    pub free_bytes: Option<u64>,
    /// How many problems the run met.
    pub problems: u64,
    /// The tag of the key file that it carries.
    pub tag: Option<KeyTag>,
    /// The program and its version, printable ASCII.
    pub program: String,
    /// The generation of the newest purge, if it was carried out; 0 if not, and where there was none.
    pub purge: Generation,
    /// The key that signs this replica's receipts.
    pub key: PublicKey,
}

impl Receipt {
    /// Writes the part that is signed.
    #[must_use]
    pub fn encode_body(&self) -> Vec<u8> {
        let mut text = format!(
            "{TITLE}\nouter {OUTER_VERSION}\nstore {}\nreplica {}\ngeneration {}\nhead {}\n",
            self.store, self.replica, self.generation, self.head
        );
        // Writing to a String cannot fail.
        if let Some(reached) = self.reached {
            let _ = writeln!(text, "reached {reached}");
        }
        let _ = write!(text, "time {}\noutcome {}\n", self.time, self.outcome);
        if let Some(free_bytes) = self.free_bytes {
            let _ = writeln!(text, "free {free_bytes}");
        }
        let _ = writeln!(text, "problems {}", self.problems);
        if let Some(tag) = self.tag {
            let _ = writeln!(text, "tag {tag}");
        }
        let _ = write!(text, "program {}\npurge {}\nkey {}\n", self.program, self.purge, self.key);
        text.into_bytes()
    }
}

/// A receipt as its text stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedReceipt {
    /// What it says.
    pub receipt: Receipt,
    /// The signature over [`SignedReceipt::body`].
    pub signature: [u8; 64],
    bytes: Vec<u8>,
    body_len: usize,
}

impl SignedReceipt {
    /// Puts a signature under a body.
    #[must_use]
    pub fn new(receipt: Receipt, signature: [u8; 64]) -> Self {
        let mut bytes = receipt.encode_body();
        let body_len = bytes.len();
        bytes.extend_from_slice(last_line(signature).as_bytes());
        Self { receipt, signature, bytes, body_len }
    }

    /// Reads a text's bytes.
    ///
    /// # Errors
    /// [`FormatError`]; [`FormatError::TooNew`] for another outer version.
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        if bytes.len() as u64 > RECEIPT_MAX_BYTES {
            return Err(FormatError::Limit(WHOLE));
        }
        let lines = Lines::parse(WHOLE, TITLE, bytes)?;
        lines.version("outer", OUTER_VERSION)?;
        let signature = parse_signature(WHOLE, lines.one("signature")?)?;
        let body = bytes.strip_suffix(last_line(signature).as_bytes()).ok_or(FormatError::NotCanonical(WHOLE))?;
        let receipt = read_fields(&lines)?;
        Ok(Self { receipt, signature, bytes: bytes.to_vec(), body_len: body.len() })
    }

    /// Reads what was sealed: the text, and zeros up to the longest that one may be.
    ///
    /// # Errors
    /// As [`SignedReceipt::decode`]; [`FormatError::NotCanonical`] for another length.
    pub fn decode_padded(padded: &[u8]) -> Result<Self, FormatError> {
        if padded.len() as u64 != RECEIPT_MAX_BYTES {
            return Err(FormatError::NotCanonical(WHOLE));
        }
        let len = padded.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        Self::decode(&padded[..len])
    }

    /// Returns what is sealed: the text with zeros after it, so that every receipt is as long as any other.
    ///
    /// # Errors
    /// [`FormatError::Limit`] where the text is longer than one may be.
    pub fn padded(&self) -> Result<Vec<u8>, FormatError> {
        let len = usize::try_from(RECEIPT_MAX_BYTES).map_err(|_| FormatError::Limit(WHOLE))?;
        if self.bytes.len() > len {
            return Err(FormatError::Limit(WHOLE));
        }
        let mut padded = self.bytes.clone();
        padded.resize(len, 0);
        Ok(padded)
    }

    /// Returns the bytes that are signed.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        &self.bytes[..self.body_len]
    }

    /// Returns the text's bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

fn last_line(signature: [u8; 64]) -> String {
    format!("signature {}\n", hex::encode(signature))
}

fn read_fields(lines: &Lines<'_>) -> Result<Receipt, FormatError> {
    let generation = Generation(lines.value("generation")?);
    if generation.0 == 0 {
        return Err(FormatError::Limit(WHOLE));
    }
    let (outcome, program) = (lines.one("outcome")?, lines.one("program")?);
    let is_word = outcome.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if !is_word {
        return Err(FormatError::NotCanonical(WHOLE));
    }
    if outcome.len() > OUTCOME_MAX_BYTES || program.len() > PROGRAM_MAX_BYTES {
        return Err(FormatError::Limit(WHOLE));
    }
    Ok(Receipt {
        store: lines.value("store")?,
        replica: lines.value("replica")?,
        generation,
        head: lines.value("head")?,
        reached: if_there(lines, "reached")?.map(|time| parse(WHOLE, time)).transpose()?,
        time: lines.value("time")?,
        outcome: outcome.to_owned(),
        free_bytes: if_there(lines, "free")?.map(|bytes| parse(WHOLE, bytes)).transpose()?,
        problems: lines.value("problems")?,
        tag: if_there(lines, "tag")?.map(|tag| parse(WHOLE, tag)).transpose()?,
        program: program.to_owned(),
        purge: Generation(lines.value("purge")?),
        key: lines.value("key")?,
    })
}

fn if_there<'a>(lines: &Lines<'a>, name: &str) -> Result<Option<&'a str>, FormatError> {
    Ok(lines.all(name, 1)?.first().copied())
}
