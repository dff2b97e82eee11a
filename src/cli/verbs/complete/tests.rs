//! What the unfinished line asks for.

use std::ffi::OsString;

use super::{Wanted, asked};

fn of(line: &[&str]) -> Option<(String, Wanted)> {
    let words: Vec<OsString> = line.iter().map(OsString::from).collect();
    asked(&words).map(|(last, wanted, _)| (last, wanted))
}

#[test]
fn the_last_word_is_a_path_or_a_snapshot_or_nothing_of_the_store() {
    let path = |text: &str| Some((text.to_owned(), Wanted::Path));
    let snapshot = |text: &str| Some((text.to_owned(), Wanted::Snapshot));
    let cases: &[(&[&str], _)] = &[
        (&["chunkstore", "ls", "--store", "key", "/re"], path("/re")),
        (&["chunkstore", "ls", ""], path("")),
        (&["chunkstore", "--store", "key", "cat", "HEAD~1:/a b/"], path("HEAD~1:/a b/")),
        (&["chunkstore", "restore", "/re"], path("/re")),
        (&["chunkstore", "restore", "/re", "out"], None),
        (&["chunkstore", "restore", "/re", ""], None),
        (&["chunkstore", "find", "*.txt", "/d"], path("/d")),
        (&["chunkstore", "find", "*.t"], None),
        (&["chunkstore", "diff", "HEAD~"], snapshot("HEAD~")),
        (&["chunkstore", "diff", "HEAD~1", "HE"], snapshot("HE")),
        (&["chunkstore", "diff", "HEAD~1", "HEAD", "/r"], path("/r")),
        (&["chunkstore", "stats", "HEAD~1:/"], path("HEAD~1:/")),
        (&["chunkstore", "export", "/x", "-o", "file"], None),
        (&["chunkstore", "push", "ftp"], None),
        (&["chunkstore", "l"], None),
        (&["chunkstore"], None),
        (&[], None),
    ];
    for (line, wanted) in cases {
        assert_eq!(of(line), *wanted, "{line:?}");
    }
}

#[test]
fn flags_of_the_line_are_those_of_the_question() {
    let words: Vec<OsString> = ["chunkstore", "ls", "--store", "key", "--keys", "k", "/"].map(OsString::from).into();
    let (_, _, globals) = asked(&words).unwrap();
    assert_eq!((globals.store, globals.keys), (Some("key".into()), Some("k".into())));
}
