//! [`Watch`]: shuts a session's sockets when a call takes too long.
//!
//! Timeouts of sockets bound each read on its own, so a server that sends one byte now and then would hold a session
//! for ever. One thread for each session waits for its deadline; it sleeps while none is set.

use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use crate::base::Clock;

/// Guards the sockets of one session.
pub(super) struct Watch {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    clock: Arc<dyn Clock>,
}

#[derive(Default)]
struct State {
    deadline: Option<Duration>,
    /// When the thread looks next; nothing while it waits to be woken.
    looks_at: Option<Duration>,
    control: Option<TcpStream>,
    data: Option<TcpStream>,
    fired: bool,
    ended: bool,
}

impl State {
    fn shut(&mut self) {
        for socket in [self.control.take(), self.data.take()].into_iter().flatten() {
            // A socket that is gone already is what this is about.
            let _ = socket.shutdown(Shutdown::Both);
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self) {
        let mut state = self.lock();
        while !state.ended {
            state.looks_at = state.deadline;
            let Some(deadline) = state.deadline else {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let now = self.clock.monotonic();
            if now < deadline {
                let waited = self.changed.wait_timeout(state, deadline - now);
                state = waited.unwrap_or_else(PoisonError::into_inner).0;
                continue;
            }
            state.fired = true;
            state.deadline = None;
            state.shut();
        }
    }
}

impl Watch {
    /// Starts to guard a control connection.
    pub(super) fn new(control: &TcpStream, clock: Arc<dyn Clock>) -> std::io::Result<Self> {
        let state = State { control: Some(control.try_clone()?), ..State::default() };
        let shared = Arc::new(Shared { state: Mutex::new(state), changed: Condvar::new(), clock });
        let runner = Arc::clone(&shared);
        std::thread::Builder::new().name("ftp-watch".to_owned()).spawn(move || runner.run())?;
        Ok(Self { shared })
    }

    /// Returns a door through which a data connection is put under guard from elsewhere.
    pub(super) fn door(&self) -> Door {
        Door { shared: Arc::clone(&self.shared) }
    }

    /// Shuts the sockets unless [`Watch::disarm`] or another deadline comes first.
    pub(super) fn arm(&self, within: Duration) {
        let at = self.shared.clock.monotonic().saturating_add(within);
        let mut state = self.shared.lock();
        state.deadline = Some(at);
        // A thread that waits for an earlier deadline looks again by itself, so most calls wake nobody.
        let sleeps_past = state.looks_at.is_none_or(|looks_at| looks_at > at);
        drop(state);
        if sleeps_past {
            self.shared.changed.notify_one();
        }
    }

    /// Takes the deadline back. The thread sleeps on until it would have come, so nothing is woken for it.
    pub(super) fn disarm(&self) {
        self.shared.lock().deadline = None;
    }

    /// Lets the data connection go: a socket closes only when its last handle does.
    pub(super) fn release_data(&self) {
        self.shared.lock().data = None;
    }

    /// Shuts everything now, so that nothing waits for it any more.
    pub(super) fn shut(&self) {
        self.shared.lock().shut();
    }

    /// Returns whether a deadline came.
    pub(super) fn fired(&self) -> bool {
        self.shared.lock().fired
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.ended = true;
        (state.control, state.data) = (None, None);
        drop(state);
        self.shared.changed.notify_one();
    }
}

/// Puts data connections under guard.
#[derive(Clone)]
pub(super) struct Door {
    shared: Arc<Shared>,
}

impl Door {
    /// Guards a data connection until it is released.
    pub(super) fn guard_data(&self, socket: &TcpStream) -> std::io::Result<()> {
        let clone = socket.try_clone()?;
        self.shared.lock().data = Some(clone);
        Ok(())
    }
}

/// The watches of all sessions of a remote, as far as they are open.
#[derive(Default)]
pub(super) struct Watches(Mutex<Vec<Weak<Shared>>>);

impl Watches {
    /// Hears of a new session.
    pub(super) fn add(&self, watch: &Watch) {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|shared| shared.strong_count() > 0);
        open.push(Arc::downgrade(&watch.shared));
    }

    /// Shuts the sockets of every session.
    pub(super) fn shut_all(&self) {
        let open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        open.iter().filter_map(Weak::upgrade).for_each(|shared| shared.lock().shut());
    }
}
