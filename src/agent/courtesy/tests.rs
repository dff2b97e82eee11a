//! What servers say when they are full.

use super::*;
use crate::remote::mem::{Fault, MemRemote, Rule};

#[test]
fn a_server_may_say_when_to_come_again() {
    let secs = |text: &str| {
        let asked = asked_in(text);
        (asked.after.map(|span| span.as_secs()), asked.spread.map(|span| span.as_secs()))
    };
    assert_eq!(secs("421 too many users, come again in 20 minutes"), (Some(1200), None));
    assert_eq!(secs("421 come later: spread over 8 hours"), (None, Some(28_800)));
    assert_eq!(secs("421 busy for 90s; spread 2h"), (Some(90), Some(7200)));
    assert_eq!(secs("421 There are too many connected users (20), please try later"), (None, None));
    assert_eq!(secs("530 Sorry, the maximum number of clients (1) are already connected"), (None, None));
    assert_eq!(secs("in 99999999999999999999 days"), (None, None));
    assert_eq!(secs("in 18446744073709551615 days"), (Some(u64::MAX), None));
}

#[test]
fn a_busy_server_is_not_asked_twice_and_its_answer_is_kept() {
    let remote = MemRemote::new();
    remote.script(Rule::times(Fault::Connect(RemoteErrorKind::Busy), 1));
    let polite = Arc::new(Courteous::new(Arc::new(remote)));
    assert_eq!(polite.connect().err().unwrap().kind, RemoteErrorKind::Refused);
    let outcome = Courteous::explain(&[Arc::clone(&polite)], "why".into());
    assert!(matches!(outcome, Outcome::Later(_)), "{outcome:?}");
    // Once it let us in, what was before does not matter.
    drop(polite.connect().unwrap());
    assert_eq!(Courteous::explain(&[polite], "why".into()), Outcome::Unreachable("why".into()));
}

#[test]
fn a_login_that_is_refused_is_told_from_a_server_that_is_not_there() {
    for (kind, is_refused) in [(RemoteErrorKind::Refused, true), (RemoteErrorKind::Unreachable, false)] {
        let remote = MemRemote::new();
        remote.script(Rule::times(Fault::Connect(kind), 1));
        let polite = Arc::new(Courteous::new(Arc::new(remote)));
        assert_eq!(polite.connect().err().unwrap().kind, kind);
        let outcome = Courteous::explain(&[polite], "why".into());
        assert_eq!(matches!(outcome, Outcome::Refused(_)), is_refused, "{outcome:?}");
    }
}
