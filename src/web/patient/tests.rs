//! Writes that wait for nobody.

use std::future::poll_fn;

use super::*;

/// Takes so many bytes, and then nothing any more.
struct Room(usize);

impl AsyncWrite for Room {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.0 == 0 {
            return Poll::Pending;
        }
        let taken = bytes.len().min(self.0);
        self.0 -= taken;
        Poll::Ready(Ok(taken))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

fn within<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(work)
}

#[test]
fn a_client_that_takes_nothing_any_more_is_let_go() {
    within(async {
        let mut stream = Patient::new(Room(3), Duration::ZERO);
        let mut write = async || poll_fn(|context| Pin::new(&mut stream).poll_write(context, b"ab")).await;
        assert_eq!((write().await.unwrap(), write().await.unwrap()), (2, 1));
        assert_eq!(write().await.unwrap_err().kind(), io::ErrorKind::TimedOut);
    });
}

#[test]
fn what_is_taken_starts_the_wait_anew() {
    within(async {
        let mut stream = Patient::new(Room(0), Duration::from_secs(3600));
        poll_fn(|context| {
            assert!(Pin::new(&mut stream).poll_write(context, b"ab").is_pending() && stream.until.is_some());
            stream.stream.0 = 1;
            assert!(Pin::new(&mut stream).poll_write(context, b"ab").is_ready() && stream.until.is_none());
            Poll::Ready(())
        })
        .await;
    });
}
