//! The event log of Windows, where a service says what it has nobody to say to.
//!
//! A line is one event of the source `chunkstore-agent` in the log of applications. The text around it comes from a program that
//! every Windows has (`EventCreate.exe`, whose every message is the line alone), so that nothing of ours has to be registered that
//! would lock the program's file.
#![expect(unsafe_code, reason = "calls of the system that no safe wrapper offers without a log framework around it")]

use std::ptr::{null, null_mut};

use windows_sys::Win32::System::EventLog::{
    DeregisterEventSource, EVENTLOG_ERROR_TYPE, EVENTLOG_INFORMATION_TYPE, EVENTLOG_WARNING_TYPE, RegisterEventSourceW,
    ReportEventW,
};

use super::registry::{self, Hive, Value};
use super::service::SERVICE_NAME;
use crate::error::{Error, ErrorKind, Result};

/// Where sources of the log of applications are named.
const SOURCES: &str = r"SYSTEM\CurrentControlSet\Services\EventLog\Application";
/// A program whose messages 1 to 1000 are the text alone.
const MESSAGES: &str = r"%SystemRoot%\System32\EventCreate.exe";
/// The number of every event.
const EVENT_ID: u32 = 1;
/// Longest text of an event, in units.
const TEXT_MAX_UNITS: usize = 31_000;

/// How bad an event is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// Somebody has to do something.
    Error,
    /// Somebody should know.
    Warning,
    /// For whoever looks.
    Information,
}

/// An open event log.
pub struct EventLog(usize);

impl EventLog {
    /// Opens the log; nothing where the system has none for us.
    #[must_use]
    pub fn open() -> Option<Self> {
        let source: Vec<u16> = SERVICE_NAME.encode_utf16().chain([0]).collect();
        // SAFETY: the text ends in 0; null is this machine.
        let handle = unsafe { RegisterEventSourceW(null(), source.as_ptr()) };
        (!handle.is_null()).then_some(Self(handle as usize))
    }

    /// Adds an event; a log that is full or gone has nobody to be told to.
    pub fn report(&self, severity: Severity, line: &str) {
        let kind = match severity {
            Severity::Error => EVENTLOG_ERROR_TYPE,
            Severity::Warning => EVENTLOG_WARNING_TYPE,
            Severity::Information => EVENTLOG_INFORMATION_TYPE,
        };
        let mut text: Vec<u16> = line.encode_utf16().filter(|unit| *unit != 0).take(TEXT_MAX_UNITS).collect();
        text.push(0);
        let texts = [text.as_ptr()];
        // SAFETY: the handle is open as long as we live; one text is announced, given, and ends in 0; no bytes come with it.
        unsafe {
            ReportEventW(self.0 as _, kind, 0, EVENT_ID, null_mut(), 1, 0, texts.as_ptr(), null());
        }
    }
}

impl Drop for EventLog {
    fn drop(&mut self) {
        // SAFETY: the handle was opened by us and is closed once.
        unsafe {
            DeregisterEventSource(self.0 as _);
        }
    }
}

/// Names the source to the system, so that its events are shown as their text alone.
///
/// # Errors
/// [`ErrorKind::Other`] where the system refuses.
pub fn add_source() -> Result<()> {
    let key = format!(r"{SOURCES}\{SERVICE_NAME}");
    // Errors, warnings and information.
    for (name, value) in [("EventMessageFile", Value::Template(MESSAGES)), ("TypesSupported", Value::Number(7))] {
        registry::set(Hive::Machine, &key, name, value)
            .map_err(|why| Error::with_source(ErrorKind::Other, "cannot name the service to the event log", why))?;
    }
    Ok(())
}

/// Takes the source away again; one that is not there stays away.
pub fn remove_source() {
    registry::remove(Hive::Machine, &format!(r"{SOURCES}\{SERVICE_NAME}"));
}
