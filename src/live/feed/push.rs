//! A pushed feed: batches of whatever has arrived, and its end after all that came before.

use futures_util::{FutureExt, StreamExt};

use super::BATCH;
use crate::client::{Change, ClientError, PushStream};

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
    pub(super) fn ready(&mut self) -> Option<Result<Vec<Change>, ClientError>> {
        self.next_batch().now_or_never()
    }

    pub(super) async fn next_batch(&mut self) -> Result<Vec<Change>, ClientError> {
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

fn item(next: Option<Result<Change, ClientError>>) -> Result<Change, ClientError> {
    next.unwrap_or_else(|| Err(ClientError::Stream("the server closed it".into())))
}

#[cfg(test)]
mod tests {
    use futures_util::stream;

    use super::*;

    #[tokio::test]
    async fn what_came_before_the_end_is_told_before_the_end() {
        let stream = stream::iter([
            Ok(Change::Connected),
            Ok(Change::Heartbeat),
            Err(ClientError::Late),
            Ok(Change::Resync),
        ]);
        let mut push = Pushed::new(Box::pin(stream));
        let told = push.next_batch().await.expect("what came");
        assert_eq!(told, [Change::Connected, Change::Heartbeat]);
        assert!(matches!(push.next_batch().await, Err(ClientError::Late)));
    }
}
