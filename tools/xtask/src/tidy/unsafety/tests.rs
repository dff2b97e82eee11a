//! Every form of `unsafe`, with and without its reason.

use super::super::tests::findings_of;
use super::*;

fn lines(text: &str) -> Vec<String> {
    findings_of(check, &[("src/a.rs", text)])
}

#[test]
fn every_form_needs_a_reason() {
    for bad in [
        "fn f() { unsafe { g() } }",
        "unsafe fn f() {}",
        "impl T { unsafe fn f() {} }",
        "unsafe impl Send for T {}",
        "unsafe trait T {}",
        "unsafe extern \"C\" { fn f(); }",
        "static S: u8 = unsafe { f() };",
    ] {
        assert_eq!(
            lines(bad),
            [
                "src/a.rs:1: `unsafe` without a written reason; do without, or write `#[expect(unsafe_code, reason = \"..\")]` on the item"
            ],
            "{bad}"
        );
        assert_eq!(lines(&format!("#![expect(unsafe_code, reason = \"why\")]\n{bad}")), [""; 0], "{bad}");
        assert_eq!(lines(&format!("#[expect(unsafe_code, reason = \"why\")]\n{bad}")), [""; 0], "{bad}");
        // Another item's reason does not count.
        assert_eq!(lines(&format!("#[expect(unsafe_code, reason = \"why\")]\nfn g() {{}}\n{bad}")).len(), 1, "{bad}");
    }
}

#[test]
fn who_lets_it_be_says_why() {
    for bad in ["#[allow(unsafe_code)]", "#[allow(unsafe_code, reason = \"x\")]", "#[expect(unsafe_code)]"] {
        let found = lines(&format!("{bad}\nfn f() {{ unsafe {{ g() }} }}"));
        assert_eq!(found.len(), 2, "{bad}: {found:?}");
        assert!(
            found[0].contains("let be without a reason") || found[1].contains("let be without a reason"),
            "{found:?}"
        );
    }
    assert_eq!(lines("#![deny(unsafe_code)]\nfn f() {}"), [""; 0]);
}
