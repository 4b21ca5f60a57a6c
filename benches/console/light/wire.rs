//! A proxy on loopback between a browser and the console. It counts what passes towards the browser.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::ops::Add;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use switchboard::lifecycle::Tasks;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};

use crate::Outcome;
use crate::proxy::{Reader, Request};

/// What was requested.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A page, as it is opened.
    Document,
    /// What htmx requests for an open page.
    Part,
    /// Events.
    Stream,
    /// Scripts, styles, the icon.
    Asset,
}

impl Kind {
    fn of(request: &Request) -> Self {
        let (path, _) = request.target.split_once('?').unwrap_or((&request.target, ""));
        if path.ends_with("/live") {
            Self::Stream
        } else if path.starts_with("/assets/") {
            Self::Asset
        } else if request.header("hx-request").is_some() {
            Self::Part
        } else {
            Self::Document
        }
    }
}

/// Requests, and the bytes that the browser received for them: heads and bodies as on the wire.
#[derive(Debug, Default, Clone, Copy)]
pub struct Count {
    pub requests: u64,
    pub bytes: u64,
}

impl Add for Count {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            requests: self.requests + other.requests,
            bytes: self.bytes + other.bytes,
        }
    }
}

/// What passed, by kind.
#[derive(Debug, Default, Clone)]
pub struct Counts(BTreeMap<Kind, Count>);

impl Counts {
    pub fn of(&self, kind: Kind) -> Count {
        self.0.get(&kind).copied().unwrap_or_default()
    }

    pub fn total(&self) -> Count {
        self.0.values().copied().fold(Count::default(), Add::add)
    }
}

/// The proxy. It ends with the tasks that it was started on.
#[derive(Clone)]
pub struct Wire {
    address: SocketAddr,
    counts: Arc<Mutex<Counts>>,
}

impl Wire {
    /// Listens on a free port and forwards to `console`.
    pub async fn before(console: SocketAddr, tasks: &Tasks) -> Outcome<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let wire = Self {
            address: listener.local_addr()?,
            counts: Arc::default(),
        };
        tasks.spawn("wire", wire.clone().accept(listener, console, tasks.clone()));
        Ok(wire)
    }

    pub fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What passed since the last call.
    pub fn take(&self) -> Counts {
        std::mem::take(&mut self.counts())
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, kind: Kind, requests: u64, bytes: usize) {
        let mut counts = self.counts();
        let count = counts.0.entry(kind).or_default();
        count.requests += requests;
        count.bytes += bytes as u64;
    }

    async fn accept(self, listener: TcpListener, console: SocketAddr, tasks: Tasks) {
        let stopping = tasks.stopping();
        loop {
            let accepted = tokio::select! {
                () = stopping.cancelled() => return,
                accepted = listener.accept() => accepted,
            };
            let Ok((browser, _)) = accepted else { return };
            let (wire, stopping) = (self.clone(), stopping.clone());
            tasks.spawn("on the wire", async move {
                tokio::select! {
                    () = stopping.cancelled() => {}
                    () = wire.carry(browser, console) => {}
                }
            });
        }
    }

    async fn carry(&self, browser: TcpStream, console: SocketAddr) {
        let Ok(console) = TcpStream::connect(console).await else {
            return;
        };
        // Nothing may wait for an acknowledgement: that would delay what is timed.
        if browser.set_nodelay(true).is_err() || console.set_nodelay(true).is_err() {
            return;
        }
        let ((from_browser, to_browser), (from_console, to_console)) = (browser.into_split(), console.into_split());
        let mut reader = Reader::new(0);
        // Browsers do not pipeline, so what comes back is for the last request.
        let kind = Mutex::new(Kind::Document);
        let asked = |bytes: &[u8]| {
            for request in reader.read(bytes) {
                let of = Kind::of(&request);
                *kind.lock().unwrap_or_else(PoisonError::into_inner) = of;
                self.add(of, 1, 0);
            }
        };
        let answered = |bytes: &[u8]| {
            let of = *kind.lock().unwrap_or_else(PoisonError::into_inner);
            self.add(of, 0, bytes.len());
        };
        // A half that ends takes the other with it: neither browser nor console half-closes.
        tokio::select! {
            () = pipe(from_browser, to_console, asked) => {}
            () = pipe(from_console, to_browser, answered) => {}
        }
    }
}

async fn pipe(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut see: impl FnMut(&[u8])) {
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        see(&buffer[..length]);
        if to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}
