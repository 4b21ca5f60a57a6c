//! Tasks (`ch07 §2`).

use std::collections::BTreeMap;

use poem::http::StatusCode;
use poem::web::Path;
use poem::{Response, handler};
use serde::Deserialize;
use serde_json::Value;

use super::super::authority::{ADMINS, Groups, ORCHESTRATORS};
use super::super::storage::{Session, StorageError, Table};
use super::super::transition::{self, Cited, Referenced, Refusal, Standing};
use super::extract::{Body, Call, Params, shaped};
use super::problem::{Fault, empty, json, json_text};
use super::validator::Known;
use crate::protocol::*;

type Ids = Path<(String, String)>;

#[derive(Deserialize)]
struct Filter {
    kind: Option<String>,
    state: Option<String>,
}

#[handler]
pub(super) async fn list(Params(filter): Params<Filter>, known: Known, call: Call) -> Result<Response, Fault> {
    let filters = vec![("kind", filter.kind), ("state", filter.state)];
    call.list(&known, Table::Task, filters).await
}

#[handler]
pub(super) async fn read(Path((_, id)): Ids, call: Call) -> Result<Response, Fault> {
    let text = call.read().await?.text(Table::Task, &id).await?;
    Ok(json_text(text.ok_or_else(|| Refusal::unknown("task", id))?))
}

#[handler]
pub(super) async fn submission(Path((_, id)): Ids, call: Call) -> Result<Response, Fault> {
    // "None" is 204 even for a task nobody knows, since clients probe with it.
    let text = call.read().await?.submission_text(&id).await?;
    Ok(text.map_or_else(|| empty(StatusCode::NO_CONTENT), json_text))
}

/// Authority comes before the schema here, since the body is a free object until its kind is known; but a body
/// without a kind is nobody's privilege to correct.
#[handler]
pub(super) async fn create(Body(body): Body<Value>, call: Call) -> Result<Response, Fault> {
    let by = call.worker()?;
    let kind = body.get("kind").and_then(Value::as_str).and_then(TaskKind::from_word);
    let mut write = call.write().await?;
    if kind.is_some() {
        call.require(&mut write, &[ADMINS, ORCHESTRATORS]).await?;
    }
    let task: Task = shaped(body)?;
    let found = referenced(&mut write, &task).await?;
    let experiment = write.experiment().await?;
    let change = transition::create_task(&experiment, by, task, found)?;
    let reply = json(&change.task)?;
    call.finish(write, change, call.now()).await?;
    Ok(reply)
}

async fn referenced(session: &mut Session, task: &Task) -> Result<Referenced, StorageError> {
    let mut found = Referenced {
        exists: session.text(Table::Task, task.task_id.as_str()).await?.is_some(),
        ..Referenced::default()
    };
    let Some(subject) = task.subject() else {
        return Ok(found);
    };
    found.live = session.has_live_task(task.kind, subject).await?;
    if task.kind == TaskKind::Execution {
        found.idea = session.get(Table::Idea, subject).await?;
        return Ok(found);
    }
    found.variant = session.get(Table::Variant, subject).await?;
    if let Some(idea) = found.variant.as_ref().and_then(|v: &Variant| v.idea_id.clone()) {
        found.idea = session.get(Table::Idea, idea.as_str()).await?;
    }
    Ok(found)
}

pub(super) async fn task(session: &mut Session, id: &str) -> Result<Task, Fault> {
    let task = session.get(Table::Task, id).await?;
    Ok(task.ok_or_else(|| Refusal::unknown("task", id))?)
}

#[handler]
pub(super) async fn claim(
    Path((_, id)): Ids,
    Body(request): Body<ClaimRequest>,
    call: Call,
) -> Result<Response, Fault> {
    let worker = call.worker()?;
    let mut write = call.write().await?;
    let task = task(&mut write, &id).await?;
    let experiment = write.experiment().await?;
    let standing = standing(&call, &mut write, &task, worker).await?;
    let now = call.now();
    let change = transition::claim(&experiment, task, worker, standing, request, now)?;
    let reply = json(&change.task.as_ref().and_then(|task| task.claim.as_ref()))?;
    call.finish(write, change, now).await?;
    Ok(reply)
}

async fn standing(call: &Call, session: &mut Session, task: &Task, worker: &WorkerId) -> Result<Standing, Fault> {
    if !call.is_registered(session).await? {
        return Ok(Standing::Unregistered);
    }
    let admitted = match &task.target {
        None => true,
        target => Groups::new(session.groups().await?).admits(target.as_ref(), worker),
    };
    Ok(if admitted {
        Standing::Eligible
    } else {
        Standing::Ineligible
    })
}

#[handler]
pub(super) async fn submit(
    Path((_, id)): Ids,
    Body(request): Body<SubmitRequest>,
    call: Call,
) -> Result<Response, Fault> {
    let worker = call.worker()?;
    let mut write = call.write().await?;
    let task = task(&mut write, &id).await?;
    let stored = write.submission(&id).await?;
    let cited = Cited {
        stored,
        ..cited(&mut write, &task, &request.payload).await?
    };
    let now = call.now();
    let change = transition::submit(task, worker, request.payload, &cited, now)?;
    call.finish(write, change, now).await?;
    Ok(json_text("{}".to_owned()))
}

/// The entities that a submission for `task` names.
async fn cited(session: &mut Session, task: &Task, named: &Submission) -> Result<Cited, StorageError> {
    let mut cited = Cited::default();
    if let Some(variant) = &named.variant_id {
        cited.variant = session.get(Table::Variant, variant.as_str()).await?;
    }
    if let (TaskKind::Execution, Some(idea)) = (task.kind, task.idea_id()) {
        cited.idea = session.get(Table::Idea, idea.as_str()).await?;
    }
    if task.kind == TaskKind::Ideation {
        let mut ideas = BTreeMap::new();
        for id in named.idea_ids.iter().flatten() {
            if let Some(idea) = session.get::<Idea>(Table::Idea, id.as_str()).await? {
                ideas.insert(id.clone(), idea.state);
            }
        }
        cited.ideas = ideas;
    }
    Ok(cited)
}

/// What judging a task needs: what was handed in and what that names.
pub(super) async fn judged(session: &mut Session, task: &Task) -> Result<Cited, StorageError> {
    match session.submission(task.task_id.as_str()).await? {
        None => Ok(Cited::default()),
        Some(stored) => Ok(Cited {
            stored: Some(stored.clone()),
            ..cited(session, task, &stored).await?
        }),
    }
}

#[handler]
pub(super) async fn accept(Path((_, id)): Ids, call: Call) -> Result<Response, Fault> {
    let mut write = orchestrating(&call).await?;
    let task = task(&mut write, &id).await?;
    let cited = judged(&mut write, &task).await?;
    let now = call.now();
    let change = transition::accept(task, cited, &call.hosted.config, now)?;
    call.finish(write, change, now).await?;
    Ok(empty(StatusCode::NO_CONTENT))
}

#[handler]
pub(super) async fn reject(
    Path((_, id)): Ids,
    Body(request): Body<RejectRequest>,
    call: Call,
) -> Result<Response, Fault> {
    let mut write = orchestrating(&call).await?;
    let task = task(&mut write, &id).await?;
    let cited = judged(&mut write, &task).await?;
    let now = call.now();
    let change = transition::reject(task, cited, request.reason, &call.hosted.config, now)?;
    call.finish(write, change, now).await?;
    Ok(empty(StatusCode::NO_CONTENT))
}

async fn orchestrating(call: &Call) -> Result<super::super::storage::Write, Fault> {
    call.worker()?;
    let mut write = call.write().await?;
    call.require(&mut write, &[ORCHESTRATORS]).await?;
    Ok(write)
}

/// The variant that nobody will finish once this task is taken back.
async fn abandoned(session: &mut Session, task: &Task) -> Result<Option<Variant>, StorageError> {
    match (task.kind, task.subject()) {
        (TaskKind::Execution, Some(idea)) => session.starting_variant(idea).await,
        _ => Ok(None),
    }
}

#[handler]
pub(super) async fn reclaim(
    Path((_, id)): Ids,
    Body(request): Body<ReclaimRequest>,
    call: Call,
) -> Result<Response, Fault> {
    call.worker()?;
    let mut write = call.write().await?;
    let task = task(&mut write, &id).await?;
    let starting = abandoned(&mut write, &task).await?;
    let now = call.now();
    let change = transition::reclaim(task, request.cause, starting, now)?;
    call.finish(write, change, now).await?;
    Ok(empty(StatusCode::NO_CONTENT))
}

#[handler]
pub(super) async fn reassign(
    Path((_, id)): Ids,
    Body(request): Body<ReassignRequest>,
    call: Call,
) -> Result<Response, Fault> {
    transition::good_reassign(&request)?;
    let by = call.worker()?;
    let mut write = call.write().await?;
    call.require(&mut write, &[ADMINS]).await?;
    let task = task(&mut write, &id).await?;
    let starting = abandoned(&mut write, &task).await?;
    let now = call.now();
    let change = transition::reassign(task.clone(), request, by, starting, now)?;
    let reply = json(change.task.as_ref().unwrap_or(&task))?;
    call.finish(write, change, now).await?;
    Ok(reply)
}
