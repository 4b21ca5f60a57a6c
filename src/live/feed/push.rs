//! A pushed feed: batches of whatever has arrived, and its end after all that came before.

use futures_util::{FutureExt, StreamExt};

use super::BATCH;
use crate::client::{ClientError, PushStream, WatchEvent};

pub(in crate::live) struct Pushed {
    stream: PushStream,
    /// What ended it, to be told after what came before.
    failed: Option<ClientError>,
}

impl Pushed {
    pub(super) fn new(stream: PushStream) -> Self {
        Self { stream, failed: None }
    }

    /// Nothing is lost when it is not ready: it waits for the first item only, and for nothing else.
    pub(super) fn ready(&mut self) -> Option<Result<Vec<WatchEvent>, ClientError>> {
        self.next_batch().now_or_never()
    }

    pub(super) async fn next_batch(&mut self) -> Result<Vec<WatchEvent>, ClientError> {
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        let mut changes = vec![item(self.stream.next().await)?];
        while changes.len() < BATCH
            && let Some(next) = self.stream.next().now_or_never()
        {
            match item(next) {
                Ok(change) => changes.push(change),
                Err(error) => {
                    self.failed = Some(error);
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
    async fn what_came_before_the_end_is_told_before_the_end() {
        let stream = stream::iter([
            Ok(WatchEvent::Connected),
            Ok(WatchEvent::Heartbeat),
            Err(ClientError::TimedOut),
            Ok(WatchEvent::Resync),
        ]);
        let mut push = Pushed::new(Box::pin(stream));
        let told = push.next_batch().await.expect("what came");
        assert_eq!(told, [WatchEvent::Connected, WatchEvent::Heartbeat]);
        assert!(matches!(push.next_batch().await, Err(ClientError::TimedOut)));
    }
}
