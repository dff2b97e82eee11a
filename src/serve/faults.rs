//! [`Faults`]: what a server is told to do wrong. Shared with whoever scripts it.

use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Something that goes wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// The connection is answered 421 and closed.
    RefuseConnection,
    /// The next command of this name (empty for the greeting) is answered with these bytes as they are, and not done.
    Reply {
        /// The command, upper case.
        verb: &'static str,
        /// Every byte of the reply, line ends included.
        bytes: Vec<u8>,
    },
    /// The command is never answered.
    Silence {
        /// The command, upper case.
        verb: &'static str,
    },
    /// The command is answered with a line that never ends, a byte now and then.
    Drip {
        /// The command, upper case.
        verb: &'static str,
    },
    /// The command is answered with a line that never ends, as fast as it goes.
    Flood {
        /// The command, upper case.
        verb: &'static str,
    },
    /// The connection ends instead of an answer.
    HangUp {
        /// The command, upper case.
        verb: &'static str,
    },
    /// A download is reset after so many bytes, its control connection too.
    Reset {
        /// Bytes that are still sent.
        after_bytes: u64,
    },
    /// A download ends after so many bytes and is called complete.
    Truncate {
        /// Bytes that are still sent.
        after_bytes: u64,
    },
    /// A download ends after so many bytes and is called failed.
    Fail {
        /// Bytes that are still sent.
        after_bytes: u64,
    },
    /// A download stands still after so many bytes.
    Stall {
        /// Bytes that are still sent.
        after_bytes: u64,
    },
    /// A download goes on after so many bytes with a byte now and then.
    Crawl {
        /// Bytes that are sent before.
        after_bytes: u64,
    },
    /// A download has the lowest bit of this byte of the file flipped.
    FlipBit {
        /// Offset in the file.
        offset: u64,
    },
    /// A download delivers another file's bytes.
    ServeInstead {
        /// Path of that file from the served root.
        path: String,
    },
    /// A download never ends.
    Endless,
    /// An upload is reset after so many bytes; these are kept.
    ResetUpload {
        /// Bytes that are kept.
        after_bytes: u64,
    },
    /// An upload is called complete with only so many bytes kept.
    LoseUpload {
        /// Bytes that are kept.
        after_bytes: u64,
    },
    /// An upload meets a full disk after so many bytes.
    NoSpace {
        /// Bytes that are kept.
        after_bytes: u64,
    },
    /// A rename over a file that stands is refused.
    RefuseOverwrite,
}

impl Fault {
    /// Returns the command that this strikes, where it strikes one.
    fn verb(&self) -> Option<&'static str> {
        match self {
            Self::Reply { verb, .. } | Self::Silence { verb } | Self::Drip { verb } => Some(verb),
            Self::Flood { verb } | Self::HangUp { verb } => Some(verb),
            _ => None,
        }
    }

    fn is_of_upload(&self) -> bool {
        matches!(self, Self::ResetUpload { .. } | Self::LoseUpload { .. } | Self::NoSpace { .. })
    }

    fn is_of_download(&self) -> bool {
        let other = matches!(self, Self::RefuseConnection | Self::RefuseOverwrite);
        !other && self.verb().is_none() && !self.is_of_upload()
    }
}

/// What a download of one path gets, whatever stands there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// What stands there.
    File,
    /// Word that nothing stands there.
    Missing,
    /// Word that it cannot be read.
    Failing,
    /// These bytes.
    Bytes(Arc<[u8]>),
    /// These bytes, and then the end of both connections.
    Reset(Arc<[u8]>),
    /// These bytes, and then more without an end.
    Endless(Arc<[u8]>),
    /// These bytes, and then a byte now and then.
    Crawl(Arc<[u8]>),
}

#[derive(Default)]
struct Script {
    rules: Vec<(Fault, u32)>,
    /// What is left to answer by path; the last answer stays.
    answers: HashMap<String, Vec<Answer>>,
    released: bool,
}

/// A script of faults. Clones share it.
#[derive(Clone, Default)]
pub struct Faults {
    shared: Arc<(Mutex<Script>, Condvar)>,
}

impl Faults {
    /// Returns a script without faults.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// Adds a fault that strikes the next `times` calls that it fits; `u32::MAX` strikes for ever.
    pub fn add(&self, fault: Fault, times: u32) {
        self.lock().rules.push((fault, times));
    }

    /// Has downloads of a path, written from `/`, answered so: one after the other, the last for ever.
    pub fn answer(&self, path: &str, answers: &[Answer]) {
        self.lock().answers.insert(path.to_owned(), answers.to_vec());
    }

    /// Drops all faults and answers.
    pub fn heal(&self) {
        let mut script = self.lock();
        script.rules.clear();
        script.answers.clear();
    }

    /// Ends every standstill that a fault brought about.
    pub(super) fn release(&self) {
        self.lock().released = true;
        self.shared.1.notify_all();
    }

    /// Waits for [`Faults::release`], at most so long; true when it came.
    pub(super) fn pause(&self, at_most: Duration) -> bool {
        let guard = self.lock();
        let waited = self.shared.1.wait_timeout_while(guard, at_most, |script| !script.released);
        waited.unwrap_or_else(PoisonError::into_inner).0.released
    }

    pub(super) fn refuses_connection(&self) -> bool {
        self.take(|fault| *fault == Fault::RefuseConnection).is_some()
    }

    pub(super) fn refuses_overwrite(&self) -> bool {
        self.take(|fault| *fault == Fault::RefuseOverwrite).is_some()
    }

    pub(super) fn of_command(&self, verb: &str) -> Option<Fault> {
        self.take(|fault| fault.verb() == Some(verb))
    }

    pub(super) fn of_download(&self) -> Option<Fault> {
        self.take(Fault::is_of_download)
    }

    pub(super) fn answer_to(&self, path: &str) -> Answer {
        let mut script = self.lock();
        match script.answers.get_mut(path) {
            Some(answers) if answers.len() > 1 => answers.remove(0),
            Some(answers) => answers.first().cloned().unwrap_or(Answer::File),
            None => Answer::File,
        }
    }

    pub(super) fn of_upload(&self) -> Option<Fault> {
        self.take(Fault::is_of_upload)
    }

    fn take(&self, fits: impl Fn(&Fault) -> bool) -> Option<Fault> {
        let mut script = self.lock();
        let (fault, times) = script.rules.iter_mut().find(|(fault, times)| *times > 0 && fits(fault))?;
        if *times != u32::MAX {
            *times -= 1;
        }
        Some(fault.clone())
    }

    fn lock(&self) -> MutexGuard<'_, Script> {
        self.shared.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
