//! Mounts gathered into volumes, and a real directory that is watched.
#![expect(clippy::disallowed_methods, reason = "the test is the person who plugs things in")]

use std::sync::mpsc::{Receiver, channel};

use super::*;

fn mount(id: u64, device: (u32, u32), point: &str) -> Mount {
    Mount { id, device, point: point.into() }
}

#[test]
fn a_device_that_is_mounted_twice_is_one_volume_under_its_first_path() {
    let mounts = vec![mount(9, (8, 17), "/mnt/b"), mount(7, (8, 17), "/mnt/a"), mount(8, (0, 40), "/mnt/nas")];
    let standings = standings_of(mounts, |_| true);
    assert_eq!(standings.len(), 1);
    let standing = &standings[&VolumeKey("8:17".into())];
    assert_eq!((standing.path.as_path(), standing.marks.len()), (Path::new("/mnt/a"), 2));
}

#[test]
fn places_hold_volumes_and_are_none() {
    assert!(is_in_a_place(Path::new("/run/media/ann/KEY")));
    for point in ["/mnt", "/", "/home", "/mntx/a"] {
        assert!(!is_in_a_place(Path::new(point)), "{point}");
    }
}

fn watch(dir: &Path) -> (Box<dyn Watching>, Receiver<Seen>) {
    let (sender, receiver) = channel();
    let tell: Tell = Arc::new(move |seen| drop(sender.send(seen)));
    (Box::new(Folders { dir: dir.to_owned() }).start(tell).unwrap(), receiver)
}

#[test]
fn folders_are_told_of_as_they_come_and_go() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("volumes");
    std::fs::create_dir_all(dir.join("first")).unwrap();
    let (watching, seen) = watch(&dir);
    let key = |name: &str| VolumeKey(name.into());
    assert_eq!(seen.recv().unwrap(), Seen::Mounted(key("first"), dir.join("first")));
    std::fs::create_dir(parent.path().join("key")).unwrap();
    std::fs::rename(parent.path().join("key"), dir.join("second")).unwrap();
    assert_eq!(seen.recv().unwrap(), Seen::Mounted(key("second"), dir.join("second")));
    std::fs::rename(dir.join("first"), parent.path().join("away")).unwrap();
    assert_eq!(seen.recv().unwrap(), Seen::Gone(key("first")));
    // Out and in again, faster than anybody looks.
    std::fs::rename(dir.join("second"), parent.path().join("key")).unwrap();
    std::fs::rename(parent.path().join("key"), dir.join("second")).unwrap();
    assert_eq!(seen.recv().unwrap(), Seen::Gone(key("second")));
    assert_eq!(seen.recv().unwrap(), Seen::Mounted(key("second"), dir.join("second")));
    drop(watching);
    assert_eq!(seen.recv().ok(), None, "whoever was told is let go of");
}

#[test]
fn the_real_source_starts_and_ends() {
    let (sender, receiver) = channel();
    let watching = Box::new(Plugged).start(Arc::new(move |seen| drop(sender.send(seen)))).unwrap();
    drop(watching);
    // Whatever is plugged into this machine was told of with a path.
    assert!(receiver.iter().all(|seen| matches!(seen, Seen::Mounted(..))));
}
