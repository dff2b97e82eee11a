//! What the steps are and how they are told.

use super::*;

#[test]
fn steps_are_the_ones_that_the_readme_names() {
    let told: Vec<String> = STEPS.iter().map(shown).collect();
    assert_eq!(
        told,
        [
            "cargo fmt --all --check",
            "cargo clippy --workspace --all-targets -- -D warnings",
            "cargo test",
            "cargo xtask tidy",
            "cargo xtask deny",
            "RUSTDOCFLAGS=\"-D warnings\" cargo doc --no-deps --workspace",
        ]
    );
}

#[test]
fn a_line_says_name_outcome_and_time() {
    assert_eq!(line("fmt", true, Duration::from_millis(1250)), "ci: fmt: ok in 1.2 s");
    assert_eq!(line("doc", false, Duration::from_secs(3)), "ci: doc: FAILED in 3.0 s");
}
