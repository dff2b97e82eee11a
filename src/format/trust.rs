//! `trust/<n>`: who may sign HEAD, who may change trust, and how many of the latter it takes.
//!
//! Reading it here proves nothing: the chain of signatures is checked by the store.

use std::fmt::Write;

use super::OUTER_VERSION;
use super::codec::FormatError;
use super::text::{Lines, parse, parse_signature, words};
use crate::base::limits::TRUST_MAX_BYTES;
use crate::base::{Generation, PublicKey, StoreId, Timestamp, TrustHash};

const WHOLE: &str = "a trust file";
const TITLE: &str = "chunkstore trust";
/// Most roots of one trust file.
pub const ROOTS_MAX: usize = 16;
/// Most writers of one trust file.
pub const WRITERS_MAX: usize = 128;
/// Most signatures under one trust file: the roots before and after.
pub const SIGNATURES_MAX: usize = 2 * ROOTS_MAX;

/// One writer: the key that signs, and the age recipient that is handed dedup secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Writer {
    /// Ed25519 public key.
    pub key: PublicKey,
    /// `age1...`, X25519.
    pub recipient: String,
}

/// What a trust file says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trust {
    /// Which store.
    pub store: StoreId,
    /// From 1, without gaps.
    pub version: u32,
    /// The file before; none for version 1.
    pub previous: Option<TrustHash>,
    /// When it was made.
    pub time: Timestamp,
    /// Until when it holds.
    pub expires: Timestamp,
    /// HEADs of a lower generation are not accepted under it.
    pub floor: Generation,
    /// How many roots must sign the next one.
    pub threshold: u32,
    /// Who may change trust.
    pub roots: Vec<PublicKey>,
    /// Who may sign HEAD.
    pub writers: Vec<Writer>,
}

impl Trust {
    /// Returns whether a key may sign HEADs under it.
    #[must_use]
    pub fn is_writer(&self, key: &PublicKey) -> bool {
        self.writers.iter().any(|writer| writer.key == *key)
    }

    /// Returns whether a HEAD under another version counts for nothing any more: this file is newer, and whoever signed that
    /// HEAD is no writer here.
    #[must_use]
    pub fn disowns(&self, trust_version: u32, writer: &PublicKey) -> bool {
        self.version > trust_version && !self.is_writer(writer)
    }

    /// Writes the part that is signed.
    #[must_use]
    pub fn encode_body(&self) -> Vec<u8> {
        let previous = self.previous.map_or_else(|| "none".to_owned(), |hash| hash.to_string());
        let mut text = format!(
            "{TITLE}\nouter {OUTER_VERSION}\nstore {}\nversion {}\nprevious {previous}\ntime {}\nexpires {}\nfloor {}\nthreshold {}\n",
            self.store, self.version, self.time, self.expires, self.floor, self.threshold
        );
        // Writing to a String cannot fail.
        for root in &self.roots {
            let _ = writeln!(text, "root {root}");
        }
        for writer in &self.writers {
            let _ = writeln!(text, "writer {} {}", writer.key, writer.recipient);
        }
        text.into_bytes()
    }
}

/// A trust file as it stands, with the signatures under it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedTrust {
    /// What it says.
    pub trust: Trust,
    /// Root and signature over [`SignedTrust::body`].
    pub signatures: Vec<(PublicKey, [u8; 64])>,
    bytes: Vec<u8>,
    body_len: usize,
}

impl SignedTrust {
    /// Puts signatures under a body.
    #[must_use]
    pub fn new(trust: Trust, signatures: Vec<(PublicKey, [u8; 64])>) -> Self {
        let mut bytes = trust.encode_body();
        let body_len = bytes.len();
        for line in signature_lines(&signatures) {
            bytes.extend_from_slice(line.as_bytes());
        }
        Self { trust, signatures, bytes, body_len }
    }

    /// Reads a file's bytes.
    ///
    /// # Errors
    /// [`FormatError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        if bytes.len() as u64 > TRUST_MAX_BYTES {
            return Err(FormatError::Limit(WHOLE));
        }
        let lines = Lines::parse(WHOLE, TITLE, bytes)?;
        lines.version("outer", OUTER_VERSION)?;
        let mut signatures = Vec::new();
        for value in lines.all("signature", SIGNATURES_MAX)? {
            let [root, signature] = words(WHOLE, value)?;
            signatures.push((parse(WHOLE, root)?, parse_signature(WHOLE, signature)?));
        }
        let tail: String = signature_lines(&signatures).collect();
        let body = bytes.strip_suffix(tail.as_bytes()).ok_or(FormatError::NotCanonical(WHOLE))?;
        let trust = read_fields(&lines)?;
        Ok(Self { trust, signatures, bytes: bytes.to_vec(), body_len: body.len() })
    }

    /// Returns the bytes that are signed.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        &self.bytes[..self.body_len]
    }

    /// Returns the file's bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Returns the hash of the file's bytes.
    #[must_use]
    pub fn hash(&self) -> TrustHash {
        TrustHash(*blake3::hash(&self.bytes).as_bytes())
    }

    /// Returns what people compare: 32 hex digits of the hash.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        hex::encode(&self.hash().0[..16])
    }
}

fn is_distinct(keys: &[PublicKey]) -> bool {
    keys.iter().enumerate().all(|(at, key)| !keys[..at].contains(key))
}

fn signature_lines(signatures: &[(PublicKey, [u8; 64])]) -> impl Iterator<Item = String> + '_ {
    signatures.iter().map(|(root, signature)| format!("signature {root} {}\n", hex::encode(signature)))
}

fn read_fields(lines: &Lines<'_>) -> Result<Trust, FormatError> {
    let roots: Vec<PublicKey> =
        lines.all("root", ROOTS_MAX)?.into_iter().map(|key| parse(WHOLE, key)).collect::<Result<_, _>>()?;
    let mut writers = Vec::new();
    for value in lines.all("writer", WRITERS_MAX)? {
        let [key, recipient] = words(WHOLE, value)?;
        writers.push(Writer { key: parse(WHOLE, key)?, recipient: recipient.to_owned() });
    }
    let threshold: u32 = lines.value("threshold")?;
    let keys: Vec<PublicKey> = writers.iter().map(|writer| writer.key).collect();
    let distinct = is_distinct(&roots) && is_distinct(&keys);
    if threshold == 0 || threshold as usize > roots.len() || !distinct {
        return Err(FormatError::Limit(WHOLE));
    }
    let version: u32 = lines.value("version")?;
    let previous = match lines.one("previous")? {
        "none" => None,
        hash => Some(parse(WHOLE, hash)?),
    };
    if version == 0 || (version == 1) != previous.is_none() {
        return Err(FormatError::Limit(WHOLE));
    }
    Ok(Trust {
        store: lines.value("store")?,
        version,
        previous,
        time: lines.value("time")?,
        expires: lines.value("expires")?,
        floor: Generation(lines.value("floor")?),
        threshold,
        roots,
        writers,
    })
}
