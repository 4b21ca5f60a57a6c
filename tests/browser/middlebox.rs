//! What may stand between a browser and the console, and is no friend of streams.

use std::sync::Arc;

use futures_util::{StreamExt, stream};
use poem::http::StatusCode;
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

/// A switch for [`Streams`].
#[derive(Debug, Clone)]
pub struct Middlebox(watch::Sender<Streams>);

impl Middlebox {
    pub fn new() -> Self {
        Self(watch::Sender::new(Streams::Pass))
    }

    pub fn set(&self, streams: Streams) {
        self.0.send_replace(streams);
    }

    /// Routes behind it.
    pub fn before(
        &self,
        routes: impl Endpoint<Output = Response> + 'static,
    ) -> impl Endpoint<Output = Response> + 'static {
        let streams = self.0.clone();
        routes.around(move |next, request| pass(streams.subscribe(), next, request))
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
