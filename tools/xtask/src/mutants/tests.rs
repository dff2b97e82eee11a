//! Names of mutants without their place, and the list of those that may live.

use super::*;

#[test]
fn places_are_left_out_of_names() {
    assert_eq!(without_place("src/a.rs:12:9: replace f -> u8 with 0"), "src/a.rs: replace f -> u8 with 0");
    assert_eq!(without_place("src/a.rs: replace f with ()"), "src/a.rs: replace f with ()");
    assert_eq!(without_place("src/a.rs:1:2: replace <T as X>::f with ()"), "src/a.rs: replace <T as X>::f with ()");
}

#[test]
fn a_survivor_counts_as_explained_with_a_reason_alone() {
    let text = "# Survivors\n\n- `src/a.rs: replace f with ()` -- nothing depends on when it is wiped\n- `src/b.rs: x` -- \n- `src/c.rs: y`\n";
    assert_eq!(explained(text), ["src/a.rs: replace f with ()"]);
}

#[test]
fn a_pattern_covers_the_files_of_one_directory() {
    assert!(covers("src/format/*.rs", "src/format/pack.rs") && covers("src/store/head.rs", "src/store/head.rs"));
    assert!(!covers("src/format/*.rs", "src/format/tests/draw.rs") && !covers("src/format/*.rs", "src/crypto/seal.rs"));
}

#[test]
fn every_module_is_there() {
    let root = crate::tidy::repository_root();
    for module in MODULES {
        assert!(root.join(module.files[0]).is_file(), "{}", module.name);
    }
}

/// A module of the crate that a needed one names is needed as well, or nothing builds.
#[test]
fn what_is_needed_names_nothing_else_of_the_crate() {
    let root = crate::tidy::repository_root();
    let files = crate::tidy::files::list(&root);
    let mut looked_at = 0;
    for module in MODULES {
        let is_of = |file: &&String, need: &str| {
            **file == format!("src/{need}.rs") || (file.starts_with(&format!("src/{need}/")) && file.ends_with(".rs"))
        };
        for file in files.iter().filter(|file| module.needs.iter().any(|need| is_of(file, need))) {
            let text = std::fs::read_to_string(root.join(file)).unwrap();
            looked_at += 1;
            for named in text.split("crate::").skip(1) {
                let named = named.split(|c: char| !c.is_ascii_lowercase() && c != '_').next().unwrap_or_default();
                assert!(named.is_empty() || module.needs.contains(&named), "{}: {file} names {named}", module.name);
            }
        }
    }
    assert!(looked_at > 100, "{looked_at}");
}
