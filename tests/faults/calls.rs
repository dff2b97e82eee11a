//! A sweep over the calls of a run, counted, and replayed alone when the environment asks for one.

use std::env;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use chunkstore::disk::sim::{FaultKind, Profile};
use chunkstore::error::{ErrorKind, Result};

/// Every way in which a call fails.
pub const KINDS: [FaultKind; 4] = [FaultKind::Io, FaultKind::IoDone, FaultKind::NoSpace, FaultKind::Gone];

/// Tells whether the long form was asked for.
pub fn is_long() -> bool {
    env::var("CHUNKSTORE_SWEEP").is_ok_and(|form| form == "long")
}

/// The media that are tried.
pub fn profiles() -> &'static [Profile] {
    if is_long() { &Profile::ALL } else { &[Profile::Ext4, Profile::Fat32] }
}

/// Runs `check` with each wanted call of `calls`; prints how many there were and returns it.
pub fn sweep(test: &str, what: &str, calls: u64, wanted: impl Fn(u64) -> bool, check: impl Fn(u64)) -> u64 {
    let only: Option<u64> = env::var("CHUNKSTORE_CALL").ok().and_then(|text| text.parse().ok());
    let mut count = 0;
    for call in (0..calls).filter(|call| only.map_or_else(|| is_long() || wanted(*call), |only| only == *call)) {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| check(call))) {
            eprintln!("{what}, call {call} of {calls}");
            eprintln!("replay: CHUNKSTORE_CALL={call} cargo test --test faults {test} -- --exact --nocapture");
            resume_unwind(panic);
        }
        count += 1;
    }
    println!("faults | {test:36} | {what:24} | {calls:4} calls | {count:4} tried");
    assert!(only.is_some() || count > 20, "{test}: only {count} calls were tried");
    count
}

/// Checks that a verb failed as the fault of that call was, or did its work all the same.
pub fn check_kind<T>(result: &Result<T>, call: u64, fault: FaultKind) {
    let Err(error) = result else { return };
    let fits = match fault {
        // Whoever never saw the marker cannot tell a medium that is gone from one that holds no store.
        FaultKind::Gone if call == 0 => matches!(error.kind(), ErrorKind::NoStore | ErrorKind::Gone),
        FaultKind::Gone => error.kind() == ErrorKind::Gone,
        FaultKind::NoSpace => error.kind() == ErrorKind::NoSpace,
        FaultKind::Io | FaultKind::IoDone => matches!(error.kind(), ErrorKind::Other | ErrorKind::Corrupt),
    };
    assert!(fits, "after {fault:?}: {error:?}");
}
