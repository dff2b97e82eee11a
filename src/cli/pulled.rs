//! The end of a run whose key was pulled while it waits for something else: a server that does not answer, a folder, a pipe.
//!
//! A run that touches the key ends by itself, in its own words. One that does not is ended here, so that every run says within two
//! seconds that its key is gone. Nothing is lost by that: a store stands whatever moment a program ends at.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::outcome::Outcome;
use crate::base::Clock;
use crate::disk::Medium;
use crate::error::{Error, ErrorKind, Result};

/// How often the key is looked for.
const GAP: Duration = Duration::from_millis(250);
/// How long the run has to end in its own words.
const GRACE: Duration = Duration::from_secs(1);
/// How long the system takes to strike a device from its list after the first call failed.
const DELAY: Duration = Duration::from_secs(1);

/// Held for good by whoever tells how the run ended, so that it is told once.
static LAST_WORD: Mutex<()> = Mutex::new(());

/// Returns to the first caller alone; any other waits for the end of the process.
pub fn take_last_word() {
    std::mem::forget(LAST_WORD.lock().unwrap_or_else(PoisonError::into_inner));
}

/// Ends the process through `end` when one of the media is pulled and the run does not notice.
///
/// # Errors
/// [`ErrorKind::Other`] when the system gives no thread.
pub fn watch(media: Arc<Vec<Medium>>, clock: Arc<dyn Clock>, end: impl Fn(&Error) + Send + 'static) -> Result<()> {
    // One that is gone already fails the first call.
    if any_gone(&media) || !media.iter().any(Medium::is_pluggable) {
        return Ok(());
    }
    let look = move || {
        while !any_gone(&media) {
            clock.sleep(GAP);
        }
        clock.sleep(GRACE);
        end(&Error::new(ErrorKind::Gone, "the medium went away"));
    };
    let spawned = std::thread::Builder::new().name("pulled".to_owned()).spawn(look);
    spawned.map(drop).map_err(|error| Error::with_source(ErrorKind::Other, "cannot start a thread", error))
}

/// Tells the end of a run from one that a pulled key caused: calls fail, and find nothing, a moment before the device leaves
/// the system's list. Only what a pulled key can look like waits for that moment, and only on what can be pulled.
pub fn settle(ended: Result<Outcome>, media: &[Medium], clock: &dyn Clock) -> Result<Outcome> {
    use ErrorKind::{Corrupt, NoIdentity, NoStore, Other};
    let is_suspicious = match &ended {
        Ok(outcome) => matches!(outcome, Outcome::Found(_) | Outcome::Partial),
        Err(error) => matches!(error.kind(), Corrupt | NoIdentity | NoStore | Other),
    };
    if !is_suspicious || !goes_soon(media, clock) {
        return ended;
    }
    Err(match ended {
        Ok(_) => Error::new(ErrorKind::Gone, "the medium went away"),
        Err(error) => Error::with_source(ErrorKind::Gone, "the medium went away", error),
    })
}

fn goes_soon(media: &[Medium], clock: &dyn Clock) -> bool {
    let until = clock.monotonic() + DELAY;
    let can_go = media.iter().any(Medium::is_pluggable);
    while can_go && !any_gone(media) && clock.monotonic() < until {
        clock.sleep(DELAY / 20);
    }
    any_gone(media)
}

fn any_gone(media: &[Medium]) -> bool {
    media.iter().any(Medium::is_gone)
}
