//! Blocking work (disk, libgit2) beside the async threads.

use super::error::RepoError;

/// Runs blocking work and waits for it. The work goes on when its caller stops waiting.
///
/// # Errors
/// [`RepoError::Interrupted`] when the thread died.
pub(super) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, RepoError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|_| RepoError::Interrupted)
}
