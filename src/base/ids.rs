//! Distinct types for every id, hash and counter, so that one can never be passed for another.
//!
//! All are shown as lower-case hex (counters as decimal) and parsed back from exactly that.

use std::fmt;
use std::str::FromStr;

/// Reports text that is not the fixed-length hex of an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not {expected_digits} hex digits")]
pub struct ParseIdError {
    expected_digits: usize,
}

macro_rules! byte_id {
    ($(#[$doc:meta])* $name:ident, $len:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; $len]);

        impl $name {
            /// The length in bytes.
            pub const LEN: usize = $len;

            /// Returns the bytes.
            #[must_use]
            pub fn as_bytes(&self) -> &[u8; $len] {
                &self.0
            }
        }

        impl From<[u8; $len]> for $name {
            fn from(bytes: [u8; $len]) -> Self {
                Self(bytes)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&hex::encode(self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), hex::encode(self.0))
            }
        }

        impl FromStr for $name {
            type Err = ParseIdError;

            fn from_str(text: &str) -> Result<Self, ParseIdError> {
                let mut bytes = [0; $len];
                let lower = !text.bytes().any(|b| b.is_ascii_uppercase());
                match hex::decode_to_slice(text, &mut bytes) {
                    Ok(()) if lower => Ok(Self(bytes)),
                    _ => Err(ParseIdError { expected_digits: 2 * $len }),
                }
            }
        }
    };
}

byte_id!(
    /// Names one store for ever; random, made by `init`.
    StoreId,
    16
);
byte_id!(
    /// Names one replica of a store (a key, a publisher's disk); random.
    ReplicaId,
    16
);
byte_id!(
    /// Names a file through its renames; also its inode number in a mount.
    FileId,
    16
);
byte_id!(
    /// Names an object: a keyed BLAKE3 over its kind and plaintext. Never leaves sealed bytes.
    ObjectId,
    32
);
byte_id!(
    /// The BLAKE3 of a whole pack file.
    PackHash,
    32
);
byte_id!(
    /// The BLAKE3 of a whole manifest file.
    ManifestHash,
    32
);
byte_id!(
    /// The BLAKE3 of a whole HEAD file, signature included.
    HeadHash,
    32
);
byte_id!(
    /// The BLAKE3 of a whole trust file, signatures included.
    TrustHash,
    32
);
byte_id!(
    /// The BLAKE3 of a whole key list file.
    KeyListHash,
    32
);
byte_id!(
    /// The BLAKE3 of a whole recipe file.
    RecipeHash,
    32
);
byte_id!(
    /// The BLAKE3 of a whole small file that every replica carries.
    FileHash,
    32
);
byte_id!(
    /// An Ed25519 public key of a writer or a root.
    PublicKey,
    32
);

macro_rules! counter {
    ($(#[$doc:meta])* $name:ident, $int:ty) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        pub struct $name(pub $int);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

counter!(
    /// HEAD's ever-growing number; 1 is what `init` writes.
    Generation,
    u64
);
impl Generation {
    /// Returns the next one; nothing after the last that there can be, which only a hostile writer signs.
    #[must_use]
    pub fn next(self) -> Option<Self> {
        self.0.checked_add(1).map(Self)
    }
}

counter!(
    /// The number of a set of reader secrets; from 1.
    Epoch,
    u32
);
impl Epoch {
    /// Returns the next one; nothing after the last that there can be.
    #[must_use]
    pub fn next(self) -> Option<Self> {
        self.0.checked_add(1).map(Self)
    }
}

counter!(
    /// The number of a dedup secret; from 1.
    DedupGeneration,
    u32
);
impl DedupGeneration {
    /// Returns the next one; nothing after the last that there can be.
    #[must_use]
    pub fn next(self) -> Option<Self> {
        self.0.checked_add(1).map(Self)
    }
}
