//! What cargo and the test runner print is understood.

use super::*;

#[test]
fn a_log_tells_how_the_run_went() {
    let log = b"running 3 tests\r\ntest a::b ... ok\r\ntest c ... FAILED\r\ntest d ... ignored, why\r\n\r\n\
        test result: FAILED. 1 passed; 1 failed; 1 ignored; 0 measured; 2 filtered out; finished in 0.10s\r\n";
    let expected = Outcome { passed: 1, ignored: 1, failed: vec!["c".to_owned()], ..Outcome::default() };
    assert_eq!(read(log), expected);
    let cut = read(&log[..40]);
    assert!(cut.broke_off && cut.failed.is_empty());
}

#[test]
fn test_binaries_are_told_from_what_else_is_built() {
    let message = |kind: &str, name: &str, test: bool| {
        let target = serde_json::json!({"kind": [kind], "name": name});
        serde_json::json!({"reason": "compiler-artifact", "target": target, "profile": {"test": test}, "executable": "x.exe"})
            .to_string()
    };
    let binary = |name: &str| Some(Binary { name: name.to_owned(), program: "x.exe".into() });
    assert_eq!(binary_in(&message("test", "it", true)), binary("it"));
    assert_eq!(binary_in(&message("lib", "chunkstore", true)), binary("lib"));
    assert_eq!(binary_in(&message("bin", "chunkstore", false)), None);
    assert_eq!(binary_in("no message"), None);
}
