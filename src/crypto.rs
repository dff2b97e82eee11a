//! Secrets, sealing, signing and wrapping, over bytes alone: no struct of the format is known here.
//!
//! Primitives: BLAKE3 for keyed hashes and key derivation, XChaCha20-Poly1305 for sealing, Ed25519 for signatures,
//! age (X25519 and scrypt) for handing secrets to people.

pub mod seal;
pub mod secret;
pub mod sign;
pub mod wrap;

pub use secret::Secret;
