//! What the demo's folder holds: text, random bytes, links, an empty directory, odd names, old and new times; and what a
//! week does to it. Everything follows from one seed.

use crate::base::random::{SeededRandom, random_array};
use crate::base::{Random, RelPath};
use crate::disk::folder::{Attributes, FileTime};
use crate::disk::{DiskErrorKind, Folder};
use crate::error::{Error, ErrorKind, Result};

const TEXT_DIRS: u64 = 50;
const TEXTS_PER_DIR: u64 = 48;
const BINARIES: u64 = 24;
const BINARY_BYTES: usize = 384 * 1024;
const LARGE_BYTES: usize = 24 << 20;
/// 2024-01-01T00:00:00Z.
const FIRST_MTIME: i64 = 1_704_067_200;
const WORDS: [&str; 24] = [
    "the",
    "key",
    "holds",
    "what",
    "a",
    "publisher",
    "sends",
    "every",
    "week",
    "and",
    "nobody",
    "but",
    "its",
    "reader",
    "can",
    "open",
    "it",
    "while",
    "server",
    "sees",
    "only",
    "sealed",
    "packs",
    "of",
];

/// Writes the folder of the demo and changes it.
pub struct Author<'a> {
    folder: &'a dyn Folder,
    random: SeededRandom,
    clock: i64,
}

impl<'a> Author<'a> {
    /// Writes into `folder`.
    #[must_use]
    pub fn new(folder: &'a dyn Folder, seed: u64) -> Self {
        Self { folder, random: SeededRandom::new(seed), clock: FIRST_MTIME }
    }

    /// Writes the first week.
    ///
    /// # Errors
    /// Those of the folder.
    pub fn first_week(&mut self) -> Result<()> {
        for dir in 0..TEXT_DIRS {
            self.dir(&format!("texts {dir:02}"))?;
            for number in 0..TEXTS_PER_DIR {
                let text = self.text();
                self.file(text_name(dir, number).as_bytes(), &text, 0o644)?;
            }
        }
        self.dir("binaries")?;
        for number in 0..BINARIES {
            let bytes = self.bytes(BINARY_BYTES);
            self.file(format!("binaries/{number:03}.bin").as_bytes(), &bytes, 0o755)?;
        }
        let large = self.bytes(LARGE_BYTES);
        self.file(b"large.img", &large, 0o600)?;
        self.odd_things()?;
        self.age_dirs()?;
        Ok(self.folder.sync_all()?)
    }

    /// Edits, adds, renames and removes what a week would.
    ///
    /// # Errors
    /// Those of the folder.
    pub fn next_week(&mut self) -> Result<()> {
        for dir in 0..TEXT_DIRS {
            let edited = self.text();
            self.rewrite(text_name(dir, dir % TEXTS_PER_DIR).as_bytes(), &edited, 0o640)?;
            let added = self.text();
            self.file(format!("texts {dir:02}/new this week.txt").as_bytes(), &added, 0o644)?;
        }
        for dir in 0..10 {
            self.folder.remove_file(&path(text_name(dir, 40).as_bytes())?)?;
            let to = format!("texts {dir:02}/moved.txt");
            self.folder.rename(&path(text_name(dir, 41).as_bytes())?, &path(to.as_bytes())?)?;
        }
        let large = self.bytes(LARGE_BYTES);
        self.rewrite(b"large.img", &large, 0o600)?;
        self.age_dirs()?;
        Ok(self.folder.sync_all()?)
    }

    fn odd_things(&mut self) -> Result<()> {
        self.dir("odd")?;
        self.dir("odd/empty")?;
        let long = format!("odd/{}", "long ".repeat(40));
        let names: [&[u8]; 7] = [
            b"odd/ leading and trailing ",
            "odd/umlaut \u{e4} and \u{540d}\u{524d}".as_bytes(),
            b"odd/-rf",
            b"odd/new\nline",
            b"odd/quote\"and\\backslash",
            b"odd/\xff\xfe no UTF-8",
            long.as_bytes(),
        ];
        for name in names {
            match self.file(name, b"a small file under an odd name", 0o604) {
                // Not every system takes every name.
                Err(error) if error.kind() == ErrorKind::Usage => {}
                done => done?,
            }
        }
        self.file(b"odd/nothing", b"", 0o444)?;
        self.folder.create_hard_link(&path(b"large.img")?, &path(b"odd/hard link")?)?;
        // Links take a privilege on Windows.
        let links = [("odd/link", "../large.img"), ("odd/dangling", "no such file")];
        for (name, target) in links.into_iter().filter(|_| cfg!(unix)) {
            let link = path(name.as_bytes())?;
            self.folder.create_symlink(&link, target.as_bytes())?;
            let mtime = Some(self.tick());
            self.folder.set_attributes(&link, &Attributes { mtime, ..Attributes::default() })?;
        }
        Ok(())
    }

    fn dir(&mut self, name: &str) -> Result<()> {
        Ok(self.folder.create_dir(&path(name.as_bytes())?)?)
    }

    /// Gives directories their times last, since every entry that is made changes them.
    fn age_dirs(&mut self) -> Result<()> {
        let texts = (0..TEXT_DIRS).map(|dir| format!("texts {dir:02}"));
        for name in texts.chain(["binaries", "odd/empty", "odd"].map(str::to_owned)) {
            let attributes = Attributes { mode: Some(0o750), mtime: Some(self.tick()), ..Attributes::default() };
            self.folder.set_attributes(&path(name.as_bytes())?, &attributes)?;
        }
        Ok(())
    }

    fn rewrite(&mut self, name: &[u8], bytes: &[u8], mode: u32) -> Result<()> {
        self.folder.remove_file(&path(name)?)?;
        self.file(name, bytes, mode)
    }

    fn file(&mut self, name: &[u8], bytes: &[u8], mode: u32) -> Result<()> {
        let path = path(name)?;
        let mut file = match self.folder.create_file(&path) {
            Err(error) if error.kind == DiskErrorKind::BadName => {
                return Err(Error::with_source(ErrorKind::Usage, "the system does not take this name", error));
            }
            made => made?,
        };
        file.append(bytes)?;
        file.finish()?;
        let attributes = Attributes { mode: Some(mode), mtime: Some(self.tick()), ..Attributes::default() };
        Ok(self.folder.set_attributes(&path, &attributes)?)
    }

    fn tick(&mut self) -> FileTime {
        self.clock += 61;
        FileTime { secs: self.clock, nanos: 123_456_789 }
    }

    fn bytes(&self, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        self.random.fill(&mut bytes);
        bytes
    }

    /// Writes 1 to 8 KiB of words.
    fn text(&self) -> Vec<u8> {
        let [a, b] = random_array::<2>(&self.random);
        let len = 1024 + usize::from(u16::from_le_bytes([a, b])) % (7 * 1024);
        let mut text = String::with_capacity(len + 16);
        for byte in self.bytes(len / 3) {
            text.push_str(WORDS[usize::from(byte) % WORDS.len()]);
            text.push(if byte > 250 { '\n' } else { ' ' });
        }
        text.into_bytes()
    }
}

fn text_name(dir: u64, number: u64) -> String {
    format!("texts {dir:02}/{number:03}.txt")
}

fn path(name: &[u8]) -> Result<RelPath> {
    RelPath::new(name).map_err(|error| Error::with_source(ErrorKind::Other, "cannot name a file of the demo", error))
}
