//! Serving HTTP on a socket, the same way for everything this program serves.

mod impatient;

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use poem::http::uri::Scheme;
use poem::listener::Acceptor;
use poem::web::{LocalAddr, RemoteAddr};
use poem::{Endpoint, Server};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use impatient::Impatient;

/// How long a connection is kept whose other end takes nothing of what is written to it.
pub const PATIENCE: Duration = Duration::from_secs(15);

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
    serve_readers(listener, routes, stopping, drain, PATIENCE).await
}

/// The same with another [`PATIENCE`].
///
/// # Errors
/// When the socket has no address, or the server fails.
pub async fn serve_readers(
    listener: TcpListener,
    routes: impl Endpoint + 'static,
    stopping: CancellationToken,
    drain: Duration,
    patience: Duration,
) -> io::Result<()> {
    let local = listener.local_addr()?;
    let acceptor = Prompt {
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
struct Prompt {
    listener: TcpListener,
    local: SocketAddr,
    patience: Duration,
}

/// Closes at once: the system would hold what the other end does not take for minutes more.
fn reset(stream: &TcpStream) {
    // Where it cannot be said, the system does just that.
    let _ = stream.set_zero_linger();
}

impl Acceptor for Prompt {
    type Io = Impatient<TcpStream>;

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
            Impatient::new(stream, self.patience, reset),
            LocalAddr(self.local.into()),
            RemoteAddr(remote.into()),
            Scheme::HTTP,
        ))
    }
}
