//! Kinds, codecs, pointers and extents: how one object names another.

use super::codec::{Decoder, Encoder, FormatError};
use crate::base::limits::OBJECT_MAX_BYTES;
use crate::base::{DedupGeneration, ObjectId};

/// What an object is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A piece of file content.
    Chunk,
    /// A node of a long file's extents.
    List,
    /// A node of a directory.
    Tree,
    /// One committed state.
    Snapshot,
    /// A part of a merged index.
    Index,
}

impl Kind {
    /// Returns the kind's byte. 6 is reserved for deltas.
    #[must_use]
    pub fn byte(self) -> u8 {
        match self {
            Self::Chunk => 1,
            Self::List => 2,
            Self::Tree => 3,
            Self::Snapshot => 4,
            Self::Index => 5,
        }
    }

    /// Reads a kind's byte.
    ///
    /// # Errors
    /// [`FormatError::TooNew`] for a byte that no kind has.
    pub fn from_byte(byte: u8) -> Result<Self, FormatError> {
        Ok(match byte {
            1 => Self::Chunk,
            2 => Self::List,
            3 => Self::Tree,
            4 => Self::Snapshot,
            5 => Self::Index,
            _ => return Err(FormatError::TooNew("the kind of an object")),
        })
    }

    /// Returns the class of packs that holds objects of this kind.
    #[must_use]
    pub fn class(self) -> Class {
        if self == Self::Chunk { Class::Data } else { Class::Meta }
    }
}

/// What a pack holds, so that listing never drags content in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// Chunks.
    Data,
    /// Trees, lists, snapshots, indexes.
    Meta,
}

impl Class {
    /// Returns the class's byte.
    #[must_use]
    pub fn byte(self) -> u8 {
        match self {
            Self::Data => 0,
            Self::Meta => 1,
        }
    }

    /// Reads a class's byte.
    ///
    /// # Errors
    /// [`FormatError::TooNew`].
    pub fn from_byte(byte: u8) -> Result<Self, FormatError> {
        match byte {
            0 => Ok(Self::Data),
            1 => Ok(Self::Meta),
            _ => Err(FormatError::TooNew("the class of a pack")),
        }
    }
}

/// How an object's payload was made from its plaintext.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Codec {
    /// As it is.
    Stored,
    /// One zstd frame.
    Zstd,
}

impl Codec {
    /// Returns the codec's byte. 2 is reserved for deltas.
    #[must_use]
    pub fn byte(self) -> u8 {
        match self {
            Self::Stored => 0,
            Self::Zstd => 1,
        }
    }

    /// Reads a codec's byte.
    ///
    /// # Errors
    /// [`FormatError::TooNew`].
    pub fn from_byte(byte: u8) -> Result<Self, FormatError> {
        match byte {
            0 => Ok(Self::Stored),
            1 => Ok(Self::Zstd),
            _ => Err(FormatError::TooNew("the codec of an object")),
        }
    }
}

/// The key that one object is sealed under, as its parent carries it. The format moves it and never uses it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectKey(pub [u8; 32]);

impl std::fmt::Debug for ObjectKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ObjectKey(..)")
    }
}

/// A reference to an object: what it is, how to find it, how to open it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pointer {
    /// What it is.
    pub kind: Kind,
    /// Which dedup secret its key came from; objects are found by id and this.
    pub dedup_generation: DedupGeneration,
    /// Length of the plaintext in bytes.
    pub len_bytes: u64,
    /// The id.
    pub id: ObjectId,
    /// The key.
    pub key: ObjectKey,
}

impl Pointer {
    /// The least bytes that an encoded pointer takes.
    pub const MIN_BYTES: usize = 67;

    /// Writes the pointer: kind, dedup generation, length, id, key.
    pub fn put(&self, out: &mut Encoder) {
        out.u8(self.kind.byte());
        out.number(u64::from(self.dedup_generation.0));
        out.number(self.len_bytes);
        out.raw(&self.id.0);
        out.raw(&self.key.0);
    }

    /// Reads a pointer to an object of one kind.
    ///
    /// # Errors
    /// [`FormatError::WrongKind`] for a pointer to another kind, [`FormatError::Limit`] for a length over 16 MiB.
    pub fn get(input: &mut Decoder<'_>, kind: Kind) -> Result<Self, FormatError> {
        if Kind::from_byte(input.u8()?)? != kind {
            return Err(FormatError::WrongKind("a pointer to the kind that belongs there"));
        }
        Ok(Self {
            kind,
            dedup_generation: DedupGeneration(input.number_u32()?),
            len_bytes: input.number_to(OBJECT_MAX_BYTES)?,
            id: ObjectId(input.array()?),
            key: ObjectKey(input.array()?),
        })
    }
}

/// A stretch of a file's content: part of a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Extent {
    /// The chunk.
    pub chunk: Pointer,
    /// Where in the chunk's plaintext it starts.
    pub offset: u64,
    /// How many bytes of it, at least 1.
    pub len_bytes: u64,
}

/// The distinct pointers of one node in the order of their first use, so that a node names each of them once.
#[derive(Debug, Default)]
pub struct PointerTable {
    pointers: Vec<Pointer>,
    places: std::collections::HashMap<(Kind, ObjectId, DedupGeneration), u64>,
}

impl PointerTable {
    /// Returns the place of a pointer, adding it if it is new.
    pub fn place(&mut self, pointer: &Pointer) -> u64 {
        let next = self.pointers.len() as u64;
        let key = (pointer.kind, pointer.id, pointer.dedup_generation);
        let place = *self.places.entry(key).or_insert(next);
        if place == next {
            self.pointers.push(*pointer);
        }
        place
    }

    /// Writes count and pointers.
    pub fn put(&self, out: &mut Encoder) {
        out.count(self.pointers.len());
        self.pointers.iter().for_each(|pointer| pointer.put(out));
    }
}

/// A table as it was read: each pointer may be taken as any kind that it is, and all must be used in order.
#[derive(Debug)]
pub struct ReadTable {
    pointers: Vec<Pointer>,
    used: u64,
}

impl ReadTable {
    /// Reads count and pointers; no object stands there twice.
    ///
    /// # Errors
    /// [`FormatError`]; [`FormatError::NotCanonical`] for an object that stands there twice.
    pub fn get(input: &mut Decoder<'_>) -> Result<Self, FormatError> {
        let count = input.count(Pointer::MIN_BYTES)?;
        let mut pointers = Vec::with_capacity(count);
        let mut seen = std::collections::HashSet::with_capacity(count);
        for _ in 0..count {
            let mut ahead = Decoder::new(input.whole(), input.peek());
            let kind = Kind::from_byte(ahead.u8()?)?;
            let pointer = Pointer::get(input, kind)?;
            if !seen.insert((pointer.kind, pointer.id, pointer.dedup_generation)) {
                return Err(FormatError::NotCanonical(input.whole()));
            }
            pointers.push(pointer);
        }
        Ok(Self { pointers, used: 0 })
    }

    /// Reads a place and returns its pointer, which must be of `kind`.
    ///
    /// # Errors
    /// [`FormatError::NotCanonical`] when pointers are not first used in the order of the table.
    pub fn take(&mut self, input: &mut Decoder<'_>, kind: Kind) -> Result<Pointer, FormatError> {
        let place = input.number()?;
        if place > self.used {
            return Err(FormatError::NotCanonical(input.whole()));
        }
        self.used = self.used.max(place + 1);
        let pointer = usize::try_from(place).ok().and_then(|place| self.pointers.get(place));
        match pointer {
            Some(pointer) if pointer.kind == kind => Ok(*pointer),
            Some(_) => Err(FormatError::WrongKind("a pointer to the kind that belongs there")),
            None => Err(FormatError::Limit(input.whole())),
        }
    }

    /// Checks that every pointer was used.
    ///
    /// # Errors
    /// [`FormatError::NotCanonical`].
    pub fn end(self, whole: &'static str) -> Result<(), FormatError> {
        if self.used == self.pointers.len() as u64 { Ok(()) } else { Err(FormatError::NotCanonical(whole)) }
    }
}

/// Writes one extent against a table: place, offset, length.
pub fn put_extent(out: &mut Encoder, table: &mut PointerTable, extent: &Extent) {
    out.number(table.place(&extent.chunk));
    out.number(extent.offset);
    out.number(extent.len_bytes);
}

/// Reads one extent against a table.
///
/// # Errors
/// [`FormatError::Limit`] when it is empty or leaves its chunk.
pub fn get_extent(input: &mut Decoder<'_>, table: &mut ReadTable) -> Result<Extent, FormatError> {
    let chunk = table.take(input, Kind::Chunk)?;
    let offset = input.number_to(OBJECT_MAX_BYTES)?;
    let len_bytes = input.number_to(OBJECT_MAX_BYTES)?;
    if len_bytes == 0 || offset + len_bytes > chunk.len_bytes {
        return Err(FormatError::Limit(input.whole()));
    }
    Ok(Extent { chunk, offset, len_bytes })
}
