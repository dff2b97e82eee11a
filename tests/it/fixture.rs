//! Stores that an earlier version wrote open, verify and restore; and one of them, broken in named ways, ends each verb with
//! the code that the contract says.

use std::path::{Path, PathBuf};

use chunkstore::store::layout;

use super::cli::Cli;
use super::env::copy_dir;

fn stores() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/stores")
}

/// Git keeps no empty directories, so those of a store are made again. A copy of the fixture of a version as `pub` with its keys `k`.
fn copy_of(version: &str) -> Cli {
    let cli = Cli::new();
    copy_dir(&stores().join(version).join("store"), &cli.path("pub"));
    copy_dir(&stores().join(version).join("keys"), &cli.path("k"));
    for dir in layout::dirs().chain((0..=255).map(layout::pack_dir)) {
        std::fs::create_dir_all(cli.path("pub").join(dir.as_str())).unwrap();
    }
    cli
}

fn noise(seed: &str, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    blake3::Hasher::new_derive_key("chunkstore fixture").update(seed.as_bytes()).finalize_xof().fill(&mut bytes);
    bytes
}

/// How many commits the fixture has: enough that a merged index stands in it.
const COMMITS: usize = 12;

/// The files of the fixture's n-th commit, from 1.
fn content(commit: usize) -> Vec<(String, Vec<u8>)> {
    let mut files = vec![
        ("empty".to_owned(), Vec::new()),
        ("letters/one.txt".to_owned(), b"Dear reader,\n".to_vec()),
        ("letters/\u{e9}t\u{e9} \u{1b}[2J".to_owned(), b"a name that drives a terminal\n".to_vec()),
        ("pictures/noise.bin".to_owned(), noise("picture", 150_000)),
        ("zeros".to_owned(), vec![0; 400_000]),
    ];
    files.extend((1..=commit).map(|n| (format!("notes/{n:02}.txt"), format!("note {n}\n").repeat(n).into_bytes())));
    files
}

/// Writes the fixture of this version. Run once a version, never again: see the README beside it.
#[test]
#[ignore = "writes the fixture of a new version of the format"]
fn write_fixture() {
    let target = stores().join("outer-1-inner-1");
    assert!(!target.exists(), "a fixture is never written again");
    let cli = Cli::new();
    cli.ok(&["init", "pub", "--keys", "k", "--no-passphrase"]);
    for commit in 1..=COMMITS {
        for (name, bytes) in content(commit) {
            cli.write(&format!("files/{name}"), &bytes);
        }
        if commit == 1 {
            #[cfg(unix)]
            std::os::unix::fs::symlink("letters/one.txt", cli.path("files/link")).unwrap();
            std::fs::hard_link(cli.path("files/letters/one.txt"), cli.path("files/same.txt")).unwrap();
        }
        let tag = format!("week-{commit}");
        cli.ok(&["commit", "files", "--store", "pub", "--keys", "k", "-m", "weekly", "--tag", &tag]);
    }
    copy_dir(&cli.path("pub"), &target.join("store"));
    copy_dir(&cli.path("k"), &target.join("keys"));
}

fn restored(cli: &Cli, target: &str, files: &[(String, Vec<u8>)]) {
    for (name, bytes) in files {
        let found = std::fs::read(cli.path(target).join(name)).unwrap_or_else(|error| panic!("{name:?}: {error}"));
        assert!(found == *bytes, "{name:?}");
    }
}

#[test]
#[cfg_attr(windows, ignore = "the fixture has a name with an escape, which no file of Windows may have")]
fn a_store_of_an_earlier_version_opens_verifies_and_restores() {
    let versions: Vec<_> = std::fs::read_dir(stores()).unwrap().map(Result::unwrap).collect();
    let versions: Vec<_> = versions.into_iter().filter(|entry| entry.file_type().unwrap().is_dir()).collect();
    assert!(!versions.is_empty());
    for version in versions {
        let cli = copy_of(version.file_name().to_str().unwrap());
        let verified = cli.ok(&["verify", "--read-data", "--store", "pub", "--keys", "k", "--json"]).last();
        assert_eq!((&verified["ok"], &verified["inner"]), (&true.into(), &true.into()), "{verified}");
        assert_eq!(cli.ok(&["log", "--store", "pub", "--keys", "k", "--json"]).lines().len(), COMMITS);
        cli.ok(&["restore", "/", "out", "--store", "pub", "--keys", "k"]);
        restored(&cli, "out", &content(COMMITS));
        assert_eq!(std::fs::read_link(cli.path("out/link")).unwrap(), Path::new("letters/one.txt"));
        cli.ok(&["restore", "week-2:/", "old", "--store", "pub", "--keys", "k"]);
        restored(&cli, "old", &content(2));
        assert!(!cli.path("old/notes/03.txt").exists());
    }
}

#[test]
#[cfg_attr(windows, ignore = "the fixture has a name with an escape, which no file of Windows may have")]
fn a_store_of_an_earlier_version_takes_a_commit_of_this_one() {
    let cli = copy_of("outer-1-inner-1");
    cli.write("files/new.txt", b"of this version");
    cli.ok(&["commit", "files", "--store", "pub", "--keys", "k", "-m", "next"]);
    cli.ok(&["verify", "--read-data", "--store", "pub", "--keys", "k"]);
    cli.ok(&["restore", "HEAD~1:/", "out", "--store", "pub", "--keys", "k"]);
    restored(&cli, "out", &content(COMMITS));
}

/// One way to break the fixture, and how `verify --read-data` and `restore /` end.
struct Damage {
    name: &'static str,
    break_it: fn(&Path),
    /// The code.
    verify: i32,
    /// Which commit comes back whole, or the code.
    restore: Result<usize, i32>,
}

fn files_below(dir: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for path in std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()) {
        if path.is_dir() { files.extend(files_below(&path)) } else { files.push(path) }
    }
    files.sort();
    files
}

fn longest_pack(store: &Path) -> PathBuf {
    files_below(&store.join("packs")).into_iter().max_by_key(|path| path.metadata().unwrap().len()).unwrap()
}

fn flip(path: &Path, at: usize) {
    let mut bytes = std::fs::read(path).unwrap();
    bytes[at] ^= 1;
    std::fs::write(path, bytes).unwrap();
}

fn cut(path: &Path, len: usize) {
    let mut bytes = std::fs::read(path).unwrap();
    bytes.truncate(len);
    std::fs::write(path, bytes).unwrap();
}

fn remove(path: &Path) {
    std::fs::remove_file(path).unwrap();
}

/// Changes the last hex digit of a text into another one.
fn change_last_digit(path: &Path) {
    let mut text = std::fs::read_to_string(path).unwrap().trim_end().to_owned();
    let last = text.pop().unwrap();
    text.push_str(if last == '0' { "1\n" } else { "0\n" });
    std::fs::write(path, text).unwrap();
}

fn newest_record(store: &Path) -> PathBuf {
    files_below(&store.join("heads")).pop().unwrap()
}

/// Breaks `HEAD` and the record that says the same.
fn both(store: &Path, break_it: fn(&Path)) {
    break_it(&newest_record(store));
    break_it(&store.join("HEAD"));
}

fn every_record(store: &Path, break_it: fn(&Path)) {
    files_below(&store.join("heads")).iter().for_each(|path| break_it(path));
    break_it(&store.join("HEAD"));
}

fn every_key_file(store: &Path, break_it: fn(&Path)) {
    files_below(&store.join("keys")).iter().for_each(|path| break_it(path));
}

fn head_field(store: &Path, name: &str) -> String {
    let text = std::fs::read_to_string(store.join("HEAD")).unwrap();
    text.lines().find_map(|line| line.strip_prefix(name)).unwrap().trim().to_owned()
}

/// The manifest that HEAD names.
fn manifest(store: &Path) -> PathBuf {
    let digits = head_field(store, "manifest ")[..11].to_uppercase();
    store.join("manifests").join(format!("{}.{}", &digits[..8], &digits[8..]))
}

// U1 U7
const DAMAGES: &[Damage] = &[
    damage("none", |_| {}, 0, Ok(COMMITS)),
    damage("marker-missing", |s| remove(&s.join("STORE")), 13, Err(10)),
    damage("marker-torn", |s| cut(&s.join("STORE"), 30), 13, Err(13)),
    damage("head-empty", |s| cut(&s.join("HEAD"), 0), 13, Ok(COMMITS)),
    damage("head-flipped", |s| flip(&s.join("HEAD"), 200), 13, Ok(COMMITS)),
    damage("head-missing", |s| remove(&s.join("HEAD")), 13, Ok(COMMITS)),
    damage("newest-record-torn", |s| cut(&newest_record(s), 100), 13, Ok(COMMITS)),
    damage("head-and-newest-record-missing", |s| both(s, remove), 13, Ok(COMMITS - 1)),
    damage("head-and-newest-record-torn", |s| both(s, |path| cut(path, 100)), 13, Ok(COMMITS - 1)),
    damage("every-record-torn", |s| every_record(s, |path| cut(path, 100)), 13, Err(13)),
    damage("every-record-missing", |s| every_record(s, remove), 13, Err(13)),
    damage("trust-cut", |s| cut(&s.join("trust/1"), 300), 13, Err(13)),
    damage("trust-missing", |s| remove(&s.join("trust/1")), 13, Err(13)),
    damage("trust-signature-changed", |s| change_last_digit(&s.join("trust/1")), 18, Err(18)),
    damage("manifest-missing", |s| remove(&manifest(s)), 13, Ok(COMMITS - 1)),
    damage("manifest-flipped", |s| flip(&manifest(s), 100), 13, Ok(COMMITS - 1)),
    damage("pack-missing", |s| remove(&longest_pack(s)), 13, Err(13)),
    damage("pack-torn", |s| cut(&longest_pack(s), 70_000), 13, Err(13)),
    damage("pack-empty", |s| cut(&longest_pack(s), 0), 13, Err(13)),
    damage("pack-frame-flipped", |s| flip(&longest_pack(s), 200), 13, Err(13)),
    // A key carries its own reader's file alone; the publisher's own store all of them.
    damage("every-key-file-missing", |s| every_key_file(s, remove), 13, Err(12)),
    damage("every-key-file-flipped", |s| every_key_file(s, |path| flip(path, 250)), 13, Err(13)),
];

const fn damage(name: &'static str, break_it: fn(&Path), verify: i32, restore: Result<usize, i32>) -> Damage {
    Damage { name, break_it, verify, restore }
}

#[test]
#[cfg_attr(windows, ignore = "the fixture has a name with an escape, which no file of Windows may have")]
fn each_damage_ends_each_verb_with_its_code() {
    let mut off = Vec::new();
    for damage in DAMAGES {
        let cli = copy_of("outer-1-inner-1");
        (damage.break_it)(&cli.path("pub"));
        let verify = cli.run(&["verify", "--read-data", "--store", "pub", "--keys", "k"]);
        let restore = cli.run(&["restore", "/", "out", "--store", "pub", "--keys", "k"]);
        if verify.code != damage.verify || restore.code != damage.restore.err().unwrap_or(0) {
            off.push(format!("{}: verify {verify:?}, restore {restore:?}", damage.name));
        } else if let Ok(commit) = damage.restore {
            restored(&cli, "out", &content(commit));
            assert_eq!(cli.path(&format!("out/notes/{COMMITS:02}.txt")).exists(), commit == COMMITS, "{}", damage.name);
        }
    }
    assert!(off.is_empty(), "{}", off.join("\n"));
}
