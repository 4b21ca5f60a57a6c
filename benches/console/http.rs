//! The part of HTTP/1.1 that the load needs: keep-alive connections, and responses with a `Content-Length`.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::Outcome;

/// The bytes of a GET; `cookie` may be empty.
pub fn request(path: &str, cookie: &str) -> Vec<u8> {
    let cookie = if cookie.is_empty() {
        String::new()
    } else {
        format!("cookie: {cookie}\r\n")
    };
    format!("GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\naccept: text/html\r\n{cookie}\r\n").into_bytes()
}

/// The bytes of a GET by a browser, which accepts the content codings that Chromium does.
pub fn browser_request(path: &str, cookie: &str) -> Vec<u8> {
    let mut request = request(path, cookie);
    request.truncate(request.len() - "\r\n".len());
    request.extend_from_slice(b"accept-encoding: gzip, deflate, br, zstd\r\n\r\n");
    request
}

/// Connects, without delaying small writes.
pub async fn connect(address: SocketAddr) -> Outcome<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// A complete response.
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The response, if its status is 200.
    pub fn ok(self, path: &str) -> Outcome<Self> {
        match self.status {
            200 => Ok(self),
            status => Err(format!("{path} answers {status}").into()),
        }
    }
}

/// A keep-alive connection and the bytes of its last response.
pub struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// The status of a response, and the lengths of its head and body in the buffer.
struct Bounds {
    status: u16,
    head: usize,
    length: usize,
}

impl Connection {
    pub async fn open(address: SocketAddr) -> Outcome<Self> {
        Ok(Self {
            stream: connect(address).await?,
            buffer: Vec::with_capacity(512 * 1024),
        })
    }

    /// Sends and reads the whole answer; returns its status and the length of its body.
    pub async fn exchange(&mut self, request: &[u8]) -> Outcome<(u16, usize)> {
        let bounds = self.round_trip(request).await?;
        Ok((bounds.status, bounds.length))
    }

    /// The same, and returns the whole response.
    pub async fn fetch(&mut self, request: &[u8]) -> Outcome<Answer> {
        let bounds = self.round_trip(request).await?;
        let head = String::from_utf8_lossy(&self.buffer[..bounds.head]);
        let headers = head.lines().skip(1).filter_map(|line| line.split_once(':'));
        Ok(Answer {
            status: bounds.status,
            headers: headers.map(|(k, v)| (k.to_owned(), v.trim().to_owned())).collect(),
            body: self.buffer[bounds.head..bounds.head + bounds.length].to_vec(),
        })
    }

    async fn round_trip(&mut self, request: &[u8]) -> Outcome<Bounds> {
        self.stream.write_all(request).await?;
        self.buffer.clear();
        let bounds = loop {
            self.more().await?;
            if let Some(bounds) = bounds(&self.buffer)? {
                break bounds;
            }
        };
        while self.buffer.len() < bounds.head + bounds.length {
            self.more().await?;
        }
        Ok(bounds)
    }

    async fn more(&mut self) -> Outcome {
        if self.stream.read_buf(&mut self.buffer).await? == 0 {
            return Err("the server closed the connection".into());
        }
        Ok(())
    }
}

fn bounds(buffer: &[u8]) -> Outcome<Option<Bounds>> {
    let Some(end) = buffer.windows(4).position(|bytes| bytes == b"\r\n\r\n") else {
        return Ok(None);
    };
    let head = std::str::from_utf8(&buffer[..end])?;
    let status = head.get(9..12).ok_or("the answer is not HTTP")?.parse()?;
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length")
            .then(|| value.trim().parse().ok())?
    });
    Ok(Some(Bounds {
        status,
        head: end + 4,
        length: length.ok_or("the answer says no Content-Length")?,
    }))
}

/// One GET on a new connection.
pub async fn get(address: SocketAddr, path: &str, cookie: &str) -> Outcome<Answer> {
    fetch(address, &request(path, cookie)).await
}

/// One request on a new connection.
pub async fn fetch(address: SocketAddr, request: &[u8]) -> Outcome<Answer> {
    Connection::open(address).await?.fetch(request).await
}

/// The request for the event stream named in a page. It starts from the position of that page.
pub fn stream_of(page: &str, cookie: &str) -> Outcome<Vec<u8>> {
    let stream = page
        .split_once("hx-sse:connect=\"")
        .and_then(|(_, rest)| rest.split_once('"'));
    let (stream, _) = stream.ok_or("the page names no stream")?;
    Ok(request(&stream.replace("&amp;", "&"), cookie))
}

/// The bytes of htmx's request for a region of a page.
pub fn region(path: &str, region: &str, cookie: &str) -> Vec<u8> {
    let target = format!("section#region-{region}");
    format!(
        "GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\naccept: text/html\r\nhx-request: true\r\nhx-request-type: partial\r\n\
         hx-target: {target}\r\ncookie: {cookie}\r\n\r\n"
    )
    .into_bytes()
}

/// The bytes of a form sent from a page of the console; `cookie` may be empty.
pub fn post(path: &str, cookie: &str, form: &str) -> Vec<u8> {
    format!(
        "POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\naccept: text/html\r\nsec-fetch-site: same-origin\r\ncookie: {cookie}\r\n\
         content-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n{form}",
        form.len()
    )
    .into_bytes()
}

/// Signs in with a worker's credential, of which only the colon needs encoding. Returns the session cookie.
pub async fn present(address: SocketAddr, credential: &str) -> Outcome<String> {
    let form = format!("credential={}&next=%2F", credential.replace(':', "%3A"));
    let answer = Connection::open(address)
        .await?
        .fetch(&post("/signin", "", &form))
        .await?;
    session_of(&answer, "the credential")
}

/// Signs in with a one-time link. Returns the session cookie.
pub async fn sign_in(address: SocketAddr, link: &str) -> Outcome<String> {
    session_of(&get(address, link, "").await?, "the sign-in link")
}

/// The session cookie of a response. `what` names the request in the error.
fn session_of(answer: &Answer, what: &str) -> Outcome<String> {
    let cookie = answer.header("set-cookie").and_then(|cookie| cookie.split(';').next());
    match (answer.status, cookie) {
        (303, Some(cookie)) => Ok(cookie.to_owned()),
        (status, _) => Err(format!("{what} answers {status}").into()),
    }
}
