//! What counts as a name, and where it stands.

use super::*;

fn named(path: &str, text: &str) -> Vec<Named> {
    Source::parse(path, text.to_owned()).unwrap().named
}

fn shown(text: &str) -> Vec<(String, Form)> {
    named("src/disk/sim.rs", text).iter().map(|named| (named.segments.join("::"), named.form)).collect()
}

#[test]
fn use_trees_are_flattened() {
    let got = shown("use a::{self, b::{c as d, e}, f::*};");
    let wanted = [("a", Form::Leaf), ("a::b::c", Form::Leaf), ("a::b::e", Form::Leaf), ("a::f", Form::Glob)];
    assert_eq!(got, wanted.map(|(path, form)| (path.to_owned(), form)));
}

#[test]
fn macro_tokens_and_attributes_are_read() {
    let got = shown("#[serde(with = \"crate::a\")] struct S; fn f() { m!($crate::b::c(), x.rename(1), [print!(2)]) }");
    for wanted in [("crate::a", Form::Path), ("m", Form::Macro), ("crate::b::c", Form::Path), ("rename", Form::Method)]
    {
        assert!(got.contains(&(wanted.0.to_owned(), wanted.1)), "{wanted:?} not in {got:?}");
    }
    assert!(got.contains(&("print".to_owned(), Form::Macro)), "{got:?}");
}

#[test]
fn paths_resolve_from_where_they_stand() {
    let text = "use super::a; mod inner { use super::super::b; use super::super::super::c; use self::d; use ext::e; }";
    let got: Vec<Option<String>> =
        named("src/disk/sim.rs", text).iter().map(|named| named.resolved().map(|path| path.join("::"))).collect();
    let wanted = [Some("disk::a"), Some("disk::b"), Some("c"), Some("disk::sim::inner::d"), None];
    assert_eq!(got, wanted.map(|path| path.map(str::to_owned)));
}

#[test]
fn modules_follow_from_file_names() {
    let module = |path: &str| module_of(path).join("::");
    assert_eq!(module("src/store.rs"), "store");
    assert_eq!(module("src/store/pack/tests.rs"), "store::pack::tests");
    assert_eq!(module("src/store/mod.rs"), "store");
    assert_eq!((module("src/lib.rs"), module("src/main.rs")), (String::new(), String::new()));
}

#[test]
fn test_code_is_known_by_attribute_and_by_file() {
    let marks = |path: &str, text: &str| named(path, text).iter().map(|named| named.in_test).collect::<Vec<_>>();
    assert_eq!(marks("src/a.rs", "#[cfg(test)] mod t { use x; } use y;"), [true, false]);
    assert_eq!(marks("src/a.rs", "#[cfg(all(test, unix))] use x; #[cfg(not(test))] use y;"), [true, false]);
    assert_eq!(marks("src/a.rs", "#[cfg(any(test, unix))] use x;"), [false]);
    assert_eq!(marks("src/a/tests.rs", "use x;"), [true]);
    assert_eq!(marks("src/a/tests/more.rs", "use x;"), [true]);
}

#[test]
fn files_declared_for_tests_are_test_code() {
    let parse = |path: &str, text: &str| Source::parse(path, text.to_owned()).unwrap();
    let mut sources = [
        parse("src/a.rs", "#[cfg(test)] mod sample; mod real;"),
        parse("src/a/sample.rs", "use x;"),
        parse("src/a/sample/deep.rs", "use x;"),
        parse("src/a/real.rs", "use x;"),
    ];
    mark_test_modules(&mut sources);
    let marks: Vec<bool> = sources.iter().flat_map(|source| &source.named).map(|named| named.in_test).collect();
    assert_eq!(marks, [true, true, false]);
}

#[test]
fn broken_syntax_is_a_finding_with_its_line() {
    let finding = Source::parse("src/a.rs", "fn a() {}\nfn (".to_owned()).err().unwrap();
    assert_eq!((finding.path.as_str(), finding.line), ("src/a.rs", 2));
}
