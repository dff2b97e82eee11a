//! What is listed and what is left out.

use super::{Excludes, Scanner};
use crate::base::RelPath;
use crate::disk::folder::{FileKind, Folder};
use crate::disk::sim_folder::SimFolder;

fn path(text: &str) -> RelPath {
    RelPath::new(text.as_bytes()).unwrap()
}

fn excludes(patterns: &[&str], at: &str, is_dir: bool) -> bool {
    Excludes::new(patterns).unwrap().excludes(&path(at), is_dir)
}

#[test]
fn patterns_match_as_in_a_gitignore() {
    for (patterns, at, is_dir, expected) in [
        (&["*.o"][..], "a/b.o", false, true),
        (&["*.o"], "a/b.c", false, false),
        (&["/top"], "top", false, true),
        (&["/top"], "a/top", false, false),
        (&["build/"], "a/build", true, true),
        (&["build/"], "a/build", false, false),
        (&["a/**/z"], "a/b/c/z", false, true),
        (&["*.log", "!keep.log"], "keep.log", false, false),
        (&["*.log", "!keep.log"], "drop.log", false, true),
        (&["*"], "", true, false),
        (&["A"], "a", false, false),
    ] {
        assert_eq!(excludes(patterns, at, is_dir), expected, "{patterns:?} on {at}");
    }
}

// Windows has no such names, and no way to ask for them by bytes.
#[cfg(unix)]
#[test]
fn names_that_are_no_text_match_by_bytes() {
    let odd = RelPath::new(b"dir/caf\xe9.tmp").unwrap();
    assert!(Excludes::new(["*.tmp"]).unwrap().excludes(&odd, false));
    assert!(Excludes::new(["dir/caf?.tmp"]).unwrap().excludes(&odd, false));
    assert!(!Excludes::new(["*.txt"]).unwrap().excludes(&odd, false));
}

#[test]
fn patterns_that_say_nothing_are_refused() {
    for bad in ["", "  ", "# comment", "a\nb", "{a"] {
        let error = Excludes::new([bad]).unwrap_err();
        assert_eq!(error.to_string(), format!("cannot use the exclude pattern {bad:?}"));
    }
}

fn names(folder: &SimFolder, excludes: &Excludes, dir: &str) -> (Vec<String>, Vec<String>, usize) {
    let scanned = Scanner::new(folder, excludes).list(&path(dir)).unwrap();
    let shown = |names: Vec<String>| names;
    (
        shown(scanned.entries.iter().map(|(name, _)| name.to_string()).collect()),
        shown(scanned.excluded.iter().map(ToString::to_string).collect()),
        scanned.notes.len(),
    )
}

fn strings(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

#[test]
fn a_listing_keeps_what_is_wanted_and_names_what_is_not() {
    // F24: an excluded entry is no deletion.
    let folder = SimFolder::default();
    for name in ["b", "a.o", "B", "c/d", ".chunkstore-00112233.tmp"] {
        folder.put_file(&path(name), b"");
    }
    folder.create_special(&path("socket"), FileKind::Socket, 0).unwrap();
    folder.create_special(&path("pipe"), FileKind::Fifo, 0).unwrap();
    let excludes = Excludes::new(["*.o"]).unwrap();
    let (kept, excluded, notes) = names(&folder, &excludes, "");
    assert_eq!((kept, excluded, notes), (strings(&["B", "b", "c", "pipe"]), strings(&["a.o"]), 2));
}

#[test]
fn a_tagged_cache_is_kept_with_its_tag_alone() {
    let folder = SimFolder::default();
    let tag = b"Signature: 8a477f597d28d172789f06886806bc55\n# made by a test";
    for dir in ["", "cache/", "linked/", "false/"] {
        folder.put_file(&path(&format!("{dir}data")), b"data");
    }
    folder.put_file(&path("CACHEDIR.TAG"), tag);
    folder.put_file(&path("cache/CACHEDIR.TAG"), tag);
    folder.put_file(&path("false/CACHEDIR.TAG"), b"Signature: something else, but as long as it");
    folder.create_symlink(&path("linked/CACHEDIR.TAG"), b"../CACHEDIR.TAG").unwrap();
    let both = strings(&["CACHEDIR.TAG", "data"]);
    let caches = Excludes::none().and_caches();
    assert_eq!(names(&folder, &caches, "cache").0, strings(&["CACHEDIR.TAG"]));
    assert_eq!(names(&folder, &caches, "cache").1, strings(&["data"]));
    for kept_whole in ["false", "linked"] {
        assert_eq!(names(&folder, &caches, kept_whole).0, both, "{kept_whole}");
    }
    assert_eq!(names(&folder, &caches, "").0, strings(&["CACHEDIR.TAG", "cache", "data", "false", "linked"]));
    assert_eq!(names(&folder, &Excludes::none(), "cache").0, both);
}

#[test]
fn a_directory_that_cannot_be_listed_is_an_error() {
    let folder = SimFolder::default();
    folder.put_file(&path("secret/x"), b"");
    folder.deny(path("secret"));
    let excludes = Excludes::none();
    let scanner = Scanner::new(&folder, &excludes);
    assert_eq!(scanner.list(&path("secret")).unwrap_err().kind, crate::disk::DiskErrorKind::Denied);
    assert_eq!(scanner.list(&path("missing")).unwrap_err().kind, crate::disk::DiskErrorKind::NotFound);
}
