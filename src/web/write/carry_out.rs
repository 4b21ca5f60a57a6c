//! One write flow for every act of an operator: check, submit once, wait until it shows, answer.

use std::sync::Arc;

use maud::{Markup, html};
use poem::Response;

use crate::web::write::act::Act;
use crate::web::write::refusal::Refusal;
use crate::web::write::submit_once::{WriteOutcome, submit_once};

/// From a submitted form to the answer. Every act of the console goes this way.
pub(crate) async fn carry_out<A: Act>(act: A) -> Response {
    let checked = match act.check().await {
        Ok(checked) => Arc::new(checked),
        Err(refusal) => return act.redraw(refusal).await,
    };
    let act = Arc::new(act);
    let refusal = match submit_once(act.context(), &act, &checked).await {
        WriteOutcome::Done(done) => {
            act.wait_until_shown(&A::created_id(&done)).await;
            return act.first_response(&checked, done).await;
        }
        WriteOutcome::Repeated(made) => {
            act.wait_until_shown(&made).await;
            return act.done_response(&checked, &made);
        }
        WriteOutcome::Refused(error) => act.explain(&error).unwrap_or_else(|| Refusal::of(A::UPSTREAM, &error)),
        WriteOutcome::Unknown(error) => Refusal::unknown(A::UPSTREAM, error.as_ref(), act.what_was_done(), A::ADVICE),
    };
    act.redraw(refusal).await
}

/// The hidden field of a form that is to be carried out once, however often it is submitted: 128 random bits.
pub(crate) fn request_id() -> Markup {
    html! { input type="hidden" name="request_id" value=(format!("{:032x}", rand::random::<u128>())) autocomplete="off"; }
}
