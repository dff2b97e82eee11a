//! The 32 bytes that every binary file of the outer layer begins with.

use super::OUTER_VERSION;
use super::codec::{Decoder, Encoder, FormatError};
use crate::base::StoreId;

/// Length of the common header in bytes.
pub const HEADER_BYTES: usize = 32;
/// Flags that a reader must understand; the others it may ignore.
pub const CRITICAL_FLAGS: u16 = 0x00ff;

/// The kind of a binary file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileMagic {
    /// Sealed objects.
    Pack,
    /// The list of packs that HEAD names.
    Manifest,
    /// Hashes of key files.
    KeyList,
    /// How to rebuild a pack from others.
    Recipe,
    /// Who holds keys.
    Roster,
    /// What a purge took away.
    Order,
}

impl FileMagic {
    /// Returns the eight bytes that a file of this kind begins with.
    #[must_use]
    pub fn bytes(self) -> &'static [u8; 8] {
        match self {
            Self::Pack => b"CHKSPACK",
            Self::Manifest => b"CHKSMANI",
            Self::KeyList => b"CHKSKEYS",
            Self::Recipe => b"CHKSRCPE",
            Self::Roster => b"CHKSROST",
            Self::Order => b"CHKSORDR",
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Pack => "a pack",
            Self::Manifest => "a manifest",
            Self::KeyList => "a key list",
            Self::Recipe => "a recipe",
            Self::Roster => "a roster",
            Self::Order => "a purge order",
        }
    }
}

/// Writes the header: magic, outer version, flags (none yet), clash counter, store id.
pub fn put_header(out: &mut Encoder, magic: FileMagic, store: StoreId, clash_counter: u32) {
    out.raw(magic.bytes());
    out.u16(OUTER_VERSION);
    out.u16(0);
    out.u32(clash_counter);
    out.raw(&store.0);
}

/// Reads the header and checks that it is of this kind and store; returns the clash counter.
///
/// # Errors
/// [`FormatError::WrongKind`] for another magic or store, [`FormatError::TooNew`] for another version or a flag that
/// must be understood.
pub fn get_header(input: &mut Decoder<'_>, magic: FileMagic, store: StoreId) -> Result<u32, FormatError> {
    if input.raw(8)? != magic.bytes() {
        return Err(FormatError::WrongKind(magic.name()));
    }
    let version = input.u16()?;
    let flags = input.u16()?;
    if version != OUTER_VERSION || flags & CRITICAL_FLAGS != 0 {
        return Err(FormatError::TooNew(magic.name()));
    }
    let clash_counter = input.u32()?;
    if input.array()? != store.0 {
        return Err(FormatError::WrongKind("a file of this store"));
    }
    Ok(clash_counter)
}
