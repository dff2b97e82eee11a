//! What is found at a path. The runs themselves are tried in `tests/it/agent`.
#![expect(clippy::disallowed_methods, reason = "plants garbage")]

use super::*;
use crate::disk::OsDisk;
use crate::store::{create_layout, write_marker};

#[test]
fn a_store_is_known_by_its_marker_and_is_ours_by_more() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path();
    assert_eq!(find(path, &|_| true), Found::NoStore);
    assert_eq!(find(&path.join("nothing"), &|_| true), Found::NoStore);
    let disk = OsDisk::open(path).unwrap();
    create_layout(&disk).unwrap();
    write_marker(&disk, StoreId([5; 16])).unwrap();
    let marked = |is_named: bool| match find(path, &|_| is_named) {
        Found::Store(marked) => marked,
        found => panic!("{found:?}"),
    };
    let bare = Marked { store: StoreId([5; 16]), replica: None, is_pinned: false, has_remote: false };
    assert_eq!(marked(false), bare);
    assert!(marked(true).has_remote);
    std::fs::write(path.join("replica/remote"), b"garbage").unwrap();
    assert_eq!(marked(false), bare, "what says nothing sensible counts as none");
    replica::write_id(&disk, crate::base::ReplicaId([6; 16])).unwrap();
    assert!(marked(false).replica.is_some());
}
