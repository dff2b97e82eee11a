//! Each dependency has a reason, each reason a dependency, and nothing comes from elsewhere.

use super::*;

const MANIFEST_TEXT: &str = "[package]\nname = \"x\"\n\n[dependencies]\nhex = \"0.4\"\nserde = { version = \"1\" }\n\n\
    [target.'cfg(unix)'.dependencies]\nrustix = \"1\"\n\n[dev-dependencies]\nproptest = \"1\"\n";

fn lines(page: &str) -> Vec<String> {
    let mut found = Vec::new();
    check_table(MANIFEST_TEXT, page, &mut found);
    found.iter().map(|finding| format!("{}:{} {}", finding.path, finding.line, finding.wrong)).collect()
}

#[test]
fn a_complete_table_is_fine() {
    let page = "# Dependencies\n\n| crate | why |\n| --- | --- |\n| `hex` | ids are hex in texts |\n\
        | `serde` | documents for scripts |\n| `rustix` | calls of the system |\n\n# More\n\n| `other` | not of this table |\n";
    assert_eq!(lines(page), [""; 0]);
}

#[test]
fn what_is_missing_empty_or_left_over_is_told() {
    let page = "# Dependencies\n| `hex` | |\n| `serde` | documents for scripts |\n| `gone` | was needed once |\n";
    assert_eq!(
        lines(page),
        [
            "Cargo.toml:5 nothing says why `hex` is needed",
            "Cargo.toml:9 nothing says why `rustix` is needed",
            "src/ARCHITECTURE.md:4 `gone` is no dependency",
        ]
    );
}

#[test]
fn packages_come_from_the_registry() {
    let lock = format!(
        "[[package]]\nname = \"a\"\nsource = \"{REGISTRY}\"\n\n[[package]]\nname = \"b\"\nsource = \"git+https://host/b#1\"\n"
    );
    let mut found = Vec::new();
    check_lock(&lock, &mut found);
    assert_eq!(found.len(), 1);
    assert!(found[0].line == 7 && found[0].wrong.contains("git+https://host/b#1"), "{found:?}");
}
