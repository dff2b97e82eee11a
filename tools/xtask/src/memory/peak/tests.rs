//! The memory of a command is seen, and its failure is told.

use super::*;

#[test]
fn a_status_tells_its_anonymous_memory() {
    assert_eq!(anon_in("VmRSS:\t 9 kB\nRssAnon:\t    5012 kB\nRssFile:\t 3 kB\n"), Some(5012 << 10));
    assert_eq!(anon_in("State:\tZ (zombie)\n"), None);
}

#[test]
fn what_a_command_holds_is_seen() {
    // The shell gathers 32 MiB in a variable.
    let mut command = Command::new("sh");
    command.args(["-c", "held=$(head -c 33554432 /dev/zero | tr '\\0' x); echo ${#held}; sleep 0.1"]);
    let peak = watch(&mut command).unwrap();
    assert!(peak.anon_bytes >= 32 << 20, "{peak:?}");
}

#[test]
fn a_command_that_fails_is_an_error() {
    let error = watch(Command::new("sh").args(["-c", "sleep 0.05; exit 3"])).unwrap_err();
    assert!(error.to_string().contains('3'), "{error}");
}
