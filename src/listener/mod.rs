//! Serving HTTP on a socket, the same way for everything this program serves.

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

/// How long a connection is kept whose other end takes nothing of what is written to it.
pub const WRITE_TIMEOUT: Duration = Duration::from_secs(15);

/// What is written and not yet taken, per connection, in bytes. A system that holds megabytes takes more only once much of
/// it is gone, and a line that is slow and healthy would look like one that is dead.
const SEND_BUFFER: usize = 128 * 1024;

fn bound(listener: &TcpListener) -> io::Result<()> {
    // What it accepts has it from there.
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
    bound(&listener)?;
    serve_with_write_timeout(listener, routes, stopping, drain, WRITE_TIMEOUT).await
}

/// The same with another [`WRITE_TIMEOUT`], and as much in between as the listener has it.
///
/// # Errors
/// When the socket has no address, or the server fails.
pub async fn serve_with_write_timeout(
    listener: TcpListener,
    routes: impl Endpoint + 'static,
    stopping: CancellationToken,
    drain: Duration,
    patience: Duration,
) -> io::Result<()> {
    let local = listener.local_addr()?;
    let acceptor = NoDelayAcceptor {
        listener,
        local,
        patience,
    };
    Server::new_with_acceptor(acceptor)
        .run_with_graceful_shutdown(routes, stopping.cancelled_owned(), Some(drain))
        .await
}

/// Accepts connections that send at once: an event stream writes little and often, and must not wait for the
/// reader's delayed acknowledgement.
struct NoDelayAcceptor {
    listener: TcpListener,
    local: SocketAddr,
    patience: Duration,
}

/// Closes at once: the system would hold what the other end does not take for minutes more.
fn reset(stream: &TcpStream) {
    // Where it cannot be said, the system does just that.
    let _ = stream.set_zero_linger();
}

impl Acceptor for NoDelayAcceptor {
    type Io = WriteTimeout<TcpStream>;

    fn local_addr(&self) -> Vec<LocalAddr> {
        vec![LocalAddr(self.local.into())]
    }

    async fn accept(&mut self) -> io::Result<(Self::Io, LocalAddr, RemoteAddr, Scheme)> {
        let mut is_said = false;
        let (stream, remote) = loop {
            match self.listener.accept().await {
                Ok(accepted) => break accepted,
                // Out of file descriptors, most likely. The server would ask again at once, and spin.
                Err(error) => {
                    if !std::mem::replace(&mut is_said, true) {
                        warn!(%error, "cannot accept connections; it keeps trying");
                    }
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        };
        stream.set_nodelay(true)?;
        Ok((
            WriteTimeout::new(stream, self.patience, reset),
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
    async fn little_is_held_of_what_the_other_end_does_not_take() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        bound(&listener).expect("bound");
        let address = listener.local_addr().expect("an address");
        let (client, accepted) = tokio::join!(TcpStream::connect(address), listener.accept());
        let (_client, (accepted, _)) = (client.expect("connected"), accepted.expect("accepted"));
        let held = SockRef::from(&accepted).send_buffer_size().expect("a size");
        // Linux counts its own bookkeeping, and as much of it as of what is sent.
        assert!(held <= 2 * SEND_BUFFER, "{held}");
    }
}
