//! [`PinnedRoot`]: paths below a directory that no link leads out of.
//!
//! Windows opens files by path alone, as far as documented calls go. So every directory on the way is opened first, from the
//! root down, as what it is and not as what it may point to, and is held without leave for anybody to rename or remove it (no
//! `FILE_SHARE_DELETE`). While the pins last, the path names the very directories that were looked at. A junction, a symbolic
//! link or a mounted volume on the way is refused; a file that the system keeps elsewhere (a cloud's, a deduplicated one) is
//! none of these. Limits: an empty directory can be made a junction while it is held, by somebody who may write in it and hits
//! the moment before it gets its first entry. Others cannot rename or remove the directories while a call runs.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::windows::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::calls;
use super::volume::FLAG_DIRECTORY;

/// Opens a link instead of what it points to (`FILE_FLAG_OPEN_REPARSE_POINT`).
const FLAG_NO_FOLLOW: u32 = 0x0020_0000;
/// Right to pass through a directory (`FILE_TRAVERSE`), and to list it (`FILE_LIST_DIRECTORY`).
const TRAVERSE: u32 = 0x20;
const LIST: u32 = 0x1;
/// Right to ask for a file's state (`FILE_READ_ATTRIBUTES`).
const READ_ATTRIBUTES: u32 = 0x80;
/// Right to set a file's attributes and times (`FILE_WRITE_ATTRIBUTES`), and to write at its end (`FILE_APPEND_DATA`).
const WRITE_ATTRIBUTES: u32 = 0x100;
const APPEND: u32 = 0x4;
/// Leave to read and to write at the same time, not to rename or remove (`FILE_SHARE_READ | FILE_SHARE_WRITE`).
const SHARE_IN_PLACE: u32 = 0x3;

/// A directory that paths start from. It is held in place while a path below it is used, and no longer, so that nobody is kept
/// from taking it away; another one in its place is none.
pub struct PinnedRoot {
    path: PathBuf,
    number: u64,
}

/// A root or a directory below one, held in place with all that lead to it.
pub struct Pinned {
    path: PathBuf,
    held: Vec<File>,
}

impl PinnedRoot {
    /// Opens the root; links on the way to it are followed.
    pub fn open(root: &Path) -> io::Result<Self> {
        // In the form that knows no devices, no `..`, and no limit of 260 units.
        let path = std::fs::canonicalize(root)?;
        let number = calls::file_number(&hold(&path)?)?;
        Ok(Self { path, number })
    }

    /// Returns the root's path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Holds the directory that these names lead to.
    pub fn pin<'n>(&self, names: impl IntoIterator<Item = &'n str>) -> io::Result<Pinned> {
        let root = hold(&self.path)?;
        if calls::file_number(&root)? != self.number {
            return Err(io::ErrorKind::NotFound.into());
        }
        let mut pinned = Pinned { path: self.path.clone(), held: vec![root] };
        for name in names {
            pinned.path.push(name);
            pinned.held.push(hold(&pinned.path)?);
        }
        Ok(pinned)
    }
}

impl Pinned {
    /// Returns the directory's path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns a path in the directory.
    pub fn join(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Returns how many directories are held, the root among them.
    #[cfg(test)]
    pub fn depth(&self) -> usize {
        self.held.len()
    }
}

/// Opens a directory that is no link, so that nobody moves it.
#[expect(clippy::disallowed_methods, reason = "the one way to a path on Windows")]
fn hold(path: &Path) -> io::Result<File> {
    let open = |rights| {
        let mut options = OpenOptions::new();
        options.access_mode(rights | READ_ATTRIBUTES).share_mode(SHARE_IN_PLACE);
        options.custom_flags(FLAG_DIRECTORY | FLAG_NO_FOLLOW).open(path)
    };
    let dir = match open(LIST | TRAVERSE) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => open(TRAVERSE)?,
        opened => opened?,
    };
    if dir.metadata()?.is_dir() { Ok(dir) } else { Err(io::ErrorKind::NotADirectory.into()) }
}

/// Opens what stands under a path, a directory and a link itself as well, for its state alone.
#[expect(clippy::disallowed_methods, reason = "the one way to a path on Windows")]
pub fn look_at(path: &Path) -> io::Result<File> {
    OpenOptions::new().access_mode(READ_ATTRIBUTES).custom_flags(FLAG_DIRECTORY | FLAG_NO_FOLLOW).open(path)
}

/// Opens a directory for listing it.
#[expect(clippy::disallowed_methods, reason = "the one way to a path on Windows")]
pub fn open_to_list(path: &Path) -> io::Result<File> {
    let dir = OpenOptions::new()
        .access_mode(LIST | READ_ATTRIBUTES)
        .custom_flags(FLAG_DIRECTORY | FLAG_NO_FOLLOW)
        .open(path)?;
    if dir.metadata()?.is_dir() { Ok(dir) } else { Err(io::ErrorKind::NotADirectory.into()) }
}

/// Opens what stands under a path, a directory and a link itself as well, to set its attributes and to sync it.
#[expect(clippy::disallowed_methods, reason = "the one way to a path on Windows")]
pub fn open_to_change(path: &Path) -> io::Result<File> {
    let open = |rights| {
        let mut options = OpenOptions::new();
        options.access_mode(rights).custom_flags(FLAG_DIRECTORY | FLAG_NO_FOLLOW).open(path)
    };
    match open(READ_ATTRIBUTES | WRITE_ATTRIBUTES | APPEND) {
        // A read-only file is opened for its attributes alone, and has nothing to be synced.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => open(READ_ATTRIBUTES | WRITE_ATTRIBUTES),
        opened => opened,
    }
}

/// Opens a regular file that stands, or one that must not, and nothing through a link.
pub fn open_file(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    // A directory is opened as well, to be told from what may not be opened at all.
    let file = options.custom_flags(FLAG_DIRECTORY | FLAG_NO_FOLLOW).open(path)?;
    let metadata = file.metadata()?;
    if metadata.is_dir() || metadata.is_symlink() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    if !metadata.is_file() || !is_kept_elsewhere(&metadata) {
        return Ok(file);
    }
    // What a file of a cloud or a deduplicated one holds is read without the flag; the first handle keeps it in place.
    let _held = hold_file(path)?;
    options.custom_flags(0).create_new(false).open(path)
}

/// Returns whether the system keeps a file's bytes elsewhere, behind a mark that is no link.
fn is_kept_elsewhere(metadata: &std::fs::Metadata) -> bool {
    use std::os::windows::fs::MetadataExt;
    /// `FILE_ATTRIBUTE_REPARSE_POINT`.
    const MARKED: u32 = 0x400;
    metadata.file_attributes() & MARKED != 0
}

/// Opens a file that is no link, so that nobody moves it.
#[expect(clippy::disallowed_methods, reason = "the one way to a path on Windows")]
fn hold_file(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new()
        .access_mode(LIST | READ_ATTRIBUTES)
        .share_mode(SHARE_IN_PLACE)
        .custom_flags(FLAG_NO_FOLLOW)
        .open(path)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::ErrorKind::IsADirectory.into()) }
}
