//! `HEAD`: the small signed text that names the committed state.
//!
//! Reading it here proves nothing: signature, trust, descent and expiry are checked by the store.

use std::fmt::{self, Write};
use std::str::FromStr;

use super::codec::FormatError;
use super::text::{Lines, parse, parse_hex, parse_signature, words};
use super::{INNER_VERSION, OUTER_VERSION};
use crate::base::limits::{HEAD_MAX_BYTES, MANIFEST_MAX_BYTES};
use crate::base::{Epoch, Generation, HeadHash, ManifestHash, PublicKey, StoreId, Timestamp, TrustHash};

const WHOLE: &str = "HEAD";
const TITLE: &str = "chunkstore head";
/// Most predecessors of one HEAD.
pub const PREVIOUS_MAX: usize = 16;
/// Longest name of a rollout group.
pub const GROUP_MAX_BYTES: usize = 32;
/// The rollout group that every key is in.
const GROUP_ALL: &str = "all";

/// The name of a rollout group: 1 to [`GROUP_MAX_BYTES`] small letters, digits and dashes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group(String);

impl Group {
    /// The group that every key is in.
    #[must_use]
    pub fn all() -> Self {
        Self(GROUP_ALL.to_owned())
    }

    /// Returns whether a state for this group is meant for a key of group `other`.
    #[must_use]
    pub fn is_for(&self, other: &Self) -> bool {
        self.is_all() || self == other
    }

    /// Returns whether every key is in it.
    #[must_use]
    pub fn is_all(&self) -> bool {
        self.0 == GROUP_ALL
    }
}

impl FromStr for Group {
    type Err = FormatError;

    fn from_str(text: &str) -> Result<Self, FormatError> {
        let is_name = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        let fits = (1..=GROUP_MAX_BYTES).contains(&text.len()) && text.bytes().all(is_name);
        if fits { Ok(Self(text.to_owned())) } else { Err(FormatError::NotCanonical("a rollout group")) }
    }
}

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The order of HEADs: one under a newer trust file outranks every one under an older file, and under the same the generation
/// decides. An honest history ascends in both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rank {
    /// Version of the trust file that it names.
    pub trust_version: u32,
    /// Its generation.
    pub generation: Generation,
}

/// What a HEAD says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// Version of the sealed layer that a reader must know.
    pub inner_version: u16,
    /// Which store.
    pub store: StoreId,
    /// The ever-growing number.
    pub generation: Generation,
    /// The manifest by hash.
    pub manifest: ManifestHash,
    /// The manifest's length in bytes.
    pub manifest_len_bytes: u64,
    /// Version of the trust file that the writer must be in.
    pub trust_version: u32,
    /// That trust file by hash.
    pub trust: TrustHash,
    /// Who signed.
    pub writer: PublicKey,
    /// The HEADs that this one follows; none for the first.
    pub previous: Vec<HeadHash>,
    /// When it was signed.
    pub time: Timestamp,
    /// Until when the publisher vouches for it as the newest.
    pub expires: Timestamp,
    /// Which group of keys it is meant for.
    pub group: Group,
    /// Keys outside the group may stay at this generation or above it.
    pub floor: Generation,
    /// The epoch whose secrets open its roots.
    pub epoch: Epoch,
    /// Binds the epoch's secrets, since the cipher alone does not.
    pub commitment: [u8; 32],
}

impl Head {
    /// Writes the part that is signed.
    #[must_use]
    pub fn encode_body(&self) -> Vec<u8> {
        let mut text = format!(
            "{TITLE}\nouter {OUTER_VERSION}\ninner {}\nstore {}\ngeneration {}\nmanifest {} {}\ntrust {} {}\nwriter {}\n",
            self.inner_version,
            self.store,
            self.generation,
            self.manifest,
            self.manifest_len_bytes,
            self.trust_version,
            self.trust,
            self.writer
        );
        for previous in &self.previous {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "previous {previous}");
        }
        let _ = write!(
            text,
            "time {}\nexpires {}\ntarget {}\nfloor {}\nepoch {}\ncommitment {}\n",
            self.time,
            self.expires,
            self.group,
            self.floor,
            self.epoch,
            hex::encode(self.commitment)
        );
        text.into_bytes()
    }

    /// Returns its place in the order of HEADs.
    #[must_use]
    pub fn rank(&self) -> Rank {
        Rank { trust_version: self.trust_version, generation: self.generation }
    }

    /// Returns whether this program can read the sealed layer.
    #[must_use]
    pub fn inner_known(&self) -> bool {
        self.inner_version == INNER_VERSION
    }
}

/// A HEAD as it stands in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedHead {
    /// What it says.
    pub head: Head,
    /// The signature over [`SignedHead::body`].
    pub signature: [u8; 64],
    bytes: Vec<u8>,
    body_len: usize,
}

impl SignedHead {
    /// Puts a signature under a body.
    #[must_use]
    pub fn new(head: Head, signature: [u8; 64]) -> Self {
        let mut bytes = head.encode_body();
        let body_len = bytes.len();
        bytes.extend_from_slice(format!("signature {}\n", hex::encode(signature)).as_bytes());
        Self { head, signature, bytes, body_len }
    }

    /// Reads a file's bytes.
    ///
    /// # Errors
    /// [`FormatError`]; [`FormatError::TooNew`] for another outer version.
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        if bytes.len() as u64 > HEAD_MAX_BYTES {
            return Err(FormatError::Limit(WHOLE));
        }
        let lines = Lines::parse(WHOLE, TITLE, bytes)?;
        lines.version("outer", OUTER_VERSION)?;
        let signature = parse_signature(WHOLE, lines.one("signature")?)?;
        let last_line = format!("signature {}\n", hex::encode(signature));
        let body = bytes.strip_suffix(last_line.as_bytes()).ok_or(FormatError::NotCanonical(WHOLE))?;
        let head = read_fields(&lines)?;
        Ok(Self { head, signature, bytes: bytes.to_vec(), body_len: body.len() })
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
    pub fn hash(&self) -> HeadHash {
        HeadHash(*blake3::hash(&self.bytes).as_bytes())
    }
}

fn read_fields(lines: &Lines<'_>) -> Result<Head, FormatError> {
    let [manifest, manifest_len] = words(WHOLE, lines.one("manifest")?)?;
    let manifest_len_bytes = parse(WHOLE, manifest_len)?;
    if manifest_len_bytes > MANIFEST_MAX_BYTES {
        return Err(FormatError::Limit(WHOLE));
    }
    let [trust_version, trust] = words(WHOLE, lines.one("trust")?)?;
    let previous = lines.all("previous", PREVIOUS_MAX)?;
    let (generation, epoch) = (Generation(lines.value("generation")?), Epoch(lines.value("epoch")?));
    if generation.0 == 0 || epoch.0 == 0 {
        return Err(FormatError::Limit(WHOLE));
    }
    Ok(Head {
        inner_version: lines.value("inner")?,
        store: lines.value("store")?,
        generation,
        manifest: parse(WHOLE, manifest)?,
        manifest_len_bytes,
        trust_version: parse(WHOLE, trust_version)?,
        trust: parse(WHOLE, trust)?,
        writer: lines.value("writer")?,
        previous: previous.into_iter().map(|hash| parse(WHOLE, hash)).collect::<Result<_, _>>()?,
        time: lines.value("time")?,
        expires: lines.value("expires")?,
        group: parse(WHOLE, lines.one("target")?)?,
        floor: Generation(lines.value("floor")?),
        epoch,
        commitment: parse_hex(WHOLE, lines.one("commitment")?)?,
    })
}
