//! The batch writer on the simulated folder: every crash image, every failing call, everything in the way.

use std::collections::{BTreeMap, BTreeSet};

use super::{BatchLimits, BatchWriter};
use crate::base::monitor::RecordingMonitor;
use crate::base::random::SeededRandom;
use crate::base::{EntryName, RelPath};
use crate::disk::folder::{Attributes, FileKind, FileTime, Folder};
use crate::disk::sim_folder::{ImageBudget, SimFault, SimFolder, SimRules};
use crate::disk::{DiskError, DiskErrorKind};
use crate::folder::is_temporary;

const SEED: u64 = 7;

fn path(text: &str) -> RelPath {
    RelPath::new(text.as_bytes()).unwrap()
}

fn mode(mode: u32) -> Attributes {
    Attributes {
        mode: Some(mode),
        owner: Some((1, 2)),
        mtime: Some(FileTime { secs: -3, nanos: 5 }),
        ..Attributes::default()
    }
}

/// What the restore of the tests writes: two batches of files, a link, a pipe, a hard link.
fn restore(folder: &SimFolder, monitor: &RecordingMonitor) -> Result<(), DiskError> {
    let random = SeededRandom::new(SEED);
    let mut writer = BatchWriter::new(folder, &random, monitor, BatchLimits { bytes: 1 << 20, files: 3 });
    for (name, bytes) in [("d/old", "new one"), ("d/e/fresh", "fresh"), ("top", "top")] {
        if let Some(mut file) = writer.begin_file(&path(name))? {
            let (start, end) = bytes.as_bytes().split_at(2);
            file.append(start)?;
            file.append(end)?;
            writer.finish_file(file, &mode(0o640))?;
        }
    }
    writer.directory(&path("d"), mode(0o555))?;
    writer.symlink(&path("d/link"), b"old", &mode(0o777))?;
    if let Some(mut file) = writer.begin_file(&path("sparse"))? {
        file.append(b"x")?;
        file.skip(9)?;
        writer.finish_file(file, &mode(0o600))?;
    }
    if !writer.hard_link(&path("sparse"), &path("d/sparse too"))?
        && let Some(mut file) = writer.begin_file(&path("d/sparse too"))?
    {
        file.append(b"x\0\0\0\0\0\0\0\0\0")?;
        writer.finish_file(file, &mode(0o600))?;
    }
    writer.special(&path("pipe"), FileKind::Fifo, 0, &mode(0o622))?;
    writer.finish()
}

fn before() -> SimFolder {
    let folder = SimFolder::default();
    folder.put_file(&path("d/old"), b"old one");
    folder.put_file(&path("other"), b"not ours");
    folder.settle();
    folder
}

type Held = (FileKind, Vec<u8>);

fn held(folder: &SimFolder) -> BTreeMap<RelPath, Held> {
    folder.entries().into_iter().map(|(path, entry)| (path, (entry.stat.kind, entry.bytes))).collect()
}

fn temporaries(held: &BTreeMap<RelPath, Held>) -> BTreeSet<RelPath> {
    held.keys().filter(|path| path.split_last().is_some_and(|(_, name)| is_temporary(&name))).cloned().collect()
}

/// Asserts that each final name holds nothing, what it held, or the whole new entry.
fn assert_whole(
    seen: &BTreeMap<RelPath, Held>,
    old: &BTreeMap<RelPath, Held>,
    new: &BTreeMap<RelPath, Held>,
    at: &str,
) {
    let temporary = temporaries(seen);
    for (path, held) in seen.iter().filter(|(path, _)| !temporary.contains(path)) {
        let whole = held.0 == FileKind::Dir || old.get(path) == Some(held) || new.get(path) == Some(held);
        assert!(whole, "{at}: {path} holds {held:?}, which is neither old nor new");
    }
    assert_eq!(seen.get(&path("other")), old.get(&path("other")), "{at}: what is not restored stays");
}

#[test]
fn everything_is_in_place_with_its_attributes() {
    let (folder, monitor) = (before(), RecordingMonitor::default());
    restore(&folder, &monitor).unwrap();
    assert_eq!(monitor.problems(), []);
    let entries = folder.entries();
    assert_eq!(entries[&path("d/old")].bytes, b"new one");
    assert_eq!(entries[&path("sparse")].bytes, b"x\0\0\0\0\0\0\0\0\0");
    assert_eq!(entries[&path("sparse")].stat.inode, entries[&path("d/sparse too")].stat.inode);
    assert_eq!(entries[&path("d/link")].bytes, b"old");
    assert_eq!(entries[&path("pipe")].stat.kind, FileKind::Fifo);
    let dir = entries[&path("d")].stat;
    assert_eq!((dir.mode, dir.mtime), (0o555, FileTime { secs: -3, nanos: 5 }), "after all that happens inside it");
    let file = entries[&path("d/old")].stat;
    assert_eq!((file.mode, file.uid, file.gid, file.mtime.secs), (0o640, 1, 2, -3));
    assert!(temporaries(&held(&folder)).is_empty());
}

#[test]
fn a_cut_at_any_moment_leaves_old_or_whole_new() {
    let folder = before();
    let old = held(&folder);
    restore(&folder, &RecordingMonitor::default()).unwrap();
    let new = held(&folder);
    let mut images = 0;
    for at_op in 0..=folder.op_count() {
        let budget = ImageBudget { max_images: 300, seed: SEED };
        for (number, image) in folder.crash_images(at_op, &budget).iter().enumerate() {
            assert_whole(&held(image), &old, &new, &format!("seed {SEED}, op {at_op}, image {number}"));
            images += 1;
        }
    }
    assert!(images > 3000, "{images} images");
    let last = folder.crash_images(folder.op_count(), &ImageBudget { max_images: 9, seed: SEED });
    assert_eq!(last.len(), 1, "nothing is open after the end");
    assert_eq!(held(&last[0]), new);
}

#[test]
fn any_call_may_fail() {
    let (old, new) = {
        let folder = before();
        let old = held(&folder);
        restore(&folder, &RecordingMonitor::default()).unwrap();
        (old, held(&folder))
    };
    for kind in [DiskErrorKind::Io, DiskErrorKind::NoSpace, DiskErrorKind::Gone, DiskErrorKind::Denied] {
        let mut at_call = 0;
        loop {
            let (folder, monitor) = (before(), RecordingMonitor::default());
            let calls = folder.counts().calls;
            folder.set_fault(Some(SimFault { at_call, kind }));
            let result = restore(&folder, &monitor);
            let hit = folder.counts().calls - calls > at_call;
            folder.set_fault(None);
            let seen = held(&folder);
            assert_whole(&seen, &old, &new, &format!("{kind:?} at call {at_call}"));
            if kind != DiskErrorKind::Gone {
                assert!(temporaries(&seen).is_empty(), "{kind:?} at call {at_call} left a temporary name");
            }
            if result.is_ok() && monitor.problems().is_empty() {
                assert!(seen == new, "{kind:?} at call {at_call} was swallowed");
            }
            if !hit {
                break;
            }
            at_call += 1;
        }
        assert!(at_call > 40, "{kind:?}: {at_call} calls");
    }
}

#[test]
fn without_the_sync_the_crash_test_would_fail() {
    // Guards the tests above: a writer that renames before it syncs leaves torn files that they must see.
    let folder = before();
    let old = held(&folder);
    let mut file = folder.create_file(&path("t")).unwrap();
    file.append(b"whole").unwrap();
    file.finish().unwrap();
    folder.rename(&path("t"), &path("top")).unwrap();
    let new = held(&folder);
    let images = folder.crash_images(folder.op_count(), &ImageBudget { max_images: 300, seed: SEED });
    let torn = |seen: &BTreeMap<RelPath, Held>| {
        seen.get(&path("top"))
            .is_some_and(|held| Some(held) != old.get(&path("top")) && Some(held) != new.get(&path("top")))
    };
    assert!(images.iter().any(|image| torn(&held(image))));
}

#[test]
fn what_stands_in_the_way_is_left_alone_and_the_rest_goes_on() {
    let (folder, monitor, random) = (SimFolder::default(), RecordingMonitor::default(), SeededRandom::new(SEED));
    folder.put_file(&path("file"), b"a file");
    folder.create_symlink(&path("link"), b"/etc").unwrap();
    folder.put_file(&path("dir/inner"), b"inside");
    let mut writer = BatchWriter::new(&folder, &random, &monitor, BatchLimits::default());
    assert!(writer.begin_file(&path("file/below")).unwrap().is_none());
    assert!(writer.begin_file(&path("file/below too")).unwrap().is_none());
    assert!(writer.begin_file(&path("link/passwd")).unwrap().is_none());
    assert!(!writer.directory(&path("link"), Attributes::default()).unwrap());
    assert!(!writer.symlink(&path("dir"), b"x", &Attributes::default()).unwrap());
    assert!(!writer.hard_link(&path("dir"), &path("name")).unwrap(), "never a name for what is not ours");
    let file = writer.begin_file(&path("dir/new")).unwrap().unwrap();
    writer.finish_file(file, &Attributes::default()).unwrap();
    // A directory that appears between the making and the placing.
    let file = writer.begin_file(&path("raced")).unwrap().unwrap();
    writer.finish_file(file, &Attributes::default()).unwrap();
    folder.create_dir(&path("raced")).unwrap();
    writer.finish().unwrap();
    let subjects: Vec<String> = monitor.problems().into_iter().map(|problem| problem.subject).collect();
    assert_eq!(subjects, ["/file", "/link", "/dir", "/raced"]);
    let entries = folder.entries();
    assert_eq!(entries[&path("file")].bytes, b"a file");
    assert_eq!(entries[&path("dir/inner")].bytes, b"inside");
    assert!(entries.contains_key(&path("dir/new")));
    assert_eq!(entries.len(), 6, "nothing else was made: {:?}", entries.keys());
}

#[test]
fn a_file_replaces_a_link_and_does_not_follow_it() {
    let (folder, monitor, random) = (SimFolder::default(), RecordingMonitor::default(), SeededRandom::new(SEED));
    folder.put_file(&path("victim"), b"safe");
    folder.create_symlink(&path("link"), b"victim").unwrap();
    let mut writer = BatchWriter::new(&folder, &random, &monitor, BatchLimits::default());
    let mut file = writer.begin_file(&path("link")).unwrap().unwrap();
    file.append(b"new").unwrap();
    writer.finish_file(file, &Attributes::default()).unwrap();
    writer.finish().unwrap();
    let entries = folder.entries();
    assert_eq!(
        (entries[&path("link")].stat.kind, entries[&path("victim")].bytes.as_slice()),
        (FileKind::File, &b"safe"[..])
    );
}

#[test]
fn metadata_that_cannot_be_set_is_reported_once_per_kind() {
    // F25
    let rules = SimRules { refuse_owners: true, ..SimRules::default() };
    let (folder, monitor, random) = (SimFolder::new(rules), RecordingMonitor::default(), SeededRandom::new(SEED));
    let mut writer = BatchWriter::new(&folder, &random, &monitor, BatchLimits::default());
    for name in ["a", "b", "c"] {
        let file = writer.begin_file(&path(name)).unwrap().unwrap();
        writer.finish_file(file, &mode(0o4755)).unwrap();
    }
    writer.finish().unwrap();
    assert_eq!(monitor.problems().len(), 2, "owners, and the bits that go with them: {:?}", monitor.problems());
    for entry in folder.entries().values() {
        assert_eq!((entry.stat.mode, entry.stat.mtime.secs), (0o755, -3), "no file runs as another owner than meant");
    }
}

#[test]
fn giving_up_leaves_no_temporary_name() {
    let (folder, monitor, random) = (SimFolder::default(), RecordingMonitor::default(), SeededRandom::new(SEED));
    let mut writer = BatchWriter::new(&folder, &random, &monitor, BatchLimits::default());
    let done = writer.begin_file(&path("done")).unwrap().unwrap();
    writer.finish_file(done, &Attributes::default()).unwrap();
    writer.symlink(&path("link"), b"x", &Attributes::default()).unwrap();
    let mut open = writer.begin_file(&path("open")).unwrap().unwrap();
    open.append(b"half").unwrap();
    assert_eq!(folder.entries().len(), 3);
    drop(writer);
    drop(open);
    assert_eq!(folder.entries().len(), 0);
}

#[test]
fn where_case_does_not_count_the_first_name_wins() {
    let rules = SimRules { fold_case: true, windows_names: true, ..SimRules::default() };
    let (folder, monitor, random) = (SimFolder::new(rules), RecordingMonitor::default(), SeededRandom::new(SEED));
    let mut writer = BatchWriter::new(&folder, &random, &monitor, BatchLimits::default());
    for (name, placed) in [("Read me", true), ("read ME", false), ("aux", true), ("other", true)] {
        if let Some(mut file) = writer.begin_file(&path(name)).unwrap() {
            file.append(name.as_bytes()).unwrap();
            writer.finish_file(file, &Attributes::default()).unwrap();
            assert!(placed, "{name}");
        }
    }
    writer.finish().unwrap();
    let names: Vec<String> = folder.entries().keys().map(ToString::to_string).collect();
    assert_eq!(names, ["/Read me", "/other"]);
    assert_eq!(folder.entries()[&path("Read me")].bytes, b"Read me");
    let subjects: Vec<String> = monitor.problems().into_iter().map(|problem| problem.subject).collect();
    assert_eq!(subjects, ["/read ME", "/aux"], "the reserved name fails when it is put in place");
    assert!(temporaries(&held(&folder)).is_empty());
}

#[test]
fn where_there_are_no_hard_links_the_caller_writes_again() {
    let rules = SimRules { plain_files_only: true, ..SimRules::default() };
    let (folder, monitor, random) = (SimFolder::new(rules), RecordingMonitor::default(), SeededRandom::new(SEED));
    let mut writer = BatchWriter::new(&folder, &random, &monitor, BatchLimits::default());
    let file = writer.begin_file(&path("a")).unwrap().unwrap();
    writer.finish_file(file, &Attributes::default()).unwrap();
    assert!(!writer.hard_link(&path("a"), &path("b")).unwrap());
    let file = writer.begin_file(&path("b")).unwrap().unwrap();
    writer.finish_file(file, &Attributes::default()).unwrap();
    writer.finish().unwrap();
    assert_eq!(folder.entries().len(), 2);
    assert_eq!(monitor.problems(), []);
}

#[test]
fn batches_keep_the_number_of_syncs_low() {
    let (folder, monitor, random) = (SimFolder::default(), RecordingMonitor::default(), SeededRandom::new(SEED));
    let mut writer = BatchWriter::new(&folder, &random, &monitor, BatchLimits { bytes: 1000, files: 100 });
    for number in 0..250 {
        let file = writer.begin_file(&path(&format!("f{number}"))).unwrap().unwrap();
        writer.finish_file(file, &Attributes::default()).unwrap();
    }
    writer.finish().unwrap();
    assert_eq!(folder.counts().syncs, 4, "two full batches, the rest, the end");
    assert_eq!(folder.entries().len(), 250);
}

#[test]
fn only_our_own_temporary_names_count_as_such() {
    let is = |text: &str| is_temporary(&EntryName::new(text.as_bytes()).unwrap());
    assert!(is(".chunkstore-0123abcd.tmp"));
    for other in [".chunkstore-0123abc.tmp", ".chunkstore-0123abcD.tmp", "chunkstore-0123abcd.tmp", ".chunkstore-.tmp"]
    {
        assert!(!is(other), "{other}");
    }
}
