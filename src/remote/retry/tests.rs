//! Tries are bounded, waits grow, and progress starts the count again.

use super::*;
use crate::base::random::SeededRandom;

fn error(kind: RemoteErrorKind) -> RemoteError {
    RemoteError::new(kind, "fetch", "HEAD", "test")
}

fn policy() -> RetryPolicy {
    RetryPolicy { attempts: 5, first_delay: Duration::from_secs(2), longest_delay: Duration::from_secs(6) }
}

#[test]
fn delays_double_up_to_the_longest_and_then_end() {
    for seed in 0..50 {
        let random = SeededRandom::new(seed);
        let mut retry = Retry::new(policy());
        for span in [2, 4, 6, 6] {
            let delay = retry.next_delay(&error(RemoteErrorKind::Unreachable), &random).unwrap();
            let span = Duration::from_secs(span);
            assert!(delay >= span / 2 && delay <= span, "seed {seed}: {delay:?} of {span:?}");
        }
        assert_eq!(retry.next_delay(&error(RemoteErrorKind::Unreachable), &random), None, "seed {seed}");
    }
}

#[test]
fn delays_differ() {
    let random = SeededRandom::new(1);
    let first = || Retry::new(policy()).next_delay(&error(RemoteErrorKind::Busy), &random);
    assert_ne!(first(), first());
}

#[test]
fn what_is_refused_is_not_tried_again() {
    use RemoteErrorKind::{Local, NoSpace, NotFound, Refused, Unsupported};
    for kind in [NotFound, Refused, NoSpace, Unsupported, Local] {
        assert_eq!(Retry::new(policy()).next_delay(&error(kind), &SeededRandom::new(0)), None, "{kind:?}");
    }
}

#[test]
fn progress_starts_the_count_again() {
    let (random, mut retry) = (SeededRandom::new(3), Retry::new(policy()));
    for _ in 0..40 {
        let delay = retry.next_delay(&error(RemoteErrorKind::Unreachable), &random).unwrap();
        assert!(delay <= Duration::from_secs(2));
        retry.progressed();
    }
}

#[test]
fn huge_policies_do_not_overflow() {
    let huge =
        RetryPolicy { attempts: u32::MAX, first_delay: Duration::MAX / 2, longest_delay: Duration::from_secs(9) };
    let mut retry = Retry::new(huge);
    for _ in 0..100 {
        assert!(retry.next_delay(&error(RemoteErrorKind::Busy), &SeededRandom::new(0)).unwrap().as_secs() <= 9);
    }
}

#[test]
fn a_busy_remote_gets_fewer_sessions() {
    assert_eq!(sessions_after(RemoteErrorKind::Busy, 3), 2);
    assert_eq!(sessions_after(RemoteErrorKind::Busy, 1), 1);
    assert_eq!(sessions_after(RemoteErrorKind::Unreachable, 3), 3);
}
