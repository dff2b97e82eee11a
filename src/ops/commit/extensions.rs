//! What an entry's extensions say after a commit: extended attributes, time of birth, holes.
//!
//! A time of birth is taken with the file id and kept as long: a file that is written anew under its name, as most
//! programs save, or restored elsewhere, is the same file to whoever reads the archive. What this version does not know
//! stays as it was.

use crate::base::RelPath;
use crate::base::monitor::Problem;
use crate::base::paths::show_bytes;
use crate::disk::folder::Stat;
use crate::folder::Extras;
use crate::format::attributes::{
    ATTRIBUTES_TAG, BIRTH_TAG, HOLES_TAG, encode_attributes, encode_birth, encode_holes, extension, set_extension,
};
use crate::format::codec::Extensions;
use crate::format::snapshot::Snapshot;

/// Returns the extensions of an entry that the last snapshot had with the extensions `before`.
pub fn extensions(
    before: Option<Extensions>,
    extras: Extras,
    stat: &Stat,
    path: &RelPath,
    report: &mut dyn FnMut(Problem),
) -> Extensions {
    let mut report = |reason: String| report(Problem { subject: path.to_string(), reason });
    let is_new = before.is_none();
    let mut extensions = before.unwrap_or_default();
    match extras.extended {
        Ok(found) => {
            let pairs: Vec<_> = found.into_iter().map(|one| (one.name, one.value)).collect();
            let (bytes, left_out) = encode_attributes(&pairs);
            if !left_out.is_empty() {
                let names: Vec<String> = left_out.into_iter().map(show_bytes).collect();
                report(format!("extended attributes over 64 KiB in all are left out: {}", names.join(", ")));
            }
            set_extension(&mut extensions, ATTRIBUTES_TAG, bytes);
        }
        Err(error) => report(format!("cannot {}: {}", error.act, error.source)),
    }
    let holes: Vec<_> = extras.holes.iter().map(|hole| (hole.offset, hole.len_bytes)).collect();
    set_extension(&mut extensions, HOLES_TAG, encode_holes(&holes));
    if is_new && let Some(birth) = stat.birth {
        set_extension(&mut extensions, BIRTH_TAG, Some(encode_birth(birth.secs, birth.nanos.min(999_999_999))));
    }
    extensions
}

/// Returns what the last snapshot says of the root directory, which has no entry of its own.
pub fn root_extensions(parent: &Snapshot) -> Extensions {
    let mut extensions = Extensions::new();
    for tag in [ATTRIBUTES_TAG, BIRTH_TAG] {
        set_extension(&mut extensions, tag, extension(&parent.extensions, tag).map(<[u8]>::to_vec));
    }
    extensions
}
