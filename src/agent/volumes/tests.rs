//! What is told of the difference between two looks.

use std::sync::Mutex;

use super::*;

fn stands(list: &[(&str, &str, &[u64])]) -> Standings {
    let standing = |(key, path, marks): &(&str, &str, &[u64])| {
        (VolumeKey((*key).into()), Standing { path: path.into(), marks: marks.iter().copied().collect() })
    };
    list.iter().map(standing).collect()
}

fn told(before: &Standings, after: &Standings) -> Vec<Seen> {
    let told = Mutex::new(Vec::new());
    tell_changes(before, after, &|seen| told.lock().unwrap().push(seen));
    told.into_inner().unwrap()
}

#[test]
fn what_stays_is_not_told_again() {
    let now = stands(&[("a", "/a", &[1, 2])]);
    assert_eq!(told(&now, &now), []);
    assert_eq!(told(&now, &stands(&[("a", "/a", &[2, 3])])), []);
}

#[test]
fn what_was_plugged_in_again_between_two_looks_was_gone() {
    let key = || VolumeKey("a".into());
    let told = told(&stands(&[("a", "/a", &[1])]), &stands(&[("a", "/a", &[2])]));
    assert_eq!(told, [Seen::Gone(key()), Seen::Mounted(key(), "/a".into())]);
}

#[test]
fn a_volume_under_a_new_path_is_the_same_one() {
    let told = told(&stands(&[("a", "/a", &[1, 2])]), &stands(&[("a", "/b", &[2])]));
    assert_eq!(told, [Seen::Mounted(VolumeKey("a".into()), "/b".into())]);
}
