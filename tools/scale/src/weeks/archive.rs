//! A folder as a publisher keeps it: many documents, whose text compresses, and some long binaries, which do not. Every week some
//! are edited, some replaced, some come and some go.

use std::io;
use std::path::{Path, PathBuf};

use xtask::content::Draw;

/// A document is at least so long, once more doubled for each head of a coin, so many times at most.
const DOCUMENT_BYTES: u64 = 4 << 10;
const DOCUMENT_DOUBLINGS: u32 = 7;
/// A binary likewise.
const BINARY_BYTES: u64 = 2 << 20;
const BINARY_DOUBLINGS: u32 = 3;
/// Of a hundred bytes of the folder so many are documents.
const DOCUMENT_PERCENT: u64 = 15;
/// Each week, one file in so many is edited in one place, replaced, or goes while another comes.
const EDITED_ONE_IN: u64 = 20;
const REPLACED_ONE_IN: u64 = 40;
const GOES_ONE_IN: u64 = 40;
/// An edit puts so many bytes in.
const EDIT_BYTES: usize = 500;

/// The folder.
pub struct Archive {
    root: PathBuf,
    draw: Draw,
    documents: Vec<PathBuf>,
    binaries: Vec<PathBuf>,
    made: u64,
}

impl Archive {
    /// Makes a folder of about so many bytes.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn new(root: &Path, bytes: u64, seed: u64) -> io::Result<Self> {
        let (documents, binaries) = (Vec::new(), Vec::new());
        let mut archive = Self { root: root.to_owned(), draw: Draw::new(seed), documents, binaries, made: 0 };
        let (mut documents, mut binaries) = (0, 0);
        while documents < bytes / 100 * DOCUMENT_PERCENT {
            documents += archive.add(true)?;
        }
        while binaries < bytes / 100 * (100 - DOCUMENT_PERCENT) {
            binaries += archive.add(false)?;
        }
        Ok(archive)
    }

    /// Lets a week pass.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn change(&mut self) -> io::Result<()> {
        for is_document in [true, false] {
            let count = if is_document { self.documents.len() } else { self.binaries.len() } as u64;
            for _ in 0..count.div_ceil(EDITED_ONE_IN) {
                self.edit(is_document)?;
            }
            for _ in 0..count.div_ceil(REPLACED_ONE_IN) {
                let path = self.pick(is_document);
                self.write(&path, is_document)?;
            }
            for _ in 0..count.div_ceil(GOES_ONE_IN) {
                let path = self.pick(is_document);
                std::fs::remove_file(&path)?;
                self.of(is_document).retain(|other| *other != path);
                self.add(is_document)?;
            }
        }
        Ok(())
    }

    fn of(&mut self, is_document: bool) -> &mut Vec<PathBuf> {
        if is_document { &mut self.documents } else { &mut self.binaries }
    }

    fn pick(&mut self, is_document: bool) -> PathBuf {
        let drawn = self.draw.number();
        let files = self.of(is_document);
        files[usize::try_from(drawn % files.len() as u64).unwrap_or(0)].clone()
    }

    fn add(&mut self, is_document: bool) -> io::Result<u64> {
        let kind = if is_document { "documents" } else { "binaries" };
        let dir = self.root.join(format!("{kind} {}", self.draw.below(12)));
        std::fs::create_dir_all(&dir)?;
        let path = dir.join(format!("file {:06}", self.made));
        self.made += 1;
        let len = self.write(&path, is_document)?;
        self.of(is_document).push(path);
        Ok(len)
    }

    fn write(&mut self, path: &Path, is_document: bool) -> io::Result<u64> {
        let len = match is_document {
            true => self.draw.skewed(DOCUMENT_BYTES, DOCUMENT_DOUBLINGS),
            false => self.draw.skewed(BINARY_BYTES, BINARY_DOUBLINGS),
        };
        let content = self.bytes(usize::try_from(len).unwrap_or(0), is_document);
        std::fs::write(path, content)?;
        Ok(len)
    }

    fn edit(&mut self, is_document: bool) -> io::Result<()> {
        let path = self.pick(is_document);
        let mut content = std::fs::read(&path)?;
        let at = usize::try_from(self.draw.below(content.len() as u64 + 1)).unwrap_or(0);
        let more = self.bytes(EDIT_BYTES, is_document);
        content.splice(at..at, more);
        std::fs::write(&path, content)
    }

    /// Returns noise, or words made of letters.
    fn bytes(&mut self, len: usize, is_document: bool) -> Vec<u8> {
        let mut bytes = vec![0; len];
        self.draw.fill(&mut bytes);
        if is_document {
            bytes.iter_mut().for_each(|byte| *byte = if *byte < 40 { b' ' } else { b'a' + *byte % 26 });
        }
        bytes
    }
}
