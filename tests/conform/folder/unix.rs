//! What only a system with links, modes and owners has.

use std::os::unix::ffi::OsStrExt;
use std::sync::atomic::{AtomicBool, Ordering};

use chunkstore::base::EntryName;
use chunkstore::base::monitor::RecordingMonitor;
use chunkstore::base::random::SeededRandom;
use chunkstore::folder::{BatchLimits, BatchWriter};

use super::*;

#[test]
fn the_root_may_be_a_link() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("real")).unwrap();
    std::os::unix::fs::symlink("real", dir.path().join("link")).unwrap();
    let folder = OsFolder::open(&dir.path().join("link")).unwrap();
    write(&folder, &path("x"), b"1");
    assert!(dir.path().join("real/x").exists());
}

#[test]
fn a_link_planted_while_files_are_written_leads_nowhere() {
    let dir = tempfile::tempdir().unwrap();
    let (root, outside) = (dir.path().join("root"), dir.path().join("outside"));
    fs::create_dir_all(root.join("a/b")).unwrap();
    fs::create_dir_all(outside.join("b")).unwrap();
    std::os::unix::fs::symlink(&outside, root.join("planted")).unwrap();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // Swaps the directory for a link to the outside and back, all the time.
            while !done.load(Ordering::Relaxed) {
                fs::rename(root.join("a"), root.join("kept")).unwrap();
                fs::rename(root.join("planted"), root.join("a")).unwrap();
                fs::rename(root.join("a"), root.join("planted")).unwrap();
                fs::rename(root.join("kept"), root.join("a")).unwrap();
            }
        });
        let (mut written, mut refused) = (0, 0);
        for number in 0..4000 {
            // A new handle each time keeps no directory open from before the swap.
            let folder = OsFolder::open(&root).unwrap();
            match folder.create_file(&path(&format!("a/b/{number}"))) {
                Ok(_) => written += 1,
                Err(error) => {
                    assert!(matches!(error.kind, DiskErrorKind::WrongType | DiskErrorKind::NotFound), "{error:?}");
                    refused += 1;
                }
            }
        }
        done.store(true, Ordering::Relaxed);
        assert_eq!(written + refused, 4000);
    });
    assert_eq!(fs::read_dir(outside.join("b")).unwrap().count(), 0, "nothing was written outside");
}

#[test]
fn a_restore_writes_a_real_folder() {
    let dir = tempfile::tempdir().unwrap();
    let folder = OsFolder::open(dir.path()).unwrap();
    let (random, monitor) = (SeededRandom::new(3), RecordingMonitor::default());
    let limits = BatchLimits { files: 10, ..BatchLimits::default() };
    fs::write(dir.path().join("old"), b"old").unwrap();
    let stat = folder.stat(&path("old")).unwrap().unwrap();
    let attributes = Attributes { owner: Some((stat.uid, stat.gid)), mode: Some(0o440), ..mtime(-9, 9) };
    let mut writer = BatchWriter::new(&folder, &random, &monitor, limits);
    for number in 0..25 {
        let at = if number == 0 { path("old") } else { path(&format!("d{}/f{number}", number % 3)) };
        let mut file = writer.begin_file(&at).unwrap().unwrap();
        file.append(at.as_bytes()).unwrap();
        writer.finish_file(file, &attributes).unwrap();
    }
    writer.hard_link(&path("d1/f1"), &path("d2/early")).unwrap();
    writer.hard_link(&path("d0/f24"), &path("d2/late")).unwrap();
    writer.symlink(&path("d2/link"), b"early", &mtime(5, 5)).unwrap();
    writer.directory(&path("d2"), Attributes { mode: Some(0o555), ..mtime(-1, 1) }).unwrap();
    writer.finish().unwrap();
    assert_eq!(monitor.problems(), []);
    assert_eq!(fs::read(dir.path().join("old")).unwrap(), b"old");
    assert_eq!(fs::read(dir.path().join("d2/early")).unwrap(), b"d1/f1");
    assert_eq!(fs::read(dir.path().join("d2/late")).unwrap(), b"d0/f24");
    let placed = folder.stat(&path("old")).unwrap().unwrap();
    assert_eq!((placed.mode, placed.mtime), (0o440, FileTime { secs: -9, nanos: 9 }));
    assert_ne!(placed.inode, stat.inode, "replaced, not written over");
    let d2 = folder.stat(&path("d2")).unwrap().unwrap();
    assert_eq!((d2.mode, d2.mtime), (0o555, FileTime { secs: -1, nanos: 1 }));
    folder.set_attributes(&path("d2"), &mode(0o755)).unwrap();
    for below in ["", "d0", "d1", "d2"] {
        for entry in fs::read_dir(dir.path().join(below)).unwrap() {
            let name = EntryName::new(entry.unwrap().file_name().as_bytes()).unwrap();
            assert!(!chunkstore::folder::is_temporary(&name), "{name}");
        }
    }
}

#[test]
fn names_of_owners_are_known_or_not() {
    let dir = tempfile::tempdir().unwrap();
    let folder = OsFolder::open(dir.path()).unwrap();
    let (user, group) = folder.owner_names(0, 0);
    assert_eq!(user.as_deref(), Some("root"));
    assert!(group.is_some());
    assert_eq!(folder.owner_names(4_000_000_001, 4_000_000_001), (None, None));
}
