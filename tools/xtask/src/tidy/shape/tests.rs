//! Openings, and both sides of each limit.

use super::super::tests::findings_of;
use super::*;

fn findings(text: &str) -> Vec<String> {
    findings_of(check, &[("src/base.rs", text)])
}

/// A function of so many lines, with what stands above it.
fn function(above: &str, lines: usize) -> String {
    format!("//! A.\n{above}pub fn f() {{\n{}}}\n", "    g();\n".repeat(lines - 2))
}

#[test]
fn a_file_opens_with_its_idea() {
    for good in ["//! Sizes.", "//! Sizes.\nfn f() {}", "#![doc = include_str!(\"A.md\")]"] {
        assert_eq!(findings(good), [""; 0], "{good}");
    }
    for bad in ["", "fn f() {}", "// Sizes.", "/// Sizes.\nfn f() {}", "\n//! Sizes.", "//!\n", "#![allow(x)]\n//! A."]
    {
        let found = findings(bad);
        assert_eq!(found.len(), 1, "{bad}");
        assert!(found[0].starts_with("src/base.rs:1: does not open with `//! `; "), "{found:?}");
    }
}

#[test]
fn a_file_has_at_most_its_lines() {
    let file = |lines: usize| format!("//! A.\n{}", "// b\n".repeat(lines - 1));
    assert_eq!(findings(&file(FILE_MAX_LINES)), [""; 0]);
    assert!(findings(&file(FILE_MAX_LINES + 1))[0].starts_with("src/base.rs:1001: 1001 lines, 1000 are allowed"));
}

#[test]
fn a_function_has_at_most_its_lines() {
    assert_eq!(findings(&function("/// Docs\n/// do not count.\n#[inline]\n", FUNCTION_MAX_LINES)), [""; 0]);
    let found = findings(&function("/// Docs.\n", FUNCTION_MAX_LINES + 1));
    assert!(found[0].starts_with("src/base.rs:3: function `f` has 71 lines, 70 are allowed; "), "{found:?}");
}

#[test]
fn methods_and_inner_functions_count_too() {
    let long = function("", FUNCTION_MAX_LINES + 1).replace("//! A.\n", "").replace("pub ", "");
    for (open, close) in [("impl A {\n", "}"), ("trait A {\n", "}"), ("mod a {\n", "}")] {
        assert_eq!(findings(&format!("//! A.\n{open}{long}{close}")).len(), 1, "{open}");
    }
    assert_eq!(findings(&format!("//! A.\nfn outer() {{\n{long}}}")).len(), 2);
}

#[test]
fn a_written_reason_excuses_a_long_function() {
    let excuse = "// tidy: long because it is one table\n";
    for above in [
        excuse.to_owned(),
        format!("{excuse}// that reads best in one piece.\n"),
        format!("{excuse}/// Docs.\n#[inline]\n"),
        format!("/// Docs.\n{excuse}"),
    ] {
        assert_eq!(findings(&function(&above, 100)), [""; 0], "{above}");
    }
    for above in [
        "// tidy: long because \n",
        "// long because it is\n",
        &format!("{excuse}\n"),
        &format!("{excuse}fn a() {{}}\n"),
    ] {
        assert_eq!(findings(&function(above, 100)).len(), 1, "{above}");
    }
}
