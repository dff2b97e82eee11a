//! [`HangUp`]: lets whoever waits for a server to be reached go at once.
//!
//! Looking a name up, connecting and logging in are calls of the system and of crates that nobody can end from outside, and each
//! may take as long as its limit. So they run in a thread of their own, which holds nothing but its sockets, and only its answer is
//! waited for: who hangs up waits no longer, and the thread runs out by itself within its limits.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::reply::Trouble;
use crate::remote::RemoteErrorKind;

/// Whether a remote was hung up, and who waits to hear of that.
#[derive(Default)]
pub(super) struct HangUp {
    has_come: Mutex<bool>,
    /// Somebody hung up, or somebody has an answer.
    changed: Condvar,
}

impl HangUp {
    /// Ends every wait, and all that follow.
    pub(super) fn come(&self) {
        *self.lock() = true;
        self.changed.notify_all();
    }

    /// Does something in a thread of its own, and returns what comes of it unless somebody hangs up first. What comes too late is
    /// dropped where it was made.
    pub(super) fn unless_it_comes<T: Send + 'static>(
        self: &Arc<Self>,
        act: impl FnOnce() -> Result<T, Trouble> + Send + 'static,
    ) -> Result<T, Trouble> {
        if *self.lock() {
            return Err(hung_up());
        }
        let answer = Arc::new(Mutex::new(None));
        let (gives, tells) = (Arc::clone(&answer), Arc::clone(self));
        let run = move || {
            let broke =
                || Err(Trouble::new(RemoteErrorKind::Local, "connecting broke down: this is a fault of the program"));
            let came = catch_unwind(AssertUnwindSafe(act)).unwrap_or_else(|_| broke());
            let has_come = tells.lock();
            if !*has_come {
                *gives.lock().unwrap_or_else(PoisonError::into_inner) = Some(came);
            }
            tells.changed.notify_all();
        };
        let spawned = std::thread::Builder::new().name("ftp-dial".to_owned()).spawn(run);
        spawned.map_err(|error| Trouble::of_io(&error))?;
        let mut has_come = self.lock();
        loop {
            if let Some(came) = answer.lock().unwrap_or_else(PoisonError::into_inner).take() {
                return came;
            }
            if *has_come {
                return Err(hung_up());
            }
            has_come = self.changed.wait(has_come).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn lock(&self) -> MutexGuard<'_, bool> {
        self.has_come.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn hung_up() -> Trouble {
    Trouble::new(RemoteErrorKind::Unreachable, "hung up before the server was reached")
}

#[cfg(test)]
mod tests;
