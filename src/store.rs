//! A store on a disk: packs, manifest, HEAD, trust, keys and locks, with the write order that everything leans on.

pub mod error;
pub mod head;
pub mod keyring;
pub mod layout;
pub mod manifest;
pub mod object;
pub mod pack;
pub mod trust;

pub use error::StoreError;
