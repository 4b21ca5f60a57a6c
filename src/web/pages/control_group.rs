//! One of the deployment's groups: its members, and its end.

use poem::http::StatusCode;
use poem::web::Form;
use poem::{Request, Response, handler};
use serde::Deserialize;

use crate::protocol::{ErrorType, Group, GroupId, MemberId};
use crate::web::fault::PageError;
use crate::web::request::context::path_segment;
use crate::web::request::htmx::see_other;
use crate::web::roster::{AddForm, DeleteForm, Desk, GroupPage, Member, Refusal};
use crate::web::write::once::{Filled, Kept, Sent};

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Typed {
    member_id: String,
    confirm: String,
    request_id: String,
}

impl Typed {
    fn filled<'a>(&'a self, typed: &'a [&'a str]) -> Filled<'a> {
        Filled {
            request_id: &self.request_id,
            typed,
        }
    }
}

fn group_of(desk: &Desk, request: &Request) -> Result<GroupId, PageError> {
    let given = path_segment(request, "group");
    given.parse().map_err(|_| desk.missing("group", given))
}

/// `GET /admin/control/groups/{G}/`
#[handler]
pub(crate) async fn get(desk: Desk, request: &Request) -> Result<Response, PageError> {
    let id = group_of(&desk, request)?;
    if let Some(answer) = desk.bar() {
        return Ok(answer);
    }
    let roster = desk.roster().await;
    if roster.as_ref().is_ok_and(|roster| roster.group(&id).is_none()) {
        return Err(desk.missing("group", id.to_string()));
    }
    let view = GroupPage {
        place: &desk.place,
        id: &id,
        roster: &roster,
        here: &desk.context.frame.here,
    };
    let page = view.page(&AddForm::default(), &DeleteForm::default(), None);
    Ok(desk.answer(page, roster.as_ref().map(drop)))
}

/// `POST /admin/control/groups/{G}/members`: `member_id` is an id, or a name that only one worker or group has.
#[handler]
pub(crate) async fn add(desk: Desk, request: &Request, typed: Form<Typed>) -> Result<Response, PageError> {
    let change = Change::new(desk, request, typed.0)?;
    let Change { desk, id, typed } = &change;
    let client = match desk.client() {
        Ok(client) => client,
        Err(refusal) => return Ok(change.refused(refusal).await),
    };
    let roster = desk.roster().await.ok();
    let (form, member) = match change.adding().check(id, roster.as_deref()) {
        Ok(checked) => checked,
        Err(form) => return Ok(change.again(form, DeleteForm::default()).await),
    };
    let is_dangling = roster.is_some_and(|roster| matches!(roster.member(&member), Member::Dangling));
    let (group, path) = (id.clone(), desk.place.members(id));
    let write = async move { client.add_member(&group, member).await };
    let sent = desk
        .carry_out(&path, typed.filled(&[&typed.member_id]), done, write)
        .await;
    if let Sent::Refused(error) = &sent
        && error.error_type() == Some(ErrorType::CycleDetected)
    {
        return Ok(change.again(form.cyclic(), DeleteForm::default()).await);
    }
    let landed = match is_dangling {
        true => "warn=added-dangling",
        false => "ok=added",
    };
    Ok(change.answer(sent, landed, "the member was added").await)
}

/// `POST /admin/control/groups/{G}/members/{M}/remove`
#[handler]
pub(crate) async fn remove(desk: Desk, request: &Request, typed: Form<Typed>) -> Result<Response, PageError> {
    let given = path_segment(request, "member");
    let member: MemberId = given.parse().map_err(|_| desk.missing("member", given))?;
    let change = Change::new(desk, request, typed.0)?;
    let client = match change.desk.client() {
        Ok(client) => client,
        Err(refusal) => return Ok(change.refused(refusal).await),
    };
    let path = change.desk.place.remove_member(&change.id, &member);
    let group = change.id.clone();
    let write = async move { client.remove_member(&group, &member).await };
    let sent = change
        .desk
        .carry_out(&path, change.typed.filled(&[]), done, write)
        .await;
    Ok(change.answer(sent, "ok=removed", "the member was taken out").await)
}

/// `POST /admin/control/groups/{G}/delete`: `confirm` is the name, or the end of the id.
#[handler]
pub(crate) async fn delete(desk: Desk, request: &Request, typed: Form<Typed>) -> Result<Response, PageError> {
    let change = Change::new(desk, request, typed.0)?;
    let Change { desk, id, typed } = &change;
    let client = match desk.client() {
        Ok(client) => client,
        Err(refusal) => return Ok(change.refused(refusal).await),
    };
    let roster = desk.roster().await.ok();
    let group = roster.as_ref().and_then(|roster| roster.group(id));
    // What is gone already, perhaps by this very form, needs no confirmation to be told so.
    if (roster.is_none() || group.is_some())
        && let Err(form) = change.deleting().check(group, id)
    {
        return Ok(change.again(AddForm::default(), form).await);
    }
    let (of, path) = (id.clone(), desk.place.delete_group(id));
    let write = async move { client.delete_group(&of).await };
    match desk.carry_out(&path, typed.filled(&[]), |()| Kept::Done, write).await {
        Sent::Done(()) | Sent::Before(Kept::Done) => Ok(see_other(&format!("{}?ok=deleted", desk.place.groups()))),
        sent => Ok(change.answer(sent, "", "the group was deleted").await),
    }
}

fn done(_: &Group) -> Kept {
    Kept::Done
}

const CHECK: &str = "What is there now stands below; look before you try again.";

/// A change of one group.
struct Change {
    desk: Desk,
    id: GroupId,
    typed: Typed,
}

impl Change {
    fn new(desk: Desk, request: &Request, typed: Typed) -> Result<Self, PageError> {
        let id = group_of(&desk, request)?;
        let here = desk.place.group(&id);
        Ok(Self {
            desk: desk.at(here),
            id,
            typed,
        })
    }

    fn adding(&self) -> AddForm {
        AddForm {
            member: self.typed.member_id.clone(),
            ..AddForm::default()
        }
    }

    fn deleting(&self) -> DeleteForm {
        DeleteForm {
            confirm: self.typed.confirm.clone(),
            ..DeleteForm::default()
        }
    }

    /// To the group, with what happened; or the group, with what did not.
    async fn answer<T>(&self, sent: Sent<T>, landed: &str, whether: &str) -> Response {
        let place = &self.desk.place;
        let refusal = match sent {
            Sent::Done(_) | Sent::Before(Kept::Done) => {
                return see_other(&format!("{}?{landed}", place.group(&self.id)));
            }
            Sent::Refused(error) if error.is_not_found() => return self.gone(),
            Sent::Refused(error) => Refusal::of(place, &error),
            Sent::Open(error) => Refusal::open(place, &error, whether, CHECK),
            Sent::Before(_) => Refusal::still_open(whether, CHECK),
        };
        self.refused(refusal).await
    }

    fn gone(&self) -> Response {
        see_other(&format!("{}?error=group-not-found", self.desk.place.groups()))
    }

    async fn refused(&self, refusal: Refusal) -> Response {
        let said = Some(refusal.words);
        self.page(refusal.status, &self.adding(), &self.deleting(), said).await
    }

    /// The group, with the forms as typed.
    async fn again(&self, adding: AddForm, deleting: DeleteForm) -> Response {
        let status = StatusCode::UNPROCESSABLE_ENTITY;
        self.page(status, &adding, &deleting, None).await
    }

    async fn page(
        &self,
        status: StatusCode,
        adding: &AddForm,
        deleting: &DeleteForm,
        said: Option<String>,
    ) -> Response {
        let roster = self.desk.roster().await;
        if roster.as_ref().is_ok_and(|roster| roster.group(&self.id).is_none()) {
            return self.gone();
        }
        let view = GroupPage {
            place: &self.desk.place,
            id: &self.id,
            roster: &roster,
            here: &self.desk.place.group(&self.id),
        };
        let mut page = view.page(adding, deleting, said.as_deref());
        page.status = status;
        self.desk.answer_write(page)
    }
}
