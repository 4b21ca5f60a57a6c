//! Every task of the process: started, named, stopped and joined here.
//!
//! Shutdown is graceful: [`Tasks::stop`] asks all tasks to stop, they finish their work, and [`Tasks::join`] waits for
//! them up to a deadline. An essential task that ends by itself stops all others, so the process never runs on without
//! its server.

use std::fmt::Display;
use std::future::Future;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{Instrument, error, info_span, warn};

/// A handle to start tasks. Cheap to clone.
#[derive(Clone, Default)]
pub struct Tasks {
    tracker: TaskTracker,
    stop: CancellationToken,
    failure: Arc<OnceLock<String>>,
}

impl Tasks {
    /// How long tasks may take to finish after [`Tasks::stop`].
    pub const GRACE: Duration = Duration::from_millis(1500);

    /// An empty set of tasks.
    pub fn new() -> Self {
        Self::default()
    }

    /// Cancelled by [`Tasks::stop`]. Loops select on it.
    pub fn stopping(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// Asks every task to finish.
    pub fn stop(&self) {
        self.stop.cancel();
    }

    /// Starts a task that may end at any time.
    #[expect(clippy::disallowed_methods, reason = "the one place where tasks are started")]
    pub fn spawn(&self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        tokio::spawn(
            self.tracker
                .track_future(task.instrument(info_span!("task", task.name = name))),
        );
    }

    /// Starts a task that the process cannot do without: if it fails, or ends before [`Tasks::stop`], all tasks are
    /// stopped and [`Tasks::join`] returns why.
    pub fn spawn_essential<E: Display>(
        &self,
        name: &'static str,
        task: impl Future<Output = Result<(), E>> + Send + 'static,
    ) {
        // Dropped with the task, so it reports a panic too.
        let mut guard = EssentialGuard {
            name,
            tasks: self.clone(),
            fault: Some("panicked".to_owned()),
        };
        self.spawn(name, async move {
            match task.await {
                Err(fault) => guard.failed(fault.to_string()),
                Ok(()) if guard.tasks.stop.is_cancelled() => guard.ended_as_asked(),
                Ok(()) => guard.failed("ended before it was asked to".to_owned()),
            }
        });
    }

    /// Waits for [`Tasks::stop`] and then for every task, at most [`Tasks::GRACE`].
    ///
    /// # Errors
    /// Why the first essential task failed, if one did.
    pub async fn join(self) -> Result<(), String> {
        self.stop.cancelled().await;
        self.tracker.close();
        if tokio::time::timeout(Self::GRACE, self.tracker.wait()).await.is_err() {
            warn!(
                tasks = self.tracker.len(),
                "tasks were still busy when the grace ran out"
            );
        }
        match self.failure.get() {
            Some(fault) => Err(fault.clone()),
            None => Ok(()),
        }
    }
}

struct EssentialGuard {
    name: &'static str,
    tasks: Tasks,
    fault: Option<String>,
}

impl EssentialGuard {
    fn ended_as_asked(&mut self) {
        self.fault = None;
    }

    fn failed(&mut self, fault: String) {
        self.fault = Some(fault);
    }
}

impl Drop for EssentialGuard {
    fn drop(&mut self) {
        if let Some(fault) = self.fault.take() {
            error!(task.name = self.name, fault, "an essential task ended");
            // Later faults follow from the first, and are not kept.
            let _ = self.tasks.failure.set(format!("{}: {fault}", self.name));
        }
        self.tasks.stop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_essential_task_that_ends_stops_the_rest_and_is_named() {
        let tasks = Tasks::new();
        let stopping = tasks.stopping();
        tasks.spawn("bystander", async move { stopping.cancelled().await });
        tasks.spawn_essential("server", async { Err::<(), _>("no more sockets") });
        assert_eq!(tasks.join().await, Err("server: no more sockets".to_owned()));
    }

    #[tokio::test]
    async fn a_task_that_panics_stops_the_rest() {
        let tasks = Tasks::new();
        tasks.spawn_essential("server", async {
            if true {
                panic!("on purpose")
            } else {
                Ok::<(), String>(())
            }
        });
        assert_eq!(tasks.join().await, Err("server: panicked".to_owned()));
    }

    #[tokio::test]
    async fn an_orderly_stop_is_no_failure() {
        let tasks = Tasks::new();
        let stopping = tasks.stopping();
        tasks.spawn_essential("server", async move {
            stopping.cancelled().await;
            Ok::<(), String>(())
        });
        tasks.stop();
        assert_eq!(tasks.join().await, Ok(()));
    }
}
