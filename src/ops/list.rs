//! `log`, `ls` and `cat`: what a store holds, read and handed on.

use crate::base::RelPath;
use crate::error::{Error, ErrorKind, Result};
use crate::format::sealed::SnapshotRef;
use crate::format::snapshot::Snapshot;
use crate::format::tree::{Entry, Node};
use crate::ops::open::{Reading, Spot, Stopped, named_at};
use crate::store::StoreError;
use crate::tree::read::{Named, Start, for_each_entry, stream_file, walk};
use crate::tree::snapshots;

/// Returns every kept snapshot, newest first.
///
/// # Errors
/// [`ErrorKind::Corrupt`] when one does not read.
pub fn log(reading: &Reading) -> Result<Vec<(SnapshotRef, Snapshot)>> {
    let mut all = Vec::new();
    for named in reading.unlocked.sealed.snapshots.iter().rev() {
        let snapshot = snapshots::load(&reading.reader, named).map_err(|error| reading.store.settle(error))?;
        all.push((named.clone(), snapshot));
    }
    Ok(all)
}

/// Finds what a place names, with the snapshot that it lies in.
///
/// # Errors
/// [`ErrorKind::Other`] when nothing goes by the path, and those of [`Reading::snapshot`].
pub fn at(reading: &Reading, spot: &Spot) -> Result<(SnapshotRef, Snapshot, Named)> {
    let (named, snapshot) = reading.snapshot(&spot.snapshot)?;
    let found = named_at(reading, &snapshot, &spot.path)?;
    let found = found.ok_or_else(|| Error::new(ErrorKind::Other, absence(reading, &snapshot, &spot.path)))?;
    Ok((named.clone(), snapshot, found))
}

/// Says that nothing goes by a path, and whether that is because it leads through something that is no directory.
fn absence(reading: &Reading, snapshot: &Snapshot, path: &RelPath) -> String {
    let mut above = path.split_last();
    while let Some((dir, _)) = above {
        match named_at(reading, snapshot, &dir) {
            Ok(Some(Named::Entry(entry))) if !matches!(entry.node, Node::Dir { .. }) => {
                return format!("the snapshot holds no {path}: {dir} is no directory");
            }
            Ok(None) => above = dir.split_last(),
            _ => break,
        }
    }
    format!("the snapshot holds no {path}")
}

/// Gives the entries of a directory to `take`, by name, and with `recursive` all that lies below; or the one entry that the
/// path names. `take` breaks the listing by an error of its own.
///
/// # Errors
/// [`ErrorKind::Other`] when nothing goes by the path, [`ErrorKind::Corrupt`]; whatever `take` returns.
pub fn ls(
    reading: &Reading,
    spot: &Spot,
    recursive: bool,
    take: &mut dyn FnMut(&RelPath, &Entry) -> Result<()>,
) -> Result<()> {
    let (_, snapshot, named) = at(reading, spot)?;
    let tree = match &named {
        Named::Root => snapshot.root,
        Named::Entry(entry) => match entry.node {
            Node::Dir { tree } => tree,
            _ => return take(&spot.path, entry),
        },
    };
    let mut stopped = Stopped::default();
    let listed = if recursive {
        walk(
            &reading.reader,
            &Start::at(&snapshot, &tree, &spot.path),
            &mut |path, entry| stopped.keep(take(path, entry)).map(|()| true),
            &mut |_, error| Err(error),
        )
    } else {
        for_each_entry(&reading.reader, &tree, &mut |entry| {
            let path = spot.path.join(&entry.name).map_err(|error| StoreError::corrupt("a path", error))?;
            stopped.keep(take(&path, &entry))
        })
    };
    stopped.or(reading, listed)
}

/// Streams a file to `take`, a piece at a time.
///
/// # Errors
/// [`ErrorKind::Other`] when the path names no file, [`ErrorKind::Corrupt`] after the pieces that were sound; whatever `take`
/// returns.
pub fn cat(reading: &Reading, spot: &Spot, take: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
    let (_, _, named) = at(reading, spot)?;
    let Named::Entry(entry) = &named else {
        return Err(Error::new(ErrorKind::Other, format!("{} is a directory", spot.path)));
    };
    let Node::File { len_bytes, content } = &entry.node else {
        return Err(Error::new(ErrorKind::Other, format!("{} is no regular file", spot.path)));
    };
    let mut stopped = Stopped::default();
    let streamed = stream_file(&reading.reader, *len_bytes, content, &mut |bytes| stopped.keep(take(bytes)));
    stopped.or(reading, streamed)
}
