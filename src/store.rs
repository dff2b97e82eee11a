//! A store on a disk: packs, manifest, HEAD, trust, keys and locks, with the write order that everything leans on.

pub mod error;
pub mod keyring;
pub mod layout;
pub mod object;

pub use error::StoreError;
