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

/// Where an answer breaks off; its connection is closed there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// When it begins: what was asked has arrived, and nothing of the answer passes.
    BeforeFirstByte,
    /// When this many bytes more have passed, be it amid an event, a number or a head.
    After(usize),
    /// When a heartbeat of an event stream has passed.
    AfterBeat,
}

impl Cut {
    /// How much of `bytes` still passes, when the cut is among them. `begins` says that they begin an answer.
    fn within(&mut self, bytes: &[u8], begins: bool) -> Option<usize> {
        const BEAT: &[u8] = b": heartbeat\n\n";
        match self {
            Self::BeforeFirstByte => begins.then_some(0),
            Self::After(left) if *left <= bytes.len() => Some(*left),
            Self::After(left) => {
                *left -= bytes.len();
                None
            }
            Self::AfterBeat => {
                let beat = bytes.windows(BEAT.len()).position(|part| part == BEAT);
                beat.map(|at| at + BEAT.len())
            }
        }
    }
}

/// A cut that waits for its moment, and of which answers it is.
type Armed = (Cut, fn(&Request) -> bool);

#[derive(Debug, Default)]
struct Log {
    requests: Vec<Request>,
    /// By number; whether it is open.
    connections: Vec<bool>,
    /// Connections that somebody tried to make, also while they were refused.
    attempts: usize,
}

/// The proxy. It ends with the tasks it was started on.
#[derive(Debug, Clone)]
pub struct Proxy {
    address: SocketAddr,
    line: watch::Sender<Line>,
    /// Counts the cuts, so that one that is healed at once closes what was open all the same.
    cuts: watch::Sender<u64>,
    armed: watch::Sender<Option<Armed>>,
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
            armed: watch::Sender::new(None),
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

    /// Closes every connection, and takes new ones at once.
    pub fn interrupt(&self) {
        self.cuts.send_modify(|cuts| *cuts += 1);
    }

    /// The next answer to one of these requests, or the one that is under way, breaks off there. Once; see
    /// [`Self::has_snipped`].
    pub fn snip(&self, cut: Cut, of: fn(&Request) -> bool) {
        self.armed.send_replace(Some((cut, of)));
    }

    /// Waits until what was last asked of [`Self::snip`] has happened.
    pub async fn has_snipped(&self) {
        let mut armed = self.armed.subscribe();
        // The sender is in `self`, so it outlives this wait.
        let _ = armed.wait_for(Option::is_none).await;
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

    /// How many connections were tried since the proxy began, also while they were refused.
    pub fn attempts(&self) -> usize {
        self.log().attempts
    }

    /// Whether the connection that carried this request is still open. An answer without end, such as an event
    /// stream, lasts as long as its connection.
    pub fn is_open(&self, request: &Request) -> bool {
        self.log().connections[request.connection]
    }

    fn log(&self) -> MutexGuard<'_, Log> {
        lock(&self.log)
    }

    async fn accept(self, listener: TcpListener, upstream: SocketAddr, tasks: Tasks) {
        let stopping = tasks.stopping();
        loop {
            let client = tokio::select! {
                () = stopping.cancelled() => return,
                accepted = listener.accept() => accepted.expect("the socket accepts").0,
            };
            self.log().attempts += 1;
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
        // What was asked last, and whether its answer has begun.
        let asked = Mutex::new(None);
        let see = |bytes: &[u8]| {
            for request in reader.read(bytes) {
                *lock(&asked) = Some((request.clone(), false));
                self.log().requests.push(request);
            }
            None
        };
        let snip = |bytes: &[u8]| {
            let mut asked = lock(&asked);
            let (request, begun) = asked.as_mut()?;
            let begins = !std::mem::replace(begun, true);
            self.snipped_within(request, bytes, begins)
        };
        // A half that ends takes the other with it: neither browser nor console half-closes.
        tokio::select! {
            _ = cuts.changed() => {}
            () = self.pipe(from_client, to_server, &[Line::Mute], see) => {}
            () = self.pipe(from_server, to_client, &[Line::Mute, Line::Deaf], snip) => {}
        }
        self.log().connections[connection] = false;
    }

    /// How many of `bytes`, which are of the answer to `request`, still pass, if it breaks off among them.
    fn snipped_within(&self, request: &Request, bytes: &[u8], begins: bool) -> Option<usize> {
        let mut passes = None;
        self.armed.send_if_modified(|armed| {
            if let Some((cut, of)) = armed
                && of(request)
            {
                passes = cut.within(bytes, begins);
            }
            if passes.is_some() {
                *armed = None;
            }
            passes.is_some()
        });
        passes
    }

    /// Carries bytes while the line is none of `held`; `see` says how many pass before the connection ends.
    async fn pipe(
        &self,
        mut from: OwnedReadHalf,
        mut to: OwnedWriteHalf,
        held: &[Line],
        mut see: impl FnMut(&[u8]) -> Option<usize>,
    ) {
        let mut line = self.line.subscribe();
        let mut buffer = vec![0; 16 * 1024];
        while let Ok(length @ 1..) = from.read(&mut buffer).await {
            let end = see(&buffer[..length]);
            let Ok(line) = line.wait_for(|line| !held.contains(line)).await.map(|line| *line) else {
                return;
            };
            let passing = &buffer[..end.unwrap_or(length)];
            // What was held back when the line is cut is lost.
            if line == Line::Cut || to.write_all(passing).await.is_err() || end.is_some() {
                return;
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Finds the requests in the bytes of one connection.
pub struct Reader {
    connection: usize,
    head: Vec<u8>,
    body_left: usize,
}

impl Reader {
    pub fn new(connection: usize) -> Self {
        Self {
            connection,
            head: Vec::new(),
            body_left: 0,
        }
    }

    pub fn read(&mut self, mut bytes: &[u8]) -> Vec<Request> {
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

#[test]
fn an_answer_breaks_off_where_it_is_told_to() {
    let mut cut = Cut::After(5);
    assert_eq!(cut.within(b"abc", true), None);
    assert_eq!(cut.within(b"defg", false), Some(2));
    assert_eq!(Cut::AfterBeat.within(b": open\n\n", true), None);
    assert_eq!(Cut::AfterBeat.within(b"x: heartbeat\n\ny", false), Some(14));
    assert_eq!(Cut::BeforeFirstByte.within(b"x", false), None);
    assert_eq!(Cut::BeforeFirstByte.within(b"x", true), Some(0));
}
