//! What whoever sees a store and its traffic, without a secret, can learn: "What an observer learns" of `objects-format.md`.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use chunkstore::base::Random;
use chunkstore::base::random::SeededRandom;
use chunkstore::disk::{Disk, SimFolder};
use chunkstore::folder::Excludes;
use chunkstore::format::manifest::PackRef;
use chunkstore::format::pack::padme;
use chunkstore::format::{Class, Kind};
use chunkstore::ops::commit::{CommitRequest, commit};
use chunkstore::ops::list::cat;
use chunkstore::ops::local_keys::WriterKey;
use chunkstore::ops::open::{Reading, Spot};
use chunkstore::store::keyring::WriterKeys;
use chunkstore::store::pack::read_index;
use chunkstore::store::{Store, Unlocked};
use sha2::Digest;

use crate::far;
use crate::scene::{Scene, noise, rel};

fn unlocked(scene: &Scene) -> (Store, WriterKeys, Unlocked) {
    let store = Store::open(scene.shared_disk()).unwrap();
    let (keys, unlocked) = store.unlock_writer(&[scene.writer().identity]).unwrap();
    (store, keys, unlocked)
}

/// Files of many lengths and kinds, committed in several generations, some of it repacked.
fn lived_in() -> (Scene, Vec<(String, Vec<u8>)>) {
    let scene = Scene::new();
    let files: Vec<(String, Vec<u8>)> = (0..60u64)
        .map(|at| {
            let len = 1 + (at as usize * 7919) % 90_000;
            let bytes =
                if at % 3 == 0 { format!("line {at}\n").repeat(len / 8 + 2).into_bytes() } else { noise(at, len) };
            // Alone in its directory, so that it shares no chunk with another.
            (format!("Confidential directory {at}/Payroll report {at}.txt"), bytes)
        })
        .collect();
    for part in files.chunks(15) {
        let folder = SimFolder::default();
        part.iter().for_each(|(name, bytes)| folder.put_file(&rel(name), bytes));
        scene.commit_folder(&folder, "Message of the board").unwrap();
    }
    let folder = SimFolder::default();
    files.iter().step_by(4).for_each(|(name, bytes)| folder.put_file(&rel(name), bytes));
    scene.commit_folder(&folder, "Message of the board").unwrap();
    scene.forget_all_but(1);
    assert!(!scene.gc().packs.unwrap().repacked.is_empty());
    (scene, files)
}

#[test]
fn every_length_is_padded() {
    let (scene, _) = lived_in();
    let (store, ..) = unlocked(&scene);
    // The condemned ones still stand.
    let lengths = scene.disk.paths().into_iter().filter(|path| path.starts_with("packs/"));
    let lengths: Vec<u64> =
        lengths.filter_map(|path| scene.disk.content(&path)).map(|bytes| bytes.len() as u64).collect();
    assert!(lengths.len() > 8, "{lengths:?}");
    assert!(lengths.iter().all(|len| padme(*len) == *len), "{lengths:?}");
    let sealed = store.packs().top.sealed.1.len() as u64;
    assert_eq!(padme(sealed), sealed);
}

/// Everything that must stand nowhere: at least eight bytes each, and what it is.
fn secrets(scene: &Scene, files: &[(String, Vec<u8>)]) -> HashMap<[u8; 8], String> {
    let (store, keys, unlocked) = unlocked(scene);
    let mut all: Vec<(String, Vec<u8>)> = Vec::new();
    for (name, bytes) in files {
        all.push((format!("content of {name}"), bytes[bytes.len() / 2..].to_vec()));
        all.push((format!("name {name}"), name.rsplit('/').next().unwrap().into()));
        all.push((format!("directory of {name}"), name.as_bytes().to_vec()));
        all.push((format!("BLAKE3 of {name}"), blake3::hash(bytes).as_bytes().to_vec()));
        all.push((format!("SHA-256 of {name}"), sha2::Sha256::digest(bytes).to_vec()));
        all.push((format!("id of {name}"), keys.reader.object_id(Kind::Chunk, bytes).0.to_vec()));
    }
    all.push(("message".into(), b"Message of the board".to_vec()));
    all.push(("author".into(), b"tester@here".to_vec()));
    for pack in store.packs().packs() {
        let index = read_index(&scene.disk, store.id(), pack, &|epoch| keys.reader.index_key(epoch)).unwrap();
        for (offset, entry) in index {
            all.push((format!("id of the object at {offset}"), entry.id.0.to_vec()));
            if let Some(maker) = keys.key_maker(entry.dedup_generation) {
                all.push((
                    format!("key of the object at {offset}"),
                    maker.object_key(entry.kind, &entry.id).0.to_vec(),
                ));
            }
        }
    }
    for snapshot in &unlocked.sealed.snapshots {
        all.push(("id of a snapshot".into(), snapshot.id.0.to_vec()));
    }
    for line in String::from_utf8(keys.encode().as_bytes().to_vec()).unwrap().lines() {
        let secret = line.rsplit(' ').next().and_then(|word| hex::decode(word).ok()).filter(|bytes| bytes.len() == 32);
        all.extend(secret.map(|bytes| (format!("secret {}", line.split(' ').next().unwrap()), bytes)));
    }
    let mut found = HashMap::new();
    for (what, bytes) in all {
        // As bytes and as hex, whichever case.
        for form in [bytes.clone(), hex::encode(&bytes).into_bytes(), hex::encode_upper(&bytes).into_bytes()] {
            if let Some(start) = form.first_chunk::<8>().filter(|start| start.iter().any(|b| *b != start[0])) {
                found.insert(*start, what.clone());
            }
        }
    }
    found
}

#[test]
fn nothing_that_a_store_keeps_stands_in_clear_in_any_file() {
    let (scene, files) = lived_in();
    let secrets = secrets(&scene, &files);
    assert!(secrets.len() > 600, "{}", secrets.len());
    let mut scanned = 0;
    for path in scene.disk.paths() {
        let Some(bytes) = scene.disk.content(&path) else { continue };
        scanned += bytes.len();
        assert!(path.is_ascii() && !path.to_lowercase().contains("payroll"), "{path}");
        for window in bytes.windows(8) {
            let window: [u8; 8] = window.try_into().unwrap();
            assert_eq!(secrets.get(&window), None, "in {path}");
        }
    }
    assert!(scanned > 1_500_000, "{scanned}");
    // The scan finds what is there: the keys of this machine hold the secrets that open the store.
    let planted = [&[7; 3][..], &blake3::hash(&files[1].1).as_bytes()[..]].concat();
    assert!(planted.windows(8).any(|window| secrets.contains_key(window)));
}

#[test]
fn the_order_of_frames_says_nothing_of_the_order_of_files() {
    let scene = Scene::new();
    let folder = SimFolder::default();
    // Alone in its directory and shorter than the shortest chunk, so that each file is one object.
    let contents: Vec<Vec<u8>> = (0..80).map(|at| noise(at, 30_000)).collect();
    contents.iter().enumerate().for_each(|(at, bytes)| folder.put_file(&rel(&format!("{at:03}/file")), bytes));
    scene.commit_folder(&folder, "").unwrap();
    let (store, keys, _) = unlocked(&scene);
    let numbers: HashMap<_, _> =
        contents.iter().enumerate().map(|(at, bytes)| (keys.reader.object_id(Kind::Chunk, bytes), at)).collect();
    for class in [Class::Data, Class::Meta] {
        let packs: Vec<&PackRef> = store.packs().packs().iter().filter(|pack| pack.class == class).collect();
        let index =
            packs.iter().map(|pack| read_index(&scene.disk, store.id(), pack, &|epoch| keys.reader.index_key(epoch)));
        let entries: Vec<_> = index.flat_map(Result::unwrap).map(|(_, entry)| entry).collect();
        match class {
            Class::Data => {
                let order: Vec<usize> = entries.iter().map(|entry| numbers[&entry.id]).collect();
                assert_eq!(order.len(), 80);
                let in_order = order.windows(2).filter(|pair| pair[0] < pair[1]).count();
                let neighbours = order.windows(2).filter(|pair| pair[0].abs_diff(pair[1]) == 1).count();
                assert!((20..60).contains(&in_order) && neighbours <= 12, "{order:?}");
            }
            Class::Meta => {
                // Written children first: shuffled, the root and the snapshot stand at the end by chance alone.
                assert!(entries.len() > 80);
                let snapshot = entries.iter().position(|entry| entry.kind == Kind::Snapshot).unwrap();
                assert!(snapshot + 2 < entries.len(), "{snapshot} of {}", entries.len());
            }
        }
    }
}

#[test]
fn reading_from_far_away_shows_no_place_and_no_length_of_a_frame() {
    let scene = Scene::new();
    let folder = SimFolder::default();
    // Of a length that is nobody's grain, and each alone in its directory.
    (0..12).for_each(|at| folder.put_file(&rel(&format!("{at}/file")), &noise(at, 777_777)));
    scene.commit_folder(&folder, "").unwrap();
    let remote = far::mirror(&scene.disk);
    let reading = Reading::open(far::far(&remote).0, &scene.readers(), scene.run()).unwrap();
    for at in [3, 7, 4] {
        let mut bytes = Vec::new();
        let take = &mut |piece: &[u8]| {
            bytes.extend_from_slice(piece);
            Ok(())
        };
        cat(&reading, &Spot::parse(format!("/{at}/file").as_bytes()).unwrap(), take).unwrap();
        assert!(bytes == noise(at, 777_777));
    }
    let asked = remote.asked();
    let of_packs: Vec<_> = asked.iter().filter(|(path, ..)| path.as_str().starts_with("packs/")).collect();
    assert!(of_packs.iter().filter(|(_, offset, _)| *offset > 0).count() >= 3, "{asked:?}");
    for (path, offset, most) in of_packs {
        let len_bytes = remote.file(path).unwrap().len() as u64;
        let is_rounded = offset % 4096 == 0 && ((offset + most) % 4096 == 0 || offset + most == len_bytes);
        assert!(is_rounded, "{most} bytes from {offset} on of {path}, {len_bytes} bytes long");
    }
}

/// What an observer sees of one commit: how many packs of each class came, and how long they are.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct View {
    data_bytes: u64,
    data_packs: usize,
    meta_bytes: u64,
}

/// A store with nothing in it, of which each commit takes a copy.
struct Observed {
    scene: Scene,
    writer: WriterKey,
}

impl Observed {
    fn new() -> Self {
        let scene = Scene::new();
        let writer = scene.writer();
        Self { scene, writer }
    }

    /// Commits files of these lengths with fresh content.
    fn view(&self, seed: u64, lengths: &[usize]) -> View {
        let folder = SimFolder::default();
        for (at, len) in lengths.iter().enumerate() {
            folder.put_file(&rel(&format!("d{}/file {at}", at % 4)), &noise(seed ^ (at as u64) << 32, *len));
        }
        let request = CommitRequest {
            message: "a week".to_owned(),
            author: "tester@here".to_owned(),
            tags: vec![],
            excludes: Excludes::none(),
            writer: &self.writer,
            cache: None,
        };
        let disk: Arc<dyn Disk> = Arc::new(self.scene.disk.snapshot());
        commit(Arc::clone(&disk), &folder, &request, self.scene.run()).unwrap();
        let store = Store::open(disk).unwrap();
        let of =
            |class| store.packs().packs().iter().filter(move |pack| pack.class == class).map(|pack| pack.len_bytes);
        View {
            data_bytes: of(Class::Data).sum(),
            data_packs: of(Class::Data).count(),
            meta_bytes: of(Class::Meta).sum(),
        }
    }
}

/// Lengths of other files: 10 to 30, from 4 to 256 KiB, short ones more often.
fn others(random: &SeededRandom) -> Vec<usize> {
    let draw = |below: u64| {
        let mut bytes = [0; 8];
        random.fill(&mut bytes);
        u64::from_le_bytes(bytes) % below
    };
    (0..10 + draw(21)).map(|_| (4096 << draw(6)) + draw(4096) as usize).collect()
}

/// The best threshold of one half of the draws, tried on the other: how much more often it says "present" where that is so.
fn advantage(absent: &[u64], present: &[u64]) -> f64 {
    let rate =
        |views: &[u64], from: u64| views.iter().filter(|bytes| **bytes >= from).count() as f64 / views.len() as f64;
    let gain = |absent: &[u64], present: &[u64], from| rate(present, from) - rate(absent, from);
    let half = absent.len() / 2;
    let candidates = absent[..half].iter().chain(&present[..half]);
    let best = candidates.max_by(|a, b| {
        let gains = [a, b].map(|from| gain(&absent[..half], &present[..half], **from));
        gains[0].total_cmp(&gains[1])
    });
    gain(&absent[half..], &present[half..], *best.unwrap())
}

#[test]
fn a_known_file_among_others_shows_as_little_as_is_said() {
    const DRAWS: u64 = 80;
    // Length of the known file, and what two attackers gain, who see a commit of 10 to 30 files and say whether it is among
    // them. One knows how long files are as a rule. The other knows the length of every other file of this very commit: for
    // him nothing but padding hides, in data packs, and the one entry more in meta packs.
    let rows = [
        (1usize << 10, 0.00, 0.04, 0.29),
        (16 << 10, 0.02, 0.89, 0.90),
        (128 << 10, 0.12, 1.00, 1.00),
        (2 << 20, 1.00, 1.00, 1.00),
    ];
    let (random, observed) = (SeededRandom::new(1), Observed::new());
    let absent: Vec<(Vec<usize>, View)> = (0..DRAWS)
        .map(|at| (others(&random), at))
        .map(|(others, at)| {
            let seen = observed.view(at, &others);
            (others, seen)
        })
        .collect();
    println!("known file  knows the rule  knows all others, by data packs  by all");
    for (known, by_rule, by_others, by_all) in rows {
        let with_it = |(at, (others, _)): (u64, &(Vec<usize>, View))| {
            observed.view(DRAWS + at, &[&others[..], &[known]].concat())
        };
        let present: Vec<View> = (0..).zip(&absent).map(with_it).collect();
        let bytes = |views: &mut dyn Iterator<Item = &View>| views.map(|view| view.data_bytes).collect::<Vec<_>>();
        let blind = advantage(&bytes(&mut absent.iter().map(|(_, view)| view)), &bytes(&mut present.iter()));
        let differing = |differs: fn(&View, &View) -> bool| {
            absent.iter().zip(&present).filter(|((_, absent), present)| differs(absent, present)).count() as f64
                / DRAWS as f64
        };
        let (data, all) = (differing(|a, b| a.data_bytes != b.data_bytes), differing(|a, b| a != b));
        println!("{:>6} KiB  {blind:>14.2}  {data:>31.2}  {all:>6.2}", known >> 10);
        // All is drawn from seeds, so that only a change of what is written moves these.
        for (said, found) in [(by_rule, blind), (by_others, data), (by_all, all)] {
            assert!((said - found).abs() < 0.05, "{known}: {found:.2}, and {said:.2} is said");
        }
    }
}

#[test]
fn a_lone_file_shows_its_length_up_to_the_padding() {
    // Lengths that fall together with the known one: whoever sees a commit of one file learns no more than this.
    let observed = Observed::new();
    let (known, mut alike) = (observed.view(1, &[1_000_000]), BTreeSet::new());
    for (seed, permille) in (960..1040).step_by(4).enumerate() {
        let len = 1_000 * permille;
        if observed.view(seed as u64 + 2, &[len]).data_bytes == known.data_bytes {
            alike.insert(permille);
        }
    }
    println!("a lone file of 1 MB looks like those of so many KB: {alike:?}");
    assert!(alike.len() >= 2 && alike.len() <= 6, "{alike:?}");
}
