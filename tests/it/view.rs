//! A view of a store: what it shows, what it costs, what damage and a pulled key cost, and that it writes nothing.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread;

use chunkstore::base::EntryName;
use chunkstore::base::monitor::RecordingMonitor;
use chunkstore::disk::folder::FileKind;
use chunkstore::disk::{Disk, SimDisk};
use chunkstore::error::ErrorKind;
use chunkstore::format::attributes::{ATTRIBUTES_TAG, HOLES_TAG, encode_attributes, encode_holes};
use chunkstore::format::tree::Node;
use chunkstore::view::{DAMAGE_ATTRIBUTE, Listed, Stat, TOP, View, ViewError, ViewRequest};

use crate::handmade::{Hand, commit};
use crate::scene::{NOW, Scene, noise};

fn name(text: &str) -> EntryName {
    EntryName::new(text.as_bytes()).unwrap()
}

fn open_copies(scene: &Scene, copies: &[&SimDisk], snapshot: Option<&str>) -> chunkstore::error::Result<View> {
    let copies = copies.iter().map(|disk| Arc::new(SimDisk::clone(disk)) as Arc<dyn Disk>).collect();
    let identities = scene.readers();
    View::open(ViewRequest { copies, identities: &identities, snapshot, now: NOW }, &scene.monitor)
}

fn whole(scene: &Scene) -> View {
    open_copies(scene, &[&scene.disk], None).unwrap()
}

fn newest(scene: &Scene) -> View {
    open_copies(scene, &[&scene.disk], Some("HEAD")).unwrap()
}

/// Goes down a path from the top, over the links that the view makes.
fn at(view: &View, path: &str) -> Result<Stat, ViewError> {
    path.split('/').filter(|part| !part.is_empty()).try_fold(view.stat(TOP)?, |dir, part| {
        let found = view.lookup(dir.inode, &name(part))?;
        let is_top = [TOP, at_number(view, "snapshots")].contains(&dir.inode);
        match found.kind {
            FileKind::Symlink if is_top => {
                let target = String::from_utf8(view.readlink(found.inode)?).unwrap();
                at(view, target.trim_start_matches("../"))
            }
            _ => Ok(found),
        }
    })
}

fn at_number(view: &View, part: &str) -> u64 {
    view.lookup(TOP, &name(part)).map_or(0, |stat| stat.inode)
}

fn list(view: &View, dir: u64, most: usize) -> Result<Vec<Listed>, ViewError> {
    let mut all: Vec<Listed> = Vec::new();
    loop {
        let page = view.list(dir, all.last().map_or(0, |last| last.next), most)?;
        assert!(page.len() <= most);
        if page.is_empty() {
            return Ok(all);
        }
        all.extend(page);
    }
}

fn names(view: &View, path: &str) -> Vec<String> {
    list(view, at(view, path).unwrap().inode, 100).unwrap().iter().map(|listed| listed.name.to_string()).collect()
}

fn content(view: &View, path: &str) -> Result<Vec<u8>, ViewError> {
    let stat = at(view, path)?;
    view.read(stat.inode, 0, stat.len_bytes as usize + 1).map(|bytes| bytes.to_vec())
}

/// Everything below a directory: its path, and the content of files and links.
fn tree(view: &View, dir: u64, path: &str, all: &mut BTreeMap<String, Vec<u8>>) {
    for listed in list(view, dir, 3).unwrap() {
        let path = format!("{path}/{}", listed.name);
        let stat = view.lookup(dir, &listed.name).unwrap();
        assert_eq!((stat.inode, stat.kind), (listed.inode, listed.kind), "{path}");
        assert_eq!(view.stat(stat.inode).unwrap(), stat, "{path}");
        let content = match stat.kind {
            FileKind::Dir => {
                assert_eq!(view.parent(stat.inode), Ok(dir));
                tree(view, stat.inode, &path, all);
                b"a directory".to_vec()
            }
            FileKind::Symlink => view.readlink(stat.inode).unwrap(),
            _ => view.read(stat.inode, 0, 1 << 20).unwrap().to_vec(),
        };
        all.insert(path, content);
    }
}

#[test]
fn a_whole_store_is_shown_by_time_and_by_id_and_its_newest_snapshot_first() {
    let scene = Scene::new();
    let view = whole(&scene);
    assert_eq!(names(&view, "/"), ["by-id", "snapshots"]);
    assert_eq!((names(&view, "/by-id"), names(&view, "/snapshots")), (vec![], vec![]));
    drop(view);
    scene.write("f", b"first");
    let first = scene.commit("one").unwrap();
    scene.write("f", b"the second");
    let second = scene.commit("two").unwrap();
    let view = whole(&scene);
    assert_eq!(names(&view, "/"), ["by-id", "latest", "snapshots"]);
    assert_eq!(names(&view, "/snapshots"), ["2026-11-21T07-35-00Z", "2026-11-21T07-35-00Z-2"]);
    let mut ids = [first.snapshot.to_string(), second.snapshot.to_string()];
    assert_eq!(content(&view, "/latest/f").unwrap(), b"the second");
    assert_eq!(content(&view, &format!("/by-id/{}/f", ids[0])).unwrap(), b"first");
    assert_eq!(content(&view, "/snapshots/2026-11-21T07-35-00Z/f").unwrap(), b"first");
    assert_eq!(content(&view, "/snapshots/2026-11-21T07-35-00Z-2/f").unwrap(), b"the second");
    ids.sort();
    assert_eq!(names(&view, "/by-id"), ids);
    for absent in ["/x", "/latest/x", "/by-id/x", "/snapshots/x"] {
        assert_eq!(at(&view, absent).unwrap_err(), ViewError::NoEntry, "{absent}");
    }
    assert_eq!(at(&view, "/latest/f/x").unwrap_err(), ViewError::NotADirectory);
    let root = at(&view, "/latest").unwrap().inode;
    assert_eq!(view.parent(root), view.lookup(TOP, &name("by-id")).map(|stat| stat.inode));
    assert_eq!(view.read(root, 0, 1).unwrap_err(), ViewError::NotAFile);
    assert_eq!(view.readlink(root).unwrap_err(), ViewError::NotALink);
    assert_eq!(view.stat(4711).unwrap_err(), ViewError::Unknown);
}

#[test]
fn one_snapshot_is_shown_alone_and_by_any_of_its_names() {
    let scene = Scene::new();
    scene.write("f", b"first");
    scene.commit("one").unwrap();
    scene.write("f", b"second");
    scene.commit("two").unwrap();
    let open = |named| open_copies(&scene, &[&scene.disk], Some(named));
    assert_eq!(content(&open("HEAD").unwrap(), "/f").unwrap(), b"second");
    let older = open("HEAD~1").unwrap();
    assert_eq!((content(&older, "/f").unwrap(), older.parent(TOP)), (b"first".to_vec(), Ok(TOP)));
    for (named, kind) in [("HEAD~2", ErrorKind::Other), ("nothing", ErrorKind::Other), ("@never", ErrorKind::Usage)] {
        assert_eq!(open(named).err().unwrap().kind(), kind, "{named}");
    }
}

#[test]
fn the_tree_is_the_folder_that_was_committed() {
    let scene = Scene::new();
    let mut expected = BTreeMap::new();
    // Windows has no such name.
    let odd = if cfg!(unix) { "d/e/ä\n" } else { "d/e/ä" };
    for (path, bytes) in [("a", noise(1, 10)), ("d/b", noise(2, 300_000)), ("d/e/c", vec![]), (odd, b"x".to_vec())] {
        scene.write(path, &bytes);
        expected.insert(format!("/{}", path.replace('\n', "\\x0a")), bytes);
    }
    std::fs::hard_link(scene.path("folder").join("a"), scene.path("folder").join("d/twin")).unwrap();
    expected.insert("/d/twin".to_owned(), noise(1, 10));
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink("../nowhere", scene.path("folder").join("link")).unwrap();
        expected.insert("/link".to_owned(), b"../nowhere".to_vec());
    }
    for dir in ["/d", "/d/e"] {
        expected.insert(dir.to_owned(), b"a directory".to_vec());
    }
    scene.commit("all of it").unwrap();
    let view = newest(&scene);
    let mut all = BTreeMap::new();
    tree(&view, TOP, "", &mut all);
    assert_eq!(all, expected);
    let (one, twin, other) = (at(&view, "/a").unwrap(), at(&view, "/d/twin").unwrap(), at(&view, "/d/b").unwrap());
    // On Windows names of one file count as files of their own.
    let links = if cfg!(unix) { 2 } else { 1 };
    assert_eq!((one.inode == twin.inode, one.links, other.links), (cfg!(unix), links, 1));
    assert_ne!(one.inode, other.inode);
}

#[test]
fn bytes_are_read_at_any_offset_and_holes_are_zeros() {
    let scene = Scene::new();
    let bytes = noise(5, 3 << 20);
    commit(&scene, |hand| {
        let long = hand.file("long", 1, &bytes);
        let mut holes = hand.file("holes", 2, &[&vec![0; 8192][..], b"end"].concat());
        holes.extensions = vec![(HOLES_TAG, encode_holes(&[(0, 8192)]).unwrap())];
        hand.tree(vec![long, holes])
    });
    let view = newest(&scene);
    let long = at(&view, "/long").unwrap();
    for (offset, len) in [(0, 4096), (1 << 20, 1), (3_000_000, 1 << 20), (3 << 20, 5), (u64::MAX, 5), (17, 0)] {
        let from = (offset as usize).min(bytes.len());
        let to = (from + len).min(bytes.len());
        assert_eq!(view.read(long.inode, offset, len).unwrap()[..], bytes[from..to], "{len} from {offset}");
    }
    let holes = at(&view, "/holes").unwrap();
    assert_eq!((holes.len_bytes, holes.taken_bytes), (8195, 3));
    assert_eq!(view.read(holes.inode, 8190, 10).unwrap()[..], *b"\0\0end");
}

#[test]
fn a_large_directory_is_listed_in_pages_and_a_name_in_it_costs_a_few_reads() {
    let scene = Scene::new();
    commit(&scene, |hand| {
        let all = (0..30_000).map(|at| Hand::entry(&format!("n{at:05}"), at + 1, Node::Fifo)).collect();
        hand.totals.others = 30_000;
        hand.tree(all)
    });
    let view = newest(&scene);
    scene.disk.reset_counts();
    assert_eq!(view.lookup(TOP, &name("n12345")).unwrap().kind, FileKind::Fifo);
    assert!(scene.disk.counts().reads <= 3, "{:?}", scene.disk.counts());
    let all = list(&view, TOP, 999).unwrap();
    assert_eq!(all.len(), 30_000);
    assert!(all.iter().enumerate().all(|(at, listed)| listed.name == name(&format!("n{at:05}"))));
    assert_eq!(view.list(TOP, 29_999, 10).unwrap(), all[29_999..]);
    assert!(view.list(TOP, 30_000, 10).unwrap().is_empty() && view.list(TOP, u64::MAX, 10).unwrap().is_empty());
    assert_eq!(view.known(), 2, "a listing holds nothing");
}

#[test]
fn a_walk_says_of_each_entry_what_a_lookup_says_and_holds_what_it_took() {
    let scene = Scene::new();
    commit(&scene, |hand| {
        let below = hand.file("f", 1, b"below");
        let below = hand.tree(vec![below]);
        let mut all: Vec<_> = (0..3000).map(|at| Hand::entry(&format!("n{at:05}"), at + 10, Node::Fifo)).collect();
        all.insert(0, Hand::over("dir", 2, below));
        hand.totals.others = 3000;
        hand.tree(all)
    });
    let view = newest(&scene);
    let (mut walked, mut next) = (Vec::new(), 0);
    while walked.len() < 3001 {
        let mut room = 700;
        view.walk(TOP, next, &mut |name, stat, behind| {
            room -= 1;
            if room > 0 {
                walked.push((name.clone(), stat.clone()));
                next = behind;
            }
            room > 0
        })
        .unwrap();
    }
    assert_eq!(view.known(), 3002, "the top, and each that was taken");
    assert_eq!(view.droppable(), [(TOP, name("dir"))]);
    for (name, stat) in &walked {
        assert_eq!(view.lookup(TOP, name).unwrap(), *stat);
        view.forget(stat.inode, 2);
    }
    assert_eq!(view.known(), 1);
    view.walk(TOP, 3001, &mut |_, _, _| panic!("nothing is behind the last")).unwrap();
    assert_eq!(view.walk(4711, 0, &mut |_, _, _| true).unwrap_err(), ViewError::Unknown);
    let all = whole(&scene);
    let root = at(&all, "/latest").unwrap().inode;
    assert_eq!(all.droppable().len(), 1);
    assert_eq!(all.lookup(all.droppable()[0].0, &all.droppable()[0].1).unwrap().inode, root);
}

#[test]
fn who_reads_a_file_through_costs_each_chunk_once_and_none_is_waited_for_at_the_end() {
    let scene = Scene::new();
    let bytes = noise(4, 20 << 20);
    scene.write("long", &bytes);
    scene.commit("one").unwrap();
    let view = newest(&scene);
    let file = at(&view, "/long").unwrap().inode;
    scene.disk.reset_counts();
    for (at, part) in bytes.chunks(128 << 10).enumerate() {
        assert_eq!(view.read(file, (at as u64) << 17, part.len()).unwrap()[..], *part);
    }
    let through = scene.disk.counts().reads;
    let again = newest(&scene);
    let file = at(&again, "/long").unwrap().inode;
    scene.disk.reset_counts();
    again.read(file, 0, 8 << 20).unwrap();
    again.read(file, 8 << 20, 8 << 20).unwrap();
    again.read(file, 16 << 20, 8 << 20).unwrap();
    assert!(through <= scene.disk.counts().reads + 1, "{through} reads and {:?}", scene.disk.counts());
}

#[test]
fn a_number_stands_for_one_content_for_as_long_as_it_is_held() {
    let scene = Scene::new();
    scene.write("a/same", b"same");
    scene.write("b/other", b"before");
    scene.commit("one").unwrap();
    scene.write("b/other", b"and after");
    scene.commit("two").unwrap();
    let view = whole(&scene);
    let (old, new) = ("/snapshots/2026-11-21T07-35-00Z", "/snapshots/2026-11-21T07-35-00Z-2");
    let number = |path: String| at(&view, &path).unwrap().inode;
    assert_eq!(number(format!("{old}/a/same")), number(format!("{new}/a/same")), "what did not change is one file");
    let before = number(format!("{old}/b/other"));
    assert_ne!(before, number(format!("{new}/b/other")));
    assert_ne!(number(old.to_owned()), number(new.to_owned()));
    scene.write("b/other", b"and once more");
    scene.commit("three").unwrap();
    assert_eq!(view.read(before, 0, 100).unwrap()[..], *b"before");
    assert_eq!(at(&whole(&scene), &format!("{old}/b/other")).unwrap().inode, before, "numbers come back");
    view.forget(before, 1);
    assert_eq!(view.stat(before).unwrap_err(), ViewError::Unknown);
}

#[test]
fn things_that_claim_one_file_id_are_told_apart() {
    let scene = Scene::new();
    commit(&scene, |hand| {
        let (one, other) = (hand.file("one", 7, b"one"), hand.file("other", 7, b"other"));
        let inner = hand.file("f", 7, b"inner");
        let tree = hand.tree(vec![inner]);
        hand.tree(vec![one, other, Hand::over("a", 7, tree), Hand::over("b", 7, tree)])
    });
    let view = newest(&scene);
    let mut numbers: Vec<_> = ["/one", "/other", "/a", "/b", "/a/f"].map(|path| at(&view, path).unwrap().inode).into();
    assert_eq!(
        (content(&view, "/one").unwrap(), content(&view, "/other").unwrap()),
        (b"one".to_vec(), b"other".to_vec())
    );
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers.len(), 5);
}

#[test]
fn attributes_are_shown_and_the_one_of_damage_is_the_view_s_own() {
    let scene = Scene::new();
    commit(&scene, |hand| {
        let mut file = hand.file("f", 1, b"f");
        let pairs: Vec<_> = [(&b"user.a"[..], &b"1"[..]), (DAMAGE_ATTRIBUTE, b"forged"), (b"user.z", b"2")]
            .map(|(name, value)| (name.to_vec(), value.to_vec()))
            .into();
        file.extensions = vec![(ATTRIBUTES_TAG, encode_attributes(&pairs).0.unwrap())];
        hand.tree(vec![file])
    });
    let view = newest(&scene);
    let shown = view.attributes(at(&view, "/f").unwrap().inode).unwrap();
    assert_eq!(shown, [(b"user.a".to_vec(), b"1".to_vec()), (b"user.z".to_vec(), b"2".to_vec())]);
    assert_eq!(view.attributes(TOP).unwrap(), []);
}

#[test]
fn what_is_committed_is_shown_after_a_refresh_and_who_holds_the_old_reads_on() {
    let scene = Scene::new();
    scene.write("f", b"first");
    let first = scene.commit("one").unwrap().snapshot.to_string();
    let (view, identities) = (whole(&scene), scene.readers());
    let refresh = || view.refresh(&identities, &scene.monitor).unwrap();
    let (old, root) = (at(&view, "/latest/f").unwrap().inode, at(&view, "/latest").unwrap().inode);
    scene.disk.reset_counts();
    assert!(!refresh());
    assert!(scene.disk.counts().reads <= 1, "{:?}", scene.disk.counts());
    scene.write("f", b"the second");
    let second = scene.commit("two").unwrap().snapshot.to_string();
    assert_eq!(content(&view, "/latest/f").unwrap(), b"first", "not before it is asked for");
    assert!(refresh() && !refresh());
    assert_eq!(content(&view, "/latest/f").unwrap(), b"the second");
    assert_eq!(content(&view, &format!("/by-id/{second}/f")).unwrap(), b"the second");
    assert_eq!(names(&view, "/snapshots"), ["2026-11-21T07-35-00Z", "2026-11-21T07-35-00Z-2"]);
    assert_eq!(view.read(old, 0, 10).unwrap()[..], *b"first");
    assert_eq!(at(&view, &format!("/by-id/{first}")).unwrap().inode, root);
    scene.forget_all_but(1);
    assert!(scene.gc_at_once().readers, "gc waits for who holds it");
    assert!(refresh());
    assert_eq!(names(&view, "/by-id"), [second]);
    assert_eq!(at(&view, &format!("/by-id/{first}")).unwrap_err(), ViewError::NoEntry);
    assert_eq!(view.read(old, 0, 10).unwrap()[..], *b"first", "also by its pack, which no state has any more");
    view.forget(old, 1);
    view.forget(root, 4);
    assert_eq!(view.stat(root).unwrap_err(), ViewError::Unknown, "nothing is held of what is gone");
    for dir in [TOP, at_number(&view, "by-id"), at_number(&view, "snapshots")] {
        assert!(view.may_change(dir), "{dir}");
    }
    assert!(!view.may_change(at(&view, "/latest").unwrap().inode));
}

#[test]
fn a_view_of_one_snapshot_stays_at_it_and_a_state_that_does_not_open_is_told_once() {
    let scene = Scene::new();
    scene.write("f", b"first");
    scene.commit("one").unwrap();
    let (one, all, identities) = (newest(&scene), whole(&scene), scene.readers());
    scene.write("f", b"the second");
    scene.commit("two").unwrap();
    assert!(!one.refresh(&identities, &scene.monitor).unwrap());
    assert_eq!(content(&one, "/f").unwrap(), b"first");
    assert!(!one.may_change(TOP));
    assert_eq!(all.refresh(&[], &scene.monitor).unwrap_err().kind(), ErrorKind::NoIdentity);
    assert!(!all.refresh(&[], &scene.monitor).unwrap(), "told once");
    assert_eq!(content(&all, "/latest/f").unwrap(), b"first");
    scene.write("f", b"the third");
    scene.commit("three").unwrap();
    assert!(all.refresh(&identities, &scene.monitor).unwrap());
    assert_eq!(content(&all, "/latest/f").unwrap(), b"the third");
    scene.disk.unplug();
    for view in [&one, &all] {
        assert_eq!(view.refresh(&identities, &scene.monitor).unwrap_err().kind(), ErrorKind::Gone);
    }
}

#[test]
fn a_copy_that_is_synced_later_is_read_from_as_it_is_then() {
    let (scene, packs) = two_files();
    let (first, second) = (scene.disk.settled(), scene.disk.settled());
    let view = open_copies(&scene, &[&first, &second], None).unwrap();
    scene.write("d0/f", &noise(9, 200_000));
    let before = scene.disk.paths();
    scene.commit("another").unwrap();
    assert!(!view.refresh(&scene.readers(), &scene.monitor).unwrap(), "neither copy has it");
    for path in scene.disk.paths().iter().filter(|path| !before.contains(path) || *path == "HEAD") {
        let bytes = scene.disk.content(path).unwrap();
        second.put(path, &bytes);
        first.put(path, &bytes);
    }
    assert!(first.wipe(&packs[1]));
    let new = scene.disk.paths().into_iter().filter(|path| path.starts_with("packs/") && !before.contains(path));
    assert!(first.wipe(&new.max_by_key(|path| scene.disk.content(path).unwrap().len()).unwrap()));
    assert!(view.refresh(&scene.readers(), &scene.monitor).unwrap());
    assert_eq!(content(&view, "/latest/d0/f").unwrap(), noise(9, 200_000), "the second has it");
    first.unplug();
    assert!(!view.refresh(&scene.readers(), &scene.monitor).unwrap(), "the second goes on");
    assert_eq!(content(&view, "/latest/d1/f").unwrap(), noise(1, 200_000));
}

/// Two files in two packs, and the packs' paths.
fn two_files() -> (Scene, [String; 2]) {
    let scene = Scene::new();
    let mut packs = Vec::new();
    for at in 0..2u64 {
        let before = scene.disk.paths();
        // In a directory each, since small files of one share chunks.
        scene.write(&format!("d{at}/f"), &noise(at, 200_000));
        scene.commit("one more").unwrap();
        let data = scene.disk.paths().into_iter().filter(|path| path.starts_with("packs/") && !before.contains(path));
        packs.push(data.max_by_key(|path| scene.disk.content(path).unwrap().len()).unwrap());
    }
    let packs = packs.try_into().unwrap();
    (scene, packs)
}

fn flip(disk: &SimDisk, path: &str) {
    assert!(disk.corrupt(path, |bytes| {
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
    }));
}

#[test]
fn damage_costs_one_file_and_its_reason_is_told() {
    let (scene, packs) = two_files();
    flip(&scene.disk, &packs[0]);
    let view = newest(&scene);
    let (bad, good) = (at(&view, "/d0/f").unwrap().inode, at(&view, "/d1/f").unwrap().inode);
    assert_eq!(view.reason(bad), None);
    let Err(ViewError::Damaged(reason)) = view.read(bad, 0, 10) else { panic!("it has to be damaged") };
    assert!(reason.contains(&packs[0]), "{reason}");
    assert_eq!(view.reason(bad).as_deref(), Some(&reason[..]));
    assert_eq!(view.attributes(bad).unwrap(), [(DAMAGE_ATTRIBUTE.to_vec(), reason.into_bytes())]);
    assert_eq!(view.read(good, 0, 300_000).unwrap()[..], noise(1, 200_000));
    assert_eq!((view.reason(good), view.stat(bad).unwrap().len_bytes), (None, 200_000));
}

#[test]
fn what_one_copy_lacks_is_asked_of_the_others_in_turn() {
    let (scene, packs) = two_files();
    let (first, second, third) = (scene.disk.settled(), scene.disk.settled(), scene.disk.settled());
    assert!(first.wipe(&packs[0]) && second.wipe(&packs[0]) && second.wipe(&packs[1]));
    flip(&third, &packs[1]);
    let view = open_copies(&scene, &[&first, &second, &third], Some("HEAD")).unwrap();
    assert_eq!(content(&view, "/d0/f").unwrap(), noise(0, 200_000), "the third alone has it");
    assert_eq!(content(&view, "/d1/f").unwrap(), noise(1, 200_000), "the first has it");
    drop(view);
    let view = open_copies(&scene, &[&first, &second], Some("HEAD")).unwrap();
    assert!(matches!(content(&view, "/d0/f"), Err(ViewError::Damaged(_))));
}

#[test]
fn a_copy_that_does_not_open_is_told_and_one_of_another_store_is_refused() {
    let (scene, _) = two_files();
    let empty = SimDisk::new(chunkstore::disk::sim::Profile::Ext4);
    let view = open_copies(&scene, &[&scene.disk, &empty], Some("HEAD")).unwrap();
    assert_eq!(content(&view, "/d0/f").unwrap(), noise(0, 200_000));
    let problems = scene.monitor.problems();
    assert!(problems.iter().any(|problem| problem.subject == "copy 2 of the store"), "{problems:?}");
    let error = open_copies(&scene, &[&scene.disk, &Scene::with_seed(8).disk], None).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Usage);
    assert_eq!(open_copies(&scene, &[&empty, &scene.disk], None).err().unwrap().kind(), ErrorKind::NoStore);
    let request = ViewRequest { copies: vec![], identities: &[], snapshot: None, now: NOW };
    assert_eq!(View::open(request, &RecordingMonitor::default()).err().unwrap().kind(), ErrorKind::Usage);
}

#[test]
fn a_pulled_key_is_told_from_damage_and_another_copy_goes_on() {
    let (scene, _) = two_files();
    let mirror = scene.disk.settled();
    let alone = newest(&scene);
    let both = open_copies(&scene, &[&scene.disk, &mirror], Some("HEAD")).unwrap();
    let (one, other) = (at(&alone, "/d0/f").unwrap().inode, at(&both, "/d0/f").unwrap().inode);
    scene.disk.unplug();
    assert_eq!(alone.read(one, 0, 10).unwrap_err(), ViewError::Gone);
    assert_eq!(both.read(other, 0, 300_000).unwrap()[..], noise(0, 200_000));
}

/// Row U15.
#[test]
fn gc_waits_for_a_view_and_the_view_writes_nothing() {
    let (scene, _) = two_files();
    scene.write("d0/f", &noise(9, 200_000));
    scene.commit("the last").unwrap();
    scene.forget_all_but(1);
    let before = scene.disk.fingerprint();
    let view = newest(&scene);
    assert_eq!(content(&view, "/d0/f").unwrap(), noise(9, 200_000));
    assert_eq!(scene.disk.fingerprint(), before);
    let done = scene.gc_at_once();
    assert!(done.readers && done.removed_files == 0, "{done:?}");
    assert_eq!(content(&view, "/d1/f").unwrap(), noise(1, 200_000));
    drop(view);
    assert!(scene.gc_at_once().removed_files > 0);
    scene.disk.set_read_only(true);
    assert_eq!(content(&newest(&scene), "/d0/f").unwrap(), noise(9, 200_000));
}

#[test]
fn ten_readers_of_one_file_read_its_chunks_once() {
    let (scene, _) = two_files();
    let view = newest(&scene);
    let file = at(&view, "/d0/f").unwrap().inode;
    scene.disk.reset_counts();
    thread::scope(|scope| {
        for _ in 0..10 {
            scope.spawn(|| assert_eq!(view.read(file, 0, 300_000).unwrap()[..], noise(0, 200_000)));
        }
    });
    assert_eq!(scene.disk.counts().reads, 1, "the file is one chunk");
}
