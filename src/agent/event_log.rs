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
use windows_sys::Win32::System::Registry::{
    HKEY_LOCAL_MACHINE, REG_DWORD, REG_EXPAND_SZ, RegDeleteTreeW, RegSetKeyValueW,
};

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
        let source = wide(SERVICE_NAME);
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
    let key = wide(&format!(r"{SOURCES}\{SERVICE_NAME}"));
    let messages: Vec<u8> = wide(MESSAGES).iter().flat_map(|unit| unit.to_le_bytes()).collect();
    // Errors, warnings and information.
    let kinds = 7_u32.to_le_bytes();
    for (name, kind, value) in
        [("EventMessageFile", REG_EXPAND_SZ, &messages[..]), ("TypesSupported", REG_DWORD, &kinds[..])]
    {
        let (name, len_bytes) = (wide(name), u32::try_from(value.len()).unwrap_or(u32::MAX));
        // SAFETY: both texts end in 0, and the length is that of the value.
        let code = unsafe {
            RegSetKeyValueW(HKEY_LOCAL_MACHINE, key.as_ptr(), name.as_ptr(), kind, value.as_ptr().cast(), len_bytes)
        };
        if code != 0 {
            let why = std::io::Error::from_raw_os_error(code.cast_signed());
            return Err(Error::with_source(ErrorKind::Other, "cannot name the service to the event log", why));
        }
    }
    Ok(())
}

/// Takes the source away again; one that is not there stays away.
pub fn remove_source() {
    let key = wide(&format!(r"{SOURCES}\{SERVICE_NAME}"));
    // SAFETY: the text ends in 0, and names a key of ours alone.
    unsafe {
        RegDeleteTreeW(HKEY_LOCAL_MACHINE, key.as_ptr());
    }
}

fn wide(text: &str) -> Vec<u16> {
    text.encode_utf16().chain([0]).collect()
}
