//! The three kinds of path: inside a store, inside a person's folder or a snapshot, and a single name.
//!
//! None of them can hold `..`, an absolute path or a NUL, so joining one to a root never leaves that root.
//! Names in folders and snapshots are bytes; names in a store are the small ASCII grammar of the layout.

use std::fmt;

/// Longest name of one entry, in bytes (what ext4, exFAT in UTF-8 and NTFS hold at most, with room).
pub const NAME_MAX_BYTES: usize = 1024;
/// Longest path inside a folder or snapshot, in bytes.
pub const PATH_MAX_BYTES: usize = 64 * 1024;
/// Most components of a path inside a folder or snapshot.
pub const PATH_MAX_DEPTH: usize = 512;

/// Reports a name or path outside the allowed grammar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// The name is empty, `.`, `..`, or holds `/` or NUL.
    #[error("not a plain name")]
    NotAName,
    /// The name, the path or its depth is over the limit.
    #[error("too long or too deep")]
    TooLong,
    /// The path is not in the grammar of a store's layout.
    #[error("not a path of a store")]
    NotAStorePath,
}

/// One path inside a store: up to three components of ASCII letters, digits, `.`, `_` and `-`, joined by `/`.
///
/// The empty path is the store's own directory.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StorePath(String);

impl StorePath {
    /// Returns the store's own directory.
    #[must_use]
    pub fn root() -> Self {
        Self(String::new())
    }

    /// Parses a path of the layout's grammar.
    ///
    /// # Errors
    /// [`PathError::NotAStorePath`] for anything outside that grammar.
    pub fn new(text: &str) -> Result<Self, PathError> {
        let plain = |part: &str| {
            !part.is_empty()
                && part.len() <= 32
                && part != "."
                && part != ".."
                && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
        };
        let fits = text.is_empty() || (text.split('/').count() <= 3 && text.split('/').all(plain));
        if fits { Ok(Self(text.to_owned())) } else { Err(PathError::NotAStorePath) }
    }

    /// Returns the path as text with `/` between components.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the directory that holds this path; the root is its own parent.
    #[must_use]
    pub fn parent(&self) -> Self {
        Self(self.0.rsplit_once('/').map_or(String::new(), |(dir, _)| dir.to_owned()))
    }

    /// Returns the last component; empty for the root.
    #[must_use]
    pub fn file_name(&self) -> &str {
        self.0.rsplit_once('/').map_or(&self.0, |(_, name)| name)
    }
}

impl fmt::Display for StorePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() { "." } else { &self.0 })
    }
}

/// One name of an entry in a folder or a snapshot: 1 to 1024 bytes, any but `/` and NUL, and neither `.` nor `..`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryName(Box<[u8]>);

impl EntryName {
    /// Checks and wraps a name.
    ///
    /// # Errors
    /// [`PathError`] when the bytes are no plain name or too long.
    pub fn new(bytes: &[u8]) -> Result<Self, PathError> {
        if bytes.is_empty() || bytes == b"." || bytes == b".." || bytes.iter().any(|&b| b == b'/' || b == 0) {
            return Err(PathError::NotAName);
        }
        if bytes.len() > NAME_MAX_BYTES {
            return Err(PathError::TooLong);
        }
        Ok(Self(bytes.into()))
    }

    /// Returns the bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for EntryName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&show_bytes(&self.0))
    }
}

impl fmt::Debug for EntryName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", show_bytes(&self.0))
    }
}

/// One path below the root of a folder or a snapshot: names joined by `/`, without a leading `/`; empty for the root.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct RelPath(Vec<u8>);

impl RelPath {
    /// Returns the root.
    #[must_use]
    pub fn root() -> Self {
        Self::default()
    }

    /// Parses `/`-joined bytes; leading, trailing and doubled `/` are dropped.
    ///
    /// # Errors
    /// [`PathError`] when a component is no plain name or the whole is too long or deep.
    pub fn new(bytes: &[u8]) -> Result<Self, PathError> {
        let mut path = Self::root();
        for part in bytes.split(|&b| b == b'/').filter(|part| !part.is_empty()) {
            path = path.join(&EntryName::new(part)?)?;
        }
        Ok(path)
    }

    /// Returns this path with one more component.
    ///
    /// # Errors
    /// [`PathError::TooLong`] when the result is over the limit.
    pub fn join(&self, name: &EntryName) -> Result<Self, PathError> {
        let mut bytes = Vec::with_capacity(self.0.len() + 1 + name.0.len());
        bytes.extend_from_slice(&self.0);
        if !bytes.is_empty() {
            bytes.push(b'/');
        }
        bytes.extend_from_slice(&name.0);
        let joined = Self(bytes);
        if joined.0.len() > PATH_MAX_BYTES || joined.depth() > PATH_MAX_DEPTH {
            return Err(PathError::TooLong);
        }
        Ok(joined)
    }

    /// Returns the bytes, `/` between names.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Returns whether this is the root.
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the names from the top down.
    pub fn names(&self) -> impl Iterator<Item = EntryName> + '_ {
        self.0.split(|&b| b == b'/').filter(|part| !part.is_empty()).map(|part| EntryName(part.into()))
    }

    /// Returns the number of names.
    #[must_use]
    pub fn depth(&self) -> usize {
        if self.0.is_empty() { 0 } else { 1 + self.0.iter().filter(|&&b| b == b'/').count() }
    }

    /// Returns the directory that holds this path and its name in it; nothing for the root.
    #[must_use]
    pub fn split_last(&self) -> Option<(Self, EntryName)> {
        if self.0.is_empty() {
            return None;
        }
        let at = self.0.iter().rposition(|&b| b == b'/');
        let name = at.map_or(&self.0[..], |at| &self.0[at + 1..]);
        Some((Self(at.map_or(Vec::new(), |at| self.0[..at].to_vec())), EntryName(name.into())))
    }
}

impl fmt::Display for RelPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "/{}", show_bytes(&self.0))
    }
}

impl fmt::Debug for RelPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", show_bytes(&self.0))
    }
}

/// Returns whether a character does more to a terminal than stand in its line: a control, an end of a line, or one that turns
/// the direction of writing, so that a name reads as another one.
#[must_use]
pub fn drives_a_terminal(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// Shows bytes of a name on one line: UTF-8 as it is, what drives a terminal and foreign bytes as `\xNN`, a backslash doubled.
#[must_use]
pub fn show_bytes(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\\' => text.push_str("\\\\"),
                c if drives_a_terminal(c) => c.to_string().bytes().for_each(|b| text.push_str(&format!("\\x{b:02x}"))),
                c => text.push(c),
            }
        }
        chunk.invalid().iter().for_each(|b| text.push_str(&format!("\\x{b:02x}")));
    }
    text
}

#[cfg(test)]
mod tests;
