//! A mounted view over a disk that can be pulled: nothing hangs, and the mount comes to its end.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::thread;

use chunkstore::base::clock::SystemClock;
use chunkstore::base::monitor::RecordingMonitor;
use chunkstore::disk::Disk;
use chunkstore::mount::{End, Mounted};
use chunkstore::view::{View, ViewRequest};
use rustix::io::Errno;

use crate::scene::{NOW, Scene, noise};

fn mount(scene: &Scene, snapshot: Option<&str>) -> Option<(Mounted, tempfile::TempDir)> {
    if !std::path::Path::new("/dev/fuse").exists() || !rustix::process::geteuid().is_root() {
        println!("not checked here: there is no /dev/fuse, or no right to mount");
        return None;
    }
    let dir = tempfile::tempdir().unwrap();
    let copies = vec![Arc::new(scene.disk.clone()) as Arc<dyn Disk>];
    let identities = scene.readers();
    let view = View::open(ViewRequest { copies, identities: &identities, snapshot, now: NOW }, &scene.monitor).unwrap();
    let mounted = Mounted::start(view, dir.path(), false, Arc::new(RecordingMonitor::default())).unwrap();
    Some((mounted, dir))
}

#[test]
fn a_key_that_is_pulled_costs_errors_at_once_and_ends_the_mount_with_files_open() {
    for snapshot in [None, Some("HEAD")] {
        let scene = Scene::new();
        scene.write("d/f", &noise(1, 3_000_000));
        scene.write("e/g", &noise(2, 300_000));
        scene.commit("one").unwrap();
        let Some((mounted, dir)) = mount(&scene, snapshot) else { return };
        let tree = if snapshot.is_some() { dir.path().to_owned() } else { dir.path().join("latest") };
        let (read, unread) = (File::open(tree.join("d/f")).unwrap(), File::open(tree.join("e/g")).unwrap());
        let mut bytes = [0; 4096];
        read.read_exact_at(&mut bytes, 0).unwrap();
        assert_eq!(bytes[..], noise(1, 3_000_000)[..4096]);
        scene.disk.unplug();
        thread::scope(|scope| {
            let unread = &unread;
            for at in 0..4u64 {
                scope.spawn(move || {
                    let error = unread.read_at(&mut [0; 4096], at * 50_000).unwrap_err();
                    assert_eq!(error.raw_os_error(), Some(Errno::NODEV.raw_os_error()));
                });
            }
        });
        assert_eq!(mounted.attend(&scene.readers(), &SystemClock), End::Gone);
        mounted.end().unwrap();
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "nothing is mounted there");
        assert!(unread.read_at(&mut bytes, 200_000).is_err());
    }
}

#[test]
fn pages_of_one_chunk_and_ten_readers_of_one_file_cost_one_opening_each() {
    let scene = Scene::new();
    scene.write("d/f", &noise(1, 200_000));
    scene.commit("one").unwrap();
    let Some((_mounted, dir)) = mount(&scene, Some("HEAD")) else { return };
    let path = dir.path().join("d/f");
    assert_eq!(std::fs::metadata(&path).unwrap().len(), 200_000);
    scene.disk.reset_counts();
    thread::scope(|scope| {
        for at in 0..10u64 {
            let path = &path;
            scope.spawn(move || {
                let (open, mut bytes) = (File::open(path).unwrap(), [0; 4096]);
                for page in (0..40).map(|page| (page * 7 + at) % 40) {
                    open.read_exact_at(&mut bytes, page * 4096).unwrap();
                    assert_eq!(bytes[..], noise(1, 200_000)[page as usize * 4096..][..4096]);
                }
            });
        }
    });
    assert_eq!(scene.disk.counts().reads, 1, "the file is one chunk");
}

/// A page costs the chunk that it lies in, two where it lies across their border, and none that was opened before.
#[test]
fn pages_at_random_cost_a_chunk_each_and_nothing_the_second_time() {
    const LEN_BYTES: u64 = 16 << 20;
    let scene = Scene::new();
    let bytes = noise(1, LEN_BYTES as usize);
    scene.write("f", &bytes);
    scene.commit("one").unwrap();
    let Some((_mounted, dir)) = mount(&scene, Some("HEAD")) else { return };
    let file = File::open(dir.path().join("f")).unwrap();
    rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::Random).unwrap();
    let pages: Vec<u64> = (0..40u64).map(|at| at * 2_654_435_761 % (LEN_BYTES / 4096) * 4096).collect();
    let cost = |page: u64| {
        scene.disk.reset_counts();
        let mut read = [0; 4096];
        file.read_exact_at(&mut read, page).unwrap();
        assert!(read[..] == bytes[page as usize..][..4096], "{page}");
        scene.disk.counts().reads
    };
    // The first page brings the node of the file's extents beside its chunk; another costs two where it lies across a cut.
    let costs: Vec<u64> = pages.iter().map(|page| cost(*page)).collect();
    assert!(costs.iter().all(|cost| *cost <= 2), "{costs:?}");
    assert!(costs[1..].iter().filter(|cost| **cost == 2).count() <= 2, "{costs:?}");
    assert!(costs.iter().sum::<u64>() > 4, "they lie in several chunks: {costs:?}");
    drop_pages(&file);
    assert_eq!(pages.iter().map(|page| cost(*page)).sum::<u64>(), 0);
}

/// Has the kernel forget what it read of a file, so that it asks again.
fn drop_pages(file: &File) {
    rustix::fs::fadvise(file, 0, None, rustix::fs::Advice::DontNeed).unwrap();
}
