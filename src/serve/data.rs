//! Data connections: opened passively, accepted from the client's own host alone, and the transfers over them.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::Shared;
use super::faults::Fault;
use super::wire::Wire;
use crate::disk::{DiskError, DiskErrorKind, ReadAt, WriteFile};

/// Bytes moved at a time.
const PIECE_BYTES: usize = 64 * 1024;
/// How often a waiting accept looks, and how long a crawling fault pauses.
const TICK: Duration = Duration::from_millis(2);

/// How a transfer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    /// Complete, or called so.
    Complete,
    /// The data connection broke.
    Broken,
    /// The disk failed.
    DiskFailed,
    /// The disk is full.
    Full,
    /// The control connection is to be reset too.
    ResetAll,
}

/// Bytes that are sent in place of a file.
pub(super) struct Held(pub(super) Arc<[u8]>);

impl ReadAt for Held {
    fn len_bytes(&self) -> u64 {
        self.0.len() as u64
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, DiskError> {
        let rest = usize::try_from(offset).ok().and_then(|offset| self.0.get(offset..)).unwrap_or_default();
        let count = rest.len().min(buffer.len());
        buffer.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
        Ok(count)
    }
}

/// Waits for the client to connect.
pub(super) fn accept_data(shared: &Shared, listener: &TcpListener, peer: SocketAddr) -> io::Result<Wire> {
    listener.set_nonblocking(true)?;
    let timeout = shared.options.idle_timeout.min(Duration::from_secs(30));
    let start = shared.clock.monotonic();
    loop {
        match listener.accept() {
            Ok((tcp, from)) if from.ip() == peer.ip() => return Wire::plain(tcp, shared.options.idle_timeout),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                let late = shared.clock.monotonic().saturating_sub(start) > timeout;
                if late || shared.is_stopping() {
                    return Err(io::ErrorKind::TimedOut.into());
                }
                shared.clock.sleep(TICK);
            }
            Err(error) => return Err(error),
        }
    }
}

/// Sends bytes that are all there, as for a listing.
pub(super) fn send_all(mut wire: Wire, bytes: &[u8]) -> Ended {
    let done = wire.write_all(bytes).and_then(|()| wire.flush());
    wire.close();
    if done.is_ok() { Ended::Complete } else { Ended::Broken }
}

/// Sends a file from an offset to its end, or as a fault has it.
pub(super) fn send_file(shared: &Shared, wire: Wire, file: &dyn ReadAt, offset: u64, fault: Option<&Fault>) -> Ended {
    let mut sending = Sending { shared, wire, sent: 0 };
    let limit = match fault {
        Some(
            Fault::Reset { after_bytes }
            | Fault::Truncate { after_bytes }
            | Fault::Fail { after_bytes }
            | Fault::Stall { after_bytes }
            | Fault::Crawl { after_bytes },
        ) => *after_bytes,
        _ => u64::MAX,
    };
    let flip_at = match fault {
        Some(Fault::FlipBit { offset }) => Some(*offset),
        _ => None,
    };
    let ended = sending.file(file, offset, limit, flip_at);
    if ended != Ended::Complete {
        return ended;
    }
    match fault {
        Some(Fault::Endless) => sending.zeros(PIECE_BYTES, Duration::ZERO),
        Some(Fault::Crawl { .. }) => sending.zeros(1, TICK * 5),
        Some(Fault::Stall { .. }) => {
            shared.faults.pause(shared.options.idle_timeout);
            Ended::Broken
        }
        Some(Fault::Reset { .. }) => {
            sending.wire.reset();
            Ended::ResetAll
        }
        Some(Fault::Fail { .. }) => {
            sending.wire.close();
            Ended::Broken
        }
        _ => {
            sending.wire.close();
            Ended::Complete
        }
    }
}

/// A download under way.
struct Sending<'a> {
    shared: &'a Shared,
    wire: Wire,
    sent: u64,
}

impl Sending<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.wire.write_all(bytes)?;
        self.sent += bytes.len() as u64;
        self.shared.counters.sent_bytes.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        Ok(())
    }

    fn file(&mut self, file: &dyn ReadAt, offset: u64, limit: u64, flip_at: Option<u64>) -> Ended {
        let mut buffer = vec![0; PIECE_BYTES];
        while self.sent < limit {
            let at = offset.saturating_add(self.sent);
            let most = usize::try_from(limit - self.sent).unwrap_or(usize::MAX).min(PIECE_BYTES);
            let count = match file.read_at(at, buffer.get_mut(..most).unwrap_or_default()) {
                Ok(0) => break,
                Ok(count) => count,
                Err(_) => return Ended::DiskFailed,
            };
            let piece = buffer.get_mut(..count).unwrap_or_default();
            let flip = flip_at.and_then(|flip| flip.checked_sub(at)).and_then(|flip| usize::try_from(flip).ok());
            if let Some(byte) = flip.and_then(|flip| piece.get_mut(flip)) {
                *byte ^= 1;
            }
            let piece = &*piece;
            if self.shared.is_stopping() || self.write(piece).is_err() {
                return Ended::Broken;
            }
        }
        if self.wire.flush().is_ok() { Ended::Complete } else { Ended::Broken }
    }

    /// Goes on for ever.
    fn zeros(&mut self, piece_bytes: usize, pause: Duration) -> Ended {
        let zeros = vec![0; piece_bytes];
        loop {
            let released = !pause.is_zero() && self.shared.faults.pause(pause);
            if released || self.shared.is_stopping() {
                return Ended::Broken;
            }
            if self.write(&zeros).and_then(|()| self.wire.flush()).is_err() {
                return Ended::Broken;
            }
        }
    }
}

/// Receives a file to the end of the data connection, or as a fault has it, and makes it durable.
pub(super) fn receive_file(shared: &Shared, mut wire: Wire, file: &mut dyn WriteFile, fault: Option<&Fault>) -> Ended {
    let limit = match fault {
        Some(
            Fault::ResetUpload { after_bytes } | Fault::LoseUpload { after_bytes } | Fault::NoSpace { after_bytes },
        ) => *after_bytes,
        _ => u64::MAX,
    };
    let mut buffer = vec![0; PIECE_BYTES];
    let mut kept = 0_u64;
    loop {
        let count = match wire.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => count,
            Err(_) => return Ended::Broken,
        };
        shared.counters.received_bytes.fetch_add(count as u64, Ordering::Relaxed);
        let keep = usize::try_from(limit - kept).unwrap_or(usize::MAX).min(count);
        if let Err(error) = file.append(buffer.get(..keep).unwrap_or_default()) {
            return ended_by(&error);
        }
        kept += keep as u64;
        match fault {
            Some(Fault::ResetUpload { .. }) if kept == limit => {
                wire.reset();
                return Ended::ResetAll;
            }
            Some(Fault::NoSpace { .. }) if kept == limit => return Ended::Full,
            _ => {}
        }
    }
    match file.sync() {
        Ok(()) => Ended::Complete,
        Err(error) => ended_by(&error),
    }
}

fn ended_by(error: &DiskError) -> Ended {
    if error.kind == DiskErrorKind::NoSpace { Ended::Full } else { Ended::DiskFailed }
}
