//! Wrapping small secrets for people by age: for an X25519 recipient, or under a passphrase.
//!
//! age draws its own randomness, so wrapped files are outside what one seed reproduces. Source: the age
//! specification, C2SP age.md.

use std::io::Read;

use age::secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

/// The work factor of passphrases that we set: scrypt with N = 2^16, about a quarter of a second.
const WORK_FACTOR: u8 = 16;
/// The highest work factor that we take from a file, so that a hostile one cannot keep us busy for minutes.
const WORK_FACTOR_MAX: u8 = 20;

/// Why bytes could not be wrapped or unwrapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WrapError {
    /// No identity at hand opens it.
    #[error("no identity opens it")]
    NoMatch,
    /// The passphrase is wrong.
    #[error("the passphrase is wrong")]
    WrongPassphrase,
    /// It asks for more scrypt work than is allowed.
    #[error("it asks for too much work to open")]
    ExcessiveWork,
    /// It is no age file, or a damaged one.
    #[error("it is not an intact age file")]
    Damaged,
    /// The content is longer than allowed.
    #[error("its content is too long")]
    TooLong,
    /// The text is no age X25519 recipient.
    #[error("not an age X25519 recipient (age1...)")]
    BadRecipient,
    /// The text holds no age X25519 identity.
    #[error("holds no age X25519 identity (AGE-SECRET-KEY-1...)")]
    BadIdentity,
}

/// Someone who can be wrapped for: an age X25519 recipient.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Recipient(String);

impl Recipient {
    /// Checks the text `age1...`.
    ///
    /// # Errors
    /// [`WrapError::BadRecipient`].
    pub fn parse(text: &str) -> Result<Self, WrapError> {
        text.parse::<age::x25519::Recipient>().map_err(|_| WrapError::BadRecipient)?;
        Ok(Self(text.to_owned()))
    }

    /// Returns the text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// An age X25519 identity.
#[derive(Clone)]
pub struct Identity(age::x25519::Identity);

impl Identity {
    /// Draws a fresh identity.
    #[must_use]
    pub fn generate() -> Self {
        Self(age::x25519::Identity::generate())
    }

    /// Reads every identity of an age identity file; comments and empty lines are passed over.
    ///
    /// # Errors
    /// [`WrapError::BadIdentity`] when a line is none, or when there is none.
    pub fn parse_file(text: &str) -> Result<Vec<Self>, WrapError> {
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        let identities = lines
            .map(|line| line.parse().map(Self).map_err(|_| WrapError::BadIdentity))
            .collect::<Result<Vec<_>, _>>()?;
        if identities.is_empty() { Err(WrapError::BadIdentity) } else { Ok(identities) }
    }

    /// Returns the line `AGE-SECRET-KEY-1...`.
    #[must_use]
    pub fn to_line(&self) -> Zeroizing<String> {
        Zeroizing::new(self.0.to_string().expose_secret().to_owned())
    }

    /// Returns who is wrapped for to open with this identity.
    #[must_use]
    pub fn recipient(&self) -> Recipient {
        Recipient(self.0.to_public().to_string())
    }
}

/// Wraps bytes for one recipient.
///
/// # Errors
/// [`WrapError::BadRecipient`].
pub fn wrap(recipient: &Recipient, content: &[u8]) -> Result<Vec<u8>, WrapError> {
    let recipient: age::x25519::Recipient = recipient.0.parse().map_err(|_| WrapError::BadRecipient)?;
    age::encrypt(&recipient, content).map_err(|_| WrapError::BadRecipient)
}

/// Opens wrapped bytes with whichever identity fits; the content is at most `max_bytes`.
///
/// # Errors
/// [`WrapError::NoMatch`], [`WrapError::Damaged`], [`WrapError::TooLong`].
pub fn unwrap(identities: &[Identity], wrapped: &[u8], max_bytes: u64) -> Result<Zeroizing<Vec<u8>>, WrapError> {
    decrypt(wrapped, identities.iter().map(|identity| &identity.0 as &dyn age::Identity), max_bytes)
}

/// Wraps bytes under a passphrase.
///
/// # Errors
/// [`WrapError::Damaged`] if age cannot make the file.
pub fn wrap_with_passphrase(passphrase: &str, content: &[u8]) -> Result<Vec<u8>, WrapError> {
    let mut recipient = age::scrypt::Recipient::new(SecretString::from(passphrase.to_owned()));
    recipient.set_work_factor(WORK_FACTOR);
    age::encrypt(&recipient, content).map_err(|_| WrapError::Damaged)
}

/// Opens bytes that were wrapped under a passphrase; the content is at most `max_bytes`.
///
/// # Errors
/// [`WrapError::WrongPassphrase`], [`WrapError::ExcessiveWork`], [`WrapError::Damaged`], [`WrapError::TooLong`].
pub fn unwrap_with_passphrase(
    passphrase: &str,
    wrapped: &[u8],
    max_bytes: u64,
) -> Result<Zeroizing<Vec<u8>>, WrapError> {
    let mut identity = age::scrypt::Identity::new(SecretString::from(passphrase.to_owned()));
    identity.set_max_work_factor(WORK_FACTOR_MAX);
    decrypt(wrapped, std::iter::once(&identity as &dyn age::Identity), max_bytes)
}

/// Returns whether bytes are an age file, and if so whether it opens with a passphrase.
#[must_use]
pub fn is_wrapped_with_passphrase(bytes: &[u8]) -> Option<bool> {
    age::Decryptor::new_buffered(bytes).ok().map(|decryptor| decryptor.is_scrypt())
}

fn decrypt<'a>(
    wrapped: &[u8],
    identities: impl Iterator<Item = &'a dyn age::Identity>,
    max_bytes: u64,
) -> Result<Zeroizing<Vec<u8>>, WrapError> {
    let decryptor = age::Decryptor::new_buffered(wrapped).map_err(|error| reason(&error))?;
    let reader = decryptor.decrypt(identities).map_err(|error| reason(&error))?;
    // What is wrapped is never longer than the file; a buffer that moves as it grows leaves secrets behind.
    let mut content = Zeroizing::new(Vec::with_capacity(wrapped.len()));
    reader.take(max_bytes + 1).read_to_end(&mut content).map_err(|_| WrapError::Damaged)?;
    if content.len() as u64 > max_bytes { Err(WrapError::TooLong) } else { Ok(content) }
}

fn reason(error: &age::DecryptError) -> WrapError {
    match error {
        age::DecryptError::NoMatchingKeys => WrapError::NoMatch,
        age::DecryptError::KeyDecryptionFailed | age::DecryptError::DecryptionFailed => WrapError::WrongPassphrase,
        age::DecryptError::ExcessiveWork { .. } => WrapError::ExcessiveWork,
        _ => WrapError::Damaged,
    }
}

#[cfg(test)]
mod tests;
