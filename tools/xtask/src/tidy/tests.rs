//! The repository itself, and how a finding reads.

use super::*;

/// Parses made-up files and runs one rule over them; shows the findings.
pub(super) fn findings_of(rule: fn(&Source, &mut Vec<Finding>), files: &[(&str, &str)]) -> Vec<String> {
    let parse = |(path, text): &(&str, &str)| Source::parse(path, (*text).to_owned()).unwrap();
    let mut sources: Vec<Source> = files.iter().map(parse).collect();
    source::mark_test_modules(&mut sources);
    let mut found = Vec::new();
    sources.iter().for_each(|source| rule(source, &mut found));
    found.iter().map(Finding::to_string).collect()
}

#[test]
fn this_repository_is_tidy() {
    let root = repository_root();
    assert!(root.join("src/lib.rs").is_file(), "not the repository: {}", root.display());
    let found = check(&root, base_asked_for().as_deref());
    let lines: Vec<String> = found.iter().map(Finding::to_string).collect();
    assert!(lines.is_empty(), "{}", lines.join("\n"));
}

#[test]
fn a_broken_repository_is_told_line_by_line() {
    let root = tempfile::tempdir().unwrap();
    std::fs::create_dir(root.path().join("src")).unwrap();
    std::fs::write(root.path().join("src/tree.rs"), "//! Tree.\nuse crate::ops::Plan;\n").unwrap();
    std::fs::write(root.path().join("src/base.rs"), "//! Base.\nfn (").unwrap();
    std::fs::write(root.path().join("notes.txt"), "").unwrap();
    let lines: Vec<String> = check(root.path(), None).iter().map(Finding::to_string).collect();
    assert_eq!(lines.len(), 3, "{lines:#?}");
    assert!(lines[0].starts_with("notes.txt:1: "), "{lines:#?}");
    assert!(lines[1].starts_with("src/base.rs:2: cannot be parsed"), "{lines:#?}");
    assert!(lines[2].starts_with("src/tree.rs:2: "), "{lines:#?}");
}

#[test]
fn a_finding_reads_as_path_line_wrong_and_fix() {
    let finding = Finding::new("src/a.rs", 7, "is bad", "make it good");
    assert_eq!(finding.to_string(), "src/a.rs:7: is bad; make it good");
}

#[test]
fn test_data_is_no_source() {
    assert!(is_source("tests/it/main.rs") && is_source("tools/xtask/src/main.rs"));
    assert!(!is_source("tests/data/bad.rs") && !is_source("src/ARCHITECTURE.md") && !is_source("build.rs"));
}
