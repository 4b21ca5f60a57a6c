//! Carrying a submission out, once.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

use crate::client::ClientError;
use crate::web::request::Context;
use crate::web::write::act::Act;
use crate::web::write::submission_store::RememberedOutcome;

/// How long a write may take before its outcome counts as open.
const WRITE_TIMEOUT: Duration = Duration::from_secs(8);
/// How long reading back may take before the outcome counts as unknown.
const READ_BACK_TIMEOUT: Duration = Duration::from_secs(2);

/// What became of a submission.
pub(crate) enum WriteOutcome<T> {
    /// It was carried out now.
    Done(T),
    /// The same submission was carried out before; the id of what it made. Nothing was sent now.
    Repeated(String),
    /// It was not carried out.
    Refused(ClientError),
    /// Whether it was carried out is not known: why, or none when it was an earlier submission. Then nothing was sent now.
    Unknown(Option<ClientError>),
}

/// Carries an act out unless the same submission was before. It is carried through even if the browser goes away, so
/// that what is remembered is what happened.
pub(crate) async fn submit_once<A: Act>(
    context: &Context,
    act: &Arc<A>,
    checked: &Arc<A::Checked>,
) -> WriteOutcome<A::Done> {
    let console = &context.console;
    let mut slot = console.submissions.lock(context.operator(), act.submission()).await;
    let may_be_done = match slot.as_ref() {
        Some(RememberedOutcome::Done(made)) => return WriteOutcome::Repeated(made.clone()),
        Some(RememberedOutcome::Unknown) if !A::IS_IDEMPOTENT => return WriteOutcome::Unknown(None),
        Some(RememberedOutcome::Unknown) => true,
        None => false,
    };
    if let Err(error) = context.check_reachable() {
        return match may_be_done {
            true => WriteOutcome::Unknown(Some(error)),
            false => WriteOutcome::Refused(error),
        };
    }
    let (send, written) = oneshot::channel();
    let (act, checked) = (act.clone(), checked.clone());
    console.tasks.spawn("write", async move {
        // Until it is known, also if this task is aborted.
        *slot = Some(RememberedOutcome::Unknown);
        let outcome = {
            let _sent = AfterSend(&*act);
            write(&*act, &checked).await
        };
        *slot = match &outcome {
            WriteOutcome::Done(done) => Some(RememberedOutcome::Done(A::created_id(done))),
            WriteOutcome::Unknown(_) => Some(RememberedOutcome::Unknown),
            WriteOutcome::Refused(_) | WriteOutcome::Repeated(_) => None,
        };
        // The browser may have gone away.
        let _ = send.send(outcome);
    });
    written
        .await
        .unwrap_or(WriteOutcome::Unknown(Some(ClientError::TimedOut)))
}

/// Tells the act that the write has ended, also if it panicked.
struct AfterSend<'a, A: Act>(&'a A);

impl<A: Act> Drop for AfterSend<'_, A> {
    fn drop(&mut self) {
        self.0.after_send();
    }
}

/// Sends the write; where its answer leaves the outcome open, reads back.
async fn write<A: Act>(act: &A, checked: &A::Checked) -> WriteOutcome<A::Done> {
    let sent = tokio::time::timeout(WRITE_TIMEOUT, act.send(checked)).await;
    match sent.unwrap_or(Err(ClientError::TimedOut)) {
        Ok(done) => WriteOutcome::Done(done),
        Err(error) if !error.is_outcome_unknown() => WriteOutcome::Refused(error),
        Err(error) => {
            let read = tokio::time::timeout(READ_BACK_TIMEOUT, act.read_back(checked)).await;
            match read.ok().flatten() {
                Some(done) => WriteOutcome::Done(done),
                None => WriteOutcome::Unknown(Some(error)),
            }
        }
    }
}
