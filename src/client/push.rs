//! Server-sent events from a server that pushes (`docs/push.md`): one connection, no reconnecting.
//!
//! The library could reconnect by itself. `live` does it instead, where the cursor, the backoff and what operators see
//! of it are decided together.

use std::pin::Pin;
use std::time::Duration;

use eventsource_client::{Client as _, ClientBuilder, Error, ReconnectOptions, SSE};
use futures_util::{Stream, StreamExt, stream};
use launchdarkly_sdk_transport::HyperTransport;

use super::{Bearer, ClientError, Credential};
use crate::protocol::{EXPERIMENT_HEADER, Event, Notice};

/// A message of a watch.
#[derive(Debug, Clone, PartialEq)]
pub enum WatchEvent {
    /// The stream is open and continues from the cursor of the request.
    Connected,
    /// An entry of the log, and the log's length once it is consumed.
    Logged {
        /// The entry.
        event: Box<Event>,
        /// Resume from here.
        cursor: u64,
    },
    /// A notice, which is not an entry of any log.
    Signalled(Notice),
    /// The connection is alive, and everything so far has been sent.
    Heartbeat,
    /// What happened since the cursor cannot be replayed: list again.
    Resync,
}

/// A stream of [`WatchEvent`]s; it ends when the connection does.
pub type PushStream = Pin<Box<dyn Stream<Item = Result<WatchEvent, ClientError>> + Send>>;

/// The read timeout of a stream. Servers send a heartbeat every 5 s.
const SILENCE_TIMEOUT: Duration = Duration::from_secs(15);

/// Opens a stream, and returns once it is open. A bearer that is refused is renewed and tried again, once.
pub(super) async fn open(
    url: &str,
    credential: &Credential,
    experiment: Option<&str>,
    cursor: Option<u64>,
) -> Result<PushStream, ClientError> {
    let bearer = credential.bearer().await?;
    match connect(url, bearer.as_ref(), experiment, cursor).await {
        Err(ClientError::UnexpectedStatus(401)) => match credential.renew(bearer).await? {
            Some(renewed) => connect(url, renewed.as_ref(), experiment, cursor).await,
            None => Err(ClientError::UnexpectedStatus(401)),
        },
        answer => answer,
    }
}

async fn connect(
    url: &str,
    bearer: Option<&Bearer>,
    experiment: Option<&str>,
    cursor: Option<u64>,
) -> Result<PushStream, ClientError> {
    let broken = |error: &dyn std::fmt::Display| ClientError::Stream(error.to_string());
    let transport = HyperTransport::builder()
        .disable_proxy()
        .connect_timeout(Duration::from_secs(3))
        .read_timeout(SILENCE_TIMEOUT)
        .build_http()
        .map_err(|e| broken(&e))?;
    let mut builder = ClientBuilder::for_url(url).map_err(|e| broken(&e))?;
    if let Some(bearer) = bearer {
        builder = builder
            .header("Authorization", &bearer.header())
            .map_err(|e| broken(&e))?;
    }
    let mut builder = builder
        .reconnect(ReconnectOptions::reconnect(false).retry_initial(false).build())
        .redirect_limit(0);
    if let Some(id) = experiment {
        builder = builder.header(EXPERIMENT_HEADER, id).map_err(|e| broken(&e))?;
    }
    if let Some(cursor) = cursor {
        builder = builder.last_event_id(cursor.to_string());
    }
    let client = builder.build_with_transport(transport);
    let mut stream = Box::pin(client.stream().filter_map(async |item| match item {
        Ok(sse) => decode(sse).transpose(),
        Err(Error::Eof) => None,
        Err(Error::UnexpectedResponse(response, _)) => Some(Err(ClientError::UnexpectedStatus(response.status()))),
        Err(error) => Some(Err(ClientError::Stream(error.to_string()))),
    }));
    let first = stream
        .next()
        .await
        .unwrap_or_else(|| Err(broken(&"the server closed it")))?;
    Ok(Box::pin(stream::iter([Ok(first)]).chain(stream)))
}

fn decode(sse: SSE) -> Result<Option<WatchEvent>, ClientError> {
    let frame = match sse {
        SSE::Connected(_) => return Ok(Some(WatchEvent::Connected)),
        SSE::Comment(text) if text.trim() == "open" => return Ok(None),
        SSE::Comment(_) => return Ok(Some(WatchEvent::Heartbeat)),
        SSE::Event(frame) => frame,
    };
    let event = match frame.event_type.as_str() {
        "resync" => WatchEvent::Resync,
        "notice" => WatchEvent::Signalled(serde_json::from_str(&frame.data).map_err(ClientError::Decode)?),
        "event" => {
            let event = serde_json::from_str(&frame.data).map_err(ClientError::Decode)?;
            let cursor = frame.id.as_deref().and_then(|id| id.parse().ok());
            let cursor = cursor.ok_or_else(|| ClientError::Stream("an event came without its cursor".into()))?;
            WatchEvent::Logged {
                event: Box::new(event),
                cursor,
            }
        }
        // A newer server may send types that this version does not know.
        _ => return Ok(None),
    };
    Ok(Some(event))
}
