//! `log`, `ls` and `cat`: what a store holds, read and handed on.

use crate::base::RelPath;
use crate::error::{Error, ErrorKind, Result};
use crate::format::sealed::SnapshotRef;
use crate::format::snapshot::Snapshot;
use crate::format::tree::{Entry, Node};
use crate::ops::open::{Reading, Spot};
use crate::store::StoreError;
use crate::tree::read::{Named, for_each_entry, resolve, stream_file, walk};
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

fn find(reading: &Reading, spot: &Spot) -> Result<(Snapshot, Named)> {
    let (_, snapshot) = reading.snapshot(&spot.snapshot)?;
    let named = resolve(&reading.reader, &snapshot, &spot.path).map_err(|error| reading.store.settle(error))?;
    let named = named.ok_or_else(|| Error::new(ErrorKind::Other, format!("the snapshot holds no {}", spot.path)))?;
    Ok((snapshot, named))
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
    let (snapshot, named) = find(reading, spot)?;
    let tree = match &named {
        Named::Root => snapshot.root,
        Named::Entry(entry) => match entry.node {
            Node::Dir { tree } => tree,
            _ => return take(&spot.path, entry),
        },
    };
    let mut stopped = None;
    let mut keep = |result: Result<()>| {
        result.map_err(|error| {
            stopped = Some(error);
            StoreError::Interrupted
        })
    };
    let listed = if recursive {
        walk(
            &reading.reader,
            &tree,
            &spot.path,
            &mut |path, entry| keep(take(path, entry)).map(|()| true),
            &mut |_, error| Err(error),
        )
    } else {
        for_each_entry(&reading.reader, &tree, &mut |entry| {
            let path = spot.path.join(&entry.name).map_err(|error| StoreError::corrupt("a path", error))?;
            keep(take(&path, &entry))
        })
    };
    match stopped {
        Some(error) => Err(error),
        None => Ok(listed.map_err(|error| reading.store.settle(error))?),
    }
}

/// Streams a file to `take`, a piece at a time.
///
/// # Errors
/// [`ErrorKind::Other`] when the path names no file, [`ErrorKind::Corrupt`] after the pieces that were sound; whatever `take`
/// returns.
pub fn cat(reading: &Reading, spot: &Spot, take: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
    let (_, named) = find(reading, spot)?;
    let Named::Entry(entry) = &named else {
        return Err(Error::new(ErrorKind::Other, format!("{} is a directory", spot.path)));
    };
    let Node::File { len_bytes, content } = &entry.node else {
        return Err(Error::new(ErrorKind::Other, format!("{} is no regular file", spot.path)));
    };
    let mut stopped = None;
    let streamed = stream_file(&reading.reader, *len_bytes, content, &mut |bytes| {
        take(bytes).map_err(|error| {
            stopped = Some(error);
            StoreError::Interrupted
        })
    });
    match stopped {
        Some(error) => Err(error),
        None => Ok(streamed.map_err(|error| reading.store.settle(error))?),
    }
}
