//! Floor 2: a person's folder, scanned for a commit and written by a restore.
//!
//! [`scan`] lists directories after excludes, [`read`] reads a file so that it is never torn, [`mod@write`] puts
//! files in place so that no half-written one ever stands under its final name. Nothing here knows what a store
//! is; what happens to an entry that cannot be read or written is reported and never ends the run.

pub mod read;
pub mod scan;
pub mod several;
mod temporary;
pub mod write;

pub use read::{Extras, ReadOutcome, ReadSink, StableReader};
pub use scan::{ExcludeError, Excludes, ScannedDir, Scanner};
pub use several::SeveralFolders;
pub use temporary::{RestoreId, is_temporary, marker_of};
pub use write::{BatchLimits, BatchWriter, NewFile};
