//! A timeout for writes to a connection.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

/// A connection that fails when no byte of a pending write is taken for a while. Reads may take any time: an upload
/// over a slow line is no fault.
pub(super) struct WriteTimeout<S> {
    io: S,
    timeout: Duration,
    /// Runs only while a write is pending, so that an idle connection costs no timer.
    timer: Option<Pin<Box<Sleep>>>,
    on_timeout: fn(&S),
}

impl<S> WriteTimeout<S> {
    /// Calls `on_timeout` and then fails, `timeout` after the last byte was taken.
    pub fn new(io: S, timeout: Duration, on_timeout: fn(&S)) -> Self {
        Self {
            io,
            timeout,
            timer: None,
            on_timeout,
        }
    }

    fn within_timeout<T>(&mut self, cx: &mut Context<'_>, done: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if done.is_ready() {
            self.timer = None;
            return done;
        }
        let timeout = self.timeout;
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep(timeout)));
        if timer.as_mut().poll(cx).is_pending() {
            return Poll::Pending;
        }
        (self.on_timeout)(&self.io);
        let stalled = io::Error::new(io::ErrorKind::TimedOut, "the peer does not read");
        Poll::Ready(Err(stalled))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for WriteTimeout<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for WriteTimeout<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let done = Pin::new(&mut this.io).poll_write(cx, bytes);
        this.within_timeout(cx, done)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let done = Pin::new(&mut this.io).poll_write_vectored(cx, parts);
        this.within_timeout(cx, done)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let done = Pin::new(&mut this.io).poll_flush(cx);
        this.within_timeout(cx, done)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let done = Pin::new(&mut this.io).poll_shutdown(cx);
        this.within_timeout(cx, done)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

    use super::*;

    fn pair(timeout: Duration) -> (WriteTimeout<DuplexStream>, DuplexStream) {
        let (ours, theirs) = duplex(4);
        (WriteTimeout::new(ours, timeout, |_| ()), theirs)
    }

    /// Whether a byte is taken at once.
    async fn taken(connection: &mut WriteTimeout<DuplexStream>) -> bool {
        poll_fn(|cx| Poll::Ready(Pin::new(&mut *connection).poll_write(cx, b"x").is_ready())).await
    }

    #[tokio::test]
    async fn who_does_not_read_is_given_up() {
        let (mut connection, _theirs) = pair(Duration::from_millis(20));
        connection.write_all(b"1234").await.expect("there is room");
        let error = connection.write_all(b"5").await.expect_err("nobody reads");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn every_byte_that_is_taken_restarts_the_timer() {
        let (mut connection, mut theirs) = pair(Duration::from_secs(3600));
        assert!(taken(&mut connection).await && connection.timer.is_none());
        while taken(&mut connection).await {}
        let since = connection.timer.as_ref().expect("a timer").deadline();
        assert!(!taken(&mut connection).await);
        let still = connection.timer.as_ref().expect("a timer").deadline();
        assert_eq!(still, since, "another attempt is no progress");

        theirs.read_u8().await.expect("a byte");
        assert!(taken(&mut connection).await && connection.timer.is_none());
        assert!(!taken(&mut connection).await);
        assert!(connection.timer.as_ref().expect("a timer").deadline() > since);
    }

    #[tokio::test]
    async fn reading_may_take_any_time() {
        let (mut connection, mut theirs) = pair(Duration::ZERO);
        let read = poll_fn(|cx| {
            let mut bytes = [0];
            let mut buffer = ReadBuf::new(&mut bytes);
            Poll::Ready(Pin::new(&mut connection).poll_read(cx, &mut buffer).is_pending())
        });
        assert!(read.await && connection.timer.is_none());
        theirs.write_u8(7).await.expect("there is room");
        assert_eq!(connection.read_u8().await.expect("a byte"), 7);
    }
}
