//! Made-up histories in a folder of their own. Where git is missing, only the comparison of code is tested.

use super::*;

struct History(tempfile::TempDir);

impl History {
    /// Starts a history whose first commit holds a format and its spec; none without git.
    fn start() -> Option<Self> {
        let history = Self(tempfile::tempdir().unwrap());
        git(history.0.path(), &["init", "--quiet"])?;
        history.write("src/format.rs", "//! The format.\npub const MAGIC: u8 = 1;\n");
        history.write(SPEC, "MAGIC is 1.\n");
        history.commit("first");
        Some(history)
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.0.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn commit(&self, message: &str) {
        self.run(&["add", "--all"]);
        let own = ["-c", "user.name=t", "-c", "user.email=t@t.invalid", "-c", "commit.gpgSign=false"];
        self.run(&[&own[..], &["commit", "--quiet", "--no-verify", "-m", message]].concat());
    }

    fn run(&self, args: &[&str]) -> String {
        git(self.0.path(), args).unwrap()
    }

    fn findings(&self, base: Option<&str>) -> Vec<String> {
        check(self.0.path(), base).iter().map(Finding::to_string).collect()
    }
}

#[test]
fn a_change_of_the_format_needs_one_of_the_spec() {
    let Some(history) = History::start() else { return };
    assert_eq!(history.findings(Some("HEAD")), [""; 0]);
    history.write("src/format.rs", "pub const MAGIC: u8 = 2;\n");
    let told = "src/format.rs:1: the format's code changed and objects-format.md did not; \
                change objects-format.md with it, or write `Format unchanged: <reason>` in the commit message";
    assert_eq!(history.findings(Some("HEAD")), [told]);
    history.commit("second");
    assert_eq!(history.findings(Some("HEAD~1")), [told]);
    history.write(SPEC, "MAGIC is 2.\n");
    assert_eq!(history.findings(Some("HEAD~1")), [""; 0]);
}

#[test]
fn new_files_count_and_comments_and_tests_do_not() {
    let Some(history) = History::start() else { return };
    history.write("src/format.rs", "//! Other words.\n// And more.\npub const MAGIC: u8 = 1;\n");
    history.write("src/format/tests.rs", "fn f() {}\n");
    history.write("src/tree.rs", "fn f() {}\n");
    assert_eq!(history.findings(Some("HEAD")), [""; 0]);
    history.write("src/format/pack.rs", "pub const LEN: u8 = 1;\n");
    assert_eq!(history.findings(Some("HEAD")).len(), 1);
}

#[test]
fn a_written_reason_excuses_a_change() {
    let Some(history) = History::start() else { return };
    history.write("src/format.rs", "pub const MAGIC: u8 = 0 + 1;\n");
    history.commit("second\n\nFormat unchanged: the same number, written otherwise");
    assert_eq!(history.findings(Some("HEAD~1")), [""; 0]);
}

#[test]
fn an_unknown_base_is_told_only_when_asked_for() {
    let Some(history) = History::start() else { return };
    history.write("src/format.rs", "pub const MAGIC: u8 = 2;\n");
    assert_eq!(history.findings(None), [""; 0]);
    assert_eq!(
        history.findings(Some("nowhere")),
        ["objects-format.md:1: the base commit `nowhere` is unknown; fetch it, or name another in CHUNKSTORE_BASE"]
    );
}

#[test]
fn the_base_is_where_the_branch_left_its_upstream() {
    let Some(history) = History::start() else { return };
    history.run(&["update-ref", "refs/remotes/origin/main", "HEAD"]);
    history.write("src/format.rs", "pub const MAGIC: u8 = 2;\n");
    history.commit("second");
    assert_eq!(history.findings(None).len(), 1);
}

#[test]
fn code_is_compared_without_comments_docs_and_layout() {
    assert!(same_code("//! A.\n/// B.\nfn f() { g(1) } // c", "#![doc = \"x\"]\nfn f() {\n    g(1)\n}"));
    assert!(!same_code("fn f() { g(1) }", "fn f() { g(2) }"));
    assert!(!same_code("#[repr(u8)] enum A { B }", "enum A { B }"));
    assert!(!same_code("f((a), b)", "f((a, b))"));
    assert!(!same_code("f(", "f(("));
}

#[test]
fn the_code_of_the_format_is_known_by_its_place() {
    for path in ["src/format.rs", "src/format/pack.rs", "src/base/limits.rs"] {
        assert!(is_format_code(path), "{path}");
    }
    for path in
        ["src/formatting.rs", "src/format/tests.rs", "src/format/pack/tests.rs", "src/format/a.md", "src/disk.rs"]
    {
        assert!(!is_format_code(path), "{path}");
    }
}
