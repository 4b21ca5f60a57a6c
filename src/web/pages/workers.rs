//! The deployment's workers: the list, and registering one.

use std::sync::Arc;

use maud::{Markup, html};
use poem::web::Form;
use poem::{Response, handler};
use secrecy::SecretString;
use serde::Deserialize;

use crate::client::{ClientError, RegistryClient};
use crate::protocol::{DisplayName, ErrorType, GroupId, MemberId, RegisterWorker, Worker};
use crate::web::request::Context;
use crate::web::respond::Page;
use crate::web::roster::graph::Roster;
use crate::web::roster::input;
use crate::web::roster::links::{
    actor, few, filter, group_word, holds, labels_line, labels_text, no_match, worker_link,
};
use crate::web::roster::list::{AddForm, RosterList, Search};
use crate::web::roster::request::RosterRequest;
use crate::web::roster::secret::{Secret, already_shown, secret_page};
use crate::web::roster::unread::Unread;
use crate::web::sections::Section;
use crate::web::ui::{Column, Field, Input, Row, RowKind, Table, empty, field, textarea, when};
use crate::web::upstream::Upstream;
use crate::web::urls;
use crate::web::write::{Act, FormErrors, Refusal, Submission, carry_out};

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Registration {
    name: String,
    labels: String,
    request_id: String,
}

/// `GET /admin/control/workers/`
#[handler]
pub(crate) async fn get(request: RosterRequest) -> Response {
    let (form, faults) = (Registration::default(), FormErrors::default());
    request
        .answer_list(|roster, page_url| page(roster, page_url, &form, &faults))
        .await
}

/// `POST /admin/control/workers/`: `name` and `labels`. A form registers one worker, however often it is submitted.
#[handler]
pub(crate) async fn post(request: RosterRequest, Form(form): Form<Registration>) -> Response {
    carry_out(Register { request, form }).await
}

/// Registers a worker and shows its secret.
struct Register {
    request: RosterRequest,
    form: Registration,
}

impl Act for Register {
    type Checked = (RegistryClient, RegisterWorker);
    type Done = (Worker, SecretString);

    const UPSTREAM: Upstream = Upstream::ControlPlane;
    const ADVICE: &'static str =
        "Look for it below before you try again. If it is there, its secret is lost: issue a new one from its page.";

    fn what_was_done(&self) -> &'static str {
        "the worker was registered"
    }

    fn context(&self) -> &Context {
        &self.request.context
    }

    fn submission(&self) -> Submission<'_> {
        Submission {
            action: urls::workers(),
            request_id: &self.form.request_id,
            typed: vec![&self.form.name, &self.form.labels],
        }
    }

    async fn check(&self) -> Result<Self::Checked, Refusal> {
        match (input::name(&self.form.name), input::labels(&self.form.labels)) {
            (Ok(name), Ok(labels)) => Ok((self.request.client()?, RegisterWorker { name, labels })),
            (name, labels) => {
                let mut faults = FormErrors::default();
                faults.add_error("name", name.map_err(|fault| format!("Not a name: {fault}.")));
                faults.add_error("labels", labels);
                Err(Refusal::invalid(faults))
            }
        }
    }

    async fn send(&self, (client, request): &Self::Checked) -> Result<Self::Done, ClientError> {
        client.register_worker(request).await
    }

    fn after_send(&self) {
        self.request.forget_listing();
    }

    fn created_id((worker, _): &Self::Done) -> String {
        worker.worker_id.to_string()
    }

    fn done_response(&self, _: &Self::Checked, made: &str) -> Response {
        already_shown(&self.request, urls::workers().to_owned(), made)
    }

    async fn first_response(&self, (_, request): &Self::Checked, (worker, secret): Self::Done) -> Response {
        let roster = self.request.roster().await.ok();
        let namesakes = request
            .name
            .as_deref()
            .and_then(|name| Some(roster?.workers_named(name).cloned().collect()));
        let shown = Secret {
            worker: worker.worker_id,
            name: request.name.clone(),
            secret,
            reissued: false,
            namesakes: namesakes.unwrap_or_default(),
        };
        secret_page(&self.request, urls::workers().to_owned(), &shown)
    }

    fn explain(&self, error: &ClientError) -> Option<Refusal> {
        let words = match error.error_type()? {
            ErrorType::ReservedIdentifier => "This name is reserved; choose another.".to_owned(),
            ErrorType::InvalidName => format!("Not a name: {error}."),
            _ => return None,
        };
        Some(Refusal::of_field("name", words))
    }

    async fn redraw(&self, refusal: Refusal) -> Response {
        let roster = self.request.roster().await;
        let page = page(&roster, urls::workers(), &self.form, &refusal.faults);
        self.request
            .answer_write(urls::workers().to_owned(), page.with_status(refusal.status))
    }
}

/// The page as a query asks for it, with the form as typed.
fn page(
    roster: &Result<Arc<Roster>, Unread>,
    page_url: &str,
    form: &Registration,
    faults: &FormErrors,
) -> Page<'static> {
    let (list, group) = RosterList::new(roster, page_url, |query| {
        query.take("group", |id| id.parse::<GroupId>().ok())
    });
    let search = Search {
        region: "workers",
        action: urls::workers(),
        label: "Search by name, id or label",
        kept: group.as_ref().map(|id| ("group", id.as_str())),
    };
    let context = "Who may act in the deployment, each with a secret of its own";
    let (form, group) = (registration(form, faults), group.as_ref());
    list.page(Section::Workers, context, &form, &search, |roster| {
        View { list: &list, group }.rows(roster)
    })
}

fn registration<'a>(form: &Registration, faults: &'a FormErrors) -> AddForm<'a> {
    let name = Field {
        name: "name",
        label: "Name",
        hint: Some("What people call it, 1 to 128 characters. The id is minted, and is what counts."),
        error: faults.field("name"),
        required: false,
    };
    let labels = Field {
        name: "labels",
        label: "Labels",
        hint: Some("One key=value a line. Lines that begin with # are left out."),
        error: faults.field("labels"),
        required: false,
    };
    AddForm {
        id: "register",
        title: "Register a worker",
        action: urls::workers(),
        faults,
        fields: html! {
            (field(&name, Input::Text, &form.name))
            (textarea(&labels, 3, &form.labels))
        },
        submit: "Register and show the secret",
    }
}

struct View<'a> {
    list: &'a RosterList<'a>,
    group: Option<&'a GroupId>,
}

impl View<'_> {
    fn rows(&self, roster: &Roster) -> Markup {
        let kept: Vec<_> = self.kept(roster);
        let total = kept.len() as u64;
        let shown = self.list.listing.paging(total).slice(total, kept.into_iter());
        let table = Table {
            caption: "Workers",
            columns: vec![
                Column::text("Worker"),
                Column::text("Registered"),
                Column::text("By").minor(),
                Column::text("Labels").minor(),
                Column::text("Groups"),
            ],
            rows: shown.into_iter().map(|worker| self.row(roster, worker)).collect(),
            empty: match roster.workers().is_empty() {
                true => empty(
                    "No worker is registered",
                    html! { "Registering one puts it here, and shows its secret once." },
                ),
                false => no_match("worker", urls::workers()),
            },
        };
        self.list
            .listing
            .markup("workers", total, &self.filters(roster), &table)
    }

    fn kept<'r>(&self, roster: &'r Roster) -> Vec<&'r Worker> {
        // A group that is gone contains nobody.
        let members: Option<Vec<_>> = self.group.map(|id| {
            let group = roster.group(id);
            let found = group.map(|group| roster.reach(group).workers).unwrap_or_default();
            let mut ids: Vec<_> = found.into_iter().map(|found| &found.item.worker_id).collect();
            ids.sort_unstable();
            ids
        });
        let is_kept = |worker: &&Worker| {
            let (id, name) = (&worker.worker_id, worker.name.as_ref().map(DisplayName::as_str));
            let is_member = members.as_ref().is_none_or(|ids| ids.binary_search(&id).is_ok());
            let matches = |q: &str| holds(q, &[id.as_str(), name.unwrap_or_default(), &labels_text(worker)]);
            is_member && self.list.keeps(name, matches)
        };
        roster.workers().iter().filter(is_kept).collect()
    }

    fn filters(&self, roster: &Roster) -> Markup {
        let listing = &self.list.listing;
        let group = self.group.map(|id| {
            let name = roster.group(id).and_then(|group| group.name.as_ref());
            (id, name.map_or_else(|| id.to_string(), ToString::to_string))
        });
        html! {
            (self.list.name_filter())
            @if let Some((id, name)) = group {
                (filter("Group", &name, listing.with("group", Some(id.as_str())), listing.with("group", None)))
            }
        }
    }

    fn row(&self, roster: &Roster, worker: &Worker) -> Row {
        let groups = roster.groups_of(&MemberId::from(&worker.worker_id));
        let groups: Vec<_> = groups.into_iter().map(group_word).collect();
        Row {
            kind: RowKind::Plain,
            id: worker.worker_id.to_string(),
            cells: vec![
                worker_link(worker),
                when(worker.registered_at),
                actor(roster, worker.registered_by.as_ref()),
                labels_line(worker),
                few(&groups),
            ],
        }
    }
}
