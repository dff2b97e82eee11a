//! The simulated folder takes the liberties that it claims to take.

use super::{ImageBudget, SimFault, SimFolder, SimRules};
use crate::base::RelPath;
use crate::disk::DiskErrorKind;
use crate::disk::folder::{Attributes, Folder};

fn path(text: &str) -> RelPath {
    RelPath::new(text.as_bytes()).unwrap()
}

const ALL: ImageBudget = ImageBudget { max_images: 4096, seed: 1 };

fn write(folder: &SimFolder, name: &str, bytes: &[u8]) {
    let mut writer = folder.create_file(&path(name)).unwrap();
    writer.append(bytes).unwrap();
    writer.finish().unwrap();
}

/// Returns what stands under a name in each image.
fn seen(folder: &SimFolder, name: &str) -> Vec<Option<Vec<u8>>> {
    let images = folder.crash_images(folder.op_count(), &ALL);
    images.iter().map(|image| image.entries().get(&path(name)).map(|entry| entry.bytes.clone())).collect()
}

#[test]
fn a_rename_without_a_sync_may_leave_a_torn_file() {
    let folder = SimFolder::default();
    write(&folder, "t", b"whole");
    folder.rename(&path("t"), &path("f")).unwrap();
    let seen = seen(&folder, "f");
    assert!(seen.contains(&None));
    assert!(seen.contains(&Some(b"whole".to_vec())));
    assert!(seen.iter().flatten().any(|bytes| bytes != b"whole"), "torn or empty");
}

#[test]
fn a_rename_after_a_sync_leaves_old_new_or_nothing() {
    let folder = SimFolder::default();
    write(&folder, "f", b"old");
    write(&folder, "t", b"new");
    folder.sync_all().unwrap();
    folder.rename(&path("t"), &path("f")).unwrap();
    let seen = seen(&folder, "f");
    for bytes in seen.iter().flatten() {
        assert!(bytes == b"old" || bytes == b"new");
    }
    assert!(seen.contains(&None) && seen.contains(&Some(b"old".to_vec())) && seen.contains(&Some(b"new".to_vec())));
    folder.sync_all().unwrap();
    let images = folder.crash_images(folder.op_count(), &ALL);
    assert_eq!(images.len(), 1);
    assert_eq!(images[0].entries()[&path("f")].bytes, b"new");
}

#[test]
fn faults_hit_the_call_they_name() {
    let folder = SimFolder::default();
    folder.set_fault(Some(SimFault { at_call: 1, kind: DiskErrorKind::Io }));
    folder.create_dir(&path("a")).unwrap();
    assert_eq!(folder.create_dir(&path("b")).unwrap_err().kind, DiskErrorKind::Io);
    folder.create_dir(&path("b")).unwrap();
    folder.set_fault(Some(SimFault { at_call: 0, kind: DiskErrorKind::NoSpace }));
    assert_eq!(folder.create_dir(&path("c")).unwrap_err().kind, DiskErrorKind::NoSpace);
    folder.remove_dir(&path("a")).unwrap();
    folder.set_fault(Some(SimFault { at_call: 0, kind: DiskErrorKind::Gone }));
    assert!(folder.stat(&path("b")).is_err() && folder.stat(&path("b")).is_err());
}

#[test]
fn rules_refuse_what_they_say() {
    let folder =
        SimFolder::new(SimRules { windows_names: true, fold_case: true, refuse_owners: true, ..SimRules::default() });
    for bad in ["a.", "b ", "NUL", "com1.txt", "x:y", "q?"] {
        assert_eq!(folder.create_dir(&path(bad)).unwrap_err().kind, DiskErrorKind::BadName, "{bad}");
    }
    folder.create_dir(&path("Name")).unwrap();
    assert!(folder.stat(&path("nAME")).unwrap().is_some());
    assert_eq!(folder.create_file(&path("NAME")).err().unwrap().kind, DiskErrorKind::Exists);
    let owner = Attributes { owner: Some((1, 1)), ..Attributes::default() };
    assert_eq!(folder.set_attributes(&path("name"), &owner).unwrap_err().kind, DiskErrorKind::Denied);
}
