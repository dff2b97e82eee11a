//! `diff`, `find`, `stats`, `ls` and `export` over snapshots made by hand: moves, damage, and trees that unfold without end.

use chunkstore::base::RelPath;
use chunkstore::error::{Error, ErrorKind};
use chunkstore::format::Pointer;
use chunkstore::format::attributes::{ATTRIBUTES_TAG, BIRTH_TAG, encode_attributes, encode_birth};
use chunkstore::ops::diff::{ChangeKind, DiffRequest, Diffed, HELD_MAX, diff};
use chunkstore::ops::export::{ArchiveFormat, Exported, export};
use chunkstore::ops::find::{Event, Pattern, Wanted, find, find_all};
use chunkstore::ops::list::ls;
use chunkstore::ops::open::{Reading, Spot};
use chunkstore::ops::stats::stats;

use crate::handmade::{Hand, commit};
use crate::scene::{Scene, noise};

fn reading(scene: &Scene) -> Reading {
    Reading::open(scene.shared_disk(), &scene.readers(), scene.run()).unwrap()
}

fn spot(text: &str) -> Spot {
    Spot::parse(text.as_bytes()).unwrap()
}

/// Compares the last two snapshots; each change is a sign and paths.
fn changes(scene: &Scene, path: &str) -> Result<(Vec<String>, Diffed), Error> {
    let request =
        DiffRequest { old: "HEAD~1".to_owned(), new: "HEAD".to_owned(), path: RelPath::new(path.as_bytes()).unwrap() };
    let mut all = Vec::new();
    let done = diff(&reading(scene), &request, scene.run(), &mut |change| {
        let sign = match change.kind {
            ChangeKind::Added => '+',
            ChangeKind::Removed => '-',
            ChangeKind::Content => 'M',
            ChangeKind::Metadata => 'U',
            ChangeKind::Type => 'T',
            ChangeKind::Moved => 'R',
        };
        let from = change.from.as_ref().map(|from| format!("{from} ")).unwrap_or_default();
        all.push(format!("{sign} {from}{}", change.path));
        Ok(())
    })?;
    Ok((all, done))
}

#[test]
fn a_directory_that_moved_is_one_move_and_what_changed_in_it() {
    let scene = Scene::new();
    commit(&scene, |hand| {
        let (a, b) = (hand.file("a", 1, b"a"), hand.file("b", 2, b"b"));
        let inner = hand.dir("in", 3, vec![a, b]);
        let old = hand.dir("old", 4, vec![inner]);
        hand.tree(vec![old])
    });
    commit(&scene, |hand| {
        let (a, b, c) = (hand.file("a", 1, b"a"), hand.file("b", 2, b"other"), hand.file("c", 5, b"c"));
        let inner = hand.dir("in", 3, vec![a, b, c]);
        let new = hand.dir("new", 4, vec![inner]);
        hand.tree(vec![new])
    });
    let (all, done) = changes(&scene, "/").unwrap();
    assert_eq!(all, ["R /old /new", "M /new/in/b", "+ /new/in/c"]);
    assert_eq!((done.added_bytes, done.removed_bytes, done.changed_bytes, done.all_moves), (1, 0, 5, true));
    let (all, _) = changes(&scene, "/new/in").unwrap();
    assert_eq!(all, ["+ /new/in", "+ /new/in/a", "+ /new/in/b", "+ /new/in/c"]);
    assert_eq!(changes(&scene, "/nowhere").unwrap_err().kind(), ErrorKind::Other);
}

#[test]
fn moves_into_and_out_of_directories_that_come_and_go_are_found() {
    let scene = Scene::new();
    commit(&scene, |hand| {
        let (x, y, z) = (hand.file("x", 1, b"x"), hand.file("y", 2, b"y"), hand.file("z", 3, b"z"));
        let deep = hand.dir("deep", 4, vec![x, y]);
        let gone = hand.dir("gone", 5, vec![deep, z]);
        hand.tree(vec![gone])
    });
    commit(&scene, |hand| {
        let (x, y, z) = (hand.file("x", 1, b"x"), hand.file("y", 2, b"more"), hand.file("z", 3, b"z"));
        let deep = hand.dir("deep", 4, vec![x, y]);
        let come = hand.dir("come", 6, vec![deep]);
        hand.tree(vec![come, z])
    });
    let (all, _) = changes(&scene, "/").unwrap();
    assert_eq!(all, ["+ /come", "R /gone/deep /come/deep", "M /come/deep/y", "- /gone", "R /gone/z /z"]);
}

#[test]
fn a_directory_that_became_a_file_is_one_change_of_type_and_what_it_held_is_gone() {
    let scene = Scene::new();
    commit(&scene, |hand| {
        let (a, b) = (hand.file("a", 1, b"a"), hand.file("b", 2, b"b"));
        let inner = hand.dir("in", 3, vec![b]);
        let thing = hand.dir("thing", 4, vec![a, inner]);
        hand.tree(vec![thing])
    });
    commit(&scene, |hand| {
        let thing = hand.file("thing", 5, b"thing");
        hand.tree(vec![thing])
    });
    let (all, done) = changes(&scene, "/").unwrap();
    assert_eq!(all, ["T /thing", "- /thing/a", "- /thing/in", "- /thing/in/b"]);
    assert_eq!((done.removed_bytes, done.changed_bytes), (2, 5));
}

#[test]
fn the_same_bytes_cut_in_another_way_are_no_change() {
    use chunkstore::format::tree::{Content, Node};
    let scene = Scene::new();
    commit(&scene, |hand| {
        let file = hand.file("f", 1, b"hello, key");
        hand.tree(vec![file])
    });
    commit(&scene, |hand| {
        let (mut file, tail) = (hand.file("f", 1, b"hello"), hand.file("t", 2, b"to nobody, key"));
        if let (Node::File { len_bytes, content: Content::Inline(extents) }, Node::File { content, .. }) =
            (&mut file.node, &tail.node)
        {
            let Content::Inline(tail) = content else { panic!("a short file lies in its entry") };
            extents.push(chunkstore::format::Extent { offset: 9, len_bytes: 5, ..tail[0] });
            *len_bytes = 10;
        }
        hand.tree(vec![file])
    });
    assert_eq!(changes(&scene, "/").unwrap().0, Vec::<String>::new());
}

/// An extension that holds extended attributes.
fn attributes(pairs: &[(&[u8], &[u8])]) -> (u64, Vec<u8>) {
    let pairs: Vec<_> = pairs.iter().map(|(name, value)| (name.to_vec(), value.to_vec())).collect();
    (ATTRIBUTES_TAG, encode_attributes(&pairs).0.unwrap())
}

#[test]
fn other_attributes_are_a_change_and_another_time_of_birth_is_none() {
    let scene = Scene::new();
    let make = |value: &'static [u8], birth: i64| {
        move |hand: &mut Hand| {
            let mut marked = hand.file("marked", 1, b"1");
            marked.extensions = vec![attributes(&[(b"user.mark", value)])];
            let mut born = hand.file("born", 2, b"2");
            born.extensions = vec![(BIRTH_TAG, encode_birth(birth, 0))];
            let mut dir = hand.dir("dir", 3, vec![]);
            dir.extensions = vec![attributes(&[(b"user.mark", value)]), (BIRTH_TAG, encode_birth(birth, 0))];
            hand.tree(vec![marked, born, dir])
        }
    };
    commit(&scene, make(b"one", 1));
    commit(&scene, make(b"two", 2));
    assert_eq!(changes(&scene, "/").unwrap().0, ["U /dir", "U /marked"]);
    commit(&scene, make(b"two", 3));
    assert_eq!(changes(&scene, "/").unwrap().0, Vec::<String>::new());
}

#[test]
fn beyond_what_is_held_changes_are_told_once_each() {
    let scene = Scene::new();
    let count = HELD_MAX as u64 + 100;
    let name = |number: u64| format!("{number:06}");
    commit(&scene, |hand| {
        let moved = hand.file("moved", 1, b"m");
        hand.tree(vec![moved])
    });
    commit(&scene, |hand| {
        let model = hand.file("x", 2, b"x");
        let many = (0..count).map(|number| {
            let name = chunkstore::base::EntryName::new(name(number).as_bytes()).unwrap();
            chunkstore::format::tree::Entry { name, ..model.clone() }
        });
        let tree = hand.tree(many.collect());
        let moved = hand.file("there", 1, b"m");
        hand.totals.files = count + 1;
        hand.tree(vec![Hand::over("many", 3, tree), moved])
    });
    let (all, done) = changes(&scene, "/").unwrap();
    assert_eq!(all.len() as u64, count + 2);
    assert!(!done.all_moves);
    let unique: std::collections::BTreeSet<_> = all.iter().collect();
    assert_eq!(unique.len(), all.len());
    // What could be told before there was too much was told as it is.
    assert_eq!((done.counts[&ChangeKind::Added], done.counts[&ChangeKind::Moved]), (count + 1, 1));
}

/// A directory that names the one below twice, forty times over: 2^40 files.
pub fn bomb(hand: &mut Hand) -> Pointer {
    let file = hand.file("x", 1, b"x");
    let leaf = hand.tree(vec![file]);
    (0..40).fold(leaf, |below, level| {
        hand.tree(vec![Hand::over("a", 2 * level + 2, below), Hand::over("b", 2 * level + 3, below)])
    })
}

#[test]
fn no_verb_unfolds_a_small_store_without_end() {
    let scene = Scene::new();
    commit(&scene, |hand| hand.tree(vec![]));
    commit(&scene, bomb);
    let reading = reading(&scene);
    let refused = |result: Result<(), Error>| {
        let error = result.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt);
        assert_eq!(error.to_string(), "the snapshot, which holds more entries than it says, is damaged");
    };
    let pattern = Pattern::new("nothing", false, Wanted::default()).unwrap();
    refused(ls(&reading, &spot("/"), true, &mut |_, _| Ok(())));
    refused(find(&reading, &spot("/"), &pattern, scene.run(), &mut |_, _, _| Ok(())).map(drop));
    let root = RelPath::root();
    refused(find_all(&reading, &root, &pattern, scene.run(), &mut |_, _, _, _| Ok(())).map(drop));
    refused(changes(&scene, "/").map(drop));
    let mut sink = std::io::sink();
    refused(export(&reading, &spot("/"), ArchiveFormat::Tar, &mut sink, scene.run()).map(drop));
    // Each object is counted once, so this ends by itself.
    let counted = stats(&reading, None, scene.run()).unwrap();
    assert_eq!((counted.stored.content_bytes, counted.damaged), (1, 0));
}

/// Two files in packs of their own, the second one damaged; the directory reads.
fn damaged() -> Scene {
    let scene = Scene::new();
    scene.write("a-sound", &noise(1, 3000));
    scene.commit("one").unwrap();
    scene.write("b-spoiled", &noise(2, 9 << 20));
    scene.write("c-sound", b"short");
    scene.commit("two").unwrap();
    // Only the large file fills a pack like that.
    let is_large = |path: &String| scene.disk.content(path).is_some_and(|bytes| bytes.len() > 8 << 20);
    let pack = scene.disk.paths().into_iter().find(is_large).unwrap();
    assert!(scene.disk.corrupt(&pack, |bytes| bytes[5 << 20] ^= 1));
    scene
}

fn exported(scene: &Scene, place: &str, format: ArchiveFormat) -> (Result<Exported, Error>, Vec<u8>) {
    let mut bytes = Vec::new();
    (export(&reading(scene), &spot(place), format, &mut bytes, scene.run()), bytes)
}

#[test]
fn an_archive_leaves_a_damaged_file_out_whole() {
    let scene = damaged();
    let (done, bytes) = exported(&scene, "/", ArchiveFormat::Tar);
    let done = done.unwrap();
    assert_eq!((done.entries, done.damaged, done.left_alone), (2, 1, 0), "{:?}", scene.monitor.problems());
    let mut archive = tar::Archive::new(&bytes[..]);
    let names: Vec<_> = archive.entries().unwrap().map(|e| e.unwrap().path().unwrap().into_owned()).collect();
    assert_eq!(names, ["a-sound", "c-sound"].map(std::path::PathBuf::from));
    let (done, bytes) = exported(&scene, "/", ArchiveFormat::Zip);
    assert_eq!(done.unwrap().damaged, 1);
    let archive = zip::ZipArchive::new(std::io::Cursor::new(bytes)).unwrap();
    let names: Vec<_> = archive.file_names().map(|name| name.unwrap().into_owned()).collect();
    assert_eq!(names, ["a-sound", "c-sound"]);
    assert!(scene.monitor.problems().iter().all(|problem| problem.subject == "/b-spoiled"));
}

/// The records of pax headers by the name of the entry behind them, read by their lengths.
fn pax_records(bytes: &[u8]) -> Vec<(String, Vec<Vec<u8>>)> {
    let (mut all, mut records) = (Vec::new(), Vec::new());
    for entry in tar::Archive::new(bytes).entries().unwrap().raw(true) {
        let mut entry = entry.unwrap();
        if entry.header().entry_type() != tar::EntryType::XHeader {
            let name = String::from_utf8(entry.path_bytes().into_owned()).unwrap();
            all.push((name, std::mem::take(&mut records)));
            continue;
        }
        let mut header = Vec::new();
        std::io::Read::read_to_end(&mut entry, &mut header).unwrap();
        let mut rest = &header[..];
        while let Some(space) = rest.iter().position(|&byte| byte == b' ') {
            let len: usize = std::str::from_utf8(&rest[..space]).unwrap().parse().unwrap();
            let (record, behind) = rest.split_at(len);
            records.push(record[space + 1..].strip_suffix(b"\n").unwrap().to_vec());
            rest = behind;
        }
        assert!(rest.is_empty());
    }
    all
}

#[test]
fn a_tar_holds_extended_attributes() {
    let scene = Scene::new();
    commit(&scene, |hand| {
        let mut file = hand.file("a", 1, b"1");
        file.hard_linked = true;
        // Of these values, some make a record as long as its length takes one more digit.
        let values: Vec<(Vec<u8>, Vec<u8>)> =
            (70..90).map(|len| (format!("user.n{len}").into_bytes(), vec![b'\n'; len])).collect();
        let mut pairs: Vec<(&[u8], &[u8])> = vec![(b"user.100%=x", b"a=b\0"), (b"user.\xff", b"")];
        pairs.splice(1..1, values.iter().map(|(name, value)| (&name[..], &value[..])));
        file.extensions = vec![attributes(&pairs)];
        let mut again = hand.file("b", 1, b"1");
        (again.hard_linked, again.extensions) = (true, file.extensions.clone());
        let mut dir = hand.dir("dir", 2, vec![]);
        dir.extensions = vec![attributes(&[(b"user.of", b"dir")])];
        let mut odd = hand.file("odd", 3, b"3");
        odd.extensions = vec![(ATTRIBUTES_TAG, b"nonsense".to_vec())];
        hand.tree(vec![file, again, dir, odd])
    });
    let (done, bytes) = exported(&scene, "/", ArchiveFormat::Tar);
    let done = done.unwrap();
    assert_eq!((done.entries, done.damaged, done.left_alone), (4, 0, 1));
    let problems = scene.monitor.problems();
    assert_eq!(problems.len(), 1);
    assert_eq!(problems[0].subject, "/odd");
    assert!(problems[0].reason.starts_with("its extended attributes are left out: "), "{problems:?}");
    let all = pax_records(&bytes);
    let named = |wanted: &str| &all.iter().find(|(name, _)| name == wanted).unwrap().1;
    let file = named("a");
    assert_eq!(file.len(), 22);
    assert_eq!(file[0], b"SCHILY.xattr.user.100%25%3Dx=a=b\0");
    assert_eq!(file[1], [b"SCHILY.xattr.user.n70=", &[b'\n'; 70][..]].concat());
    assert_eq!(file[21], b"SCHILY.xattr.user.\xff=");
    assert_eq!(*named("dir/"), [b"SCHILY.xattr.user.of=dir"]);
    assert!(named("b").is_empty() && named("odd").is_empty());
}

/// A sink that takes so many bytes and fails.
struct Short(usize, Vec<u8>);

impl std::io::Write for Short {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.1.len() + bytes.len() > self.0 {
            return Err(std::io::ErrorKind::StorageFull.into());
        }
        self.1.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn an_archive_that_broke_off_is_no_archive() {
    let scene = Scene::new();
    scene.write("a", &noise(1, 60_000));
    scene.write("b", &noise(2, 60_000));
    scene.commit("one").unwrap();
    for format in [ArchiveFormat::Tar, ArchiveFormat::Zip] {
        let mut sink = Short(80_000, Vec::new());
        let error = export(&reading(&scene), &spot("/"), format, &mut sink, scene.run()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NoSpace, "{error:?}");
        match format {
            ArchiveFormat::Tar => assert!(!sink.1.ends_with(&[0; 1024])),
            ArchiveFormat::Zip => assert!(zip::ZipArchive::new(std::io::Cursor::new(sink.1)).is_err()),
        }
    }
}

#[test]
fn a_pulled_medium_is_not_taken_for_damage() {
    let scene = damaged();
    let reading = reading(&scene);
    scene.disk.unplug();
    let error = export(&reading, &spot("/"), ArchiveFormat::Tar, &mut std::io::sink(), scene.run()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Gone);
    let error = stats(&reading, None, scene.run()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Gone);
}

#[test]
fn a_history_is_searched_at_the_cost_of_what_changed() {
    let scene = Scene::new();
    for number in 0..300 {
        scene.write(&format!("dir-{number}/steady"), b"steady");
    }
    scene.write("dir-7/wanted", b"1");
    scene.commit("one").unwrap();
    for round in 2..6 {
        scene.clock.advance(std::time::Duration::from_secs(60));
        scene.write("dir-7/wanted", vec![b'x'; round].as_slice());
        scene.commit("more").unwrap();
    }
    let reading = reading(&scene);
    let search = |pattern: &Pattern| {
        let mut events = Vec::new();
        find_all(&reading, &RelPath::root(), pattern, scene.run(), &mut |_, event, _, _| {
            events.push(event);
            Ok(())
        })
        .unwrap();
        events
    };
    let wanted = Pattern::new("wan*", false, Wanted::default()).unwrap();
    scene.disk.reset_counts();
    assert_eq!(search(&wanted), [Event::Changed, Event::Changed, Event::Changed, Event::Changed, Event::Added]);
    let reads = scene.disk.counts().reads;
    // The oldest is read whole, the four others in the directory that changed and the root.
    assert!(reads < 300 + 40, "{reads} reads");
    assert_eq!(search(&Pattern::new("steady", false, Wanted::default()).unwrap()).len(), 300);
}
