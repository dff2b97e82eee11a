//! Two folders side by side: every entry's type, content, permissions, owner, time and links.

use std::io::Read;

use super::child;
use crate::base::RelPath;
use crate::disk::Folder;
use crate::disk::folder::{FileKind, Stat};
use crate::error::{Error, ErrorKind, Result};

const PIECE_BYTES: u64 = 256 * 1024;

/// What was compared, and what differs.
#[derive(Debug, Default)]
pub struct Compared {
    /// Entries that both have.
    pub entries: u64,
    /// Bytes of files that both have.
    pub bytes: u64,
    /// A line for each difference.
    pub differences: Vec<String>,
}

/// Compares two folders, their roots included.
///
/// # Errors
/// Those of the folders.
pub fn compare(one: &dyn Folder, other: &dyn Folder) -> Result<Compared> {
    let mut compared = Compared::default();
    let root = RelPath::root();
    if let (Some(a), Some(b)) = (one.stat(&root)?, other.stat(&root)?) {
        compared.entry(&root, (one, &a), (other, &b))?;
    }
    Ok(compared)
}

/// A folder, and what it says of an entry.
type Side<'a> = (&'a dyn Folder, &'a Stat);

impl Compared {
    fn entry(&mut self, path: &RelPath, one: Side<'_>, other: Side<'_>) -> Result<()> {
        let ((a, x), (b, y)) = (one, other);
        self.entries += 1;
        self.same(path, "type", x.kind == y.kind);
        self.same(path, "owner", (x.uid, x.gid) == (y.uid, y.gid));
        self.same(path, "time", x.mtime == y.mtime);
        self.same(path, "mode", x.kind == FileKind::Symlink || x.mode == y.mode);
        if x.kind != y.kind {
            return Ok(());
        }
        match x.kind {
            FileKind::Dir => self.dir(path, a, b)?,
            FileKind::Symlink => self.same(path, "target", a.read_link(path)? == b.read_link(path)?),
            FileKind::File => {
                self.same(path, "number of links", x.links == y.links);
                let same = x.len_bytes == y.len_bytes && same_content(path, a, b)?;
                self.same(path, "content", same);
                self.bytes += x.len_bytes;
            }
            _ => {}
        }
        Ok(())
    }

    fn dir(&mut self, path: &RelPath, one: &dyn Folder, other: &dyn Folder) -> Result<()> {
        let mut left = other.list(path)?.into_iter().collect::<std::collections::BTreeMap<_, _>>();
        for (name, stat) in one.list(path)? {
            let below = child(path, &name)?;
            match left.remove(&name) {
                Some(found) => self.entry(&below, (one, &stat?), (other, &found?))?,
                None => self.differences.push(format!("{below} is missing")),
            }
        }
        for name in left.into_keys() {
            self.differences.push(format!("{} was not there before", child(path, &name)?));
        }
        Ok(())
    }

    fn same(&mut self, path: &RelPath, what: &str, same: bool) {
        if !same {
            self.differences.push(format!("{path} differs in {what}"));
        }
    }
}

fn same_content(path: &RelPath, one: &dyn Folder, other: &dyn Folder) -> Result<bool> {
    let failed = |error| Error::with_source(ErrorKind::Other, format!("cannot read {path}"), error);
    let (mut one, mut other) = (one.open(path)?, other.open(path)?);
    let (mut a, mut b) = (Vec::new(), Vec::new());
    loop {
        a.clear();
        b.clear();
        one.by_ref().take(PIECE_BYTES).read_to_end(&mut a).map_err(failed)?;
        other.by_ref().take(PIECE_BYTES).read_to_end(&mut b).map_err(failed)?;
        if a != b {
            return Ok(false);
        }
        if a.is_empty() {
            return Ok(true);
        }
    }
}

#[cfg(test)]
mod tests;
