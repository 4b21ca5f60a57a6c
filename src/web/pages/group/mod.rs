//! One of the deployment's groups: its members, and deleting it.

mod act;
mod view;

use poem::web::Form;
use poem::{Request, Response, handler};

use act::{Change, ChangeGroup};
use view::{Typed, View};

use crate::protocol::{GroupId, MemberId};
use crate::web::fault::Fault;
use crate::web::request::path_segment;
use crate::web::roster::request::RosterRequest;
use crate::web::urls;
use crate::web::write::{FormErrors, carry_out};

fn group_of(http: &Request) -> Result<GroupId, Fault> {
    let id = path_segment(http, "group");
    id.parse().map_err(|_| Fault::NotRegistered { kind: "group", id })
}

/// `GET /admin/control/groups/{G}/`
#[handler]
pub(crate) async fn get(request: RosterRequest, http: &Request) -> Result<Response, Fault> {
    let id = group_of(http)?;
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
        page_url: &request.context.htmx.page_url,
    };
    let page = view.page(&Typed::default(), &FormErrors::default());
    Ok(request.answer(page, roster.as_ref().map(drop)))
}

/// `POST /admin/control/groups/{G}/members`: `member_id` is an id, or a name that only one worker or group has.
#[handler]
pub(crate) async fn add(request: RosterRequest, http: &Request, Form(form): Form<Typed>) -> Result<Response, Fault> {
    let id = group_of(http)?;
    let action = urls::group_members(&id);
    change(request, id, action, form, Change::Add).await
}

/// `POST /admin/control/groups/{G}/members/{M}/remove`
#[handler]
pub(crate) async fn remove(request: RosterRequest, http: &Request, Form(form): Form<Typed>) -> Result<Response, Fault> {
    let group = group_of(http)?;
    let id = path_segment(http, "member");
    let Ok(member) = id.parse::<MemberId>() else {
        return Err(Fault::NotRegistered { kind: "member", id });
    };
    let action = urls::remove_group_member(&group, &member);
    change(request, group, action, form, Change::Remove(member)).await
}

/// `POST /admin/control/groups/{G}/delete`: `confirm` is the name, or the end of the id.
#[handler]
pub(crate) async fn delete(request: RosterRequest, http: &Request, Form(form): Form<Typed>) -> Result<Response, Fault> {
    let id = group_of(http)?;
    let action = urls::delete_group(&id);
    change(request, id, action, form, Change::Delete).await
}

async fn change(
    request: RosterRequest,
    id: GroupId,
    action: String,
    form: Typed,
    change: Change,
) -> Result<Response, Fault> {
    let act = ChangeGroup {
        request,
        id,
        action,
        form,
        change,
    };
    Ok(carry_out(act).await)
}
