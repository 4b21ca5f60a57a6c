//! The deployment's groups: the list, and creating one.

use poem::http::StatusCode;
use poem::web::Form;
use poem::{Response, handler};
use serde::Deserialize;

use crate::protocol::{ErrorType, Group};
use crate::web::request::htmx::see_other;
use crate::web::roster::{CreateForm, Desk, GroupsPage, Refusal};
use crate::web::write::once::{Filled, Kept, Sent};

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Typed {
    name: String,
    members: String,
    request_id: String,
}

/// `GET /admin/control/groups/`
#[handler]
pub(crate) async fn get(desk: Desk) -> Response {
    if let Some(answer) = desk.bar() {
        return answer;
    }
    let roster = desk.roster().await;
    let page = GroupsPage::new(&desk.place, &roster, &desk.context.frame.here).page(&CreateForm::default());
    desk.answer(page, roster.as_ref().map(drop))
}

/// `POST /admin/control/groups/`: `name`, and `members` by line. A form creates one group, however often it is sent.
#[handler]
pub(crate) async fn post(desk: Desk, typed: Form<Typed>) -> Response {
    let Form(Typed {
        name,
        members,
        request_id,
    }) = typed;
    let path = desk.place.groups();
    let desk = desk.at(path.clone());
    let form = CreateForm {
        name,
        members,
        ..CreateForm::default()
    };
    let client = match desk.client() {
        Ok(client) => client,
        Err(refusal) => return refused(&desk, form, refusal).await,
    };
    let roster = desk.roster().await.ok();
    let (form, request) = match form.check(roster.as_deref()) {
        Ok(checked) => checked,
        Err(form) => return again(&desk, StatusCode::UNPROCESSABLE_ENTITY, form).await,
    };
    let write = async move { client.register_group(&request).await };
    let keep = |group: &Group| Kept::Group(group.group_id.clone());
    let filled = Filled {
        request_id: &request_id,
        typed: &[&form.name, &form.members],
    };
    let refusal = match desk.carry_out(&path, filled, keep, write).await {
        Sent::Done(Group { group_id, .. }) | Sent::Before(Kept::Group(group_id)) => {
            return see_other(&format!("{}?ok=registered", desk.place.group(&group_id)));
        }
        Sent::Before(_) => Refusal::still_open(WHETHER, CHECK),
        Sent::Open(error) => Refusal::open(&desk.place, &error, WHETHER, CHECK),
        Sent::Refused(error) => {
            let (name_error, members_error) = match error.error_type() {
                Some(ErrorType::ReservedIdentifier) => {
                    let words = "There is a group of this name already, and there can be only one, since the name carries authority.";
                    (Some(words.to_owned()), None)
                }
                Some(ErrorType::InvalidName) => (Some(format!("Not a name: {error}.")), None),
                Some(ErrorType::CycleDetected) => (None, Some("The group would contain itself.".to_owned())),
                _ => (None, None),
            };
            if name_error.is_some() || members_error.is_some() {
                let form = CreateForm {
                    name_error,
                    members_error,
                    ..form
                };
                return again(&desk, StatusCode::UNPROCESSABLE_ENTITY, form).await;
            }
            Refusal::of(&desk.place, &error)
        }
    };
    refused(&desk, form, refusal).await
}

const WHETHER: &str = "the group was created";
const CHECK: &str = "Look for it below before you try again.";

async fn refused(desk: &Desk, form: CreateForm, refusal: Refusal) -> Response {
    let form = CreateForm {
        refusal: Some(refusal.words),
        ..form
    };
    again(desk, refusal.status, form).await
}

/// The list, with the form as typed.
async fn again(desk: &Desk, status: StatusCode, form: CreateForm) -> Response {
    let roster = desk.roster().await;
    let mut page = GroupsPage::new(&desk.place, &roster, &desk.place.groups()).page(&form);
    page.status = status;
    desk.answer_write(page)
}
