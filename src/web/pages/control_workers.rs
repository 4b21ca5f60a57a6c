//! The deployment's workers: the list, and registering one.

use poem::http::StatusCode;
use poem::web::Form;
use poem::{Response, handler};
use serde::Deserialize;

use crate::protocol::ErrorType;
use crate::web::roster::{Desk, Refusal, RegisterForm, Secret, WorkersPage, already_shown, token_page};
use crate::web::write::once::{Filled, Kept, Sent};

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Typed {
    name: String,
    labels: String,
    request_id: String,
}

/// `GET /admin/control/workers/`
#[handler]
pub(crate) async fn get(desk: Desk) -> Response {
    if let Some(answer) = desk.bar() {
        return answer;
    }
    let roster = desk.roster().await;
    let page = WorkersPage::new(&desk.place, &roster, &desk.context.frame.here).page(&RegisterForm::default());
    desk.answer(page, roster.as_ref().map(drop))
}

/// `POST /admin/control/workers/`: `name` and `labels`. A form mints one worker, however often it is sent.
#[handler]
pub(crate) async fn post(desk: Desk, typed: Form<Typed>) -> Response {
    let Form(Typed {
        name,
        labels,
        request_id,
    }) = typed;
    let path = desk.place.workers();
    let desk = desk.at(path.clone());
    let form = RegisterForm {
        name,
        labels,
        ..RegisterForm::default()
    };
    let (form, request) = match form.check() {
        Ok(checked) => checked,
        Err(form) => return again(&desk, StatusCode::UNPROCESSABLE_ENTITY, form).await,
    };
    let client = match desk.client() {
        Ok(client) => client,
        Err(refusal) => return refused(&desk, form, refusal).await,
    };
    let name = request.name.clone();
    let write = async move { client.register_worker(&request).await };
    let keep = |(worker, _): &(crate::protocol::Worker, _)| Kept::Secret(worker.worker_id.clone());
    let filled = Filled {
        request_id: &request_id,
        typed: &[&form.name, &form.labels],
    };
    let refusal = match desk.carry_out(&path, filled, keep, write).await {
        Sent::Before(Kept::Secret(worker)) => return already_shown(&desk, &worker),
        Sent::Done((worker, secret)) => {
            let roster = desk.roster().await.ok();
            let namesakes = name
                .as_deref()
                .and_then(|name| Some(roster?.workers_named(name).cloned().collect()));
            let shown = Secret {
                worker: worker.worker_id,
                name,
                secret,
                reissued: false,
                namesakes: namesakes.unwrap_or_default(),
            };
            return token_page(&desk, &shown);
        }
        Sent::Before(_) => Refusal::still_open(WHETHER, CHECK),
        Sent::Open(error) => Refusal::open(&desk.place, &error, WHETHER, CHECK),
        Sent::Refused(error) => {
            let name_error = match error.error_type() {
                Some(ErrorType::ReservedIdentifier) => Some("This name is reserved; choose another.".to_owned()),
                Some(ErrorType::InvalidName) => Some(format!("Not a name: {error}.")),
                _ => None,
            };
            if name_error.is_some() {
                let form = RegisterForm { name_error, ..form };
                return again(&desk, StatusCode::UNPROCESSABLE_ENTITY, form).await;
            }
            Refusal::of(&desk.place, &error)
        }
    };
    refused(&desk, form, refusal).await
}

const WHETHER: &str = "the worker was registered";
const CHECK: &str =
    "Look for it below before you try again. If it is there, its secret is lost: issue a new one from its page.";

async fn refused(desk: &Desk, form: RegisterForm, refusal: Refusal) -> Response {
    let form = RegisterForm {
        refusal: Some(refusal.words),
        ..form
    };
    again(desk, refusal.status, form).await
}

/// The list, with the form as typed.
async fn again(desk: &Desk, status: StatusCode, form: RegisterForm) -> Response {
    let roster = desk.roster().await;
    let mut page = WorkersPage::new(&desk.place, &roster, &desk.place.workers()).page(&form);
    page.status = status;
    desk.answer_write(page)
}
