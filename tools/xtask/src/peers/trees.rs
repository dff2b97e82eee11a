//! The two weeks of one tree, copied once and shown in turn under one path; and what a tree holds.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, FileType, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::Result;

/// The name under which either week is shown.
pub const SHOWN: &str = "tree";
/// Left out where it stands: a target of the Rust toolchain that one week has and the other has not.
const LEFT_OUT: &str = "lib/rustlib/x86_64-unknown-linux-musl";

/// What a tree holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Extent {
    /// Files, directories and links, without the top.
    pub entries: u64,
    /// The lengths of the files.
    pub bytes: u64,
}

/// Two weeks in one folder.
pub struct Trees {
    dir: PathBuf,
    /// What each week holds.
    pub extents: [Extent; 2],
}

impl Trees {
    /// Copies both weeks into a folder that is made.
    ///
    /// # Errors
    /// When one cannot be read or copied.
    pub fn copy(dir: &Path, weeks: &[PathBuf; 2]) -> Result<Self> {
        fs::create_dir_all(dir).map_err(|error| about(dir, &error))?;
        let mut extents = [Extent::default(); 2];
        for ((from, name), extent) in weeks.iter().zip(["week1", "week2"]).zip(&mut extents) {
            let to = dir.join(name);
            eprintln!("copies {name} from {}", from.display());
            let status = Command::new("cp").args(["-a", "--reflink=auto", "--"]).arg(from).arg(&to).status();
            if !status.map_err(|error| format!("cannot start cp: {error}"))?.success() {
                return Err(format!("{} could not be copied", from.display()));
            }
            remove(&to.join(LEFT_OUT))?;
            *extent = self::extent(&to)?;
        }
        Ok(Self { dir: dir.to_owned(), extents })
    }

    /// Where the shown week is.
    pub fn shown(&self) -> PathBuf {
        self.dir.join(SHOWN)
    }

    /// Shows the second week, or the first again.
    ///
    /// # Errors
    /// When a folder cannot be renamed.
    pub fn show(&self, second: bool) -> Result<()> {
        let (wanted, other) = if second { ("week2", "week1") } else { ("week1", "week2") };
        let (wanted, other) = (self.dir.join(wanted), self.dir.join(other));
        if !wanted.exists() {
            return Ok(());
        }
        if self.shown().exists() {
            fs::rename(self.shown(), other).map_err(|error| about(&self.shown(), &error))?;
        }
        fs::rename(&wanted, self.shown()).map_err(|error| about(&wanted, &error))
    }
}

/// Moves a folder out of the way.
///
/// # Errors
/// When it cannot be moved.
pub fn put_aside(dir: &Path, to: &Path) -> Result<()> {
    let above = to.parent().map_or(Ok(()), fs::create_dir_all);
    above.and_then(|()| fs::rename(dir, to)).map_err(|error| about(dir, &error))
}

/// Removes a tree, if it is there.
///
/// # Errors
/// When something stays.
pub fn remove(dir: &Path) -> Result<()> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(about(dir, &error)),
        _ => Ok(()),
    }
}

/// Returns what a tree holds.
///
/// # Errors
/// When a directory cannot be listed.
pub fn extent(dir: &Path) -> Result<Extent> {
    let mut extent = Extent::default();
    visit(dir, &mut |_, metadata| {
        extent.entries += 1;
        extent.bytes += if metadata.is_file() { metadata.len() } else { 0 };
        Ok(())
    })?;
    Ok(extent)
}

/// Reads every file, so that the page cache has it.
///
/// # Errors
/// When a file cannot be read.
pub fn read_through(dir: &Path) -> Result<()> {
    visit(dir, &mut |path, metadata| if metadata.is_file() { read(path, &mut io::sink()) } else { Ok(()) })
}

fn read(path: &Path, to: &mut impl io::Write) -> Result<()> {
    let copied = fs::File::open(path).and_then(|mut file| io::copy(&mut file, to));
    copied.map(drop).map_err(|error| about(path, &error))
}

fn visit(dir: &Path, each: &mut impl FnMut(&Path, &Metadata) -> Result<()>) -> Result<()> {
    for entry in fs::read_dir(dir).map_err(|error| about(dir, &error))? {
        let path = entry.map_err(|error| about(dir, &error))?.path();
        let metadata = fs::symlink_metadata(&path).map_err(|error| about(&path, &error))?;
        each(&path, &metadata)?;
        if metadata.is_dir() {
            visit(&path, each)?;
        }
    }
    Ok(())
}

/// Compares names, types, links and the bytes of every file.
///
/// # Errors
/// With the first difference, or when something cannot be read.
pub fn compare(original: &Path, restored: &Path) -> Result<()> {
    let (ours, theirs) = (list(original)?, list(restored)?);
    let stray = |these: &Listing, those: &Listing| these.keys().find(|name| !those.contains_key(*name)).cloned();
    if let Some(name) = stray(&ours, &theirs) {
        return Err(format!("{} was not restored", original.join(name).display()));
    }
    if let Some(name) = stray(&theirs, &ours) {
        return Err(format!("{} was not in the tree", restored.join(name).display()));
    }
    for (name, kind) in &ours {
        let (ours, theirs_path) = (original.join(name), restored.join(name));
        let same = match kind {
            _ if theirs[name] != *kind => false,
            kind if kind.is_dir() => compare(&ours, &theirs_path).map(|()| true)?,
            kind if kind.is_symlink() => fs::read_link(&ours).ok() == fs::read_link(&theirs_path).ok(),
            kind if kind.is_file() => content(&ours)? == content(&theirs_path)?,
            _ => true,
        };
        if !same {
            return Err(format!("{} was restored otherwise", ours.display()));
        }
    }
    Ok(())
}

type Listing = BTreeMap<OsString, FileType>;

fn list(dir: &Path) -> Result<Listing> {
    let entries = fs::read_dir(dir).map_err(|error| about(dir, &error))?;
    let typed = entries.map(|entry| entry.and_then(|entry| Ok((entry.file_name(), entry.file_type()?))));
    typed.collect::<io::Result<_>>().map_err(|error| about(dir, &error))
}

fn content(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).map_err(|error| about(path, &error))
}

fn about(path: &Path, error: &io::Error) -> String {
    format!("{}: {error}", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(dir: &Path, files: &[(&str, &str)]) {
        for (name, text) in files {
            let path = dir.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
    }

    #[test]
    fn either_week_is_shown_under_one_path() {
        let dir = tempfile::tempdir().unwrap();
        let weeks = ["one", "two"].map(|name| dir.path().join(name));
        tree(&weeks[0], &[("lib/a", "old"), ("lib/rustlib/x86_64-unknown-linux-musl/b", "left out")]);
        tree(&weeks[1], &[("lib/a", "newer")]);
        let trees = Trees::copy(&dir.path().join("peers"), &weeks).unwrap();
        assert_eq!(trees.extents, [Extent { entries: 3, bytes: 3 }, Extent { entries: 2, bytes: 5 }]);
        let read = || fs::read_to_string(trees.shown().join("lib/a")).unwrap();
        for (second, text) in [(false, "old"), (false, "old"), (true, "newer"), (false, "old")] {
            trees.show(second).unwrap();
            assert_eq!(read(), text);
        }
    }

    #[test]
    fn each_kind_of_difference_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let [ours, theirs] = ["ours", "theirs"].map(|name| dir.path().join(name));
        for each in [&ours, &theirs] {
            tree(each, &[("a/b", "text"), ("c", "")]);
            std::os::unix::fs::symlink("c", each.join("link")).unwrap();
        }
        compare(&ours, &theirs).unwrap();
        let told = |change: &dyn Fn(&Path), undo: &dyn Fn(&Path)| {
            change(&theirs);
            let why = compare(&ours, &theirs).unwrap_err();
            undo(&theirs);
            compare(&ours, &theirs).unwrap();
            why
        };
        let write = |text: &'static str| move |dir: &Path| fs::write(dir.join("a/b"), text).unwrap();
        assert!(told(&write("next"), &write("text")).contains("a/b was restored otherwise"));
        let gone = |dir: &Path| fs::remove_file(dir.join("a/b")).unwrap();
        assert!(told(&gone, &write("text")).contains("a/b was not restored"));
        let more = |dir: &Path| fs::write(dir.join("d"), "").unwrap();
        assert!(told(&more, &|dir| fs::remove_file(dir.join("d")).unwrap()).contains("d was not in the tree"));
        let link = |to: &'static str| {
            move |dir: &Path| {
                fs::remove_file(dir.join("link")).unwrap();
                std::os::unix::fs::symlink(to, dir.join("link")).unwrap();
            }
        };
        assert!(told(&link("a"), &link("c")).contains("link was restored otherwise"));
    }
}
