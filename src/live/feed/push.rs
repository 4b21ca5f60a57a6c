//! A push feed: batches of what has arrived, and the error that ends it after everything that came before.

use futures_util::{FutureExt, StreamExt};

use crate::client::{ClientError, PushStream, WatchEvent};

pub(in crate::live) struct Pushed {
    stream: PushStream,
    /// The error that ended the stream, reported after what came before it.
    error: Option<ClientError>,
}

impl Pushed {
    pub(super) fn new(stream: PushStream) -> Self {
        Self { stream, error: None }
    }

    /// Dropping the future of the wait loses nothing, since it only waits for the first item.
    pub(super) fn ready(&mut self, max: usize) -> Option<Result<Vec<WatchEvent>, ClientError>> {
        self.next_batch(max).now_or_never()
    }

    pub(super) async fn next_batch(&mut self, max: usize) -> Result<Vec<WatchEvent>, ClientError> {
        if let Some(error) = self.error.take() {
            return Err(error);
        }
        let mut changes = vec![item(self.stream.next().await)?];
        while changes.len() < max
            && let Some(next) = self.stream.next().now_or_never()
        {
            match item(next) {
                Ok(change) => changes.push(change),
                Err(error) => {
                    self.error = Some(error);
                    break;
                }
            }
        }
        Ok(changes)
    }
}

fn item(next: Option<Result<WatchEvent, ClientError>>) -> Result<WatchEvent, ClientError> {
    next.unwrap_or_else(|| Err(ClientError::Stream("the server closed it".into())))
}

#[cfg(test)]
mod tests {
    use futures_util::stream;

    use super::*;

    #[tokio::test]
    async fn changes_before_the_error_are_delivered_before_it() {
        let stream = stream::iter([
            Ok(WatchEvent::Connected),
            Ok(WatchEvent::Heartbeat),
            Err(ClientError::TimedOut),
            Ok(WatchEvent::Resync),
        ]);
        let mut push = Pushed::new(Box::pin(stream));
        let batch = push.next_batch(10).await.expect("a batch");
        assert_eq!(batch, [WatchEvent::Connected, WatchEvent::Heartbeat]);
        assert!(matches!(push.next_batch(10).await, Err(ClientError::TimedOut)));
    }
}
