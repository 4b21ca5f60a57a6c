//! A TCP proxy that stands between two parties: it says what was asked on the wire, and breaks when told to.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use switchboard::lifecycle::Tasks;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// A request as it passed, on a connection that may carry many.
#[derive(Clone, PartialEq, Eq)]
pub struct Request {
    pub method: String,
    /// Path and query.
    pub target: String,
    headers: Vec<(String, String)>,
    connection: usize,
}

impl Request {
    /// The first header of this name, in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    /// Reads the head of a request; `None` when it is none.
    fn read(head: &str, connection: usize) -> Option<Self> {
        let mut lines = head.split("\r\n");
        let mut words = lines.next()?.split(' ');
        let headers = lines.filter_map(|line| line.split_once(':'));
        Some(Self {
            method: words.next()?.to_owned(),
            target: words.next()?.to_owned(),
            headers: headers
                .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
                .collect(),
            connection,
        })
    }

    fn body_length(&self) -> usize {
        assert_eq!(
            self.header("transfer-encoding"),
            None,
            "only bodies of known length are followed"
        );
        self.header("content-length")
            .map_or(0, |length| length.parse().expect("a length"))
    }
}

/// One line, with the header that tells which part of a page is asked for.
impl std::fmt::Debug for Request {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let part = self.header("hx-target").unwrap_or("-");
        write!(
            f,
            "{} {} for {part} on connection {}",
            self.method, self.target, self.connection
        )
    }
}

/// What the line does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Line {
    /// Bytes pass.
    Open,
    /// Connections stay open, and nothing passes.
    Mute,
    /// What is asked passes, and what is answered does not.
    Deaf,
    /// Connections are closed, and new ones as soon as they are made.
    Cut,
}

#[derive(Debug, Default)]
struct Log {
    requests: Vec<Request>,
    /// By number; whether it is open.
    connections: Vec<bool>,
}

/// The proxy. It ends with the tasks it was started on.
#[derive(Debug, Clone)]
pub struct Proxy {
    address: SocketAddr,
    line: watch::Sender<Line>,
    /// Counts the cuts, so that one that is healed at once closes what was open all the same.
    cuts: watch::Sender<u64>,
    log: Arc<Mutex<Log>>,
}

impl Proxy {
    /// Listens on a free port and forwards to `upstream`.
    pub async fn before(upstream: SocketAddr, tasks: &Tasks) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let proxy = Self {
            address: listener.local_addr().expect("bound"),
            line: watch::Sender::new(Line::Open),
            cuts: watch::Sender::new(0),
            log: Arc::default(),
        };
        tasks.spawn("proxy", proxy.clone().accept(listener, upstream, tasks.clone()));
        proxy
    }

    pub fn base(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Closes every connection and takes no new one.
    pub fn cut(&self) {
        self.line.send_replace(Line::Cut);
        self.cuts.send_modify(|cuts| *cuts += 1);
    }

    /// Passes nothing on, and closes nothing.
    pub fn mute(&self) {
        self.line.send_replace(Line::Mute);
    }

    /// Passes on what is asked, and none of the answers.
    pub fn lose_answers(&self) {
        self.line.send_replace(Line::Deaf);
    }

    /// Is as if nothing had been; what was held back while mute passes now.
    pub fn heal(&self) {
        self.line.send_replace(Line::Open);
    }

    /// What was asked since the last time of asking.
    pub fn take_requests(&self) -> Vec<Request> {
        std::mem::take(&mut self.log().requests)
    }

    /// What was asked since [`Self::take_requests`].
    pub fn requests(&self) -> Vec<Request> {
        self.log().requests.clone()
    }

    /// Whether the connection that carried this request is still open. An answer without end, such as an event
    /// stream, lasts as long as its connection.
    pub fn is_open(&self, request: &Request) -> bool {
        self.log().connections[request.connection]
    }

    fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn accept(self, listener: TcpListener, upstream: SocketAddr, tasks: Tasks) {
        let stopping = tasks.stopping();
        loop {
            let client = tokio::select! {
                () = stopping.cancelled() => return,
                accepted = listener.accept() => accepted.expect("the socket accepts").0,
            };
            if *self.line.borrow() == Line::Cut {
                continue;
            }
            let (proxy, stopping) = (self.clone(), stopping.clone());
            tasks.spawn("proxied", async move {
                tokio::select! {
                    () = stopping.cancelled() => {}
                    () = proxy.carry(client, upstream) => {}
                }
            });
        }
    }

    async fn carry(&self, client: TcpStream, upstream: SocketAddr) {
        let mut cuts = self.cuts.subscribe();
        let Ok(server) = TcpStream::connect(upstream).await else {
            return;
        };
        let connection = {
            let mut log = self.log();
            log.connections.push(true);
            log.connections.len() - 1
        };
        let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
        let mut reader = Reader::new(connection);
        // A half that ends takes the other with it: neither browser nor console half-closes.
        tokio::select! {
            _ = cuts.changed() => {}
            () = self.pipe(from_client, to_server, &[Line::Mute], |bytes| self.log().requests.extend(reader.read(bytes))) => {}
            () = self.pipe(from_server, to_client, &[Line::Mute, Line::Deaf], |_| ()) => {}
        }
        self.log().connections[connection] = false;
    }

    /// Carries bytes while the line is none of `held`.
    async fn pipe(&self, mut from: OwnedReadHalf, mut to: OwnedWriteHalf, held: &[Line], mut see: impl FnMut(&[u8])) {
        let mut line = self.line.subscribe();
        let mut buffer = vec![0; 16 * 1024];
        while let Ok(length @ 1..) = from.read(&mut buffer).await {
            see(&buffer[..length]);
            let Ok(line) = line.wait_for(|line| !held.contains(line)).await.map(|line| *line) else {
                return;
            };
            // What was held back when the line is cut is lost.
            if line == Line::Cut || to.write_all(&buffer[..length]).await.is_err() {
                return;
            }
        }
    }
}

/// Finds the requests in the bytes of one connection.
struct Reader {
    connection: usize,
    head: Vec<u8>,
    body_left: usize,
}

impl Reader {
    fn new(connection: usize) -> Self {
        Self {
            connection,
            head: Vec::new(),
            body_left: 0,
        }
    }

    fn read(&mut self, mut bytes: &[u8]) -> Vec<Request> {
        let mut requests = Vec::new();
        while !bytes.is_empty() {
            let body = self.body_left.min(bytes.len());
            self.body_left -= body;
            bytes = &bytes[body..];
            let Some((first, rest)) = bytes.split_first() else {
                break;
            };
            self.head.push(*first);
            bytes = rest;
            if self.head.ends_with(b"\r\n\r\n") {
                let head = String::from_utf8_lossy(&self.head);
                let request = Request::read(head.trim_end(), self.connection).expect("a request line");
                self.body_left = request.body_length();
                requests.push(request);
                self.head.clear();
            }
        }
        requests
    }
}

#[test]
fn requests_are_found_however_the_bytes_fall() {
    let bytes = b"POST /a?b HTTP/1.1\r\nContent-Length: 3\r\nX: y\r\n\r\nabcGET /c HTTP/1.1\r\nHost: h\r\n\r\n";
    for size in 1..bytes.len() {
        let mut reader = Reader::new(0);
        let found: Vec<_> = bytes.chunks(size).flat_map(|chunk| reader.read(chunk)).collect();
        let lines: Vec<_> = found.iter().map(|r| (r.method.as_str(), r.target.as_str())).collect();
        assert_eq!(lines, [("POST", "/a?b"), ("GET", "/c")]);
        assert_eq!(found[0].header("x"), Some("y"));
    }
}
