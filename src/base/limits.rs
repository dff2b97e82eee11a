//! Hard limits on everything that is decoded; `objects-format.md` states the same numbers.

use super::units::{KIB, MIB};

/// Longest HEAD.
pub const HEAD_MAX_BYTES: u64 = 4 * KIB;
/// Longest store marker.
pub const MARKER_MAX_BYTES: u64 = KIB;
/// Longest trust file.
pub const TRUST_MAX_BYTES: u64 = 64 * KIB;
/// Longest text of a receipt; all are padded to it before they are sealed.
pub const RECEIPT_MAX_BYTES: u64 = 4 * KIB;
/// Longest receipt as it lies on a server.
pub const SEALED_RECEIPT_MAX_BYTES: u64 = 64 * KIB;
/// Longest wrapped key file.
pub const KEY_FILE_MAX_BYTES: u64 = 16 * KIB;
/// Longest key list file.
pub const KEY_LIST_MAX_BYTES: u64 = 4 * MIB;
/// Longest manifest.
pub const MANIFEST_MAX_BYTES: u64 = 32 * MIB;
/// Longest recipe.
pub const RECIPE_MAX_BYTES: u64 = 16 * MIB;
/// Longest of the small files that every replica carries.
pub const SMALL_FILE_MAX_BYTES: u64 = MIB;
/// Longest pack.
pub const PACK_MAX_BYTES: u64 = 64 * MIB;
/// Length at which a pack that is being written is closed.
pub const PACK_TARGET_BYTES: u64 = 16 * MIB;
/// Longest plaintext of one object.
pub const OBJECT_MAX_BYTES: u64 = 16 * MIB;
/// Most manifests from one that HEAD names to a full one, both included.
pub const MANIFEST_CHAIN_MAX: u32 = 16;
/// Most receipts of one store that a publisher reads, and most keys that it remembers.
pub const FLEET_MAX: usize = 100_000;
