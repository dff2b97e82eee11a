//! 32-byte secrets that are wiped when dropped and never shown, and keys derived from them.

use std::fmt;

use zeroize::Zeroize;

use crate::base::Random;
use crate::base::random::random_array;

/// A 32-byte secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret([u8; 32]);

impl Secret {
    /// Draws a fresh secret.
    #[must_use]
    pub fn generate(random: &dyn Random) -> Self {
        Self(random_array(random))
    }

    /// Takes over bytes.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Returns the bytes, for the cipher and for wrapping.
    #[must_use]
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }

    /// Derives a secret for one purpose (BLAKE3 `derive_key`; the context is a constant of the program).
    #[must_use]
    pub fn derive(&self, context: &'static str) -> Self {
        Self(blake3::derive_key(context, &self.0))
    }

    /// Returns the keyed BLAKE3 of parts that are hashed one after another.
    #[must_use]
    pub fn keyed_hash(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new_keyed(&self.0);
        for part in parts {
            hasher.update(part);
        }
        *hasher.finalize().as_bytes()
    }

    /// Fills a buffer with the keyed BLAKE3 stream (XOF) of the empty message.
    pub fn fill_stream(&self, buffer: &mut [u8]) {
        blake3::Hasher::new_keyed(&self.0).finalize_xof().fill(buffer);
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

#[cfg(test)]
mod tests;
