//! What the lab's folder holds in each week. Everything follows from a table and the size of its unit.

use std::path::Path;

use chunkstore::base::Random;
use chunkstore::base::random::SeededRandom;

use crate::cpio::Archive;
use crate::error::{LabError, Result};

/// How much a story moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Size {
    /// Two megabytes in all, for recordings that are kept.
    Small,
    /// About 30 MiB in all.
    Large,
}

impl Size {
    /// Returns the unit of the table, in bytes.
    #[must_use]
    pub fn unit_bytes(self) -> usize {
        match self {
            Self::Small => 1 << 10,
            Self::Large => 15 << 10,
        }
    }
}

/// A file of random bytes, which no compression makes shorter.
struct Row {
    week: u32,
    /// Each commit makes packs of its own.
    commit: u32,
    path: &'static str,
    units: usize,
    seed: u64,
}

const fn row(week: u32, commit: u32, path: &'static str, units: usize, seed: u64) -> Row {
    Row { week, commit, path, units, seed }
}

/// A later row with the same path replaces the file.
const ROWS: &[Row] = &[
    row(1, 0, "notes.bin", 3, 1),
    row(1, 0, "papers/plan.bin", 8, 2),
    row(1, 0, "papers/old/scan.bin", 80, 3),
    row(1, 1, "pictures/sea.bin", 130, 4),
    row(1, 1, "pictures/trip/to the/hills.bin", 50, 5),
    row(1, 2, "sound.bin", 140, 6),
    row(2, 0, "notes.bin", 3, 7),
    row(2, 0, "papers/old/scan.bin", 90, 8),
    row(2, 1, "film.bin", 1260, 9),
    row(3, 0, "papers/plan.bin", 10, 10),
    row(3, 1, "sound.bin", 290, 11),
];

/// A file with its path in the folder.
#[derive(Debug, PartialEq)]
pub struct ContentFile {
    /// Its path.
    pub path: &'static str,
    /// What it holds.
    pub bytes: Vec<u8>,
}

/// Returns a week's new and changed files, those of each commit together.
#[must_use]
pub fn week(number: u32, unit_bytes: usize) -> Vec<Vec<ContentFile>> {
    let mut commits: Vec<Vec<ContentFile>> = Vec::new();
    for row in ROWS.iter().filter(|row| row.week == number) {
        commits.resize_with(commits.len().max(row.commit as usize + 1), Vec::new);
        let mut bytes = vec![0; row.units * unit_bytes];
        SeededRandom::new(row.seed).fill(&mut bytes);
        commits[row.commit as usize].push(ContentFile { path: row.path, bytes });
    }
    commits
}

/// Writes files below a folder.
///
/// # Errors
/// When one cannot be written.
pub fn write(folder: &Path, files: &[ContentFile]) -> Result<()> {
    for file in files {
        let path = folder.join(file.path);
        let written =
            std::fs::create_dir_all(path.parent().unwrap_or(folder)).and_then(|()| std::fs::write(&path, &file.bytes));
        written.map_err(|error| LabError::because(format!("cannot write {}", path.display()), error))?;
    }
    Ok(())
}

/// Returns a week as a cpio archive, for a guest that makes the same folder.
#[must_use]
pub fn archive(number: u32, unit_bytes: usize) -> Vec<u8> {
    let mut archive = Archive::default();
    for file in week(number, unit_bytes).iter().flatten() {
        archive.file(file.path, false, &file.bytes);
    }
    archive.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_week_is_always_the_same_and_its_last_commit_is_big() {
        let unit_bytes = Size::Small.unit_bytes();
        assert_eq!(week(1, unit_bytes), week(1, unit_bytes));
        let sizes = |number| {
            let commits = week(number, unit_bytes);
            commits.iter().map(|files| files.iter().map(|file| file.bytes.len()).sum()).collect::<Vec<usize>>()
        };
        assert_eq!(sizes(1).len(), 3);
        assert!(sizes(2)[0] < 100 << 10 && sizes(2)[1] > 1200 << 10, "{:?}", sizes(2));
        assert_ne!(week(1, 9)[0][0], week(2, 9)[0][0]);
    }

    #[test]
    fn files_lie_where_their_paths_say() {
        let dir = tempfile::tempdir().unwrap();
        week(1, 1).iter().for_each(|files| write(dir.path(), files).unwrap());
        assert_eq!(std::fs::read(dir.path().join("papers/plan.bin")).unwrap().len(), 8);
        assert!(archive(1, 1).len() > 411);
    }
}
