//! Ed25519 signatures, each over a context string of its own, so that no signature serves for another purpose.

use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};

use super::Secret;
use crate::base::PublicKey;

/// What is signed; it stands before the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// A HEAD, by a writer.
    Head,
    /// A trust file, by a root.
    Trust,
    /// An order to purge, by a writer.
    Order,
    /// A receipt, by the key that it is of.
    Receipt,
}

impl Purpose {
    fn context(self) -> &'static [u8] {
        match self {
            Self::Head => b"chunkstore 1 head\0",
            Self::Trust => b"chunkstore 1 trust\0",
            Self::Order => b"chunkstore 1 order\0",
            Self::Receipt => b"chunkstore 1 receipt\0",
        }
    }
}

/// The secret half of a signing key; wiped when dropped.
pub struct SignKey(SigningKey);

impl SignKey {
    /// Makes a key of a seed.
    #[must_use]
    pub fn from_seed(seed: &Secret) -> Self {
        Self(SigningKey::from_bytes(seed.expose()))
    }

    /// Returns the public half.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key().to_bytes())
    }

    /// Signs a message for one purpose.
    #[must_use]
    pub fn sign(&self, purpose: Purpose, message: &[u8]) -> [u8; 64] {
        self.0.sign(&with_context(purpose, message)).to_bytes()
    }
}

/// Returns whether a signature holds, by the strict rules (no small-order keys, no second spellings).
#[must_use]
pub fn verify(key: &PublicKey, purpose: Purpose, message: &[u8], signature: &[u8; 64]) -> bool {
    VerifyingKey::from_bytes(&key.0)
        .is_ok_and(|key| key.verify_strict(&with_context(purpose, message), &Signature::from_bytes(signature)).is_ok())
}

fn with_context(purpose: Purpose, message: &[u8]) -> Vec<u8> {
    [purpose.context(), message].concat()
}

#[cfg(test)]
mod tests;
