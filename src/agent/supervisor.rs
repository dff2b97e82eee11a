//! Tells systemd how the service stands: one datagram each to the socket that it named; and Windows' service manager by a call of
//! its own. Elsewhere nobody listens.
//!
//! The watchdog runs only while there are runs: an idle agent waits in one call of the system and would have to wake up just to say
//! that it can. So its span is set to a year while nothing goes on, and to what the unit says otherwise.

#[cfg(target_os = "linux")]
use std::os::linux::net::SocketAddrExt;
#[cfg(unix)]
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

#[cfg(windows)]
use super::event_log::{EventLog, Severity};
#[cfg(windows)]
use super::service::Status;
use super::words::Priority;

/// As good as never.
const IDLE: Duration = Duration::from_secs(365 * 24 * 3600);

/// Whoever started the service.
#[derive(Default)]
pub struct Supervisor {
    #[cfg(unix)]
    socket: Option<(UnixDatagram, SocketAddr)>,
    #[cfg(windows)]
    manager: Option<(Status, Option<EventLog>)>,
    watchdog: Option<Duration>,
    is_watched: AtomicBool,
}

impl Supervisor {
    /// Takes the values of `NOTIFY_SOCKET` and `WATCHDOG_USEC`; what is not understood counts as not there.
    #[must_use]
    pub fn new(socket: Option<&std::ffi::OsStr>, watchdog_micros: Option<&str>) -> Self {
        let watchdog = watchdog_micros.and_then(|text| text.parse().ok()).map(Duration::from_micros);
        Self {
            #[cfg(unix)]
            socket: socket.and_then(|name| UnixDatagram::unbound().ok().zip(address_of(name))),
            #[cfg(windows)]
            manager: None,
            watchdog: watchdog.filter(|span| socket.is_some() && !span.is_zero()),
            is_watched: AtomicBool::new(true),
        }
    }

    /// The service manager of Windows, which has the event log beside it.
    #[cfg(windows)]
    #[must_use]
    pub fn manager(status: Status) -> Self {
        Self { manager: Some((status, EventLog::open())), ..Self::default() }
    }

    /// Puts a line into the log of whoever started the service; false where that reads stderr.
    #[must_use]
    pub fn log(&self, priority: Priority, line: &str) -> bool {
        #[cfg(windows)]
        if let Some((_, log)) = &self.manager {
            let severity = match priority {
                Priority::Error => Severity::Error,
                Priority::Warning => Severity::Warning,
                Priority::Notice | Priority::Info => Severity::Information,
            };
            log.iter().for_each(|log| log.report(severity, line));
            return true;
        }
        let _ = (priority, line);
        false
    }

    /// Says one thing, as `READY=1`.
    pub fn say(&self, state: &str) {
        #[cfg(unix)]
        if let Some((socket, address)) = &self.socket {
            // One that does not listen any more has its own troubles.
            let _ = socket.send_to_addr(state.as_bytes(), address);
        }
        #[cfg(windows)]
        match (&self.manager, state) {
            (Some((status, _)), "READY=1") => status.running(),
            (Some((status, _)), "STOPPING=1") => status.ending(),
            _ => {}
        }
    }

    /// Says that the service is alive, while something goes on; returns how soon to say it again.
    pub fn beat(&self, is_busy: bool) -> Option<Duration> {
        let span = self.watchdog?;
        if self.is_watched.swap(is_busy, Ordering::Relaxed) != is_busy {
            let span = if is_busy { span } else { IDLE };
            self.say(&format!("WATCHDOG_USEC={}", span.as_micros()));
        }
        if is_busy {
            self.say("WATCHDOG=1");
        }
        is_busy.then_some(span / 2)
    }
}

#[cfg(unix)]
fn address_of(name: &std::ffi::OsStr) -> Option<SocketAddr> {
    match name.as_encoded_bytes().split_first()? {
        #[cfg(target_os = "linux")]
        (b'@', abstract_name) => SocketAddr::from_abstract_name(abstract_name).ok(),
        (b'/', _) => SocketAddr::from_pathname(name).ok(),
        _ => None,
    }
}

#[cfg(all(test, unix))]
mod tests;
