//! Serving HTTP on a socket, for the console and the backend alike.

mod write_timeout;

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use poem::http::uri::Scheme;
use poem::listener::Acceptor;
use poem::web::{LocalAddr, RemoteAddr};
use poem::{Endpoint, Server};
use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use write_timeout::WriteTimeout;

/// How long a connection is kept whose peer reads nothing of what is written to it.
pub const WRITE_TIMEOUT: Duration = Duration::from_secs(15);

/// The send buffer of a connection, in bytes. With megabytes of it the system would take new bytes only after many were
/// read, so a slow but healthy peer would look like a dead one.
const SEND_BUFFER: usize = 128 * 1024;

fn limit_send_buffer(listener: &TcpListener) -> io::Result<()> {
    // Accepted connections inherit it.
    SockRef::from(listener).set_send_buffer_size(SEND_BUFFER)
}

/// Serves until `stopping`, then gives open connections `drain` to finish.
///
/// # Errors
/// When the socket has no address, or the server fails.
pub async fn serve(
    listener: TcpListener,
    routes: impl Endpoint + 'static,
    stopping: CancellationToken,
    drain: Duration,
) -> io::Result<()> {
    limit_send_buffer(&listener)?;
    serve_with_write_timeout(listener, routes, stopping, drain, WRITE_TIMEOUT).await
}

/// The same with another [`WRITE_TIMEOUT`], and the send buffer that the listener has.
///
/// # Errors
/// When the socket has no address, or the server fails.
pub async fn serve_with_write_timeout(
    listener: TcpListener,
    routes: impl Endpoint + 'static,
    stopping: CancellationToken,
    drain: Duration,
    write_timeout: Duration,
) -> io::Result<()> {
    let local = listener.local_addr()?;
    let acceptor = NoDelayAcceptor {
        listener,
        local,
        write_timeout,
    };
    Server::new_with_acceptor(acceptor)
        .run_with_graceful_shutdown(routes, stopping.cancelled_owned(), Some(drain))
        .await
}

/// Accepts connections with `TCP_NODELAY`: an event stream writes little and often, and must not wait for the delayed
/// acknowledgement of its reader.
struct NoDelayAcceptor {
    listener: TcpListener,
    local: SocketAddr,
    write_timeout: Duration,
}

/// Discards unread bytes when the connection closes: the system would keep them for minutes.
fn reset(stream: &TcpStream) {
    // If it fails, the system keeps them.
    let _ = stream.set_zero_linger();
}

impl Acceptor for NoDelayAcceptor {
    type Io = WriteTimeout<TcpStream>;

    fn local_addr(&self) -> Vec<LocalAddr> {
        vec![LocalAddr(self.local.into())]
    }

    async fn accept(&mut self) -> io::Result<(Self::Io, LocalAddr, RemoteAddr, Scheme)> {
        let mut is_logged = false;
        let (stream, remote) = loop {
            match self.listener.accept().await {
                Ok(accepted) => break accepted,
                // Out of file descriptors, most likely. Without a pause the server would retry in a busy loop.
                Err(error) => {
                    if !std::mem::replace(&mut is_logged, true) {
                        warn!(%error, "cannot accept connections; it keeps trying");
                    }
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        };
        stream.set_nodelay(true)?;
        Ok((
            WriteTimeout::new(stream, self.write_timeout, reset),
            LocalAddr(self.local.into()),
            RemoteAddr(remote.into()),
            Scheme::HTTP,
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn little_is_buffered_for_a_peer_that_does_not_read() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        limit_send_buffer(&listener).expect("limited");
        let address = listener.local_addr().expect("an address");
        let (client, accepted) = tokio::join!(TcpStream::connect(address), listener.accept());
        let (_client, (accepted, _)) = (client.expect("connected"), accepted.expect("accepted"));
        let held = SockRef::from(&accepted).send_buffer_size().expect("a size");
        // Linux doubles the value, for its own bookkeeping.
        assert!(held <= 2 * SEND_BUFFER, "{held}");
    }
}
