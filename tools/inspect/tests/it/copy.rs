//! A copy of the store that an earlier version wrote, what is shown of it, and what can be grown on it.

use std::path::{Path, PathBuf};

use chunkstore::store::layout;
use clap::Parser;
use inspect::command::{CommandLine, run};
use serde_json::Value;

/// The fixture's id.
pub const STORE: &str = "13ff948e57682a29b38d7ab475aadfbb";

/// A copy of the fixture.
pub struct Copy {
    pub dir: tempfile::TempDir,
}

pub fn copy_dir(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_dir(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

pub fn files_below(dir: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for path in std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()) {
        if path.is_dir() { files.extend(files_below(&path)) } else { files.push(path) }
    }
    files.sort();
    files
}

impl Copy {
    pub fn new() -> Self {
        let copy = Self { dir: tempfile::tempdir().unwrap() };
        let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/data/stores/outer-1-inner-1");
        copy_dir(&fixture.join("store"), &copy.store());
        copy_dir(&fixture.join("keys"), &copy.dir.path().join("keys"));
        copy
    }

    /// A copy with all directories that a store has; git keeps no empty ones.
    pub fn whole() -> Self {
        let copy = Self::new();
        for dir in layout::dirs().chain((0..=255).map(layout::pack_dir)) {
            std::fs::create_dir_all(copy.store().join(dir.as_str())).unwrap();
        }
        copy
    }

    pub fn store(&self) -> PathBuf {
        self.dir.path().join("store")
    }

    /// Shows something with an identity; returns the code and the documents.
    pub fn show(&self, words: &[&str]) -> (u8, Vec<Value>) {
        let keys = self.dir.path().join("keys");
        let (code, text) = self.shown(&[&["--json", "--keys", keys.to_str().unwrap()], words].concat());
        (code, text.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
    }

    /// Shows something without an identity; returns the code and the documents.
    pub fn show_outer(&self, words: &[&str]) -> (u8, Vec<Value>) {
        let (code, text) = self.shown(&[&["--json"], words].concat());
        (code, text.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
    }

    /// Shows something; returns the code and what was shown.
    pub fn shown(&self, words: &[&str]) -> (u8, String) {
        let store = self.store();
        let line = [&["chunkstore-inspect", store.to_str().unwrap()], words].concat();
        let mut sink = Vec::new();
        let ended = run(&CommandLine::try_parse_from(line).unwrap(), &mut sink);
        (ended.unwrap_or_else(|error| error.kind().exit_code()), String::from_utf8(sink).unwrap())
    }

    pub fn change(&self, path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
        let mut bytes = std::fs::read(path).unwrap();
        change(&mut bytes);
        std::fs::write(path, bytes).unwrap();
    }

    pub fn longest_pack(&self) -> PathBuf {
        let packs = files_below(&self.store().join("packs"));
        packs.into_iter().max_by_key(|path| path.metadata().unwrap().len()).unwrap()
    }

    /// The digits of the longest pack's name.
    pub fn longest_name(&self) -> String {
        let path = self.longest_pack();
        let dir = path.parent().unwrap().file_name().unwrap().to_str().unwrap().to_owned();
        dir + &path.file_name().unwrap().to_str().unwrap().replace('.', "")
    }

    pub fn state(&self) -> Vec<(PathBuf, std::time::SystemTime, Vec<u8>)> {
        let files = files_below(self.dir.path());
        files
            .into_iter()
            .map(|p| (p.clone(), p.metadata().unwrap().modified().unwrap(), std::fs::read(p).unwrap()))
            .collect()
    }
}

pub fn of<'a>(shown: &'a [Value], what: &str) -> Vec<&'a Value> {
    shown.iter().filter(|value| value["what"] == what).collect()
}

pub fn wrong(shown: &[Value]) -> Vec<String> {
    let lists = shown.iter().filter_map(|value| value["wrong"].as_array());
    lists.flatten().map(|text| text.as_str().unwrap().to_owned()).collect()
}
