//! Singleflight: of all callers that want the same result at the same time, one starts the work and all get the result.
//!
//! The work is a task of its own, so a caller that stops waiting never cancels it. A task that panics or is dropped
//! gives its callers [`Interrupted`] and leaves the key free for the next one.

use std::collections::HashMap;
use std::future::Future;
use std::hash::Hash;
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::Shared;
use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::lifecycle::Tasks;

/// The work ended without a result: its task panicked or was dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interrupted;

/// The result to come. Dropping one of several clones leaves the others waiting.
type Pending<T> = Shared<oneshot::Receiver<T>>;

type Running<K, T> = Arc<Mutex<HashMap<K, Pending<T>>>>;

/// Work under way, at most one task a key.
pub struct SingleFlight<K, T> {
    task_name: &'static str,
    tasks: Tasks,
    running: Running<K, T>,
}

impl<K, T> SingleFlight<K, T>
where
    K: Clone + Eq + Hash + Send + 'static,
    T: Clone + Send + Sync + 'static,
{
    /// Nothing is under way yet. The work will run in `tasks` under this name.
    pub fn new(task_name: &'static str, tasks: Tasks) -> Self {
        let running = Running::default();
        Self {
            task_name,
            tasks,
            running,
        }
    }

    /// The result for a key: the one that `cached` finds, else that of the work under way, else that of `work`, which
    /// is started now.
    ///
    /// When the work ends, `store` gets its result, or `None` if it was interrupted. It is not called for work that was
    /// forgotten. Both `cached` and `store` run while the key is locked: a caller finds either the work under way or
    /// the stored result, never the gap between them. So they must be quick and must not use this `SingleFlight`.
    ///
    /// # Errors
    /// [`Interrupted`] when the work ended without a result.
    pub async fn run<F>(
        &self,
        key: K,
        cached: impl FnOnce() -> Option<T>,
        work: impl FnOnce() -> F,
        store: impl FnOnce(Option<&T>) + Send + 'static,
    ) -> Result<T, Interrupted>
    where
        F: Future<Output = T> + Send + 'static,
    {
        match self.start(key, cached, work, store) {
            Ok(cached) => Ok(cached),
            Err(pending) => pending.await.map_err(|_| Interrupted),
        }
    }

    fn start<F>(
        &self,
        key: K,
        cached: impl FnOnce() -> Option<T>,
        work: impl FnOnce() -> F,
        store: impl FnOnce(Option<&T>) + Send + 'static,
    ) -> Result<T, Pending<T>>
    where
        F: Future<Output = T> + Send + 'static,
    {
        let mut running = self.running.lock();
        if let Some(cached) = cached() {
            return Ok(cached);
        }
        if let Some(pending) = running.get(&key) {
            return Err(pending.clone());
        }
        let (sender, receiver) = oneshot::channel();
        let pending = receiver.shared();
        running.insert(key.clone(), pending.clone());
        drop(running);

        let completion = CompleteOnDrop {
            running: self.running.clone(),
            key,
            pending: pending.clone(),
            sender: Some(sender),
            store: Some(store),
            result: None,
        };
        // Without the lock: a task that cannot be started any more completes at once.
        self.tasks.spawn(self.task_name, completion.complete_with(work()));
        Err(pending)
    }

    /// Whether work for a key is under way.
    pub fn is_running(&self, key: &K) -> bool {
        self.running.lock().contains_key(key)
    }

    /// Says that the work under way for these keys is too old for callers from now on: they start it anew. It still
    /// gives its result to the callers that wait for it already, and stores nothing.
    pub fn forget(&self, is_outdated: impl Fn(&K) -> bool) {
        self.running.lock().retain(|key, _| !is_outdated(key));
    }
}

/// Stores the result, frees the key and wakes the callers, however the task ends.
struct CompleteOnDrop<K: Eq + Hash, T: Clone, S: FnOnce(Option<&T>)> {
    running: Running<K, T>,
    key: K,
    pending: Pending<T>,
    sender: Option<oneshot::Sender<T>>,
    store: Option<S>,
    result: Option<T>,
}

impl<K: Eq + Hash, T: Clone, S: FnOnce(Option<&T>)> CompleteOnDrop<K, T, S> {
    async fn complete_with(mut self, work: impl Future<Output = T>) {
        self.result = Some(work.await);
    }
}

impl<K: Eq + Hash, T: Clone, S: FnOnce(Option<&T>)> Drop for CompleteOnDrop<K, T, S> {
    fn drop(&mut self) {
        let mut running = self.running.lock();
        // Work that was forgotten has no key any more, or other work has it.
        let is_current = running.get(&self.key).is_some_and(|it| it.ptr_eq(&self.pending));
        if is_current {
            if let Some(store) = self.store.take() {
                store(self.result.as_ref());
            }
            running.remove(&self.key);
        }
        drop(running);
        if let (Some(sender), Some(result)) = (self.sender.take(), self.result.take()) {
            // It fails only when nobody waits for the result.
            let _ = sender.send(result);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::future::join_all;
    use futures_util::poll;

    use super::*;

    type Flights = SingleFlight<&'static str, u32>;

    fn flights() -> Flights {
        SingleFlight::new("test", Tasks::new())
    }

    async fn run(flights: &Flights, work: impl Future<Output = u32> + Send + 'static) -> Result<u32, Interrupted> {
        flights.run("key", || None, || work, |_| ()).await
    }

    /// Work that ends when it is told its result.
    fn controlled() -> (oneshot::Sender<u32>, impl Future<Output = u32> + Send + 'static) {
        let (sender, receiver) = oneshot::channel();
        (sender, async { receiver.await.expect("a result") })
    }

    #[tokio::test]
    async fn callers_at_the_same_time_share_one_run() {
        let (flights, runs) = (flights(), Arc::new(AtomicUsize::new(0)));
        let callers = (0..100).map(|_| {
            let runs = runs.clone();
            run(&flights, async move {
                tokio::task::yield_now().await;
                runs.fetch_add(1, Ordering::SeqCst);
                7
            })
        });
        assert!(join_all(callers).await.iter().all(|result| *result == Ok(7)));
        assert_eq!(runs.load(Ordering::SeqCst), 1);
        assert!(!flights.is_running(&"key"));
        assert_eq!(run(&flights, async { 8 }).await, Ok(8), "a later caller starts anew");
    }

    #[tokio::test]
    async fn a_caller_that_stops_waiting_cancels_nothing() {
        let flights = flights();
        let (finish, work) = controlled();
        let mut first = Box::pin(run(&flights, work));
        let mut second = Box::pin(run(&flights, pending()));
        let mut third = Box::pin(run(&flights, pending()));
        assert!(poll!(&mut first).is_pending() && poll!(&mut second).is_pending());
        assert!(poll!(&mut third).is_pending());
        drop((first, second));
        assert!(flights.is_running(&"key"));
        finish.send(7).expect("still under way");
        assert_eq!(third.await, Ok(7));
    }

    #[tokio::test]
    async fn work_goes_on_and_is_stored_when_nobody_waits_any_more() {
        let flights = flights();
        let (finish, work) = controlled();
        let (stored, is_stored) = oneshot::channel();
        let store = |result: Option<&u32>| stored.send(result.copied()).expect("asked for");
        let mut only = Box::pin(flights.run("key", || None, || work, store));
        assert!(poll!(&mut only).is_pending());
        drop(only);
        finish.send(7).expect("still under way");
        assert_eq!(is_stored.await, Ok(Some(7)));
    }

    #[tokio::test]
    async fn a_panic_interrupts_all_callers_and_frees_the_key() {
        let flights = flights();
        let (stored, is_stored) = oneshot::channel();
        let store = |result: Option<&u32>| stored.send(result.copied()).expect("asked for");
        let first = flights.run("key", || None, || async { panic!("on purpose") }, store);
        let (first, second) = tokio::join!(first, run(&flights, pending()));
        assert_eq!((first, second), (Err(Interrupted), Err(Interrupted)));
        assert_eq!(is_stored.await, Ok(None));
        assert_eq!(run(&flights, async { 7 }).await, Ok(7));
    }

    #[tokio::test]
    async fn a_task_that_is_dropped_interrupts_all_callers_and_frees_the_key() {
        let flights = Arc::new(flights());
        let shared = flights.clone();
        // The runtime in which the task is started ends before the task does.
        let waiting = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .build()
                .expect("a runtime");
            let mut waiting = Box::pin(async move { run(&shared, pending()).await });
            runtime.block_on(async { assert!(poll!(&mut waiting).is_pending()) });
            waiting
        });
        let waiting = waiting.join().expect("a caller");
        assert_eq!(waiting.await, Err(Interrupted));
        assert!(!flights.is_running(&"key"));
        assert_eq!(run(&flights, async { 7 }).await, Ok(7));
    }

    #[tokio::test]
    async fn forgotten_work_serves_its_callers_only_and_stores_nothing() {
        let flights = flights();
        let (finish_old, old) = controlled();
        let store = |_: Option<&u32>| panic!("stored although it was forgotten");
        let mut before = Box::pin(flights.run("key", || None, || old, store));
        assert!(poll!(&mut before).is_pending());
        flights.forget(|key| *key == "another key");
        assert!(flights.is_running(&"key"));
        flights.forget(|key| *key == "key");
        assert!(!flights.is_running(&"key"));

        let (finish_new, new) = controlled();
        let mut after = Box::pin(run(&flights, new));
        assert!(poll!(&mut after).is_pending());
        finish_old.send(1).expect("still under way");
        assert_eq!(before.await, Ok(1));
        assert!(
            flights.is_running(&"key"),
            "the old work does not free the key of the new"
        );
        finish_new.send(2).expect("still under way");
        assert_eq!(after.await, Ok(2));
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn there_is_no_gap_between_the_work_and_the_stored_result() {
        for _ in 0..200 {
            let flights = Arc::new(flights());
            let (cache, runs) = (Arc::new(Mutex::new(None)), Arc::new(AtomicUsize::new(0)));
            let mut callers = tokio::task::JoinSet::new();
            for _ in 0..8 {
                let (flights, cache, runs) = (flights.clone(), cache.clone(), runs.clone());
                callers.spawn(async move {
                    let stored = cache.clone();
                    let work = || async move {
                        runs.fetch_add(1, Ordering::SeqCst);
                        7
                    };
                    let store = move |result: Option<&u32>| *stored.lock() = result.copied();
                    flights.run("key", || *cache.lock(), work, store).await
                });
            }
            assert_eq!(callers.join_all().await, [Ok(7); 8]);
            assert_eq!(runs.load(Ordering::SeqCst), 1);
        }
    }
}
