//! A remote as one thread uses it: a session that is opened when it is needed, dropped when it broke, tried again by
//! the rules of [`Retry`], and never waited on beyond a wish to stop.

use std::ops::ControlFlow;
use std::time::Duration;

use super::{Meter, TransferError, gravest};
use crate::base::StorePath;
use crate::error::{Error, ErrorKind};
use crate::ops::Run;
use crate::remote::retry::{Retry, RetryPolicy, may_pass};
use crate::remote::{Remote, RemoteError, RemoteErrorKind, Session};
use crate::store::StoreError;

/// Longest wait between two looks at whether someone asked to stop.
const SLICE: Duration = Duration::from_millis(250);

/// How many calls in a row may fail with all their tries before a remote is left out for the rest of a line: one that is down, or
/// refuses file after file, could else hold a run for hours.
const GIVEN_UP_MAX: u32 = 4;

/// A call that did not come through.
#[derive(Debug)]
pub enum CallError {
    /// The remote failed, after all tries.
    Remote(RemoteError),
    /// Someone asked to stop.
    Interrupted,
}

impl From<CallError> for Error {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Remote(error) => error.into(),
            CallError::Interrupted => Self::new(ErrorKind::Interrupted, "interrupted"),
        }
    }
}

/// One thread's line to a remote.
pub struct Caller<'a> {
    remote: &'a dyn Remote,
    run: Run<'a>,
    meter: &'a Meter,
    session: Option<Box<dyn Session>>,
    /// Calls in a row that failed with all their tries, and why the last one did.
    given_up: (u32, String),
}

impl<'a> Caller<'a> {
    /// Prepares a line; connects with the first call.
    #[must_use]
    pub fn new(remote: &'a dyn Remote, run: Run<'a>, meter: &'a Meter) -> Self {
        Self { remote, run, meter, session: None, given_up: (0, String::new()) }
    }

    /// Returns the remote's address as people see it.
    #[must_use]
    pub fn address(&self) -> String {
        self.remote.address()
    }

    /// Does one thing, again after failures that may pass.
    ///
    /// # Errors
    /// [`CallError`].
    pub fn call<T>(
        &mut self,
        work: &mut dyn FnMut(&mut dyn Session) -> Result<T, RemoteError>,
    ) -> Result<T, CallError> {
        let mut retry = Retry::new(RetryPolicy::default());
        loop {
            match self.once(work)? {
                Ok(value) => return Ok(value),
                Err(error) => self.wait_after(&mut retry, error)?,
            }
        }
    }

    /// Does one thing once; a session that it broke is dropped.
    ///
    /// # Errors
    /// [`CallError::Interrupted`]; what the remote said is the inner result.
    pub fn once<T>(
        &mut self,
        work: &mut dyn FnMut(&mut dyn Session) -> Result<T, RemoteError>,
    ) -> Result<Result<T, RemoteError>, CallError> {
        self.run.check().map_err(|_| CallError::Interrupted)?;
        if self.is_left_out() {
            let (subject, why) = (self.remote.address(), &self.given_up.1);
            return Ok(Err(RemoteError::new(RemoteErrorKind::Unreachable, "go on with", subject, why)));
        }
        let mut session = match self.session.take() {
            Some(session) => session,
            None => match self.remote.connect() {
                Ok(session) => session,
                Err(error) => return Ok(Err(error)),
            },
        };
        let result = work(session.as_mut());
        if result.as_ref().err().is_none_or(|error| error.kind.leaves_session()) {
            self.session = Some(session);
        }
        // Whoever answers is there.
        if result.as_ref().err().is_none_or(|error| !may_pass(error.kind)) {
            self.given_up.0 = 0;
        }
        Ok(result)
    }

    fn is_left_out(&self) -> bool {
        self.given_up.0 >= GIVEN_UP_MAX
    }

    /// Waits as long as a failure asks for, or gives it back when it should not be tried again.
    ///
    /// # Errors
    /// [`CallError`].
    pub fn wait_after(&mut self, retry: &mut Retry, error: RemoteError) -> Result<(), CallError> {
        let delay = if self.is_left_out() { None } else { retry.next_delay(&error, self.run.random) };
        if let Some(delay) = delay {
            return self.wait(delay);
        }
        if may_pass(error.kind) && !self.is_left_out() {
            self.given_up = (self.given_up.0 + 1, error.to_string());
        }
        Err(CallError::Remote(error))
    }

    /// Waits, unless someone asks to stop.
    ///
    /// # Errors
    /// [`CallError::Interrupted`].
    pub fn wait(&self, delay: Duration) -> Result<(), CallError> {
        let mut left = delay;
        while !left.is_zero() {
            self.run.check().map_err(|_| CallError::Interrupted)?;
            let slice = left.min(SLICE);
            self.run.clock.sleep(slice);
            left -= slice;
        }
        Ok(())
    }

    /// Fetches a small file whole; nothing where none stands. A longer one is cut after `max_bytes + 1` bytes.
    ///
    /// # Errors
    /// [`CallError`].
    pub fn fetch_small(&mut self, path: &StorePath, max_bytes: u64) -> Result<Option<Vec<u8>>, CallError> {
        let meter = self.meter;
        let fetched = self.call(&mut |session| {
            let mut bytes = Vec::new();
            session.fetch(path, 0, max_bytes + 1, &mut |piece| {
                meter.fetched(piece.len() as u64);
                bytes.extend_from_slice(piece);
                ControlFlow::Continue(())
            })?;
            Ok(bytes)
        });
        match fetched {
            Ok(bytes) => Ok(Some(bytes)),
            Err(CallError::Remote(error)) if error.kind == RemoteErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Fetches a small file of which the hash is known, and how long it is at most; bytes that are not it are asked for again.
    fn fetch_known(&mut self, path: &StorePath, max_bytes: u64, hash: &[u8; 32]) -> Result<Known, CallError> {
        const TRIES: u32 = 3;
        for _ in 0..TRIES {
            let Some(bytes) = self.fetch_small(path, max_bytes)? else { return Ok(Known::Missing) };
            if blake3::hash(&bytes).as_bytes() == hash {
                return Ok(Known::Right(bytes));
            }
        }
        Ok(Known::Wrong)
    }
}

/// What came of a fetch of known bytes.
enum Known {
    /// The bytes.
    Right(Vec<u8>),
    /// Something else stands there.
    Wrong,
    /// Nothing stands there.
    Missing,
}

/// Fetches a small file of which the hash is known, and how long it is at most, from the first of several remotes that has it
/// right; `what` says which kind of file it is.
///
/// # Errors
/// [`TransferError::Vanished`] when no remote has it; else the gravest failure.
pub fn fetch_from_any(
    callers: &mut [Caller<'_>],
    what: &str,
    path: &StorePath,
    max_bytes: u64,
    hash: &[u8; 32],
) -> Result<Vec<u8>, TransferError> {
    let mut failures = Vec::new();
    for caller in callers {
        match caller.fetch_known(path, max_bytes, hash) {
            Ok(Known::Right(bytes)) => return Ok(bytes),
            Ok(Known::Missing) => {}
            Ok(Known::Wrong) => {
                failures.push(StoreError::damaged(format!("{what} {path} from {}", caller.address())).into());
            }
            Err(CallError::Interrupted) => return Err(Error::from(CallError::Interrupted).into()),
            Err(error @ CallError::Remote(_)) => failures.push(error.into()),
        }
    }
    Err(match gravest(failures) {
        Some(error) => error.into(),
        None => TransferError::Vanished(format!("{what} {path}")),
    })
}
