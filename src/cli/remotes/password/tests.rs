//! Programs that answer, that do not, and that say too much.
#![cfg(unix)]

use super::*;
use crate::base::Timestamp;
use crate::base::clock::{FixedClock, SystemClock};

const LIMIT: Duration = Duration::from_secs(60);

fn words(script: &str) -> Vec<String> {
    ["sh", "-c", script].map(str::to_owned).to_vec()
}

#[test]
fn the_first_line_is_the_password() {
    for within in [None, Some(LIMIT)] {
        let password = of_program(&words("printf 'right\\nmore\\n'"), &SystemClock, within).unwrap();
        assert_eq!(password.reveal(), "right");
        let endless = of_program(&words("yes 2>&1"), &SystemClock, within);
        assert!(endless.is_err(), "its pipe is closed, and that is how it ends");
        for silent in ["exit 0", "echo x; exit 3"] {
            assert!(of_program(&words(silent), &SystemClock, within).is_err(), "{silent}");
        }
    }
    assert!(of_program(&[], &SystemClock, None).is_err());
}

#[test]
fn a_program_that_does_not_answer_is_killed_when_its_time_is_over() {
    // The clock stands but for what is slept, so no time is waited.
    let clock = FixedClock::new(Timestamp(0));
    for script in ["exec sleep 1000000", "exec >&-; exec sleep 1000000"] {
        let error = of_program(&words(script), &clock, Some(LIMIT)).unwrap_err();
        assert!(error.in_full().contains("too long"), "{script}: {}", error.in_full());
    }
    assert_eq!(clock.monotonic(), 2 * LIMIT);
}
