//! Reading far away: what opening and reading cost, several copies of a store, and what is kept near.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

use chunkstore::base::clock::FixedClock;
use chunkstore::base::random::SeededRandom;
use chunkstore::base::{EntryName, StorePath};
use chunkstore::disk::near::{Near, NearDisk};
use chunkstore::disk::sim::Profile;
use chunkstore::disk::{Disk, OsFolder, SimDisk};
use chunkstore::error::{ErrorKind, Result};
use chunkstore::ops::list::cat;
use chunkstore::ops::open::{Copies, Reading, Spot};
use chunkstore::ops::restore::{RestoreOptions, RestoreRequest, Restored, restore};
use chunkstore::remote::RemoteErrorKind;
use chunkstore::remote::mem::{Fault, MemRemote, Rule};
use chunkstore::store::far::{FarDisk, FarOptions};
use chunkstore::view::{TOP, View, ViewError, ViewRequest};

use crate::scene::{NOW, Scene, noise, read};

/// A store of several packs: nine commits, each of a file of its own.
fn scene() -> Scene {
    let scene = Scene::new();
    for number in 0..9 {
        scene.write(&format!("dir/{number}"), &noise(number, 300_000));
        scene.write(&format!("small/{number}"), format!("marker {number}").as_bytes());
        scene.commit("more").unwrap();
    }
    scene
}

/// What a server would hold of a store.
pub fn mirror(disk: &SimDisk) -> MemRemote {
    let remote = MemRemote::new();
    for path in disk.paths() {
        remote.plant(&StorePath::new(&path).unwrap(), &disk.content(&path).unwrap());
    }
    remote
}

pub fn far(remote: &MemRemote) -> (Arc<dyn Disk>, Arc<Mutex<Vec<String>>>) {
    let told = Arc::<Mutex<Vec<String>>>::default();
    let hears = Arc::clone(&told);
    let options = FarOptions {
        clock: Arc::new(FixedClock::new(NOW)),
        random: Arc::new(SeededRandom::new(3)),
        stop: Arc::new(AtomicBool::new(false)),
        tell: Box::new(move |text| hears.lock().unwrap().push(text.to_owned())),
    };
    (Arc::new(FarDisk::new(Arc::new(remote.clone()), options)), told)
}

fn copies(all: &[&SimDisk]) -> Copies {
    let mut all = all.iter().map(|disk| Arc::new(SimDisk::clone(disk)) as Arc<dyn Disk>);
    Copies { first: all.next().unwrap(), others: all.collect() }
}

fn open(scene: &Scene, copies: impl Into<Copies>) -> Result<Reading> {
    Reading::open(copies, &scene.readers(), scene.run())
}

fn content(reading: &Reading, path: &str) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    cat(reading, &Spot::parse(path.as_bytes()).unwrap(), &mut |piece| {
        bytes.extend_from_slice(piece);
        Ok(())
    })?;
    Ok(bytes)
}

fn restore_from(scene: &Scene, copies: impl Into<Copies>, target: &str) -> Result<Restored> {
    std::fs::create_dir_all(scene.path(target)).unwrap();
    let folder = OsFolder::open(&scene.path(target)).unwrap();
    let spot = Spot::parse(b"/").unwrap();
    let identities = scene.readers();
    let options = RestoreOptions::default();
    let request = RestoreRequest { spot, identities: &identities, owners: false, options };
    restore(copies, &folder, &request, scene.run())
}

fn is_whole(scene: &Scene, target: &str) {
    for number in 0..9 {
        let name = format!("dir/{number}");
        assert!(read(scene.path(target).join(&name)) == read(scene.path("folder").join(&name)), "{name}");
    }
}

fn packs(disk: &SimDisk) -> Vec<String> {
    disk.paths().into_iter().filter(|path| path.starts_with("packs/")).collect()
}

// D3
#[test]
fn a_store_whose_objects_lie_in_three_places_is_restored_whole() {
    let scene = scene();
    let parts: Vec<SimDisk> = (0..3).map(|_| scene.disk.settled()).collect();
    for (number, pack) in packs(&scene.disk).iter().enumerate() {
        let others = parts.iter().enumerate().filter(|(part, _)| *part != number % 3);
        others.for_each(|(_, disk)| assert!(disk.wipe(pack)));
    }
    let all: Vec<&SimDisk> = parts.iter().collect();
    let done = restore_from(&scene, copies(&all), "out").unwrap();
    assert_eq!((done.damaged, done.left_alone), (0, 0));
    is_whole(&scene, "out");
    let without = |left_out: usize| {
        let fewer: Vec<&SimDisk> = (0..3).filter(|part| *part != left_out).map(|part| &parts[part]).collect();
        lacks(restore_from(&scene, copies(&fewer), &format!("less{left_out}")))
    };
    assert!((0..3).any(without), "no copy was needed");
}

/// Which objects lie in a pack is a matter of chance: files are missing, the directory that leads to them, or what nobody asks for.
fn lacks(restored: Result<Restored>) -> bool {
    match restored {
        Ok(done) => done.damaged > 0,
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Corrupt, "{error:?}");
            true
        }
    }
}

#[test]
fn copies_that_are_damaged_in_different_places_make_a_whole_restore() {
    let scene = scene();
    let parts: Vec<SimDisk> = (0..3).map(|_| scene.disk.settled()).collect();
    for (number, pack) in packs(&scene.disk).iter().enumerate() {
        // All but the header, so that in a third of the copies frames do not open, or their index.
        assert!(parts[number % 3].corrupt(pack, |bytes| bytes.iter_mut().skip(200).for_each(|byte| *byte ^= 0x10)));
    }
    let all: Vec<&SimDisk> = parts.iter().collect();
    let done = restore_from(&scene, copies(&all), "out").unwrap();
    assert_eq!((done.damaged, done.left_alone), (0, 0));
    is_whole(&scene, "out");
    let alone = |part: usize| lacks(restore_from(&scene, copies(&all[part..=part]), &format!("alone{part}")));
    assert!((0..3).any(alone), "no copy was damaged");
}

#[test]
fn a_copy_that_does_not_open_or_goes_offline_is_told_and_left_out() {
    let scene = scene();
    let (broken, remote) = (scene.disk.settled(), mirror(&scene.disk));
    packs(&broken).iter().for_each(|pack| assert!(broken.wipe(pack)));
    // Its indexes are gone, too, so nothing is found there; the second is no store; the third answers until it does not.
    let (far_disk, told) = far(&remote);
    let empty: Arc<dyn Disk> = Arc::new(SimDisk::new(Profile::Ext4));
    let third: Arc<dyn Disk> = Arc::new(scene.disk.settled());
    let all = Copies { first: Arc::new(broken), others: vec![empty, far_disk, third] };
    let reading = open(&scene, all).unwrap();
    assert!(scene.monitor.problems().iter().any(|problem| problem.subject == "copy 2 of the store"));
    assert_eq!(content(&reading, "/small/3").unwrap(), b"marker 3");
    assert!(remote.counts().fetches > 0);
    remote.script(Rule::always(Fault::Stall { after_bytes: 0 }));
    assert_eq!(content(&reading, "/dir/7").unwrap(), noise(7, 300_000));
    assert_eq!(told.lock().unwrap().len(), 1, "{told:?}");
    let asked = remote.counts().fetches;
    assert_eq!(content(&reading, "/dir/6").unwrap(), noise(6, 300_000));
    assert_eq!(remote.counts().fetches, asked, "nobody waits for it again");
    let other = Scene::with_seed(9);
    let strange = Copies { first: scene.shared_disk(), others: vec![other.shared_disk()] };
    assert_eq!(open(&scene, strange).err().unwrap().kind(), ErrorKind::Usage);
}

#[test]
fn offline_is_an_error_of_the_remote_with_its_reason_wherever_it_comes() {
    let scene = scene();
    let remote = mirror(&scene.disk);
    let (disk, _) = far(&remote);
    remote.script(Rule::always(Fault::Connect(RemoteErrorKind::Unreachable)));
    let error = open(&scene, Arc::clone(&disk)).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Remote, "{error:?}");
    assert!(error.in_full().contains("scripted"), "{}", error.in_full());
    // At every fetch of an opening and a reading the line may break for good.
    let mut fetches = 1;
    let mut at = 0;
    while at < fetches {
        let remote = mirror(&scene.disk);
        let (disk, _) = far(&remote);
        remote.script(Rule::times(Fault::FlipBit { offset: u64::MAX }, at));
        remote.script(Rule::always(Fault::Stall { after_bytes: 0 }));
        let ended = open(&scene, disk).and_then(|reading| content(&reading, "/small/3"));
        match ended {
            Ok(bytes) => assert_eq!(bytes, b"marker 3"),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Remote, "fetch {at}: {error:?}");
                fetches = at + 2;
            }
        }
        at += 1;
    }
    assert!(fetches > 10, "{fetches}");
}

/// Opens a view of one snapshot and reads a file of it.
fn viewed(scene: &Scene, disk: Arc<dyn Disk>) -> std::result::Result<Vec<u8>, ErrorKind> {
    let identities = scene.readers();
    let request = ViewRequest { copies: vec![disk], identities: &identities, snapshot: Some("HEAD"), now: NOW };
    let view = View::open(request, scene.run().monitor).map_err(|error| error.kind())?;
    let below = |dir: u64, name: &str| view.lookup(dir, &EntryName::new(name.as_bytes()).unwrap());
    let read = below(TOP, "small").and_then(|dir| below(dir.inode, "3")).and_then(|file| {
        let read = view.read(file.inode, 0, 100);
        assert_eq!(view.reason(file.inode), None, "nothing is known of the file");
        read
    });
    match read {
        Ok(bytes) => Ok(bytes.to_vec()),
        Err(ViewError::Offline(reason)) => {
            assert!(reason.contains("no data in time"), "{reason}");
            Err(ErrorKind::Remote)
        }
        Err(error) => panic!("{error:?}"),
    }
}

#[test]
fn a_view_whose_remote_goes_away_calls_nothing_damaged() {
    let scene = scene();
    for at in 0.. {
        let remote = mirror(&scene.disk);
        remote.script(Rule::times(Fault::FlipBit { offset: u64::MAX }, at));
        remote.script(Rule::always(Fault::Stall { after_bytes: 0 }));
        match viewed(&scene, far(&remote).0) {
            Err(kind) => assert_eq!(kind, ErrorKind::Remote, "fetch {at}"),
            Ok(bytes) => {
                assert_eq!(bytes, b"marker 3");
                assert!(at > 10, "{at}");
                return;
            }
        }
    }
}

#[test]
fn a_restore_whose_remote_goes_away_ends_with_that_and_calls_nothing_damaged() {
    let scene = scene();
    let mut at = 10;
    loop {
        let remote = mirror(&scene.disk);
        let (disk, _) = far(&remote);
        remote.script(Rule::times(Fault::FlipBit { offset: u64::MAX }, at));
        remote.script(Rule::always(Fault::Stall { after_bytes: 0 }));
        match restore_from(&scene, disk, &format!("out-{at}")) {
            Ok(done) => {
                assert_eq!(done.damaged, 0);
                return is_whole(&scene, &format!("out-{at}"));
            }
            Err(error) => assert_eq!(error.kind(), ErrorKind::Remote, "{at}: {error:?}"),
        }
        at += 4;
    }
}

/// Opens the mirror, reads a small file, and says what that cost in fetches and bytes.
fn cost(scene: &Scene, near: Option<&SimDisk>) -> (u64, u64) {
    let remote = mirror(&scene.disk);
    let (disk, _) = far(&remote);
    let disk = match near {
        Some(room) => {
            let near = Near::open(Arc::new(room.clone()), 64 << 20, 1);
            Arc::new(NearDisk::new(disk, Arc::new(near))) as Arc<dyn Disk>
        }
        None => disk,
    };
    let reading = open(scene, disk).unwrap();
    assert_eq!(content(&reading, "/small/3").unwrap(), b"marker 3");
    (remote.counts().fetches, remote.counts().fetched_bytes)
}

// D27
#[test]
fn what_was_read_once_is_read_again_without_a_fetch() {
    let scene = scene();
    let room = SimDisk::new(Profile::Ext4);
    let (first, second) = (cost(&scene, Some(&room)), cost(&scene, Some(&room)));
    println!("first {first:?}, second {second:?}, without {:?}", cost(&scene, None));
    // STORE, HEAD, the chain of trust to where it ends, and the key file.
    assert!(second.0 <= 5 && second.1 < 4096, "{second:?}");
    assert!(first.0 > second.0);
}

/// Changes each record of a segment, and makes its check right again.
fn poison(room: &SimDisk) {
    for path in room.paths() {
        let is_there = room.corrupt(&path, |bytes| {
            let mut at = 16;
            while at < bytes.len() {
                let len = u32::from_le_bytes(bytes[at + 16..at + 20].try_into().unwrap()) as usize;
                bytes[at + 32 + len / 2] ^= 1;
                let mut hasher = blake3::Hasher::new();
                hasher.update(&bytes[at..at + 20]).update(&bytes[at + 32..at + 32 + len]);
                bytes[at + 20..at + 32].copy_from_slice(&hasher.finalize().as_bytes()[..12]);
                at += 32 + len;
            }
        });
        assert!(is_there);
    }
}

#[test]
fn what_is_kept_and_does_not_open_is_fetched_again_and_never_returned() {
    let scene = scene();
    let room = SimDisk::new(Profile::Ext4);
    let first = cost(&scene, Some(&room));
    poison(&room);
    assert_eq!(cost(&scene, Some(&room)), first, "all of it is fetched again");
    let healed = cost(&scene, Some(&room));
    assert!(healed.0 <= 5, "{healed:?}");
}

#[test]
fn a_pack_that_was_taken_away_is_an_error_that_says_so() {
    let scene = scene();
    let remote = mirror(&scene.disk);
    let (disk, _) = far(&remote);
    let reading = open(&scene, disk).unwrap();
    packs(&scene.disk).iter().for_each(|pack| remote.uproot(&StorePath::new(pack).unwrap()));
    let error = content(&reading, "/dir/1").err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error:?}");
}
