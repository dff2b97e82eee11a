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
    assert!(!before.jumps_to(after, GAP));
    let set = |secs: i64| Moment { wall_nanos: after.wall_nanos + secs * 1_000_000_000, ..after };
    assert!(before.jumps_to(set(60), GAP) && before.jumps_to(set(-60), GAP));
    assert!(!before.jumps_to(set(2), GAP));
    clock.advance(Duration::from_secs(3600));
    assert!(before.jumps_to(Moment::of(&clock), GAP), "nobody looked for an hour");
}

#[test]
fn a_system_that_tells_is_left_alone_while_nothing_is_plugged_in() {
    let mut pace = Pace { is_told: true, stirred: 0 };
    assert_eq!(pace.after(false, false), REST);
    assert_eq!(pace.after(false, true), GAP, "a reader takes a card without a word");
    assert_eq!(pace.after(true, false), GAP);
    let waits = |pace: &mut Pace| (0..).take_while(|_| pace.after(false, false) == GAP).count();
    assert_eq!(waits(&mut pace), STIRRED as usize - 1, "a letter comes a while after its volume");
    let mut deaf = Pace { is_told: false, stirred: 0 };
    assert!((0..100).all(|_| deaf.after(false, false) == GAP));
}

#[test]
fn a_look_is_taken_when_it_is_called_for_and_the_source_ends_with_the_last_word() {
    let (calls, called) = channel();
    let told = Mutex::new(Vec::new());
    let mut looks = 0;
    let look = || {
        looks += 1;
        let standing = Standing { path: "E:\\".into(), marks: BTreeSet::from([7]) };
        let standings =
            if looks == 2 { Standings::from([(VolumeKey("E:".into()), standing)]) } else { Standings::new() };
        Look { standings, may_change: false }
    };
    [Call::Look, Call::Look, Call::End].into_iter().for_each(|call| calls.send(call).unwrap());
    let pace = Pace { is_told: true, stirred: 0 };
    look_and_tell(look, pace, &called, &FixedClock::new(Timestamp(0)), &|seen| told.lock().unwrap().push(seen));
    let key = VolumeKey("E:".to_owned());
    assert_eq!(told.into_inner().unwrap(), [Seen::Mounted(key.clone(), "E:\\".into()), Seen::Gone(key)]);
    assert_eq!(looks, 3);
}
