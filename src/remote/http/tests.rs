//! What answers mean to a caller.

use super::*;

#[test]
fn a_status_means_what_can_be_done_about_it() {
    use RemoteErrorKind::*;
    let kind = |status: u16| refusal(&Response::builder().status(status).body(()).unwrap()).map(|(kind, _)| kind);
    let cases = [
        (200, None),
        (206, None),
        (416, None),
        (404, Some(NotFound)),
        (410, Some(NotFound)),
        (501, Some(Unsupported)),
        (429, Some(Busy)),
        (503, Some(Busy)),
        (302, Some(Refused)),
        (403, Some(Refused)),
        // Of the one file: a disk that does not give it, a handler that fails.
        (500, Some(Unavailable)),
        (502, Some(Unreachable)),
        (504, Some(Unreachable)),
    ];
    for (status, wanted) in cases {
        assert_eq!(kind(status), wanted, "{status}");
    }
}
