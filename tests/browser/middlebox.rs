//! What may stand between a browser and the console, and is no friend of streams.

use std::sync::{Arc, Mutex};

use futures_util::{StreamExt, stream};
use poem::http::{HeaderValue, StatusCode, header};
use poem::{Body, Endpoint, EndpointExt, IntoResponse, Request, Response};
use tokio::sync::watch;

/// What becomes of event streams; everything else passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Streams {
    /// They pass.
    Pass,
    /// They are ended, and refused with a fault.
    Refuse,
    /// They are ended, and answered by a page to sign in to something else.
    SignIn,
    /// They stay open, and all they say is kept back.
    Hold,
    /// The same, and not even their beginning passes.
    HoldAll,
}

/// A switch for [`Streams`], and the content codings that browsers accept.
#[derive(Debug, Clone)]
pub struct Middlebox {
    streams: watch::Sender<Streams>,
    codings: Arc<Mutex<Option<HeaderValue>>>,
}

impl Middlebox {
    /// One that lets streams pass, and says that browsers accept the codings of `SWITCHBOARD_TEST_CODINGS`, if that is set.
    pub fn new() -> Self {
        let middlebox = Self {
            streams: watch::Sender::new(Streams::Pass),
            codings: Arc::default(),
        };
        if let Ok(codings) = std::env::var("SWITCHBOARD_TEST_CODINGS") {
            middlebox.accept(&codings);
        }
        middlebox
    }

    pub fn set(&self, streams: Streams) {
        self.streams.send_replace(streams);
    }

    /// Says from now on that browsers accept these content codings, as in `Accept-Encoding`.
    pub fn accept(&self, codings: &str) {
        *self.codings.lock().expect("no panic") = Some(codings.parse().expect("a header"));
    }

    /// Routes behind it.
    pub fn before(
        &self,
        routes: impl Endpoint<Output = Response> + 'static,
    ) -> impl Endpoint<Output = Response> + 'static {
        let middlebox = self.clone();
        routes.around(move |next, mut request: Request| {
            if let Some(codings) = &*middlebox.codings.lock().expect("no panic") {
                request.headers_mut().insert(header::ACCEPT_ENCODING, codings.clone());
            }
            pass(middlebox.streams.subscribe(), next, request)
        })
    }
}

async fn pass<E: Endpoint<Output = Response>>(
    mut streams: watch::Receiver<Streams>,
    next: Arc<E>,
    request: Request,
) -> poem::Result<Response> {
    if !request.uri().path().ends_with("/live") {
        return next.call(request).await;
    }
    let now = *streams.borrow();
    match now {
        Streams::Refuse => return Ok(StatusCode::SERVICE_UNAVAILABLE.into_response()),
        Streams::SignIn => {
            let page = "<!doctype html><title>Sign in to the network</title><form></form>";
            return Ok(Response::builder().content_type("text/html").body(page));
        }
        Streams::HoldAll => drop(streams.wait_for(|streams| *streams != Streams::HoldAll).await),
        Streams::Pass | Streams::Hold => {}
    }
    let mut response = next.call(request).await?;
    let ended = {
        let mut streams = streams.clone();
        async move {
            drop(
                streams
                    .wait_for(|now| matches!(now, Streams::Refuse | Streams::SignIn))
                    .await,
            )
        }
    };
    let pieces = Box::pin(response.take_body().into_bytes_stream());
    let held = stream::unfold((pieces, streams), async |(mut pieces, mut streams)| {
        let piece = pieces.next().await?;
        streams
            .wait_for(|now| !matches!(now, Streams::Hold | Streams::HoldAll))
            .await
            .ok()?;
        Some((piece, (pieces, streams)))
    });
    response.set_body(Body::from_bytes_stream(held.take_until(Box::pin(ended))));
    Ok(response)
}
