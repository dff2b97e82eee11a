//! Who may name whom.

use super::super::tests::findings_of;
use super::*;

fn findings(path: &str, text: &str) -> Vec<String> {
    findings_of(check, &[(path, text)])
}

#[test]
fn lower_floors_and_the_own_module_may_be_named() {
    let good = "use crate::base::{StorePath, units}; use crate::disk; use super::pack; fn f() { crate::store::g() }";
    assert_eq!(findings("src/store/head.rs", good), [""; 0]);
    assert_eq!(findings("src/ops.rs", "use crate::error::Error; use crate::tree::diff;"), [""; 0]);
    assert_eq!(findings("src/error.rs", "use crate::tree::TreeError;"), [""; 0]);
}

#[test]
fn siblings_and_higher_floors_may_not() {
    assert_eq!(
        findings("src/disk/sim.rs", "use crate::remote::Remote;"),
        ["src/disk/sim.rs:1: `disk` (floor 1) names `remote` (floor 1); \
          name only lower floors: take a trait or a value instead, or move the code up"]
    );
    for (path, text) in [
        ("src/tree.rs", "use crate::{base, ops};"),
        ("src/tree.rs", "fn f() -> crate::view::View { todo!() }"),
        ("src/tree.rs", "fn f() { assert!(crate::cli::g()); }"),
        ("src/tree/walk.rs", "use super::super::serve::Server;"),
        ("src/tree.rs", "mod inner { use super::super::agent; }"),
        ("src/tree.rs", "macro_rules! m { () => { $crate::web::X } }"),
        ("src/tree.rs", "#[derive(S)] struct A { #[serde(with = \"crate::mount\")] a: u8 }"),
        ("src/tree.rs", "use crate::error::Error;"),
        ("src/error.rs", "use crate::ops::Plan;"),
    ] {
        assert_eq!(findings(path, text).len(), 1, "{path}: {text}");
    }
}

#[test]
fn every_floor_holds_against_every_module() {
    let all =
        || FLOORS.iter().enumerate().flat_map(|(rank, floor)| floor.modules.iter().map(move |name| (rank, *name)));
    for (own_rank, own) in all() {
        for (target_rank, target) in all() {
            let found = findings(&format!("src/{own}.rs"), &format!("use crate::{target}::X;"));
            assert_eq!(found.is_empty(), target_rank < own_rank || own == target, "{own} names {target}");
        }
    }
}

#[test]
fn test_code_may_name_siblings_but_nothing_above_or_unknown() {
    let sibling = "use crate::remote::Remote;";
    assert_eq!(findings("src/disk/tests.rs", sibling), [""; 0]);
    assert_eq!(findings("src/disk.rs", "#[cfg(test)] mod t { use crate::remote::Remote; }"), [""; 0]);
    assert_eq!(findings("src/disk/tests.rs", "use crate::store::Store;").len(), 1);
    assert_eq!(findings("src/disk/tests.rs", "use crate::nowhere::X;").len(), 1);
}

#[test]
fn a_module_without_a_floor_is_told() {
    let found = findings("src/extra.rs", "");
    assert!(found[0].starts_with("src/extra.rs:1: `extra` is a module without a floor; "), "{found:?}");
    assert!(findings("src/tree.rs", "\nuse crate::Thing;")[0].starts_with("src/tree.rs:2: `Thing`"));
    assert_eq!(findings("src/lib.rs", "pub mod base;\npub mod extra;").len(), 1);
    assert_eq!(findings("src/lib.rs", "pub mod base; #[cfg(test)] mod tests { use crate::cli; }"), [""; 0]);
}

#[test]
fn the_root_is_never_taken_whole() {
    for (path, text) in [
        ("src/tree.rs", "use crate::*;"),
        ("src/tree.rs", "use super::*;"),
        ("src/tree.rs", "use crate as all;"),
        ("src/tree.rs", "use crate::{self as all};"),
        ("src/main.rs", "use crate::*;"),
        ("tests/it/main.rs", "use crate::*;"),
    ] {
        let found = findings(path, text);
        assert_eq!(found.len(), 1, "{text}");
        assert!(found[0].contains("the crate's root is taken whole"), "{found:?}");
    }
    assert_eq!(findings("src/tree/walk.rs", "use super::*; pub(crate) fn f() {} use crate::base::*;"), [""; 0]);
    assert_eq!(findings("tools/xtask/src/tidy.rs", "use super::*; use crate::anything;"), [""; 0]);
}
