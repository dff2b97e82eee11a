//! Names that are refused, and some that look alike.

use super::super::tests::findings_of;
use super::*;

fn findings(text: &str) -> Vec<String> {
    findings_of(check, &[("tests/it/main.rs", text)])
}

#[test]
fn module_names_for_leftovers_are_refused() {
    for name in BANNED_MODULES {
        assert_eq!(findings(&format!("mod {name};")).len(), 1, "{name}");
        assert_eq!(findings(&format!("mod a {{ pub mod {name} {{}} }}")).len(), 1, "{name}");
    }
    assert_eq!(
        findings("//! A.\nmod util;"),
        ["tests/it/main.rs:2: `util` names no idea; name the module after what it holds"]
    );
    assert_eq!(findings("mod units; mod core_dump; use std::core; fn util() {}"), [""; 0]);
}

#[test]
fn type_names_that_end_in_a_role_are_refused() {
    let declare = ["struct {};", "enum {} { A }", "trait {} {}", "type {} = u8;", "union {} { a: u8 }"];
    for ending in BANNED_ENDINGS {
        for declaration in declare {
            let text = declaration.replacen("{}", &format!("Pack{ending}"), 1);
            assert_eq!(findings(&text).len(), 1, "{text}");
        }
    }
    assert_eq!(
        findings("fn f() {\n    struct Info;\n}")[0],
        "tests/it/main.rs:2: type `Info` ends in `Info`; name the type after the thing that it is"
    );
    assert_eq!(
        findings("struct Information; struct HandlerTable; use std::panic::PanicHookInfo; fn f(i: FileInfo) {}"),
        [""; 0]
    );
}
