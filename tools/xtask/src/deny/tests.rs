//! Expressions of licences, and packages that are refused.

use serde_json::json;

use super::*;

fn holds(expression: &str) -> bool {
    satisfied(expression, &|licence| ["MIT", "ISC", "Apache-2.0"].contains(&licence))
}

#[test]
fn expressions_are_read_as_spdx_has_them() {
    for good in [
        "MIT",
        "MIT OR GPL-3.0",
        "GPL-3.0 OR MIT",
        "MIT/GPL-3.0",
        "MIT AND ISC",
        "(GPL-3.0 OR MIT) AND ISC",
        "Apache-2.0 WITH LLVM-exception OR Apache-2.0 OR MIT",
        "GPL-3.0 AND X OR MIT",
    ] {
        assert!(holds(good), "{good}");
    }
    for bad in [
        "",
        "GPL-3.0",
        "MIT AND GPL-3.0",
        "MIT AND (GPL-3.0 OR X)",
        "Apache-2.0 WITH LLVM-exception",
        "MIT OR",
        "(MIT",
        "MIT)",
        "MIT ISC",
        "WITH",
    ] {
        assert!(!holds(bad), "{bad}");
    }
}

#[test]
fn a_package_of_another_source_or_licence_is_told() {
    let allowed = ["MIT".to_owned()];
    let package =
        |source: Value, license: Value| json!({"name": "x", "version": "1.0.0", "source": source, "license": license});
    assert_eq!(judge(&package(json!(REGISTRY), json!("MIT")), &allowed), None);
    assert_eq!(judge(&package(Value::Null, json!("MIT")), &allowed), None);
    assert_eq!(
        judge(&package(json!("git+https://h/x"), json!("MIT")), &allowed).unwrap(),
        "x 1.0.0 comes from git+https://h/x"
    );
    assert_eq!(judge(&package(json!(REGISTRY), Value::Null), &allowed).unwrap(), "x 1.0.0 names no licence");
    assert!(judge(&package(json!(REGISTRY), json!("AGPL-3.0")), &allowed).unwrap().contains("AGPL-3.0"));
}

#[test]
fn the_list_of_licences_is_read() {
    let root = crate::tidy::repository_root();
    let allowed = allowed_licences(&root).unwrap();
    assert!(allowed.contains(&"MIT".to_owned()) && allowed.len() > 4, "{allowed:?}");
    assert!(allowed_licences(Path::new("/nonexistent")).is_err());
}
