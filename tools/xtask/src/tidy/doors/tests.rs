//! Which doors are open to whom.

use super::super::tests::findings_of;
use super::*;

fn findings(path: &str, text: &str) -> Vec<String> {
    findings_of(check, &[(path, text)])
}

#[test]
fn sockets_stay_in_remote_serve_web_and_agent() {
    for text in
        ["use std::net::SocketAddr;", "use std::{io, net};", "fn f(s: &TcpStream) {}", "fn f() { m!(TcpListener) }"]
    {
        assert_eq!(findings("src/store.rs", text).len(), 1, "{text}");
        for path in ["src/remote.rs", "src/remote/ftp.rs", "src/serve/conn.rs", "src/web.rs", "src/agent/watch.rs"] {
            assert_eq!(findings(path, text), [""; 0], "{path}: {text}");
        }
    }
    assert_eq!(findings("src/path_remote.rs", "use std::net::TcpStream;").len(), 1);
}

#[test]
fn files_stay_in_disk() {
    for text in
        ["use std::fs;", "use std::{fs as f, io};", "fn f() { std::fs::read(1); }", "fn f() { m!(std::fs::read(1)) }"]
    {
        assert_eq!(findings("src/folder.rs", text).len(), 1, "{text}");
        assert_eq!(findings("src/disk/real.rs", text), [""; 0], "{text}");
    }
    assert_eq!(findings("src/folder.rs", "use std::io; use crate::disk::fs;"), [""; 0]);
}

#[test]
fn output_environment_and_exit_stay_in_cli() {
    let wrong =
        ["fn f() { println!(); }", "fn f() { g!(eprintln!(1)) }", "use std::env;", "fn f() { process::exit(1) }"];
    for text in wrong {
        assert_eq!(findings("src/ops.rs", text).len(), 1, "{text}");
        assert_eq!(findings("src/cli/output.rs", text), [""; 0], "{text}");
        assert_eq!(findings("src/main.rs", text), [""; 0], "{text}");
    }
    assert_eq!(findings("src/ops.rs", "fn f() { writeln!(o); env!(\"X\"); }"), [""; 0]);
}

#[test]
fn only_head_renames_and_only_layout_makes_names() {
    let renames = "fn f(d: &dyn Disk) {\n    d.rename(a, b)\n}";
    assert_eq!(
        findings("src/store/pack.rs", renames),
        ["src/store/pack.rs:2: `rename` gives renaming inside a store, which this file may not have; \
          only `store::head` replaces a file: write under a new name"]
    );
    assert_eq!(findings("src/store.rs", "fn f() { Disk::rename(d, a, b) }").len(), 1);
    assert_eq!(findings("src/store/head.rs", renames), [""; 0]);
    assert_eq!(findings("src/path_remote.rs", renames), [""; 0]);
    let makes = "fn f() { x.map(StorePath::new) }";
    assert_eq!(findings("src/store/pack.rs", makes).len(), 1);
    assert_eq!(findings("src/store/layout.rs", makes), [""; 0]);
    assert_eq!(findings("src/store/pack.rs", "fn f() { StorePath::root() }"), [""; 0]);
}

#[test]
fn test_code_and_other_folders_are_free() {
    let text = "use std::fs; fn f() { println!(); StorePath::new(1); TcpStream::connect(2); d.rename(a, b) }";
    for path in ["src/store/tests.rs", "tests/it/main.rs", "tools/xtask/src/main.rs", "benches/a.rs"] {
        assert_eq!(findings(path, text), [""; 0], "{path}");
    }
    assert_eq!(findings("src/store.rs", &format!("#[cfg(test)] mod t {{ {text} }}")), [""; 0]);
}
