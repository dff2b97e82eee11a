//! Damage to each kind of file in each way: what opens, what is found, what comes back, and that readers write nothing.

use std::sync::Arc;

use chunkstore::base::StorePath;
use chunkstore::base::monitor::SilentMonitor;
use chunkstore::disk::sim::Profile;
use chunkstore::disk::{Disk, SimDisk, SimFolder};
use chunkstore::error::Error;
use chunkstore::format::keylist::KeyRole;
use chunkstore::ops::Run;
use chunkstore::ops::host_state::HostState;
use chunkstore::ops::status::status;
use chunkstore::store::head::Soundness;
use chunkstore::store::keys::read_key_list;
use chunkstore::store::{Store, layout};

use crate::publisher::{Publisher, folder_after, holding};

/// Ways to damage a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Damage {
    Missing,
    Empty,
    Halved,
    Zeroed,
    Flipped,
    Longer,
    MuchLonger,
    Foreign,
    Directory,
}

const DAMAGES: [Damage; 9] = [
    Damage::Missing,
    Damage::Empty,
    Damage::Halved,
    Damage::Zeroed,
    Damage::Flipped,
    Damage::Longer,
    Damage::MuchLonger,
    Damage::Foreign,
    Damage::Directory,
];

/// A store of three commits, and another one that the foreign files come from.
struct Stage {
    publisher: Publisher,
    disk: SimDisk,
    other: SimDisk,
}

/// The file of a kind in a store.
fn file_of(kind: &str, disk: &SimDisk) -> String {
    let store = Store::open(Arc::new(disk.clone())).unwrap();
    let top = &store.packs().top;
    let packs = store.packs().packs();
    let path: StorePath = match kind {
        "manifest" => layout::manifest(&store.packs().chain[0].0),
        "base manifest" => layout::manifest(&store.packs().chain.last().unwrap().0),
        "key list" => layout::key_list(&top.key_lists[0].shards[0].0),
        "oldest data pack" => layout::pack(&packs[0].hash),
        "oldest meta pack" => layout::pack(&packs[1].hash),
        "newest meta pack" => layout::pack(&packs.last().unwrap().hash),
        "reader's key file" => key_file(&store, KeyRole::Reader),
        "writer's key file" => key_file(&store, KeyRole::Writer),
        "record" => layout::head_record(store.head().head.generation),
        other => StorePath::new(other).unwrap(),
    };
    path.to_string()
}

fn key_file(store: &Store, role: KeyRole) -> StorePath {
    let lists = &store.packs().top.key_lists[0];
    let (hash, len_bytes) = &lists.shards[0];
    let list = read_key_list(store.disk().as_ref(), store.id(), hash, *len_bytes).unwrap();
    let entry = list.entries.iter().find(|entry| entry.role == role).unwrap();
    layout::key_file(lists.epoch, entry.tag)
}

impl Stage {
    fn new() -> Self {
        let (disk, other) = (SimDisk::new(Profile::Ext4), SimDisk::new(Profile::Ext4));
        let publisher = Publisher::init(&disk).unwrap();
        let foreign = Publisher::init_from(&other, 8).unwrap();
        for step in 1..=3 {
            publisher.commit(&disk, &folder_after(step)).unwrap();
            foreign.commit(&other, &folder_after(step)).unwrap();
        }
        for disk in [&disk, &other] {
            let head = disk.content("HEAD").unwrap();
            disk.put("pending", &head);
            disk.put("replica/unclean", b"chunkstore replica\ngeneration 3\n");
            disk.put("replica/remote", b"chunkstore replica\nremote ftp://example.org/\n");
            disk.put("HEAD.new", &head);
        }
        Self { publisher, disk: disk.settled(), other: other.settled() }
    }

    fn damaged(&self, kind: &str, damage: Damage) -> SimDisk {
        let (disk, path) = (self.disk.snapshot(), file_of(kind, &self.disk));
        match damage {
            Damage::Missing => assert!(disk.wipe(&path)),
            Damage::Directory => {
                assert!(disk.wipe(&path));
                disk.create_dir(&StorePath::new(&path).unwrap()).unwrap();
            }
            Damage::Foreign => disk.put(&path, &self.other.content(&file_of(kind, &self.other)).unwrap()),
            _ => assert!(disk.corrupt(&path, |bytes| change(bytes, damage))),
        }
        let disk = disk.settled();
        disk.reset_counts();
        disk
    }

    /// Tells what the verbs say of a damaged store, each in a word or two.
    fn outcome(&self, disk: &SimDisk) -> String {
        let (publisher, shared) = (&self.publisher, Arc::new(disk.clone()));
        let name = |error: &Error| error.kind().name().to_owned();
        let open = match Store::open(shared.clone()).map_err(Error::from) {
            Ok(store) => format!("{} {:?}", store.head().head.generation.0, store.soundness()),
            Err(error) => name(&error),
        };
        let run = Run { monitor: &SilentMonitor, ..publisher.run() };
        let told = status(shared, &publisher.readers, &HostState::default(), run);
        let told = told.map_or_else(|error| name(&error), |_| "ok".to_owned());
        let verified = self.verified(disk);
        let folder = SimFolder::default();
        let restored = match publisher.restore(disk, &folder) {
            Err(error) => name(&error),
            Ok(done) if done.damaged > 0 => format!("{} left out", done.damaged),
            Ok(_) => (1..=3).find(|&step| holding(&folder) == holding(&folder_after(step))).unwrap().to_string(),
        };
        let counts = disk.counts();
        let written = counts.creates + counts.renames + counts.removes + counts.dirs + counts.bytes_written;
        assert_eq!(written, 0, "a reader wrote");
        let committed = match publisher.commit(disk, &folder_after(4)) {
            Err(error) => name(&error),
            Ok(committed) => {
                let least = disk.plug_back();
                assert_eq!(Store::open(Arc::new(least.clone())).unwrap().head().head.generation, committed.generation);
                let folder = SimFolder::default();
                let after = match publisher.restore(&least, &folder) {
                    Err(error) => name(&error),
                    Ok(done) => {
                        assert_eq!(done.damaged == 0, holding(&folder) == holding(&folder_after(4)));
                        format!("{} left out", done.damaged)
                    }
                };
                format!("{}, then {}, {after}", committed.generation.0, self.verified(&least))
            }
        };
        format!("open {open}; status {told}; verify {verified}; restore {restored}; commit {committed}")
    }

    fn verified(&self, disk: &SimDisk) -> String {
        match self.publisher.verify(disk) {
            Err(error) => error.kind().name().to_owned(),
            Ok(report) if report.findings.is_empty() => "sound".to_owned(),
            Ok(report) => {
                let mut words: Vec<_> = report.findings.iter().map(|found| found.kind.name()).collect();
                words.dedup();
                words.join("+")
            }
        }
    }
}

fn change(bytes: &mut Vec<u8>, damage: Damage) {
    let middle = bytes.len() / 2;
    match damage {
        Damage::Empty => bytes.clear(),
        Damage::Halved => bytes.truncate(middle),
        Damage::Zeroed => bytes.fill(0),
        Damage::Flipped => bytes.get_mut(middle).into_iter().for_each(|byte| *byte ^= 0x04),
        Damage::Longer => bytes.extend([0xa5; 100]),
        Damage::MuchLonger => bytes.extend(vec![0; 70 << 20]),
        Damage::Missing | Damage::Foreign | Damage::Directory => unreachable!("no change of bytes"),
    }
}

/// Runs a kind of file through all damages; damages with the same outcome share a line.
fn table(stage: &Stage, kind: &str) -> Vec<(String, String)> {
    let mut rows: Vec<(String, String)> = Vec::new();
    for damage in DAMAGES {
        let outcome = stage.outcome(&stage.damaged(kind, damage));
        match rows.iter_mut().find(|(_, same)| *same == outcome) {
            Some((damages, _)) => damages.push_str(&format!(" {damage:?}")),
            None => rows.push((format!("{damage:?}"), outcome)),
        }
    }
    rows
}

/// A kind of file, and what each of its damages leads to.
type Expected = (&'static str, &'static [(&'static str, &'static str)]);

/// The newest generation is 4 and its snapshot the third; the next commit makes generation 5.
const EXPECTED: &[Expected] = &[
    (
        "HEAD",
        &[
            (
                "Missing Empty Halved Zeroed Flipped Longer MuchLonger Foreign",
                "open 4 HeadLost; status ok; verify head; restore 3; commit 5, then sound, 0 left out",
            ),
            ("Directory", "open 4 HeadLost; status ok; verify head; restore 3; commit corrupt"),
        ],
    ),
    (
        "HEAD.new",
        &[
            (
                "Missing Empty Halved Zeroed Flipped Longer MuchLonger Foreign",
                "open 4 Sound; status ok; verify sound; restore 3; commit 5, then sound, 0 left out",
            ),
            ("Directory", "open 4 Sound; status ok; verify head; restore 3; commit corrupt"),
        ],
    ),
    (
        "record",
        &[
            (
                "Missing Empty Halved Zeroed Flipped Longer MuchLonger Foreign",
                "open 4 Sound; status ok; verify head; restore 3; commit 5, then sound, 0 left out",
            ),
            ("Directory", "open 4 Sound; status ok; verify head; restore 3; commit 5, then head, 0 left out"),
        ],
    ),
    (
        "heads/00000003",
        &[
            ("Missing", "open 4 Sound; status ok; verify sound; restore 3; commit 5, then sound, 0 left out"),
            (
                "Empty Halved Zeroed Flipped Longer MuchLonger Foreign Directory",
                "open 4 Sound; status ok; verify head; restore 3; commit 5, then head, 0 left out",
            ),
        ],
    ),
    (
        "trust/1",
        &[
            (
                "Missing Empty Halved Zeroed Longer MuchLonger Directory",
                "open corrupt; status corrupt; verify trust; restore corrupt; commit corrupt",
            ),
            (
                "Flipped Foreign",
                "open not-trusted; status not-trusted; verify trust; restore not-trusted; commit not-trusted",
            ),
        ],
    ),
    (
        "manifest",
        &[(
            "Missing Empty Halved Zeroed Flipped Longer MuchLonger Foreign Directory",
            "open 3 Older; status ok; verify manifest; restore 2; commit corrupt",
        )],
    ),
    (
        "base manifest",
        &[(
            "Missing Empty Halved Zeroed Flipped Longer MuchLonger Foreign Directory",
            "open corrupt; status corrupt; verify manifest; restore corrupt; commit corrupt",
        )],
    ),
    (
        "key list",
        &[(
            "Missing Empty Halved Zeroed Flipped Longer MuchLonger Foreign Directory",
            "open 4 Sound; status ok; verify key+object; restore corrupt; commit corrupt",
        )],
    ),
    (
        "reader's key file",
        &[
            ("Missing", "open 4 Sound; status ok; verify key; restore no-identity; commit 5, then key, no-identity"),
            (
                "Empty Halved Zeroed Flipped Longer MuchLonger Foreign Directory",
                "open 4 Sound; status ok; verify key+object; restore corrupt; commit 5, then key+object, corrupt",
            ),
        ],
    ),
    (
        "writer's key file",
        &[
            ("Missing", "open 4 Sound; status ok; verify key; restore 3; commit no-identity"),
            (
                "Empty Halved Zeroed Flipped Longer MuchLonger Foreign Directory",
                "open 4 Sound; status ok; verify key; restore 3; commit corrupt",
            ),
        ],
    ),
    (
        "oldest data pack",
        &[
            (
                "Missing",
                "open 4 Sound; status ok; verify missing-pack+object; restore 4 left out; commit 5, then missing-pack+object, 0 left out",
            ),
            (
                "Empty Halved Zeroed Foreign Directory",
                "open 4 Sound; status ok; verify damaged-pack+object; restore 4 left out; commit 5, then damaged-pack+object, 0 left out",
            ),
            (
                "Flipped",
                "open 4 Sound; status ok; verify damaged-pack; restore 3 left out; commit 5, then damaged-pack, 3 left out",
            ),
            (
                "Longer MuchLonger",
                "open 4 Sound; status ok; verify damaged-pack; restore 3; commit 5, then damaged-pack, 0 left out",
            ),
        ],
    ),
    (
        "oldest meta pack",
        &[
            (
                "Missing",
                "open 4 Sound; status ok; verify missing-pack+object; restore 2 left out; commit 5, then missing-pack+object, 0 left out",
            ),
            (
                "Empty Halved Zeroed Foreign Directory",
                "open 4 Sound; status ok; verify damaged-pack+object; restore 2 left out; commit 5, then damaged-pack+object, 0 left out",
            ),
            (
                "Flipped Longer MuchLonger",
                "open 4 Sound; status ok; verify damaged-pack; restore 3; commit 5, then damaged-pack, 0 left out",
            ),
        ],
    ),
    (
        "newest meta pack",
        &[
            ("Missing", "open 4 Sound; status ok; verify missing-pack+object; restore corrupt; commit corrupt"),
            (
                "Empty Halved Zeroed Foreign Directory",
                "open 4 Sound; status ok; verify damaged-pack+object; restore corrupt; commit corrupt",
            ),
            (
                "Flipped",
                "open 4 Sound; status ok; verify damaged-pack; restore 1 left out; commit 5, then damaged-pack, 0 left out",
            ),
            (
                "Longer MuchLonger",
                "open 4 Sound; status ok; verify damaged-pack; restore 3; commit 5, then damaged-pack, 0 left out",
            ),
        ],
    ),
    (
        "STORE",
        &[
            ("Missing", "open no-store; status no-store; verify marker; restore no-store; commit no-store"),
            (
                "Empty Halved Zeroed Flipped Longer MuchLonger Directory",
                "open corrupt; status corrupt; verify marker; restore corrupt; commit corrupt",
            ),
            ("Foreign", "open not-trusted; status not-trusted; verify trust; restore not-trusted; commit not-trusted"),
        ],
    ),
    (
        "replica/id",
        &[
            (
                "Missing Empty Halved Zeroed Longer MuchLonger Directory",
                "open 4 Sound; status ok; verify sound; restore 3; commit corrupt",
            ),
            ("Flipped Foreign", "open 4 Sound; status ok; verify sound; restore 3; commit 5, then sound, 0 left out"),
        ],
    ),
    (
        "replica/unclean",
        &[(
            "Missing Empty Halved Zeroed Flipped Longer MuchLonger Foreign Directory",
            "open 4 Sound; status ok; verify sound; restore 3; commit 5, then sound, 0 left out",
        )],
    ),
    (
        "replica/remote",
        &[(
            "Missing Empty Halved Zeroed Flipped Longer MuchLonger Foreign Directory",
            "open 4 Sound; status ok; verify sound; restore 3; commit 5, then sound, 0 left out",
        )],
    ),
    (
        "pending",
        &[(
            "Missing Empty Halved Zeroed Flipped Longer MuchLonger Foreign Directory",
            "open 4 Sound; status ok; verify sound; restore 3; commit 5, then sound, 0 left out",
        )],
    ),
    (
        "lock",
        &[
            (
                "Missing Empty Halved Zeroed Flipped Longer MuchLonger Foreign",
                "open 4 Sound; status ok; verify sound; restore 3; commit 5, then sound, 0 left out",
            ),
            ("Directory", "open 4 Sound; status ok; verify sound; restore 3; commit corrupt"),
        ],
    ),
    (
        "readers",
        &[(
            "Missing Empty Halved Zeroed Flipped Longer MuchLonger Foreign Directory",
            "open 4 Sound; status ok; verify sound; restore 3; commit 5, then sound, 0 left out",
        )],
    ),
];

// U10 U11
#[test]
fn each_damage_to_each_kind_of_file_has_the_outcome_of_the_table() {
    let stage = Stage::new();
    let mut off = Vec::new();
    for (kind, expected) in EXPECTED {
        let found = table(&stage, kind);
        let found: Vec<_> = found.iter().map(|(damages, outcome)| (damages.as_str(), outcome.as_str())).collect();
        if found != *expected {
            off.push(format!("{kind}: {found:#?}"));
        }
    }
    assert!(off.is_empty(), "{}", off.join("\n"));
}

/// The files that the next commit of a stage makes, as far as their names are known before it.
fn next_files(stage: &Stage) -> Vec<String> {
    let done = stage.disk.snapshot();
    stage.publisher.commit(&done, &folder_after(4)).unwrap();
    let new = |path: &String| stage.disk.content(path).is_none();
    let files: Vec<_> = done.paths().into_iter().filter(new).collect();
    assert!(files.len() >= 4, "{files:?}");
    files
}

// U5
#[test]
fn what_stands_under_the_names_of_the_next_commit_is_replaced_if_it_is_wrong() {
    let stage = Stage::new();
    for path in next_files(&stage) {
        for leftover in [&b""[..], b"a few bytes", &[0; 600], &[0xff; 200_000]] {
            let disk = stage.disk.snapshot();
            disk.put(&path, leftover);
            assert_eq!(stage.publisher.commit(&disk, &folder_after(4)).unwrap().generation.0, 5, "{path}");
            let least = disk.plug_back();
            assert_eq!(stage.publisher.verify(&least).unwrap().findings, [], "{path}");
            assert_eq!(stage.publisher.restored(&least), holding(&folder_after(4)), "{path}");
        }
    }
}

#[test]
fn a_record_of_another_store_or_of_an_older_generation_under_the_next_name_never_opens() {
    let stage = Stage::new();
    for foreign in [stage.other.content("HEAD"), stage.disk.content("heads/00000003")] {
        for name in ["heads/00000005", "heads/99999999", "heads/18446744073709551615", "heads/0000000005"] {
            let disk = stage.disk.snapshot();
            disk.put(name, &foreign.clone().unwrap());
            let store = Store::open(Arc::new(disk.clone())).unwrap();
            assert_eq!((store.head().head.generation.0, store.soundness()), (4, Soundness::Sound));
            assert_eq!(stage.publisher.commit(&disk, &folder_after(4)).unwrap().generation.0, 5);
            assert_eq!(stage.publisher.restored(&disk.plug_back()), holding(&folder_after(4)), "{name}");
        }
    }
}

#[test]
fn a_damaged_pack_that_comes_out_the_same_again_is_healed_and_listed_once() {
    use chunkstore::disk::Folder;
    use chunkstore::disk::folder::Attributes;
    for damage in [Damage::Missing, Damage::Empty, Damage::Zeroed] {
        let disk = SimDisk::new(Profile::Ext4);
        let publisher = Publisher::init(&disk).unwrap();
        let folder = folder_after(1);
        publisher.commit(&disk, &folder).unwrap();
        let path = file_of("oldest data pack", &disk);
        if damage == Damage::Missing {
            assert!(disk.wipe(&path));
        } else {
            assert!(disk.corrupt(&path, |bytes| change(bytes, damage)));
        }
        // The same content under another mode: the same data pack, and another tree.
        let attributes = Attributes { mode: Some(0o600), ..Attributes::default() };
        folder.set_attributes(&crate::publisher::rel("a/small"), &attributes).unwrap();
        assert!(publisher.commit(&disk, &folder).unwrap().changed);
        let least = disk.plug_back();
        assert_eq!(publisher.verify(&least).unwrap().findings, [], "{damage:?}");
        assert_eq!(publisher.restored(&least), holding(&folder));
    }
}
