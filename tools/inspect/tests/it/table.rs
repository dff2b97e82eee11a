//! Every damage against every question: no panic, the code is 0 or 13, nothing is written, and what is broken is named.

use std::path::{Path, PathBuf};

use super::copy::{Copy, files_below};
use super::grown::Grown;

/// One way to break a store; returns the file that is broken.
struct Damage {
    name: &'static str,
    break_it: fn(&Grown) -> PathBuf,
    /// Which questions must name the broken file; all are asked.
    named_by: &'static [&'static str],
}

const ALL: &[&str] = &["reach", "why", "why-outer", "object", "chunks", "sizes", "diff", "reach-outer"];
const INNER: &[&str] = &["reach", "why", "object", "chunks", "sizes"];
const CONTENT: &[&str] = &["object", "chunks"];

const fn damage(name: &'static str, break_it: fn(&Grown) -> PathBuf, named_by: &'static [&'static str]) -> Damage {
    Damage { name, break_it, named_by }
}

const DAMAGES: &[Damage] = &[
    damage("marker-missing", |g| remove(g.file("STORE")), ALL),
    damage("marker-torn", |g| cut(g.file("STORE"), 30), ALL),
    damage("head-missing", |g| remove(g.file("HEAD")), ALL),
    damage("head-empty", |g| cut(g.file("HEAD"), 0), ALL),
    damage("head-flipped", |g| flip(g.file("HEAD"), 200), ALL),
    damage("record-torn", |g| cut(g.file("heads/00000017"), 100), ALL),
    damage("trust-missing", |g| remove(g.file("trust/1")), ALL),
    damage("trust-torn", |g| cut(g.file("trust/1"), 200), ALL),
    damage("manifest-missing", |g| remove(g.manifest(0)), ALL),
    damage("base-missing", |g| remove(g.manifest(2)), ALL),
    damage("base-torn", |g| cut(g.manifest(2), 60), ALL),
    damage("base-flipped", |g| flip(g.manifest(2), 100), ALL),
    damage("sealed-part-flipped", |g| flip_end(g.manifest(0), 20), ALL),
    damage(
        "pack-missing",
        |g| remove(g.copy.longest_pack()),
        &["reach", "reach-outer", "why", "why-outer", "object", "chunks", "sizes"],
    ),
    damage(
        "pack-torn",
        |g| cut(g.copy.longest_pack(), 70_000),
        &["reach", "reach-outer", "why", "why-outer", "object", "chunks", "sizes"],
    ),
    damage(
        "pack-header",
        |g| flip(g.copy.longest_pack(), 40),
        &["reach", "reach-outer", "why", "why-outer", "object", "chunks", "sizes"],
    ),
    damage("pack-index", |g| flip_end(g.copy.longest_pack(), 30), INNER),
    damage("pack-frame", |g| flip(g.copy.longest_pack(), 20_000), CONTENT),
    damage("merged-index", |g| flip(g.of_sealed("index"), 200), INNER),
    damage("snapshot", flip_at_snapshot, &["reach", "why", "object", "chunks", "sizes"]),
    damage("tree-pack-missing", |g| remove(g.of_sealed("snapshot")), INNER),
    damage("recipe-torn", |g| cut(g.file(&g.recipe), 20), &["why-dead"]),
    damage("recipe-missing", |g| remove(g.file(&g.recipe)), &["why-dead"]),
    damage("key-list", |g| flip_end(g.key_list(), 4), &["reach", "reach-outer", "why", "why-outer"]),
    damage("key-file", |g| flip(g.key_file(), 250), &[]),
    damage("pending-torn", |g| cut(g.file("pending"), 90), &[]),
];

fn remove(path: PathBuf) -> PathBuf {
    std::fs::remove_file(&path).unwrap();
    path
}

fn cut(path: PathBuf, len: usize) -> PathBuf {
    change(path, |bytes| bytes.truncate(len))
}

fn flip(path: PathBuf, at: usize) -> PathBuf {
    change(path, |bytes| bytes[at] ^= 1)
}

fn flip_end(path: PathBuf, from_end: usize) -> PathBuf {
    change(path, |bytes| {
        let at = bytes.len() - from_end;
        bytes[at] ^= 1;
    })
}

fn change(path: PathBuf, how: impl FnOnce(&mut Vec<u8>)) -> PathBuf {
    let mut bytes = std::fs::read(&path).unwrap();
    how(&mut bytes);
    std::fs::write(&path, bytes).unwrap();
    path
}

/// Breaks the frame of the newest snapshot; the problem names the snapshot's id, which is returned as if it were a path.
fn flip_at_snapshot(grown: &Grown) -> PathBuf {
    let (_, shown) = grown.copy.show(&["sealed"]);
    let newest = shown.iter().rfind(|value| value["what"] == "snapshot").unwrap()["id"].as_str().unwrap().to_owned();
    let (_, shown) = grown.copy.show(&["object", &newest]);
    let place = &shown[0]["copies"][0];
    let at = place["offset"].as_u64().unwrap() + place["sealed_len_bytes"].as_u64().unwrap() - 3;
    flip(grown.file(place["pack"].as_str().unwrap()), usize::try_from(at).unwrap());
    PathBuf::from(newest)
}

impl Grown {
    fn file(&self, name: &str) -> PathBuf {
        self.copy.store().join(name)
    }

    /// The n-th manifest of the chain, the newest first.
    fn manifest(&self, at: usize) -> PathBuf {
        let (_, shown) = self.copy.show(&["manifest"]);
        let chain: Vec<&str> =
            shown.iter().filter(|v| v["what"] == "manifest").map(|v| v["file"].as_str().unwrap()).collect();
        self.file(chain[at])
    }

    /// The pack of the first merged index, or of the newest snapshot.
    fn of_sealed(&self, what: &str) -> PathBuf {
        let (_, shown) = self.copy.show(&["sealed"]);
        let id = shown.iter().rfind(|value| value["what"] == what).unwrap()["id"].as_str().unwrap().to_owned();
        let (_, shown) = self.copy.show(&["object", &id]);
        self.file(shown[0]["copies"][0]["pack"].as_str().unwrap())
    }

    fn key_list(&self) -> PathBuf {
        let (_, shown) = self.copy.show(&["manifest"]);
        let list = shown.iter().find(|value| value["kind"] == "key-list").unwrap();
        self.file(list["file"].as_str().unwrap())
    }

    /// The key file of the reader who asks.
    fn key_file(&self) -> PathBuf {
        let (_, shown) = self.copy.show(&["sealed"]);
        let tag = shown[0]["key_file"].as_str().unwrap().to_owned();
        self.file(&format!("keys/00000001/{tag}.age"))
    }
}

/// The state of a store: every file with its length, time and hash.
fn state(store: &Path) -> Vec<(PathBuf, u64, std::time::SystemTime, String)> {
    let row = |path: PathBuf| {
        let metadata = path.metadata().unwrap();
        let hash = blake3::hash(&std::fs::read(&path).unwrap()).to_string();
        (path, metadata.len(), metadata.modified().unwrap(), hash)
    };
    files_below(store).into_iter().map(row).collect()
}

fn set_read_only(copy: &Copy, read_only: bool) {
    for path in files_below(&copy.store()) {
        let mut permissions = path.metadata().unwrap().permissions();
        permissions.set_readonly(read_only);
        std::fs::set_permissions(path, permissions).unwrap();
    }
}

/// The questions: a name, whether an identity is given, the words.
fn questions(grown: &Grown) -> Vec<(&'static str, bool, Vec<String>)> {
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<String>>();
    let longest = grown.copy.longest_name();
    let dead = grown.dead.hash.to_string();
    vec![
        ("reach", true, words(&["reach"])),
        ("reach-outer", false, words(&["reach"])),
        ("why", true, words(&["why", &longest])),
        ("why-outer", false, words(&["why", &longest])),
        ("why-dead", true, words(&["why", &dead])),
        ("object", true, words(&["object", "0744b4eec62c"])),
        ("chunks", true, words(&["chunks", "/pictures/noise.bin"])),
        ("sizes", true, words(&["sizes", "/", "--depth", "2"])),
        ("diff", false, words(&["diff-generations", "16", "17"])),
    ]
}

#[test]
fn each_question_over_each_damage_ends_with_a_code_and_names_what_is_broken() {
    let mut off = Vec::new();
    for damage in DAMAGES {
        let grown = Grown::new();
        let questions = questions(&grown);
        let broken = (damage.break_it)(&grown);
        let broken = broken.strip_prefix(grown.copy.store()).unwrap_or(&broken).to_str().unwrap().to_owned();
        set_read_only(&grown.copy, true);
        let before = state(&grown.copy.store());
        for (name, has_identity, words) in questions {
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            let (code, shown) = if has_identity { grown.copy.show(&words) } else { grown.copy.show_outer(&words) };
            let problems = shown.first().map(|document| document["problems"].to_string()).unwrap_or_default();
            let says_so = problems.contains(&broken);
            // Without the record of a generation there is nothing to compare, and without a key file nothing to open.
            let is_moot = (name == "diff" && code == 1) || (damage.name == "key-file" && code == 12);
            if !matches!(code, 0 | 13) && !is_moot {
                off.push(format!("{}: {name} ends with {code}", damage.name));
            } else if damage.named_by.contains(&name) && !says_so && !is_moot {
                off.push(format!("{}: {name} says nothing of {broken}: {problems}", damage.name));
            } else if (code == 13) != (problems.len() > 2) {
                off.push(format!("{}: {name} ends with {code} and says {problems}", damage.name));
            }
        }
        if state(&grown.copy.store()) != before {
            off.push(format!("{}: something was written", damage.name));
        }
        set_read_only(&grown.copy, false);
    }
    assert!(off.is_empty(), "{}", off.join("\n"));
}

#[test]
fn without_damage_no_question_has_a_problem_and_nothing_is_written() {
    let grown = Grown::new();
    set_read_only(&grown.copy, true);
    let before = state(&grown.copy.store());
    for (name, has_identity, words) in questions(&grown) {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let (code, shown) = if has_identity { grown.copy.show(&words) } else { grown.copy.show_outer(&words) };
        assert_eq!((code, shown.len()), (0, 1), "{name}: {shown:?}");
        assert_eq!(shown[0]["problems"], serde_json::json!([]), "{name}");
    }
    assert!(state(&grown.copy.store()) == before);
    set_read_only(&grown.copy, false);
}

#[test]
fn every_file_broken_in_turn_ends_each_question_with_a_code() {
    let grown = Grown::new();
    let questions = questions(&grown);
    for (at, path) in files_below(&grown.copy.store()).into_iter().enumerate() {
        let bytes = std::fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        let mut broken = bytes.clone();
        // Every other file is cut, the others are changed.
        if at % 2 == 0 {
            broken.truncate(middle);
        }
        broken.iter_mut().skip(middle).take(1).for_each(|byte| *byte ^= 0x41);
        std::fs::write(&path, broken).unwrap();
        for (name, has_identity, words) in &questions {
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            let code = if *has_identity { grown.copy.show(&words).0 } else { grown.copy.show_outer(&words).0 };
            let is_known = matches!(code, 0 | 13) || (*name == "diff" && code == 1) || code == 12;
            assert!(is_known, "{}: {name} ends with {code}", path.display());
        }
        std::fs::write(&path, bytes).unwrap();
    }
}
