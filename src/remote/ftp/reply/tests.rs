//! Replies as servers send them, and what they mean to a caller.

use suppaftp::Status;

use super::*;

fn reply(text: &str) -> Reply {
    Reply::new(Response::new(Status::Unknown, text.as_bytes().to_vec()))
}

#[test]
fn codes_unknown_to_the_crate_are_read_from_the_bytes() {
    assert_eq!(reply("522 SSL connection failed\r\n").code, 522);
    assert_eq!(reply("230-hello\r\n 230 x\r\n230 done\r\n").code, 230);
    assert_eq!(reply("").code, 0);
    assert_eq!(reply("\r\n").code, 0);
    assert_eq!(reply("5x0 what").code, 0);
    assert_eq!(reply("213 1234\r\n").last_words(), b"1234");
    assert_eq!(reply("213").last_words(), b"");
}

#[test]
fn the_same_code_means_what_its_moment_says() {
    use RemoteErrorKind::*;
    let cases = [
        ("421 There are too many connected users", Phase::Login, Busy),
        ("421 Timeout", Phase::Read, Unreachable),
        ("530 Sorry, the maximum number of clients (1) are already connected", Phase::Login, Busy),
        ("530 Login incorrect.", Phase::Login, Refused),
        ("550 Failed to open file.", Phase::Read, NotFound),
        ("550 Permission denied.", Phase::Read, Refused),
        ("550 Permission denied.", Phase::Write, Refused),
        ("450 It is busy.", Phase::Read, Unavailable),
        ("451 The disk failed.", Phase::Read, Unavailable),
        ("450 It is busy.", Phase::Write, Unavailable),
        ("451 Local error in processing.", Phase::Login, Unreachable),
        ("451 Write failed: No space left on device", Phase::Write, NoSpace),
        ("552 over", Phase::Write, NoSpace),
        ("426 Failure reading network stream.", Phase::Read, Unreachable),
        ("502 no", Phase::Read, Unsupported),
        ("522 SSL connection failed; session reuse required", Phase::Write, Refused),
        ("999 ?", Phase::Read, Protocol),
        ("<html>", Phase::Login, Protocol),
    ];
    for (text, phase, kind) in cases {
        assert_eq!(Trouble::of_reply(&reply(text), phase).kind, kind, "{text} {phase:?}");
    }
}

#[test]
fn words_of_a_server_are_escaped_and_bounded() {
    let shown = reply(&format!("550 \u{1b}[2J{}\r\nsecond", "x".repeat(5000))).to_string();
    assert!(!shown.contains('\u{1b}') && shown.len() < 300, "{shown}");
    assert!(!shown.contains("second"));
}
