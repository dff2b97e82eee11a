//! Errors as they are shown.

use std::net::TcpListener;
use std::sync::Arc;

use super::*;
use crate::base::clock::SystemClock;
use crate::remote::Remote;
use crate::remote::ftp::{FtpOptions, FtpRemote};
use crate::remote::url::FtpUrl;

#[test]
fn a_chain_is_one_line_and_says_nothing_twice() {
    let deep = Error::new(ErrorKind::Corrupt, "pack \x1b[31m3f\nis short");
    let error = deep.within("cannot verify");
    assert_eq!(sentence(&error), "cannot verify: pack \\u{1b}[31m3f is short");
    let twice = Error::with_source(ErrorKind::Other, "cannot go on: it is late", "it is late");
    assert_eq!(sentence(&twice), "cannot go on: it is late");
}

#[test]
fn json_carries_kind_code_and_sentence() {
    let value = as_json(&Error::new(ErrorKind::NoStore, "nothing"));
    assert_eq!(value, json!({"event": "error", "kind": "no-store", "code": 10, "message": "nothing"}));
}

/// A run says this once it has tried for half a minute, so it is shown here and not among the messages of the program.
#[test]
fn a_server_that_is_not_there_is_named_with_the_reason() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = FtpUrl::parse(&format!("ftp://{closed}/")).unwrap();
    let remote = FtpRemote::new(url, None, FtpOptions::default(), Arc::new(SystemClock));
    let error = Error::from(remote.connect().err().unwrap()).within("cannot sync");
    assert_eq!(error.kind().exit_code(), 14);
    let said = sentence(&error);
    let wanted = format!("cannot sync: cannot connect to ftp://{closed}/: Connection refused");
    assert!(said.starts_with(&wanted) || !cfg!(target_os = "linux"), "{said}");
    assert_eq!(hint(error.kind()), Some("try again later; what was transferred so far is kept"));
}
