//! Sealing: XChaCha20-Poly1305 with a nonce derived from key, associated data and payload.
//!
//! Different messages under one key never share a nonce (but for a collision of 192 bits), and equal ones give
//! equal bytes, so that an interrupted run makes the same packs again. A sealed frame is nonce (24 bytes), ciphertext,
//! tag (16 bytes). Source: draft-irtf-cfrg-xchacha-03; the derived nonce follows the idea of RFC 8452.

use chacha20poly1305::aead::{AeadInOut, KeyInit};
use chacha20poly1305::{Tag, XChaCha20Poly1305, XNonce};

/// Length of the nonce that begins a frame.
pub const NONCE_BYTES: usize = 24;
/// Length of the tag that ends a frame.
pub const TAG_BYTES: usize = 16;
/// What sealing adds to a payload.
pub const OVERHEAD_BYTES: usize = NONCE_BYTES + TAG_BYTES;

const NONCE_CONTEXT: &str = "chunkstore 1 nonce";

/// A frame that does not open: another key, other associated data, or changed bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the seal does not hold")]
pub struct SealError;

/// Seals a payload into a fresh frame.
///
/// # Errors
/// [`SealError`] when the payload is longer than the cipher can take (256 GiB).
pub fn seal(key: &[u8; 32], associated: &[u8], payload: &[u8]) -> Result<Vec<u8>, SealError> {
    let nonce = derive_nonce(key, associated, payload);
    let mut frame = Vec::with_capacity(payload.len() + OVERHEAD_BYTES);
    frame.extend_from_slice(&nonce);
    frame.extend_from_slice(payload);
    let cipher = XChaCha20Poly1305::new(key.into());
    let content = (&mut frame[NONCE_BYTES..]).into();
    let tag = cipher.encrypt_inout_detached(&XNonce::from(nonce), associated, content).map_err(|_| SealError)?;
    frame.extend_from_slice(&tag);
    Ok(frame)
}

/// Opens a frame in place and returns the payload, a part of `frame`.
///
/// # Errors
/// [`SealError`]; `frame` then holds nothing of use.
pub fn open_in_place<'a>(key: &[u8; 32], associated: &[u8], frame: &'a mut [u8]) -> Result<&'a [u8], SealError> {
    if frame.len() < OVERHEAD_BYTES {
        return Err(SealError);
    }
    let (nonce, rest) = frame.split_at_mut(NONCE_BYTES);
    let (payload, tag) = rest.split_at_mut(rest.len() - TAG_BYTES);
    let nonce = XNonce::try_from(&*nonce).map_err(|_| SealError)?;
    let tag = Tag::try_from(&*tag).map_err(|_| SealError)?;
    let cipher = XChaCha20Poly1305::new(key.into());
    cipher.decrypt_inout_detached(&nonce, associated, (&mut *payload).into(), &tag).map_err(|_| SealError)?;
    Ok(payload)
}

fn derive_nonce(key: &[u8; 32], associated: &[u8], payload: &[u8]) -> [u8; NONCE_BYTES] {
    let nonce_key = blake3::derive_key(NONCE_CONTEXT, key);
    let mut hasher = blake3::Hasher::new_keyed(&nonce_key);
    hasher.update(&(associated.len() as u64).to_le_bytes());
    hasher.update(associated);
    hasher.update(payload);
    let mut nonce = [0; NONCE_BYTES];
    hasher.finalize_xof().fill(&mut nonce);
    nonce
}

#[cfg(test)]
mod tests;
