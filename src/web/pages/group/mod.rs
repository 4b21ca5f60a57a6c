//! One of the deployment's groups: its members, and deleting it.

mod act;
mod view;

use poem::web::Form;
use poem::{Request, Response, handler};

use act::{Change, ChangeGroup};
use view::{Typed, View};

use crate::protocol::{GroupId, MemberId};
use crate::web::fault::Fault;
use crate::web::request::context::path_segment;
use crate::web::roster::request::RosterRequest;
use crate::web::urls;
use crate::web::write::carry_out::carry_out;
use crate::web::write::refusal::Faults;

fn group_of(request: &Request) -> Result<GroupId, Fault> {
    let id = path_segment(request, "group");
    id.parse().map_err(|_| Fault::NotRegistered { kind: "group", id })
}

/// `GET /admin/control/groups/{G}/`
#[handler]
pub(crate) async fn get(request: RosterRequest, path: &Request) -> Result<Response, Fault> {
    let id = group_of(path)?;
    if let Some(answer) = request.bar() {
        return Ok(answer);
    }
    let roster = request.roster().await;
    if roster.as_ref().is_ok_and(|roster| roster.group(&id).is_none()) {
        let id = id.to_string();
        return Err(Fault::NotRegistered { kind: "group", id });
    }
    let view = View {
        id: &id,
        roster: &roster,
        page_url: &request.context.request.page_url,
    };
    let page = view.page(&Typed::default(), &Faults::default());
    Ok(request.answer(page, roster.as_ref().map(drop)))
}

/// `POST /admin/control/groups/{G}/members`: `member_id` is an id, or a name that only one worker or group has.
#[handler]
pub(crate) async fn add(request: RosterRequest, path: &Request, Form(form): Form<Typed>) -> Result<Response, Fault> {
    let id = group_of(path)?;
    let action = urls::group_members(&id);
    let change = Change::Add;
    Ok(carry_out(ChangeGroup {
        request,
        id,
        action,
        form,
        change,
    })
    .await)
}

/// `POST /admin/control/groups/{G}/members/{M}/remove`
#[handler]
pub(crate) async fn remove(request: RosterRequest, path: &Request, Form(form): Form<Typed>) -> Result<Response, Fault> {
    let id = group_of(path)?;
    let given = path_segment(path, "member");
    let member: MemberId = match given.parse() {
        Ok(member) => member,
        Err(_) => {
            return Err(Fault::NotRegistered {
                kind: "member",
                id: given,
            });
        }
    };
    let action = urls::remove_group_member(&id, &member);
    let change = Change::Remove(member);
    Ok(carry_out(ChangeGroup {
        request,
        id,
        action,
        form,
        change,
    })
    .await)
}

/// `POST /admin/control/groups/{G}/delete`: `confirm` is the name, or the end of the id.
#[handler]
pub(crate) async fn delete(request: RosterRequest, path: &Request, Form(form): Form<Typed>) -> Result<Response, Fault> {
    let id = group_of(path)?;
    let action = urls::delete_group(&id);
    let change = Change::Delete;
    Ok(carry_out(ChangeGroup {
        request,
        id,
        action,
        form,
        change,
    })
    .await)
}
