//! A snapshot: one committed state, the root of everything a reader sees.

use super::codec::{Decoder, Encoder, Extensions, FormatError, get_extensions, put_extensions};
use super::pointer::{Kind, Pointer};
use super::tree::{Meta, get_meta, put_meta};
use crate::base::limits::OBJECT_MAX_BYTES;
use crate::base::paths::PATH_MAX_BYTES;
use crate::base::{Epoch, FileId, ObjectId, RelPath, ReplicaId, Timestamp};

const WHOLE: &str = "a snapshot";
const VERSION: u8 = 1;
/// Most parents of one snapshot.
pub const PARENTS_MAX: usize = 16;
/// Most sides of one conflict.
pub const SIDES_MAX: usize = 64;
/// Longest author.
pub const AUTHOR_MAX_BYTES: usize = 1024;
/// Longest message.
pub const MESSAGE_MAX_BYTES: usize = 64 * 1024;

/// A parent: what it takes to open it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parent {
    /// Its id.
    pub id: ObjectId,
    /// The epoch whose root key seals it.
    pub epoch: Epoch,
    /// Length of its plaintext in bytes.
    pub len_bytes: u64,
}

/// What a snapshot holds, counted once when it was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    /// Regular files; hard links count each.
    pub files: u64,
    /// Directories, the root not counted.
    pub dirs: u64,
    /// Everything else.
    pub others: u64,
    /// Bytes of the files.
    pub bytes: u64,
}

impl Totals {
    /// Returns how many entries there are of all types.
    #[must_use]
    pub fn entries(&self) -> u64 {
        self.files.saturating_add(self.dirs).saturating_add(self.others)
    }
}

/// A path whose sides could not be merged; each side is an entry of the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// Where it arose.
    pub path: RelPath,
    /// The paths of its sides, 1 to 64.
    pub sides: Vec<RelPath>,
}

/// The decoded object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// The root directory's node.
    pub root: Pointer,
    /// The root directory's file id.
    pub root_file_id: FileId,
    /// The root directory's mode, owner and time.
    pub root_meta: Meta,
    /// What it follows; none for the first, several for a merge.
    pub parents: Vec<Parent>,
    /// Which replica committed it.
    pub replica: ReplicaId,
    /// That replica's number for it, ever growing.
    pub sequence: u64,
    /// The epoch whose root key seals it.
    pub epoch: Epoch,
    /// When.
    pub time: Timestamp,
    /// Who, as `user@host`.
    pub author: String,
    /// Why.
    pub message: String,
    /// What it holds.
    pub totals: Totals,
    /// Paths whose sides could not be merged.
    pub conflicts: Vec<Conflict>,
    /// Fields of later versions.
    pub extensions: Extensions,
}

impl Snapshot {
    /// Writes the plaintext.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Encoder::new();
        out.u8(VERSION);
        out.u8(0);
        self.root.put(&mut out);
        out.raw(&self.root_file_id.0);
        put_meta(&mut out, &self.root_meta);
        out.count(self.parents.len());
        for parent in &self.parents {
            out.raw(&parent.id.0);
            out.number(u64::from(parent.epoch.0));
            out.number(parent.len_bytes);
        }
        out.raw(&self.replica.0);
        out.number(self.sequence);
        out.number(u64::from(self.epoch.0));
        out.signed(self.time.0);
        out.bytes(self.author.as_bytes());
        out.bytes(self.message.as_bytes());
        for total in [self.totals.files, self.totals.dirs, self.totals.others, self.totals.bytes] {
            out.number(total);
        }
        out.count(self.conflicts.len());
        for conflict in &self.conflicts {
            out.bytes(conflict.path.as_bytes());
            out.count(conflict.sides.len());
            conflict.sides.iter().for_each(|side| out.bytes(side.as_bytes()));
        }
        put_extensions(&mut out, &self.extensions);
        out.finish()
    }

    /// Reads the plaintext.
    ///
    /// # Errors
    /// [`FormatError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        let mut input = Decoder::new(WHOLE, bytes);
        input.version(VERSION)?;
        // The byte behind the version holds flags, none of which this version knows.
        input.version(0)?;
        let root = Pointer::get(&mut input, Kind::Tree)?;
        let root_file_id = FileId(input.array()?);
        let root_meta = get_meta(&mut input)?;
        let parents =
            (0..input.number_to(PARENTS_MAX as u64)?).map(|_| get_parent(&mut input)).collect::<Result<_, _>>()?;
        let snapshot = Self {
            root,
            root_file_id,
            root_meta,
            parents,
            replica: ReplicaId(input.array()?),
            sequence: input.number()?,
            epoch: Epoch(input.number_u32()?),
            time: Timestamp(input.signed()?),
            author: input.text(AUTHOR_MAX_BYTES)?,
            message: input.text(MESSAGE_MAX_BYTES)?,
            totals: Totals {
                files: input.number()?,
                dirs: input.number()?,
                others: input.number()?,
                bytes: input.number()?,
            },
            conflicts: (0..input.count(5)?).map(|_| get_conflict(&mut input)).collect::<Result<_, _>>()?,
            extensions: get_extensions(&mut input)?,
        };
        input.end()?;
        Ok(snapshot)
    }
}

fn get_parent(input: &mut Decoder<'_>) -> Result<Parent, FormatError> {
    Ok(Parent {
        id: ObjectId(input.array()?),
        epoch: Epoch(input.number_u32()?),
        len_bytes: input.number_to(OBJECT_MAX_BYTES)?,
    })
}

fn get_conflict(input: &mut Decoder<'_>) -> Result<Conflict, FormatError> {
    let path = get_path(input)?;
    let count = input.number_to(SIDES_MAX as u64)?;
    let sides: Vec<_> = (0..count).map(|_| get_path(input)).collect::<Result<_, _>>()?;
    if sides.is_empty() { Err(FormatError::Limit(WHOLE)) } else { Ok(Conflict { path, sides }) }
}

fn get_path(input: &mut Decoder<'_>) -> Result<RelPath, FormatError> {
    let bytes = input.bytes(PATH_MAX_BYTES)?;
    let path = RelPath::new(bytes).map_err(|_| FormatError::Limit(WHOLE))?;
    if path.is_root() {
        return Err(FormatError::Limit(WHOLE));
    }
    if path.as_bytes() == bytes { Ok(path) } else { Err(FormatError::NotCanonical(WHOLE)) }
}
