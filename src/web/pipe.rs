//! Bodies that are made while they are sent: what a thread or a task writes, with an end that says that it is whole.
//!
//! A body whose maker stops early, by an error or a panic, breaks the connection off: nobody takes a part for the whole. Memory: a
//! few pieces each. A client that takes nothing for minutes is let go.

use std::io::{self, Write};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use futures_core::Stream;
use tokio::runtime::Handle;
use tokio::sync::mpsc::{Receiver, Sender, channel};

/// Pieces that wait for the client.
const WAITING_MAX: usize = 4;
/// Bytes of a piece that a thread writes.
const PIECE_BYTES: usize = 64 << 10;
/// Longest wait for a client that takes nothing.
const STALLED: Duration = Duration::from_secs(300);

enum Piece {
    Bytes(Bytes),
    End,
}

/// The end that the client reads.
struct Pieces {
    receiver: Receiver<Piece>,
    is_ended: bool,
}

impl Stream for Pieces {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.is_ended {
            return Poll::Ready(None);
        }
        let next = match self.receiver.poll_recv(context) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Some(Piece::Bytes(bytes))) => return Poll::Ready(Some(Ok(bytes))),
            Poll::Ready(Some(Piece::End)) => None,
            Poll::Ready(None) => Some(Err(io::Error::other("broken off"))),
        };
        self.is_ended = true;
        Poll::Ready(next)
    }
}

/// The end that a task writes. Dropping it without [`Feed::end`] breaks the body off.
pub struct Feed(Sender<Piece>);

/// Makes a body and what feeds it.
pub fn pipe() -> (Feed, Body) {
    let (sender, receiver) = channel(WAITING_MAX);
    (Feed(sender), Body::from_stream(Pieces { receiver, is_ended: false }))
}

impl Feed {
    /// Sends a piece.
    ///
    /// # Errors
    /// [`io::ErrorKind::BrokenPipe`] when the client went away or takes nothing.
    pub async fn send(&self, bytes: Bytes) -> io::Result<()> {
        self.put(Piece::Bytes(bytes)).await
    }

    /// Says that the body is whole.
    pub async fn end(self) {
        // A client that went away has nothing to learn.
        let _ = self.put(Piece::End).await;
    }

    async fn put(&self, piece: Piece) -> io::Result<()> {
        // Asked first, since at the end of the server there is no timer any more.
        if self.0.is_closed() {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        self.0.send_timeout(piece, STALLED).await.map_err(|_| io::ErrorKind::BrokenPipe.into())
    }

    /// Makes it writable by a thread that may wait.
    #[must_use]
    pub fn blocking(self) -> Pipe {
        Pipe { feed: self, handle: Handle::current(), piece: Vec::with_capacity(PIECE_BYTES) }
    }
}

/// The end that a thread writes. Dropping it without [`Pipe::end`] breaks the body off.
pub struct Pipe {
    feed: Feed,
    handle: Handle,
    piece: Vec<u8>,
}

impl Pipe {
    /// Sends what is left and says that the body is whole.
    pub fn end(mut self) {
        if self.flush().is_ok() {
            self.handle.block_on(self.feed.end());
        }
    }

    /// Returns what sees that the client goes away. The body is broken off only once this is dropped, too.
    #[must_use]
    pub fn watch(&self) -> Watch {
        Watch(self.feed.0.clone())
    }
}

/// Sees that a client goes away.
pub struct Watch(Sender<Piece>);

impl Watch {
    /// Returns whether it went.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        self.0.is_closed()
    }
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.piece.len() + bytes.len() > PIECE_BYTES {
            self.flush()?;
        }
        let taken = bytes.len().min(PIECE_BYTES);
        self.piece.extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.piece.is_empty() {
            return Ok(());
        }
        let piece = std::mem::replace(&mut self.piece, Vec::with_capacity(PIECE_BYTES));
        self.handle.block_on(self.feed.send(piece.into()))
    }
}
