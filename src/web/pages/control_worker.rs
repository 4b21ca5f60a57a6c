//! One of the deployment's workers, and a new secret for it.

use poem::http::StatusCode;
use poem::web::Form;
use poem::{Request, Response, handler};
use serde::Deserialize;

use crate::protocol::WorkerId;
use crate::web::fault::PageError;
use crate::web::request::context::path_segment;
use crate::web::request::htmx::see_other;
use crate::web::roster::{Desk, Refusal, ReissueForm, Secret, WorkerPage, already_shown, token_page};
use crate::web::write::once::{Filled, Kept, Sent};

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Typed {
    confirm: String,
    request_id: String,
}

fn worker_of(desk: &Desk, request: &Request) -> Result<WorkerId, PageError> {
    let given = path_segment(request, "worker");
    given.parse().map_err(|_| desk.missing("worker", given))
}

/// `GET /admin/control/workers/{W}/`
#[handler]
pub(crate) async fn get(desk: Desk, request: &Request) -> Result<Response, PageError> {
    let id = worker_of(&desk, request)?;
    if let Some(answer) = desk.bar() {
        return Ok(answer);
    }
    let roster = desk.roster().await;
    if roster.as_ref().is_ok_and(|roster| roster.worker(&id).is_none()) {
        return Err(desk.missing("worker", id.to_string()));
    }
    let view = WorkerPage {
        place: &desk.place,
        id: &id,
        roster: &roster,
        is_own: desk.is_own(&id),
        here: &desk.context.frame.here,
    };
    Ok(desk.answer(view.page(&ReissueForm::default()), roster.as_ref().map(drop)))
}

/// `POST /admin/control/workers/{W}/reissue-credential`: `confirm` is the name, or the end of the id.
#[handler]
pub(crate) async fn reissue(desk: Desk, request: &Request, typed: Form<Typed>) -> Result<Response, PageError> {
    let id = worker_of(&desk, request)?;
    let Form(Typed { confirm, request_id }) = typed;
    let desk = {
        let here = desk.place.worker(&id);
        desk.at(here)
    };
    let form = ReissueForm {
        confirm,
        ..ReissueForm::default()
    };
    let client = match desk.client() {
        Ok(client) => client,
        Err(refusal) => return Ok(refused(&desk, &id, form, refusal).await),
    };
    let roster = desk.roster().await.ok();
    let worker = roster.as_ref().and_then(|roster| roster.worker(&id));
    if roster.is_some() && worker.is_none() {
        return Ok(gone(&desk));
    }
    let form = match form.check(worker, &id) {
        Ok(form) => form,
        Err(form) => return Ok(again(&desk, &id, StatusCode::UNPROCESSABLE_ENTITY, form).await),
    };
    let path = desk.place.reissue(&id);
    let name = worker.and_then(|worker| worker.name.as_ref()).map(ToString::to_string);
    let (kept, of) = (id.clone(), id.clone());
    let write = async move { Ok((client.reissue_credential(&of).await?, kept)) };
    let filled = Filled {
        request_id: &request_id,
        typed: &[],
    };
    let sent = desk
        .carry_out(&path, filled, |(_, worker)| Kept::Secret(worker.clone()), write)
        .await;
    if !matches!(sent, Sent::Before(_) | Sent::Refused(_)) {
        desk.credential_changed(&id);
    }
    let refusal = match sent {
        Sent::Done((secret, worker)) => {
            let shown = Secret {
                worker,
                name,
                secret,
                reissued: true,
                namesakes: vec![],
            };
            return Ok(token_page(&desk, &shown));
        }
        Sent::Before(Kept::Secret(worker)) => return Ok(already_shown(&desk, &worker)),
        Sent::Before(_) => Refusal::still_open(WHETHER, CHECK),
        Sent::Open(error) => Refusal::open(&desk.place, &error, WHETHER, CHECK),
        Sent::Refused(error) if error.is_not_found() => return Ok(gone(&desk)),
        Sent::Refused(error) => Refusal::of(&desk.place, &error),
    };
    Ok(refused(&desk, &id, form, refusal).await)
}

const WHETHER: &str = "the secret was replaced";
const CHECK: &str = "If it was, the old one is dead and nobody has the new one: see whether the worker still works, and issue another one if it does not.";

fn gone(desk: &Desk) -> Response {
    see_other(&format!("{}?error=not-found", desk.place.workers()))
}

async fn refused(desk: &Desk, id: &WorkerId, form: ReissueForm, refusal: Refusal) -> Response {
    let form = ReissueForm {
        refusal: Some(refusal.words),
        ..form
    };
    again(desk, id, refusal.status, form).await
}

/// The worker, with the form as typed.
async fn again(desk: &Desk, id: &WorkerId, status: StatusCode, form: ReissueForm) -> Response {
    let roster = desk.roster().await;
    let view = WorkerPage {
        place: &desk.place,
        id,
        roster: &roster,
        is_own: desk.is_own(id),
        here: &desk.place.worker(id),
    };
    let mut page = view.page(&form);
    page.status = status;
    desk.answer_write(page)
}
