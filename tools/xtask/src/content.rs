//! What measurements commit: folders of many small files, and long files, all following from a seed.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// Noise that small files are cut from.
const POOL_BYTES: usize = 1 << 20;
/// Small files are this long, once more doubled for each head of a coin, so that most are small and few are long.
const FILE_BYTES: u64 = 256;
/// Most doublings of a file's length.
const FILE_DOUBLINGS: u32 = 10;
/// Most doublings of the number of files in a directory.
const DIR_DOUBLINGS: u32 = 13;
/// Between two islands of data in a sparse file.
const ISLAND_EVERY_BYTES: u64 = 1 << 30;
/// An island's length.
const ISLAND_BYTES: usize = 1 << 20;

/// Numbers that follow from a seed: SplitMix64.
pub struct Draw(u64);

impl Draw {
    /// Starts at a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Returns the next number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Returns a number below `end`, which is not 0.
    pub fn below(&mut self, end: u64) -> u64 {
        self.number() % end
    }

    /// Doubles `least` for each head of a coin up to `most` of them, and adds less than as much again.
    pub fn skewed(&mut self, least: u64, most: u32) -> u64 {
        let size = least << self.number().trailing_zeros().min(most);
        size + self.below(size)
    }

    /// Fills a buffer with bytes that do not compress.
    pub fn fill(&mut self, buffer: &mut [u8]) {
        for part in buffer.chunks_mut(8) {
            part.copy_from_slice(&self.number().to_le_bytes()[..part.len()]);
        }
    }
}

/// Makes a folder of so many small files. Directories nest at random, and a few of them hold most of the files.
///
/// # Errors
/// Those of the file system.
pub fn tree(root: &Path, files: u64, draw: &mut Draw) -> io::Result<()> {
    let mut pool = vec![0; POOL_BYTES];
    draw.fill(&mut pool);
    std::fs::create_dir_all(root)?;
    let mut dirs = vec![root.to_owned()];
    let mut made = 0;
    while made < files {
        let above = usize::try_from(draw.below(dirs.len() as u64)).unwrap_or(0);
        let dir = dirs[above].join(format!("folder {}", dirs.len()));
        std::fs::create_dir(&dir)?;
        for _ in 0..draw.skewed(1, DIR_DOUBLINGS).min(files - made) {
            small_file(&dir.join(format!("file {made}.dat")), made, &pool, draw)?;
            made += 1;
        }
        dirs.push(dir);
    }
    Ok(())
}

/// Writes a file that begins with its number, so that no two are alike.
fn small_file(path: &Path, number: u64, pool: &[u8], draw: &mut Draw) -> io::Result<()> {
    let len = usize::try_from(draw.skewed(FILE_BYTES, FILE_DOUBLINGS)).unwrap_or(0);
    let from = usize::try_from(draw.below((pool.len() - len) as u64)).unwrap_or(0);
    let mut content = number.to_le_bytes().to_vec();
    content.extend_from_slice(&pool[from..from + len]);
    std::fs::write(path, content)
}

/// Makes a sparse file of a length with an island of data in each GiB.
///
/// # Errors
/// Those of the file system.
pub fn sparse(path: &Path, len_bytes: u64, draw: &mut Draw) -> io::Result<()> {
    let file = File::create(path)?;
    file.set_len(len_bytes)?;
    let mut island = vec![0; ISLAND_BYTES];
    let mut at = 0;
    while at + 2 * island.len() as u64 <= len_bytes {
        draw.fill(&mut island);
        file.write_all_at(&island, at)?;
        at += ISLAND_EVERY_BYTES;
    }
    Ok(())
}

/// Makes a file of bytes that do not compress.
///
/// # Errors
/// Those of the file system.
pub fn noise(path: &Path, len_bytes: u64, draw: &mut Draw) -> io::Result<()> {
    let mut file = File::create(path)?;
    let mut piece = vec![0; POOL_BYTES];
    let mut left = len_bytes;
    while left > 0 {
        let len = usize::try_from(left.min(piece.len() as u64)).unwrap_or(0);
        draw.fill(&mut piece[..len]);
        file.write_all(&piece[..len])?;
        left -= len as u64;
    }
    Ok(())
}

/// Returns all files below a folder, in no order.
///
/// # Errors
/// Those of the file system.
pub fn files_below(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut dirs = vec![dir.to_owned()];
    while let Some(dir) = dirs.pop() {
        for entry in std::fs::read_dir(dir)? {
            let entry = entry?;
            let found = if entry.file_type()?.is_dir() { &mut dirs } else { &mut files };
            found.push(entry.path());
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests;
