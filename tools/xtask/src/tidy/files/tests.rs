//! What stands where, and which text names a machine.

use super::*;

const WORK: &str = concat!("/wo", "rk/");
const HOME: &str = concat!("/ho", "me/");

fn top_level(paths: &[&str]) -> Vec<String> {
    let paths: Vec<String> = paths.iter().map(|path| (*path).to_owned()).collect();
    check_top_level(&paths).iter().map(Finding::to_string).collect()
}

#[test]
fn only_known_things_stand_at_the_top() {
    let good = ["Cargo.toml", "src/lib.rs", "tests/it/notes.txt", "LICENSE", "LICENSE-MIT", ".ci/run", ".gitignore"];
    assert_eq!(top_level(&good), [""; 0]);
    assert_eq!(
        top_level(&["docs/a.md", "docs/b.md"]),
        ["docs:1: does not belong at the top of the repository; \
          move it into src, tests, benches or tools, or have git ignore it"]
    );
    assert_eq!(top_level(&["Cargo.toml.old", "build.rs", "srcs/a.rs"]).len(), 3);
}

#[test]
fn absolute_paths_of_one_machine_are_seen() {
    let [any, own, home] = MACHINE_PATHS else { panic!("three beginnings") };
    assert!(names_path(&format!("see {WORK}a"), any));
    assert!(names_path(&format!("\"{WORK}\""), any));
    assert!(names_path(&format!("file://{WORK}a"), any));
    assert!(names_path(&format!("cd {}x", concat!("/ro", "ot/")), own));
    assert!(names_path(&format!("({HOME}ann/a)"), home));
}

#[test]
fn parts_of_other_paths_are_not() {
    let [any, _, home] = MACHINE_PATHS else { panic!("three beginnings") };
    for line in [format!("a{WORK}b"), format!("{{dir}}{WORK}b"), format!("~{WORK}b"), format!("$HOME{WORK}")] {
        assert!(!names_path(&line, any), "{line}");
    }
    for line in [HOME.to_owned(), format!("{HOME}ann"), format!("{HOME}<user>/a"), format!("a{HOME}ann/a")] {
        assert!(!names_path(&line, home), "{line}");
    }
}

#[test]
fn files_are_listed_without_git_and_their_text_is_checked() {
    let root = tempfile::tempdir().unwrap();
    for dir in ["src", "target/debug", ".git", "tests/data"] {
        std::fs::create_dir_all(root.path().join(dir)).unwrap();
    }
    let bad = format!("fine\nsee {WORK}notes\n");
    for file in ["src/a.rs", "target/debug/b", ".git/c", "tests/data/d.txt", "Cargo.lock"] {
        std::fs::write(root.path().join(file), &bad).unwrap();
    }
    std::fs::write(root.path().join("src/e.bin"), format!("\0{bad}")).unwrap();
    let paths = list(root.path());
    assert_eq!(paths, ["Cargo.lock", "src/a.rs", "src/e.bin", "tests/data/d.txt"]);
    let found: Vec<String> = check_machine_paths(root.path(), &paths).iter().map(Finding::to_string).collect();
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].starts_with("src/a.rs:2: names a path of one machine"), "{found:?}");
}
