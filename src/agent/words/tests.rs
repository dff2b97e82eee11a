//! Every notice in words.

use super::*;
use crate::base::{Generation, StoreId};

fn all() -> Vec<Notice> {
    let why = || "why".to_owned();
    vec![
        Notice::NoStore,
        Notice::NotOurs(StoreId([1; 16])),
        Notice::Newer,
        Notice::Unread(why()),
        Notice::Updating,
        Notice::Updated(Generation(3)),
        Notice::Unplugged(63),
        Notice::Full(why()),
        Notice::Healed,
        Notice::Damaged(why()),
        Notice::Unreachable { why: why(), last_good: None },
        Notice::Refused(why()),
        Notice::Stale,
        Notice::NotTrusted(why()),
        Notice::Twice,
        Notice::Failed(why()),
    ]
}

#[test]
fn names_differ_and_lines_are_lines() {
    let names: std::collections::BTreeSet<_> = all().iter().map(name_of).collect();
    assert_eq!(names.len(), all().len());
    for notice in all() {
        let words = words_of(&notice, Timestamp(0));
        assert!(!words.line.ends_with('.') && !words.line.contains('\n'), "{words:?}");
        assert!(words.person.as_ref().is_none_or(|person| person.body.ends_with('.')), "{notice:?}");
        let is_for_log = ["no-store", "not-ours", "unread", "failed"].contains(&name_of(&notice));
        assert_eq!(words.person.is_none(), is_for_log, "{notice:?}");
    }
}

#[test]
fn u23_nobody_is_told_not_to_unplug() {
    let body = |notice: &Notice| words_of(notice, Timestamp(0)).person.unwrap().body;
    assert!(body(&Notice::Updating).contains("unplug it at any time"));
    assert!(body(&Notice::Unplugged(63)).contains("63 %"));
    let hour_ago = Notice::Unreachable { why: String::new(), last_good: Some(Timestamp(0)) };
    let words = words_of(&hour_ago, Timestamp(0).plus_secs(7200));
    assert!(words.person.unwrap().body.contains("2 h"), "the age is told");
}
