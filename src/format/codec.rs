//! The canonical binary codec under every object: little-endian integers, minimal LEB128 numbers, counted bytes.
//!
//! There is exactly one encoding of each value, so equal values have equal ids. Decoding never reads past its
//! input, never allocates more than the input can fill, and refuses every second spelling.

/// Bytes that are not what the format says. The text names the part that is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// The input ends before the value does.
    #[error("{0} is cut short")]
    Truncated(&'static str),
    /// Bytes are left over after the value.
    #[error("{0} has bytes left over")]
    Trailing(&'static str),
    /// A value, a count or a length is outside its limits.
    #[error("{0} is outside its limits")]
    Limit(&'static str),
    /// A second spelling of a value: a longer number, an unsorted list, padding that is not zero.
    #[error("{0} is not canonical")]
    NotCanonical(&'static str),
    /// The bytes are of another kind.
    #[error("not {0}")]
    WrongKind(&'static str),
    /// A version or a flag that this program does not know and may not ignore.
    #[error("{0} is of a newer format; a newer chunkstore is needed")]
    TooNew(&'static str),
}

/// Writes values after one another.
#[derive(Debug, Default)]
pub struct Encoder {
    bytes: Vec<u8>,
}

impl Encoder {
    /// Starts empty.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Starts empty, with room for so many bytes before it moves.
    #[must_use]
    pub fn with_capacity(len_bytes: usize) -> Self {
        Self { bytes: Vec::with_capacity(len_bytes) }
    }

    /// Returns what was written.
    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        self.bytes
    }

    /// Returns the length so far in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Returns whether nothing was written.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Writes one byte.
    pub fn u8(&mut self, value: u8) {
        self.bytes.push(value);
    }

    /// Writes two bytes.
    pub fn u16(&mut self, value: u16) {
        self.bytes.extend_from_slice(&value.to_le_bytes());
    }

    /// Writes four bytes.
    pub fn u32(&mut self, value: u32) {
        self.bytes.extend_from_slice(&value.to_le_bytes());
    }

    /// Writes eight bytes.
    pub fn u64(&mut self, value: u64) {
        self.bytes.extend_from_slice(&value.to_le_bytes());
    }

    /// Writes a number as minimal LEB128, 1 to 10 bytes.
    pub fn number(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.bytes.push((value as u8) | 0x80);
            value >>= 7;
        }
        self.bytes.push(value as u8);
    }

    /// Writes a signed number, folded so that small magnitudes are short (zigzag).
    pub fn signed(&mut self, value: i64) {
        self.number(((value << 1) ^ (value >> 63)) as u64);
    }

    /// Writes a count of items.
    pub fn count(&mut self, count: usize) {
        self.number(count as u64);
    }

    /// Writes bytes whose length the reader knows.
    pub fn raw(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Writes bytes behind their length.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.count(bytes.len());
        self.raw(bytes);
    }
}

/// Reads values after one another; every method names the whole in its error.
#[derive(Debug)]
pub struct Decoder<'a> {
    rest: &'a [u8],
    whole: &'static str,
}

impl<'a> Decoder<'a> {
    /// Starts at the first byte of `whole`, which errors will name.
    #[must_use]
    pub fn new(whole: &'static str, bytes: &'a [u8]) -> Self {
        Self { rest: bytes, whole }
    }

    /// Returns the name that errors use.
    #[must_use]
    pub fn whole(&self) -> &'static str {
        self.whole
    }

    /// Returns what is left, without reading it.
    #[must_use]
    pub fn peek(&self) -> &'a [u8] {
        self.rest
    }

    /// Returns how many bytes are left.
    #[must_use]
    pub fn remaining(&self) -> usize {
        self.rest.len()
    }

    /// Ends the reading.
    ///
    /// # Errors
    /// [`FormatError::Trailing`] when bytes are left.
    pub fn end(self) -> Result<(), FormatError> {
        if self.rest.is_empty() { Ok(()) } else { Err(FormatError::Trailing(self.whole)) }
    }

    /// Ends the reading where only zeros may follow.
    ///
    /// # Errors
    /// [`FormatError::NotCanonical`] for any other byte.
    pub fn end_padding(self) -> Result<(), FormatError> {
        if self.rest.iter().all(|&b| b == 0) { Ok(()) } else { Err(FormatError::NotCanonical(self.whole)) }
    }

    /// Reads bytes of a known length.
    ///
    /// # Errors
    /// [`FormatError::Truncated`].
    pub fn raw(&mut self, len: usize) -> Result<&'a [u8], FormatError> {
        let (head, rest) = self.rest.split_at_checked(len).ok_or(FormatError::Truncated(self.whole))?;
        self.rest = rest;
        Ok(head)
    }

    /// Reads an array.
    ///
    /// # Errors
    /// [`FormatError::Truncated`].
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], FormatError> {
        let mut array = [0; N];
        array.copy_from_slice(self.raw(N)?);
        Ok(array)
    }

    /// Reads one byte.
    ///
    /// # Errors
    /// [`FormatError::Truncated`].
    pub fn u8(&mut self) -> Result<u8, FormatError> {
        Ok(self.array::<1>()?[0])
    }

    /// Reads two bytes.
    ///
    /// # Errors
    /// [`FormatError::Truncated`].
    pub fn u16(&mut self) -> Result<u16, FormatError> {
        Ok(u16::from_le_bytes(self.array()?))
    }

    /// Reads four bytes.
    ///
    /// # Errors
    /// [`FormatError::Truncated`].
    pub fn u32(&mut self) -> Result<u32, FormatError> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    /// Reads eight bytes.
    ///
    /// # Errors
    /// [`FormatError::Truncated`].
    pub fn u64(&mut self) -> Result<u64, FormatError> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    /// Reads a minimal LEB128 number.
    ///
    /// # Errors
    /// [`FormatError::Truncated`]; [`FormatError::NotCanonical`] for a longer spelling or more than 64 bits.
    pub fn number(&mut self) -> Result<u64, FormatError> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.u8()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                return Err(FormatError::NotCanonical(self.whole));
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                let padded = byte == 0 && shift > 0;
                return if padded { Err(FormatError::NotCanonical(self.whole)) } else { Ok(value) };
            }
        }
        Err(FormatError::NotCanonical(self.whole))
    }

    /// Reads a number of at most `max`.
    ///
    /// # Errors
    /// [`FormatError::Limit`] above it, and as [`Decoder::number`].
    pub fn number_to(&mut self, max: u64) -> Result<u64, FormatError> {
        let value = self.number()?;
        if value <= max { Ok(value) } else { Err(FormatError::Limit(self.whole)) }
    }

    /// Reads a number that fits `u32`.
    ///
    /// # Errors
    /// As [`Decoder::number_to`].
    pub fn number_u32(&mut self) -> Result<u32, FormatError> {
        u32::try_from(self.number()?).map_err(|_| FormatError::Limit(self.whole))
    }

    /// Reads a zigzag number.
    ///
    /// # Errors
    /// As [`Decoder::number`].
    pub fn signed(&mut self) -> Result<i64, FormatError> {
        let folded = self.number()?;
        Ok((folded >> 1) as i64 ^ -((folded & 1) as i64))
    }

    /// Reads a count of items that take at least `item_min_bytes` each, so that a lying count cannot make a
    /// caller reserve more than the input holds.
    ///
    /// # Errors
    /// [`FormatError::Truncated`] when the rest cannot hold so many.
    pub fn count(&mut self, item_min_bytes: usize) -> Result<usize, FormatError> {
        let count = self.number()?;
        let most = self.rest.len() / item_min_bytes.max(1);
        usize::try_from(count).ok().filter(|&count| count <= most).ok_or(FormatError::Truncated(self.whole))
    }

    /// Reads counted bytes of at most `max_len`.
    ///
    /// # Errors
    /// [`FormatError::Limit`] above it, [`FormatError::Truncated`].
    pub fn bytes(&mut self, max_len: usize) -> Result<&'a [u8], FormatError> {
        let len = self.number_to(max_len as u64)?;
        self.raw(usize::try_from(len).map_err(|_| FormatError::Limit(self.whole))?)
    }

    /// Reads counted UTF-8 text of at most `max_len` bytes.
    ///
    /// # Errors
    /// [`FormatError::NotCanonical`] for other bytes, and as [`Decoder::bytes`].
    pub fn text(&mut self, max_len: usize) -> Result<String, FormatError> {
        let bytes = self.bytes(max_len)?;
        std::str::from_utf8(bytes).map(str::to_owned).map_err(|_| FormatError::NotCanonical(self.whole))
    }

    /// Reads a version byte and refuses any but `known`.
    ///
    /// # Errors
    /// [`FormatError::TooNew`].
    pub fn version(&mut self, known: u8) -> Result<(), FormatError> {
        if self.u8()? == known { Ok(()) } else { Err(FormatError::TooNew(self.whole)) }
    }
}

/// Fields that later versions may add: tag and bytes, ascending. An even tag must be understood, an odd one may be
/// ignored and is kept.
pub type Extensions = Vec<(u64, Vec<u8>)>;

/// Longest single extension.
pub const EXTENSION_MAX_BYTES: usize = 64 * 1024;
/// Most extensions in one place.
pub const EXTENSIONS_MAX: usize = 64;

/// Writes extensions in ascending order of their tags.
pub fn put_extensions(out: &mut Encoder, extensions: &[(u64, Vec<u8>)]) {
    out.count(extensions.len());
    for (tag, bytes) in extensions {
        out.number(*tag);
        out.bytes(bytes);
    }
}

/// Reads extensions of which no even one is known, and keeps the odd ones.
///
/// # Errors
/// As [`get_extensions_with`].
pub fn get_extensions(input: &mut Decoder<'_>) -> Result<Extensions, FormatError> {
    get_extensions_with(input, &[])
}

/// Reads extensions of which some even ones are known.
///
/// # Errors
/// [`FormatError::TooNew`] for another even tag, [`FormatError::NotCanonical`] when tags do not ascend,
/// [`FormatError::Limit`] when there are more than 64.
pub fn get_extensions_with(input: &mut Decoder<'_>, known: &[u64]) -> Result<Extensions, FormatError> {
    let count = input.count(2)?;
    if count > EXTENSIONS_MAX {
        return Err(FormatError::Limit(input.whole()));
    }
    let mut extensions = Extensions::new();
    for _ in 0..count {
        let tag = input.number()?;
        if extensions.last().is_some_and(|(last, _)| *last >= tag) {
            return Err(FormatError::NotCanonical(input.whole()));
        }
        let bytes = input.bytes(EXTENSION_MAX_BYTES)?;
        if tag % 2 == 0 && !known.contains(&tag) {
            return Err(FormatError::TooNew(input.whole()));
        }
        extensions.push((tag, bytes.to_vec()));
    }
    Ok(extensions)
}

#[cfg(test)]
mod tests;
