//! Wrapping small secrets for people by age: for an X25519 recipient, or under a passphrase; with the feature `ssh` for SSH keys
//! as well. Tests of the library have it on.
//!
//! age draws its own randomness, so wrapped files are outside what one seed reproduces. Source: the age
//! specification, C2SP age.md.

use std::io::{Read, Write};

use age::secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

/// The work factor of passphrases that we set: scrypt with N = 2^16, about a quarter of a second.
const WORK_FACTOR: u8 = 16;
/// The work factor of an identity that lies in the store, where anybody can try passphrases on it: N = 2^18, about a second.
const PUBLIC_WORK_FACTOR: u8 = 18;
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
    #[error("{}", BAD_RECIPIENT)]
    BadRecipient,
    /// The text holds no age X25519 identity.
    #[error("holds no age X25519 identity (AGE-SECRET-KEY-1...)")]
    BadIdentity,
    /// An SSH key that cannot be used: it is under a passphrase, or of another kind than Ed25519 and RSA.
    #[cfg(any(feature = "ssh", test))]
    #[error(
        "the SSH key is of no use here: it is under a passphrase (ssh-keygen -p takes it away), or neither Ed25519 nor RSA"
    )]
    BadSshKey,
}

#[cfg(any(feature = "ssh", test))]
const BAD_RECIPIENT: &str =
    "not an age X25519 recipient (age1...) and no SSH public key (ssh-ed25519 ..., ssh-rsa ...)";
#[cfg(not(any(feature = "ssh", test)))]
const BAD_RECIPIENT: &str = "not an age X25519 recipient (age1...)";

/// Someone who can be wrapped for: an age X25519 recipient, or with the feature `ssh` an SSH public key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Recipient(String);

impl Recipient {
    /// Checks the text `age1...`, or `ssh-ed25519 ...` or `ssh-rsa ...`, whose comment is left out.
    ///
    /// # Errors
    /// [`WrapError::BadRecipient`].
    pub fn parse(text: &str) -> Result<Self, WrapError> {
        let words: Vec<&str> = text.split_ascii_whitespace().take(2).collect();
        let text = words.join(" ");
        age_recipient(&text)?;
        Ok(Self(text))
    }

    /// Returns the text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn age_recipient(text: &str) -> Result<Box<dyn age::Recipient>, WrapError> {
    #[cfg(any(feature = "ssh", test))]
    if text.starts_with("ssh-") {
        let recipient: age::ssh::Recipient = text.parse().map_err(|_| WrapError::BadRecipient)?;
        return Ok(Box::new(recipient));
    }
    let recipient: age::x25519::Recipient = text.parse().map_err(|_| WrapError::BadRecipient)?;
    Ok(Box::new(recipient))
}

/// What opens what was wrapped for a recipient: an age X25519 identity, or with the feature `ssh` an SSH private key.
#[derive(Clone)]
pub struct Identity {
    opens: Opens,
    recipient: Recipient,
    text: Zeroizing<String>,
}

#[derive(Clone)]
enum Opens {
    X25519(age::x25519::Identity),
    #[cfg(any(feature = "ssh", test))]
    Ssh(age::ssh::Identity),
}

impl Identity {
    /// Draws a fresh X25519 identity.
    #[must_use]
    pub fn generate() -> Self {
        Self::of(age::x25519::Identity::generate())
    }

    fn of(identity: age::x25519::Identity) -> Self {
        let recipient = Recipient(identity.to_public().to_string());
        let text = Zeroizing::new(identity.to_string().expose_secret().to_owned());
        Self { opens: Opens::X25519(identity), recipient, text }
    }

    /// Reads every identity of an age identity file, in which comments and empty lines are passed over; or with the feature
    /// `ssh` one SSH private key.
    ///
    /// # Errors
    /// [`WrapError::BadIdentity`] when a line is none, or when there is none.
    pub fn parse_file(text: &str) -> Result<Vec<Self>, WrapError> {
        #[cfg(any(feature = "ssh", test))]
        if text.starts_with("-----BEGIN") {
            return Ok(vec![Self::parse_ssh(text)?]);
        }
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        let identities = lines
            .map(|line| line.parse().map(Self::of).map_err(|_| WrapError::BadIdentity))
            .collect::<Result<Vec<_>, _>>()?;
        if identities.is_empty() { Err(WrapError::BadIdentity) } else { Ok(identities) }
    }

    #[cfg(any(feature = "ssh", test))]
    fn parse_ssh(text: &str) -> Result<Self, WrapError> {
        let identity = age::ssh::Identity::from_buffer(text.as_bytes(), None).map_err(|_| WrapError::BadSshKey)?;
        if !matches!(identity, age::ssh::Identity::Unencrypted(_)) {
            return Err(WrapError::BadSshKey);
        }
        let recipient = age::ssh::Recipient::try_from(identity.clone()).map_err(|_| WrapError::BadSshKey)?;
        let recipient = Recipient(recipient.to_string());
        Ok(Self { opens: Opens::Ssh(identity), recipient, text: Zeroizing::new(text.to_owned()) })
    }

    /// Returns the text that it was read from: the line `AGE-SECRET-KEY-1...`, or an SSH private key.
    #[must_use]
    pub fn to_line(&self) -> Zeroizing<String> {
        self.text.clone()
    }

    /// Returns who is wrapped for to open with this identity.
    #[must_use]
    pub fn recipient(&self) -> Recipient {
        self.recipient.clone()
    }

    fn as_age(&self) -> &dyn age::Identity {
        match &self.opens {
            Opens::X25519(identity) => identity,
            #[cfg(any(feature = "ssh", test))]
            Opens::Ssh(identity) => identity,
        }
    }
}

/// Wraps bytes for one recipient.
///
/// # Errors
/// [`WrapError::BadRecipient`].
pub fn wrap(recipient: &Recipient, content: &[u8]) -> Result<Vec<u8>, WrapError> {
    encrypt(age_recipient(&recipient.0)?.as_ref(), content).ok_or(WrapError::BadRecipient)
}

/// Wraps bytes for several recipients, each of whom opens them alone.
///
/// # Errors
/// [`WrapError::BadRecipient`], also where there is none.
pub fn wrap_for_all(recipients: &[Recipient], content: &[u8]) -> Result<Vec<u8>, WrapError> {
    let recipients = recipients.iter().map(|recipient| age_recipient(&recipient.0)).collect::<Result<Vec<_>, _>>()?;
    let all = recipients.iter().map(|recipient| recipient.as_ref() as &dyn age::Recipient);
    encrypt_for(all, content).ok_or(WrapError::BadRecipient)
}

/// Opens wrapped bytes with whichever identity fits; the content is at most `max_bytes`.
///
/// # Errors
/// [`WrapError::NoMatch`], [`WrapError::Damaged`], [`WrapError::TooLong`].
pub fn unwrap(identities: &[Identity], wrapped: &[u8], max_bytes: u64) -> Result<Zeroizing<Vec<u8>>, WrapError> {
    decrypt(wrapped, identities.iter().map(Identity::as_age), max_bytes)
}

/// Wraps bytes under a passphrase.
///
/// # Errors
/// [`WrapError::Damaged`] if age cannot make the file.
pub fn wrap_with_passphrase(passphrase: &str, content: &[u8]) -> Result<Vec<u8>, WrapError> {
    wrap_with_work(passphrase, content, WORK_FACTOR)
}

/// Wraps bytes that anybody may get hold of under a passphrase; takes four times as long as [`wrap_with_passphrase`].
///
/// # Errors
/// As [`wrap_with_passphrase`].
pub fn wrap_in_public(passphrase: &str, content: &[u8]) -> Result<Vec<u8>, WrapError> {
    wrap_with_work(passphrase, content, PUBLIC_WORK_FACTOR)
}

fn wrap_with_work(passphrase: &str, content: &[u8], work_factor: u8) -> Result<Vec<u8>, WrapError> {
    let mut recipient = age::scrypt::Recipient::new(SecretString::from(passphrase.to_owned()));
    recipient.set_work_factor(work_factor);
    encrypt(&recipient, content).ok_or(WrapError::Damaged)
}

fn encrypt(recipient: &dyn age::Recipient, content: &[u8]) -> Option<Vec<u8>> {
    encrypt_for(std::iter::once(recipient), content)
}

fn encrypt_for<'a>(recipients: impl Iterator<Item = &'a dyn age::Recipient>, content: &[u8]) -> Option<Vec<u8>> {
    let encryptor = age::Encryptor::with_recipients(recipients).ok()?;
    let mut wrapped = Vec::new();
    let mut writer = encryptor.wrap_output(&mut wrapped).ok()?;
    writer.write_all(content).ok()?;
    writer.finish().ok()?;
    Some(wrapped)
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
