//! List nodes: the extents of a file that has more than its entry holds.

use super::codec::{Decoder, Encoder, FormatError};
use super::pointer::{Extent, Kind, Pointer, PointerTable, ReadTable, get_extent, put_extent};
use super::tree::LEVELS_MAX;

const WHOLE: &str = "a list";
const VERSION: u8 = 1;
/// Longest plaintext of one node: twice what the splitting rule lets one grow to.
pub const LIST_NODE_MAX_BYTES: usize = 128 << 10;

/// A child of an inner node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListChild {
    /// The node, one level lower.
    pub pointer: Pointer,
    /// How many bytes of the file lie below it.
    pub len_bytes: u64,
}

/// One node of a file's extents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListNode {
    /// Level 0: extents in the order of the file, at least one.
    Leaf(Vec<Extent>),
    /// A higher level: its number and its children, at least two.
    Inner(u8, Vec<ListChild>),
}

impl ListNode {
    /// Writes the plaintext.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Encoder::new();
        out.u8(VERSION);
        match self {
            Self::Leaf(extents) => {
                let mut table = PointerTable::default();
                let mut body = Encoder::new();
                extents.iter().for_each(|extent| put_extent(&mut body, &mut table, extent));
                out.u8(0);
                table.put(&mut out);
                out.count(extents.len());
                out.raw(&body.finish());
            }
            Self::Inner(level, children) => {
                out.u8(*level);
                out.count(children.len());
                for child in children {
                    child.pointer.put(&mut out);
                    out.number(child.len_bytes);
                }
            }
        }
        out.finish()
    }

    /// Reads the plaintext.
    ///
    /// # Errors
    /// [`FormatError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        if bytes.len() > LIST_NODE_MAX_BYTES {
            return Err(FormatError::Limit(WHOLE));
        }
        let mut input = Decoder::new(WHOLE, bytes);
        input.version(VERSION)?;
        let level = input.u8()?;
        let node = if level == 0 {
            let mut table = ReadTable::get(&mut input)?;
            let count = input.count(3)?;
            let extents = (0..count).map(|_| get_extent(&mut input, &mut table)).collect::<Result<Vec<_>, _>>()?;
            table.end(WHOLE)?;
            Self::Leaf(extents)
        } else {
            let count = input.count(Pointer::MIN_BYTES + 1)?;
            let child = |input: &mut Decoder<'_>| {
                Ok(ListChild { pointer: Pointer::get(input, Kind::List)?, len_bytes: input.number()? })
            };
            Self::Inner(level, (0..count).map(|_| child(&mut input)).collect::<Result<Vec<_>, FormatError>>()?)
        };
        input.end()?;
        node.check()
    }

    fn check(self) -> Result<Self, FormatError> {
        let fits = match &self {
            Self::Leaf(extents) => !extents.is_empty(),
            Self::Inner(level, children) => *level <= LEVELS_MAX && children.len() >= 2,
        };
        if fits { Ok(self) } else { Err(FormatError::Limit(WHOLE)) }
    }
}
