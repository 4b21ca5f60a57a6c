//! Fetching over HTTP: git's smart protocol, stateless, in two requests (gitprotocol-http).
//!
//! libgit2 is not used for this: its sockets have no timeout that safe code can set and cannot be interrupted, so a
//! remote that hangs would hold a thread, and the clone's lock, forever.

use std::path::Path;
use std::time::Duration;

use git2::Oid;
use reqwest::{RequestBuilder, Response, StatusCode, Url, header};
use secrecy::ExposeSecret;
use tokio::fs::File;
use tokio::io::AsyncWriteExt;

use super::credential::Credential;
use super::error::{RemoteFailure, RemoteFault, SetupError, sanitize};
use super::pkt_line::{Advertisement, Packet, Packets, SideBand, request, side_band};

/// Timeouts for remotes.
#[derive(Debug, Clone, Copy)]
pub struct NetworkLimits {
    /// To connect.
    pub connect: Duration,
    /// Between two chunks of an answer. A remote prepares a large pack before the first.
    pub silence: Duration,
    /// For a whole clone or fetch.
    pub total: Duration,
}

impl Default for NetworkLimits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            silence: Duration::from_secs(30),
            total: Duration::from_secs(900),
        }
    }
}

/// The maximum size of a list of branches, in bytes.
const MAX_ADVERTISEMENT: usize = 64 * 1024 * 1024;

/// The HTTP client of every remote.
#[derive(Debug, Clone)]
pub(super) struct Http(reqwest::Client);

/// One repository on a remote, and the credential for it.
pub(super) struct Session<'a> {
    pub http: &'a Http,
    pub url: &'a Url,
    pub credential: Option<&'a Credential>,
    /// Why there is no credential although one is configured.
    pub no_credential: Option<&'a str>,
}

impl Http {
    pub(super) fn new(limits: NetworkLimits) -> Result<Self, SetupError> {
        let client = reqwest::Client::builder()
            .connect_timeout(limits.connect)
            .read_timeout(limits.silence)
            // A credential is sent only to the address it was given for.
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            // Like git's own. Otherwise some servers answer with an HTML page.
            .user_agent("git/switchboard")
            .build();
        client.map(Self).map_err(|error| SetupError::Client(error.to_string()))
    }
}

impl Session<'_> {
    /// The branches of the repository.
    pub(super) async fn advertised(&self) -> Result<Advertisement, RemoteFailure> {
        let ask = self.http.0.get(self.url_of("info/refs?service=git-upload-pack"));
        let mut answer = self.send(ask, "application/x-git-upload-pack-advertisement").await?;
        let mut body = Vec::new();
        while let Some(chunk) = self.chunk(&mut answer).await? {
            body.extend_from_slice(&chunk);
            if body.len() > MAX_ADVERTISEMENT {
                return Err(self.broken("its list of branches is endless"));
            }
        }
        Advertisement::read(&body).map_err(|message| self.broken(&message))
    }

    /// Downloads the pack of `wants` without `haves` into a file of at most `limit` bytes. The inner error is the
    /// disk's.
    pub(super) async fn pack(
        &self,
        wants: &[Oid],
        haves: &[Oid],
        into: &Path,
        limit: u64,
    ) -> Result<std::io::Result<()>, RemoteFailure> {
        let ask = self
            .http
            .0
            .post(self.url_of("git-upload-pack"))
            .header(header::CONTENT_TYPE, "application/x-git-upload-pack-request")
            .body(request(wants, haves));
        let mut answer = self.send(ask, "application/x-git-upload-pack-result").await?;
        let mut file = match File::create(into).await {
            Ok(file) => file,
            Err(error) => return Ok(Err(error)),
        };
        let mut packets = Packets::default();
        let mut written = 0;
        loop {
            match packets.next().map_err(|message| self.broken(&message))? {
                Some(Packet::Flush) => return Ok(file.flush().await),
                Some(Packet::Line(line)) => {
                    if let SideBand::Pack(bytes) = side_band(line).map_err(|message| self.broken(&message))? {
                        written += bytes.len() as u64;
                        if written > limit {
                            return Err(self.broken("it is larger than all repositories together may be here"));
                        }
                        if let Err(error) = file.write_all(&bytes).await {
                            return Ok(Err(error));
                        }
                    }
                }
                None => match self.chunk(&mut answer).await? {
                    Some(chunk) => packets.push(&chunk),
                    None => return Err(self.failure(RemoteFault::Unreachable, "its pack breaks off")),
                },
            }
        }
    }

    fn url_of(&self, path: &str) -> String {
        format!("{}/{path}", self.url.as_str().trim_end_matches('/'))
    }

    async fn send(&self, request: RequestBuilder, expected: &str) -> Result<Response, RemoteFailure> {
        let request = match self.credential {
            Some(known) => request.basic_auth(&known.username, Some(known.password.expose_secret())),
            None => request,
        };
        let answer = request.send().await.map_err(|error| self.transport_failure(error))?;
        let status = answer.status();
        let kind = answer.headers().get(header::CONTENT_TYPE);
        let is_expected = kind.is_some_and(|kind| kind.as_bytes() == expected.as_bytes());
        let status_is = |message: &str| format!("{}, {message}", status.as_u16());
        match status {
            StatusCode::OK if is_expected => Ok(answer),
            StatusCode::OK => Err(self.broken("it answers, but not as git does; is the address that of a repository?")),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                let message = match (self.credential, self.no_credential) {
                    (Some(_), _) => status_is("the credential is not accepted for this repository"),
                    (None, Some(why)) => status_is(why),
                    (None, None) => status_is("no credential is configured: start with --credential-helper"),
                };
                Err(self.failure(RemoteFault::Refused, &message))
            }
            StatusCode::NOT_FOUND | StatusCode::GONE => {
                let message = status_is("it may have to be created, or the credential may not see it");
                Err(self.failure(RemoteFault::NoSuchRepository, &message))
            }
            _ if status.is_redirection() => {
                Err(self.broken(&status_is("it lies elsewhere: give the address it redirects to")))
            }
            // A gateway whose server is down, or a rate limit.
            _ if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS => {
                Err(self.failure(RemoteFault::Unreachable, &format!("it answers {}", status.as_u16())))
            }
            _ => Err(self.broken(&format!("it answers {}", status.as_u16()))),
        }
    }

    async fn chunk(&self, answer: &mut Response) -> Result<Option<bytes::Bytes>, RemoteFailure> {
        answer.chunk().await.map_err(|error| self.transport_failure(error))
    }

    fn transport_failure(&self, error: reqwest::Error) -> RemoteFailure {
        let message = match error.is_timeout() {
            true => "no answer in time".to_owned(),
            false => innermost(&error.without_url()),
        };
        self.failure(RemoteFault::Unreachable, &message)
    }

    pub(super) fn broken(&self, message: &str) -> RemoteFailure {
        self.failure(RemoteFault::Broken, message)
    }

    fn failure(&self, fault: RemoteFault, message: &str) -> RemoteFailure {
        let secrets = self.credential.map(Credential::secrets).unwrap_or_default();
        RemoteFailure {
            fault,
            url: self.url.to_string(),
            message: sanitize(message, &secrets),
        }
    }
}

/// The innermost cause: "connection refused" rather than "error sending request".
fn innermost(error: &dyn std::error::Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}
