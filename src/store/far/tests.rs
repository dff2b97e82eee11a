//! What is fetched and what is not, and what a remote that fails, lies or goes away costs.

use super::*;
use crate::base::clock::FixedClock;
use crate::base::random::SeededRandom;
use crate::disk::read_all;
use crate::remote::mem::{Fault, MemRemote, Rule};

struct Scene {
    remote: MemRemote,
    clock: Arc<FixedClock>,
    stop: Arc<AtomicBool>,
    told: Arc<Mutex<Vec<String>>>,
    disk: FarDisk,
}

fn path(text: &str) -> StorePath {
    StorePath::new(text).unwrap()
}

fn pack() -> StorePath {
    path("packs/AB/0123ABCD")
}

fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at % 251) as u8).collect()
}

fn scene() -> Scene {
    let remote = MemRemote::new();
    remote.plant(&pack(), &pattern(4 << 20));
    remote.plant(&path("trust/1"), b"trust");
    let (clock, stop, told) = (Arc::new(FixedClock::default()), Arc::default(), Arc::<Mutex<Vec<String>>>::default());
    let hears = Arc::clone(&told);
    let options = FarOptions {
        clock: Arc::clone(&clock) as Arc<dyn Clock>,
        random: Arc::new(SeededRandom::new(1)),
        stop: Arc::clone(&stop),
        tell: Box::new(move |text| hears.lock().unwrap().push(text.to_owned())),
    };
    let disk = FarDisk::new(Arc::new(remote.clone()), options);
    Scene { remote, clock, stop, told, disk }
}

fn read(file: &dyn ReadAt, offset: u64, len: usize) -> Result<Vec<u8>, DiskError> {
    let mut bytes = vec![0; len];
    let count = file.read_at(offset, &mut bytes)?;
    bytes.truncate(count);
    Ok(bytes)
}

#[test]
fn a_small_file_is_fetched_once_and_stays_what_it_was() {
    let scene = scene();
    assert_eq!(read_all(&scene.disk, &path("trust/1"), 100).unwrap().unwrap(), b"trust");
    scene.remote.plant(&path("trust/1"), b"other");
    assert_eq!(read_all(&scene.disk, &path("trust/1"), 100).unwrap().unwrap(), b"trust");
    assert_eq!(read_all(&scene.disk, &path("trust/2"), 100).unwrap(), None);
    scene.remote.plant(&path("trust/2"), b"late");
    assert_eq!(read_all(&scene.disk, &path("trust/2"), 100).unwrap(), None);
    assert_eq!(scene.remote.counts().fetches, 2);
}

#[test]
fn what_is_no_business_of_a_reader_is_never_asked_for() {
    let scene = scene();
    for name in ["HEAD.new", "pending", "readers", "heads/00000001", "replica/id", "packs/AB"] {
        scene.remote.plant(&path(name), b"x");
        assert_eq!(scene.disk.metadata(&path(name)).unwrap(), None, "{name}");
        assert_eq!(scene.disk.open(&path(name)).err().unwrap().kind, DiskErrorKind::NotFound, "{name}");
    }
    assert_eq!(scene.disk.list(&path("heads")).unwrap(), []);
    assert_eq!(scene.remote.counts().connects, 0);
}

#[test]
fn a_stretch_of_a_pack_costs_little_more_than_itself_and_neighbours_are_joined() {
    let scene = scene();
    let file = scene.disk.open(&pack()).unwrap();
    let all = pattern(4 << 20);
    assert_eq!(read(file.as_ref(), 1_000_000, 100).unwrap(), all[1_000_000..1_000_100]);
    assert_eq!(scene.remote.counts().fetched_bytes, PIECE_MIN_BYTES);
    assert_eq!(read(file.as_ref(), 1_000_100, 30_000).unwrap(), all[1_000_100..1_030_100]);
    assert_eq!(scene.remote.counts().fetches, 1, "the piece has both");
    let mut read_back = Vec::new();
    while read_back.len() < all.len() {
        read_back.extend(read(file.as_ref(), read_back.len() as u64, 4096).unwrap());
    }
    assert!(read_back == all);
    let counts = scene.remote.counts();
    assert!(counts.fetches <= 16, "{counts:?}");
    assert!(counts.fetched_bytes <= (4 << 20) + PIECE_MIN_BYTES, "{counts:?}");
    let asked = scene.remote.asked();
    assert!(asked.iter().any(|(_, offset, most)| (999_424, PIECE_MIN_BYTES) == (*offset, *most)), "{asked:?}");
    // A stretch that takes in the ends of two grains.
    let (from, len) = (2_000_000, 600_001);
    assert_eq!(read(scene.disk.open(&pack()).unwrap().as_ref(), from, len).unwrap(), all[from as usize..][..len]);
    let end = (from + len as u64).next_multiple_of(RANGE_ALIGN_BYTES);
    let begin = from - from % RANGE_ALIGN_BYTES;
    assert_eq!(scene.remote.asked().last(), Some(&(pack(), begin, end - begin)));
    assert_eq!(read(file.as_ref(), 4 << 20, 10).unwrap(), b"");
    assert_eq!(read(file.as_ref(), u64::MAX, 10).unwrap(), b"");
}

#[test]
fn many_threads_ask_over_as_many_sessions_as_there_may_be() {
    let scene = scene();
    for number in 0..8 {
        scene.remote.plant(&path(&format!("packs/AB/{number:08}")), &pattern(100_000));
    }
    std::thread::scope(|scope| {
        for number in 0..8 {
            let disk = scene.disk.clone();
            scope.spawn(move || {
                let file = disk.open(&path(&format!("packs/AB/{number:08}"))).unwrap();
                assert_eq!(read(file.as_ref(), 0, 100_000).unwrap(), pattern(100_000));
            });
        }
    });
    assert!(scene.remote.counts().connects <= 2, "{:?}", scene.remote.counts());
}

#[test]
fn what_may_pass_is_tried_again_on_another_session() {
    let scene = scene();
    let file = scene.disk.open(&pack()).unwrap();
    scene.remote.script(Rule::times(Fault::Reset { after_bytes: 10 }, 2));
    assert_eq!(read(file.as_ref(), 0, 100).unwrap(), pattern(100));
    assert!(scene.told.lock().unwrap().is_empty());
    assert!(scene.clock.monotonic() <= POLICY.longest_delay, "{:?}", scene.clock.monotonic());
}

#[test]
fn a_remote_that_is_gone_is_an_error_at_once_and_is_found_again() {
    let scene = scene();
    let file = scene.disk.open(&pack()).unwrap();
    scene.remote.script(Rule::always(Fault::Stall { after_bytes: 0 }));
    let error = read(file.as_ref(), 0, 100).unwrap_err();
    assert_eq!(error.kind, DiskErrorKind::Offline);
    assert!(error.source.to_string().contains("no data in time"), "{error:?}");
    let (asked, waited) = (scene.remote.counts().fetches, scene.clock.monotonic());
    for _ in 0..100 {
        assert_eq!(read(file.as_ref(), 0, 100).unwrap_err().kind, DiskErrorKind::Offline);
    }
    assert_eq!((scene.remote.counts().fetches, scene.clock.monotonic()), (asked, waited), "nobody waits twice");
    assert_eq!(scene.told.lock().unwrap().len(), 1);
    // One call finds out; it is not tried again and again.
    scene.clock.advance(OFFLINE_FIRST);
    assert_eq!(read(file.as_ref(), 0, 100).unwrap_err().kind, DiskErrorKind::Offline);
    assert_eq!(scene.remote.counts().fetches, asked + 1);
    assert_eq!(scene.told.lock().unwrap().len(), 1, "it is told once");
    scene.remote.heal();
    assert_eq!(read(file.as_ref(), 0, 100).unwrap_err().kind, DiskErrorKind::Offline, "it is not asked again so soon");
    scene.clock.advance(OFFLINE_FIRST * 2);
    assert_eq!(read(file.as_ref(), 0, 100).unwrap(), pattern(100));
    assert_eq!(read(file.as_ref(), 1 << 20, 100).unwrap(), pattern((1 << 20) + 100)[1 << 20..]);
}

#[test]
fn a_file_that_is_answered_wrongly_counts_for_itself_alone() {
    let scene = scene();
    let (bad, small) = (scene.disk.open(&pack()).unwrap(), path("trust/1"));
    let other = path("packs/AB/4567");
    scene.remote.plant(&other, &pattern(1000));
    scene.remote.script(Rule::always(Fault::Nonsense).at(&pack()));
    let error = read(bad.as_ref(), 0, 100).unwrap_err();
    assert!(error.is_unread() && error.source.to_string().contains("makes no sense"), "{error:?}");
    let (asked, waited) = (scene.remote.counts().fetches, scene.clock.monotonic());
    assert!(read(bad.as_ref(), 0, 100).unwrap_err().is_unread());
    assert_eq!((scene.remote.counts().fetches, scene.clock.monotonic()), (asked, waited), "nobody waits twice");
    let good = scene.disk.open(&other).unwrap();
    assert_eq!(read(good.as_ref(), 0, 1000).unwrap(), pattern(1000));
    assert_eq!(read_all(&scene.disk, &small, 100).unwrap().unwrap(), b"trust");
    assert_eq!(*scene.told.lock().unwrap(), [""; 0]);
    scene.remote.heal();
    scene.clock.advance(WRONG_FOR);
    assert_eq!(read(bad.as_ref(), 0, 100).unwrap(), pattern(100));
    // Without a small file nothing is known of the store; that is no damage.
    scene.remote.plant(&path("trust/2"), b"more");
    scene.remote.script(Rule::always(Fault::Nonsense).at(&path("trust/2")));
    let error = read_all(&scene.disk, &path("trust/2"), 100).unwrap_err();
    assert_eq!(error.kind, DiskErrorKind::Offline);
    assert_eq!(read(good.as_ref(), 0, 1000).unwrap(), pattern(1000), "and the remote is not left out");
}

// FTP 450 and 451: the file is busy, or the server cannot read it.
#[test]
fn a_file_that_is_withheld_counts_for_itself_alone_and_is_no_damage() {
    let scene = scene();
    let bad = scene.disk.open(&pack()).unwrap();
    let other = path("packs/AB/4567");
    scene.remote.plant(&other, &pattern(1000));
    scene.remote.script(Rule::always(Fault::Unavailable).at(&pack()));
    assert!(!scene.disk.has_withheld());
    let error = read(bad.as_ref(), 0, 100).unwrap_err();
    assert_eq!(error.kind, DiskErrorKind::Withheld);
    assert!(scene.disk.has_withheld() && error.source.to_string().contains("cannot be had now"), "{error:?}");
    let counts = scene.remote.counts();
    assert_eq!(counts.connects, 1, "a session that was answered is used again");
    assert_eq!(read(bad.as_ref(), 0, 100).unwrap_err().kind, DiskErrorKind::Withheld);
    assert_eq!(scene.remote.counts().fetches, counts.fetches, "nobody asks twice");
    let good = scene.disk.open(&other).unwrap();
    assert_eq!(read(good.as_ref(), 0, 1000).unwrap(), pattern(1000));
    assert_eq!(*scene.told.lock().unwrap(), [""; 0]);
    scene.remote.heal();
    scene.clock.advance(WRONG_FOR);
    assert_eq!(read(bad.as_ref(), 0, 100).unwrap(), pattern(100));
}

#[test]
fn a_remote_that_answers_nothing_right_is_left_out() {
    let scene = scene();
    let files: Vec<_> = (0..=WRONG_MAX).map(|number| path(&format!("packs/AB/{number:08}"))).collect();
    files.iter().for_each(|file| scene.remote.plant(file, &pattern(1000)));
    let open: Vec<_> = files.iter().map(|file| scene.disk.open(file).unwrap()).collect();
    scene.remote.script(Rule::always(Fault::Nonsense));
    let kinds: Vec<_> = open.iter().map(|file| read(file.as_ref(), 0, 100).unwrap_err().kind).collect();
    assert_eq!(kinds[..WRONG_MAX as usize], [DiskErrorKind::Io; WRONG_MAX as usize]);
    assert_eq!(kinds[WRONG_MAX as usize], DiskErrorKind::Offline);
    assert_eq!(scene.told.lock().unwrap().len(), 1);
}

#[test]
fn who_is_refused_asks_no_second_time() {
    let scene = scene();
    scene.remote.script(Rule::always(Fault::Connect(RemoteErrorKind::Refused)));
    assert_eq!(scene.disk.open(&pack()).err().unwrap().kind, DiskErrorKind::Offline);
    assert_eq!(scene.disk.open(&pack()).err().unwrap().kind, DiskErrorKind::Offline);
    assert_eq!(scene.remote.counts().connects, 1);
}

#[test]
fn a_server_that_lies_about_lengths_is_bounded() {
    let scene = scene();
    scene.remote.script(Rule::once(Fault::Endless).at(&path("trust/1")));
    let error = read_all(&scene.disk, &path("trust/1"), TRUST_MAX_BYTES).unwrap_err();
    assert_eq!(error.kind, DiskErrorKind::WrongType, "longer than any such file");
    assert_eq!(scene.remote.counts().fetched_bytes, TRUST_MAX_BYTES + 1);
    let file = scene.disk.open(&pack()).unwrap();
    scene.remote.script(Rule::once(Fault::Truncate { after_bytes: 50 }).at(&pack()));
    let error = read(file.as_ref(), 0, 100).unwrap_err();
    assert!(error.is_unread(), "{error:?}");
    scene.remote.script(Rule::once(Fault::Endless).at(&pack()));
    assert_eq!(read(file.as_ref(), (4 << 20) - 10, 100).unwrap().len(), 10, "no more than the length that it said");
}

#[test]
fn a_pack_that_was_taken_away_is_said_to_be() {
    let scene = scene();
    scene.remote.uproot(&pack());
    let error = scene.disk.open(&pack()).err().unwrap();
    assert_eq!(error.kind, DiskErrorKind::NotFound);
    assert!(error.source.to_string().contains("mem: does not have it"), "{error:?}");
}

#[test]
fn a_wish_to_stop_ends_every_wait() {
    let scene = scene();
    scene.remote.script(Rule::always(Fault::Connect(RemoteErrorKind::Unreachable)));
    scene.stop.store(true, Ordering::Relaxed);
    assert_eq!(scene.disk.open(&pack()).err().unwrap().kind, DiskErrorKind::Interrupted);
    assert_eq!(scene.clock.monotonic(), Duration::ZERO);
}

#[test]
fn a_head_that_is_being_written_is_asked_for_again() {
    let scene = scene();
    scene.remote.plant(&layout::head(), b"torn");
    assert_eq!(read_all(&scene.disk, &layout::head(), HEAD_MAX_BYTES).unwrap().unwrap(), b"torn");
    assert_eq!(scene.remote.counts().fetches, u64::from(HEAD_TRIES));
    assert_eq!(scene.clock.monotonic(), HEAD_DELAY * (HEAD_TRIES - 1));
}

#[test]
fn nothing_is_written() {
    let scene = scene();
    let at = path("trust/1");
    let refused = [
        scene.disk.create_new(&at).err(),
        scene.disk.append_after(&at, 0).err(),
        scene.disk.rename(&at, &pack()).err(),
        scene.disk.remove(&at).err(),
        scene.disk.create_dir(&at).err(),
        scene.disk.sync_dir(&at).err(),
        scene.disk.lock(&at, LockKind::Shared).err(),
    ];
    for error in refused {
        assert_eq!(error.unwrap().kind, DiskErrorKind::ReadOnly);
    }
    assert_eq!(scene.remote.counts().connects, 0);
}
