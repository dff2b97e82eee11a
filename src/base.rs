//! Floor 0: words that every other floor uses: ids, paths, units, limits, time, randomness, progress.
//!
//! Nothing here knows what a store is. Traits of this floor (`Clock`, `Random`, `Monitor`) have a real
//! implementation and a simulated one, so that a whole run follows from one seed.

pub mod clock;
pub mod ids;
pub mod limits;
pub mod lru;
pub mod moment;
pub mod monitor;
pub mod paths;
pub mod random;
pub mod units;

pub use clock::{Clock, Timestamp};
pub use ids::{
    DedupGeneration, Epoch, FileHash, FileId, Generation, HeadHash, KeyListHash, ManifestHash, ObjectId, PackHash,
    PublicKey, RecipeHash, ReplicaId, StoreId, TrustHash,
};
pub use monitor::Monitor;
pub use paths::{EntryName, RelPath, StorePath};
pub use random::Random;
