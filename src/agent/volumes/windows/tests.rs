//! Folders come and go between looks; a sleep and a set clock are told.

use std::sync::Mutex;
use std::sync::mpsc::channel;

use super::*;
use crate::base::Timestamp;
use crate::base::clock::FixedClock;

#[test]
fn looks_tell_what_came_went_and_was_another() {
    let dir = tempfile::tempdir().unwrap();
    let folder = OsFolder::open(dir.path()).unwrap();
    let create = |name: &str| folder.create_dir(&RelPath::new(name.as_bytes()).unwrap()).unwrap();
    let remove = |name: &str| folder.remove_dir(&RelPath::new(name.as_bytes()).unwrap()).unwrap();
    let key = |name: &str| VolumeKey(name.to_owned());
    let told = Mutex::new(Vec::new());
    let tell = |seen| told.lock().unwrap().push(seen);
    create("a");
    let first = folders_in(&folder, dir.path());
    tell_changes(&Standings::new(), &first, &tell);
    create("b");
    remove("a");
    create("keeps the number that was free");
    create("a");
    let second = folders_in(&folder, dir.path());
    tell_changes(&first, &second, &tell);
    remove("b");
    tell_changes(&second, &folders_in(&folder, dir.path()), &tell);
    let mounted = |name: &str| Seen::Mounted(key(name), dir.path().join(name));
    let told = told.into_inner().unwrap();
    let about = |name: &str| {
        let is_about = |seen: &&Seen| matches!(seen, Seen::Mounted(k, _) | Seen::Gone(k) if *k == key(name));
        told.iter().filter(is_about).cloned().collect::<Vec<_>>()
    };
    assert_eq!(about("a"), [mounted("a"), Seen::Gone(key("a")), mounted("a")]);
    assert_eq!(about("b"), [mounted("b"), Seen::Gone(key("b"))]);
}

#[test]
fn a_source_ends_when_it_is_dropped() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("key")).unwrap();
    let (sender, told) = channel();
    let tell: Tell = std::sync::Arc::new(move |seen| drop(sender.send(seen)));
    let watching = Box::new(Folders { dir: dir.path().to_owned() }).start(tell).unwrap();
    assert_eq!(told.recv().unwrap(), Seen::Mounted(VolumeKey("key".into()), dir.path().join("key")));
    drop(watching);
    assert!(told.recv().is_err(), "nobody is left who could tell");
}

#[test]
fn a_sleep_and_a_clock_that_was_set_are_jumps() {
    let clock = FixedClock::new(Timestamp(1_000_000_000_000));
    let before = Moment::of(&clock);
    clock.advance(GAP);
    let after = Moment::of(&clock);
    assert!(!before.jumps_to(after));
    let set = |secs: i64| Moment { wall_nanos: after.wall_nanos + secs * 1_000_000_000, ..after };
    assert!(before.jumps_to(set(60)) && before.jumps_to(set(-60)));
    assert!(!before.jumps_to(set(2)));
    clock.advance(Duration::from_secs(3600));
    assert!(before.jumps_to(Moment::of(&clock)), "nobody looked for an hour");
}
