//! What a page tells of an act of an operator: how it is checked, sent, and answered.

use std::future::ready;

use poem::Response;

use crate::client::ClientError;
use crate::web::request::Context;
use crate::web::upstream::Upstream;
use crate::web::write::refusal::Refusal;
use crate::web::write::submission_store::Submission;

/// An act: a submitted form, and everything that only its page knows of it.
///
/// The value holds the page's context (of the deployment, or of one experiment) and the form as it was typed.
pub(crate) trait Act: Send + Sync + 'static {
    /// What a correct form says.
    type Checked: Send + Sync + 'static;
    /// What the server answers.
    type Done: Send + 'static;

    /// The server that carries it out.
    const UPSTREAM: Upstream;
    /// What to look at before the form is submitted again.
    const ADVICE: &'static str;

    /// Whether doing it twice is the same as doing it once. Then the same form is sent again after an unknown outcome.
    const IS_IDEMPOTENT: bool = false;

    /// What is done, to complete "Whether …" where the outcome is not known.
    fn what_was_done(&self) -> &'static str;

    /// The context of the request.
    fn context(&self) -> &Context;

    /// Where and with what it was submitted: its idempotency key.
    fn submission(&self) -> Submission<'_>;

    /// Checks the form, before anything is sent.
    ///
    /// # Errors
    /// What is wrong, beside the fields.
    fn check(&self) -> impl Future<Output = Result<Self::Checked, Refusal>> + Send;

    /// Sends the write. An answer that says that somebody else has done the same already counts as done.
    ///
    /// # Errors
    /// Why it was refused, or that its outcome is open.
    fn send(&self, checked: &Self::Checked) -> impl Future<Output = Result<Self::Done, ClientError>> + Send;

    /// After an answer that leaves the outcome open: asks the server whether the write was carried out. None where that
    /// cannot be told, or not yet: the write may still be on its way.
    fn read_back(&self, _: &Self::Checked) -> impl Future<Output = Option<Self::Done>> + Send {
        ready(None)
    }

    /// Called once the write has ended, however it did: what was read before it is old.
    fn after_send(&self) {}

    /// The id of what was made, as on the wire; remembered for repeats. Never a secret.
    fn created_id(_: &Self::Done) -> String {
        String::new()
    }

    /// Waits until pages show what was done, a few seconds at most.
    fn wait_until_shown(&self, _made: &str) -> impl Future<Output = ()> + Send {
        ready(())
    }

    /// The answer once it is done, now or by an earlier submission of the same form.
    fn done_response(&self, checked: &Self::Checked, made: &str) -> Response;

    /// The answer where it differs the first time, such as a secret that is shown once.
    fn first_response(&self, checked: &Self::Checked, done: Self::Done) -> impl Future<Output = Response> + Send {
        ready(self.done_response(checked, &Self::created_id(&done)))
    }

    /// What the page says of a refusal in its own words, beside a field for instance. None for the usual words.
    fn explain(&self, _: &ClientError) -> Option<Refusal> {
        None
    }

    /// The page with the form as it was typed, and why it was not carried out.
    fn redraw(&self, refusal: Refusal) -> impl Future<Output = Response> + Send;
}
