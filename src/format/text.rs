//! The line format of HEAD, trust and the marker: a title line, then `name value` lines, for people to read.
//!
//! Lines end in LF and are printable ASCII. A name that this version does not know is ignored and stays in the
//! bytes, since files are passed on as they are; a name that begins with `!` must be understood.

use std::fmt::Display;
use std::str::FromStr;

use super::codec::FormatError;

/// The parsed lines of one text.
#[derive(Debug)]
pub struct Lines<'a> {
    whole: &'static str,
    fields: Vec<(&'a str, &'a str)>,
}

impl<'a> Lines<'a> {
    /// Splits a text after checking its title.
    ///
    /// # Errors
    /// [`FormatError::WrongKind`] for another title, [`FormatError::NotCanonical`] for other bytes,
    /// [`FormatError::TooNew`] for a field that must be understood, [`FormatError::Truncated`] without a last LF.
    pub fn parse(whole: &'static str, title: &str, bytes: &'a [u8]) -> Result<Self, FormatError> {
        let text = std::str::from_utf8(bytes).map_err(|_| FormatError::WrongKind(whole))?;
        let body = text.strip_prefix(title).and_then(|rest| rest.strip_prefix('\n'));
        let body = body.ok_or(FormatError::WrongKind(whole))?;
        let body = body.strip_suffix('\n').ok_or(FormatError::Truncated(whole))?;
        let mut fields = Vec::new();
        for line in body.split('\n') {
            let printable = line.bytes().all(|b| (b' '..=b'~').contains(&b));
            let (name, value) = line.split_once(' ').ok_or(FormatError::NotCanonical(whole))?;
            if !printable || name.is_empty() || value.is_empty() {
                return Err(FormatError::NotCanonical(whole));
            }
            if name.starts_with('!') {
                return Err(FormatError::TooNew(whole));
            }
            fields.push((name, value));
        }
        Ok(Self { whole, fields })
    }

    /// Returns the values of a field that may stand any number of times, up to `max`.
    ///
    /// # Errors
    /// [`FormatError::Limit`] when there are more.
    pub fn all(&self, name: &str, max: usize) -> Result<Vec<&'a str>, FormatError> {
        let values: Vec<_> = self.fields.iter().filter(|(n, _)| *n == name).map(|(_, value)| *value).collect();
        if values.len() <= max { Ok(values) } else { Err(FormatError::Limit(self.whole)) }
    }

    /// Returns the value of a field that must stand exactly once.
    ///
    /// # Errors
    /// [`FormatError::Truncated`] when it is missing, [`FormatError::Limit`] when it is there twice.
    pub fn one(&self, name: &str) -> Result<&'a str, FormatError> {
        self.all(name, 1)?.first().copied().ok_or(FormatError::Truncated(self.whole))
    }

    /// Parses the value of a field that must stand exactly once.
    ///
    /// # Errors
    /// As [`Lines::one`]; [`FormatError::NotCanonical`] for a value that does not parse.
    pub fn value<T: FromStr + Display>(&self, name: &str) -> Result<T, FormatError> {
        parse(self.whole, self.one(name)?)
    }

    /// Checks that a version field holds `known`.
    ///
    /// # Errors
    /// [`FormatError::TooNew`] for a higher one.
    pub fn version(&self, name: &str, known: u16) -> Result<(), FormatError> {
        let version: u16 = self.value(name)?;
        if version == known { Ok(()) } else { Err(FormatError::TooNew(self.whole)) }
    }
}

/// Parses one word, which must be the one that its value is written as.
///
/// # Errors
/// [`FormatError::NotCanonical`] for a word that does not parse, and for another spelling (`+1`, `01`, a time in another zone).
pub fn parse<T: FromStr + Display>(whole: &'static str, word: &str) -> Result<T, FormatError> {
    let value: T = word.parse().map_err(|_| FormatError::NotCanonical(whole))?;
    if value.to_string() == word { Ok(value) } else { Err(FormatError::NotCanonical(whole)) }
}

/// Splits a value into exactly `N` words.
///
/// # Errors
/// [`FormatError::NotCanonical`] for another number of words.
pub fn words<'a, const N: usize>(whole: &'static str, value: &'a str) -> Result<[&'a str; N], FormatError> {
    let words: Vec<_> = value.split(' ').collect();
    words.try_into().map_err(|_| FormatError::NotCanonical(whole))
}

/// Reads a signature: 128 lower-case hex digits.
///
/// # Errors
/// [`FormatError::NotCanonical`].
pub fn parse_signature(whole: &'static str, word: &str) -> Result<[u8; 64], FormatError> {
    parse_hex(whole, word)
}

/// Reads bytes of a fixed length: lower-case hex.
///
/// # Errors
/// [`FormatError::NotCanonical`].
pub fn parse_hex<const N: usize>(whole: &'static str, word: &str) -> Result<[u8; N], FormatError> {
    let mut bytes = [0; N];
    hex::decode_to_slice(word, &mut bytes).map_err(|_| FormatError::NotCanonical(whole))?;
    if word.bytes().any(|b| b.is_ascii_uppercase()) { Err(FormatError::NotCanonical(whole)) } else { Ok(bytes) }
}
