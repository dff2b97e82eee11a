//! `STORE`: the marker that says "here is a store", in which format, and which.

use super::codec::FormatError;
use super::text::Lines;
use super::{INNER_VERSION, OUTER_VERSION};
use crate::base::StoreId;
use crate::base::limits::MARKER_MAX_BYTES;

const WHOLE: &str = "a store's marker";
const TITLE: &str = "chunkstore store";

/// What the marker says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Marker {
    /// The store's id.
    pub store: StoreId,
}

impl Marker {
    /// Writes the text.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        format!("{TITLE}\nouter {OUTER_VERSION}\ninner {INNER_VERSION}\nstore {}\n", self.store).into_bytes()
    }

    /// Reads the text. An inner version that is not known is no error here: carrying bytes needs the outer one only.
    ///
    /// # Errors
    /// [`FormatError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        if bytes.len() as u64 > MARKER_MAX_BYTES {
            return Err(FormatError::Limit(WHOLE));
        }
        let lines = Lines::parse(WHOLE, TITLE, bytes)?;
        lines.version("outer", OUTER_VERSION)?;
        lines.value::<u16>("inner")?;
        Ok(Self { store: lines.value("store")? })
    }
}
