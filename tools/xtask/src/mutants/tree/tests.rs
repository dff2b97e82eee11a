//! What is left of a crate's root.

use super::cut;

#[test]
fn a_cut_root_has_the_modules_that_are_named_and_nothing_that_was_said_of_others() {
    let root = "#![doc = \"x\"]\n\npub mod a;\n#[cfg(unix)]\npub mod b;\n#[cfg(unix)]\npub mod c;\n";
    assert_eq!(cut(root, &["a", "c"]), "#![doc = \"x\"]\n\npub mod a;\n#[cfg(unix)]\npub mod c;\n");
    assert_eq!(cut(root, &["b"]), "#![doc = \"x\"]\n\n#[cfg(unix)]\npub mod b;\n");
}
