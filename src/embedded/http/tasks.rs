//! Tasks (`ch07 §2`).

use std::collections::BTreeMap;

use poem::handler;
use poem::web::Path;
use serde::Deserialize;
use serde_json::Value;

use super::{
    Body, ExperimentCall, HttpResult, IfNoneMatch, Params, Reply, find, from_body, json, json_text, no_content,
};
use crate::embedded::groups::{ADMINS, Groups, ORCHESTRATORS};
use crate::embedded::storage::{Session, StorageResult, Table};
use crate::embedded::transition::{self, ClaimEligibility, SubmissionReferences, TaskReferences};
use crate::protocol::*;

type Ids = Path<(String, String)>;

#[derive(Deserialize)]
struct ListParams {
    kind: Option<String>,
    state: Option<String>,
}

#[handler]
pub(super) async fn list(Params(params): Params<ListParams>, known: IfNoneMatch, call: ExperimentCall) -> Reply {
    let filters = vec![("kind", params.kind), ("state", params.state)];
    call.list(&known, Table::Task, filters).await
}

#[handler]
pub(super) async fn read(Path((_, id)): Ids, call: ExperimentCall) -> Reply {
    call.entity(Table::Task, &id).await
}

#[handler]
pub(super) async fn submission(Path((_, id)): Ids, call: ExperimentCall) -> Reply {
    // 204 even for an unknown task, since clients ask before they know.
    let text = call.read().await?.submission_text(&id).await?;
    Ok(text.map_or_else(no_content, json_text))
}

/// Authority is checked before the schema here, since the body is free JSON until its kind is known. A body without a
/// kind is malformed, so it is refused for every caller alike.
#[handler]
pub(super) async fn create(Body(body): Body<Value>, call: ExperimentCall) -> Reply {
    let by = call.worker()?;
    let kind = body.get("kind").and_then(Value::as_str).and_then(TaskKind::from_word);
    let mut write = call.write().await?;
    if kind.is_some() {
        call.require_member(&mut write, &[ADMINS, ORCHESTRATORS]).await?;
    }
    let task: Task = from_body(body)?;
    let found = task_references(&mut write, &task).await?;
    let experiment = write.experiment().await?;
    let change = transition::create_task(&experiment, by, task, found)?;
    let reply = json(&change.task)?;
    call.apply(write, change, call.now()).await?;
    Ok(reply)
}

async fn task_references(session: &mut Session, task: &Task) -> StorageResult<TaskReferences> {
    let mut found = TaskReferences {
        exists: session.text(Table::Task, task.task_id.as_str()).await?.is_some(),
        ..TaskReferences::default()
    };
    let Some(subject) = task.subject() else {
        return Ok(found);
    };
    found.has_live_task = session.has_live_task(task.kind, subject).await?;
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

#[handler]
pub(super) async fn claim(Path((_, id)): Ids, Body(request): Body<ClaimRequest>, call: ExperimentCall) -> Reply {
    let worker = call.worker()?;
    let mut write = call.write().await?;
    let task: Task = find(&mut write, Table::Task, &id).await?;
    let experiment = write.experiment().await?;
    let eligibility = claim_eligibility(&call, &mut write, &task, worker).await?;
    let now = call.now();
    let change = transition::claim(&experiment, task, worker, eligibility, request, now)?;
    let reply = json(&change.task.as_ref().and_then(|task| task.claim.as_ref()))?;
    call.apply(write, change, now).await?;
    Ok(reply)
}

async fn claim_eligibility(
    call: &ExperimentCall,
    session: &mut Session,
    task: &Task,
    worker: &WorkerId,
) -> HttpResult<ClaimEligibility> {
    if !call.is_registered(session).await? {
        return Ok(ClaimEligibility::Unregistered);
    }
    let is_admitted = match &task.target {
        None => true,
        target => Groups::new(session.groups().await?).admits(target.as_ref(), worker),
    };
    Ok(match is_admitted {
        true => ClaimEligibility::Eligible,
        false => ClaimEligibility::Ineligible,
    })
}

#[handler]
pub(super) async fn submit(Path((_, id)): Ids, Body(request): Body<SubmitRequest>, call: ExperimentCall) -> Reply {
    let worker = call.worker()?;
    let mut write = call.write().await?;
    let task: Task = find(&mut write, Table::Task, &id).await?;
    let stored = write.submission(&id).await?;
    let found = SubmissionReferences {
        stored,
        ..submission_references(&mut write, &task, &request.payload).await?
    };
    let now = call.now();
    let change = transition::submit(task, worker, request.payload, &found, now)?;
    call.apply(write, change, now).await?;
    Ok(json_text("{}".to_owned()))
}

/// The entities that a submission for `task` names.
async fn submission_references(
    session: &mut Session,
    task: &Task,
    named: &Submission,
) -> StorageResult<SubmissionReferences> {
    let mut found = SubmissionReferences::default();
    if let Some(variant) = &named.variant_id {
        found.variant = session.get(Table::Variant, variant.as_str()).await?;
    }
    if let (TaskKind::Execution, Some(idea)) = (task.kind, task.idea_id()) {
        found.idea = session.get(Table::Idea, idea.as_str()).await?;
    }
    if task.kind == TaskKind::Ideation {
        let mut ideas = BTreeMap::new();
        for id in named.idea_ids.iter().flatten() {
            if let Some(idea) = session.get::<Idea>(Table::Idea, id.as_str()).await? {
                ideas.insert(id.clone(), idea.state);
            }
        }
        found.ideas = ideas;
    }
    Ok(found)
}

/// The stored submission of `task`, and the entities that it names.
pub(super) async fn stored_references(session: &mut Session, task: &Task) -> StorageResult<SubmissionReferences> {
    match session.submission(task.task_id.as_str()).await? {
        None => Ok(SubmissionReferences::default()),
        Some(stored) => Ok(SubmissionReferences {
            stored: Some(stored.clone()),
            ..submission_references(session, task, &stored).await?
        }),
    }
}

#[handler]
pub(super) async fn accept(Path((_, id)): Ids, call: ExperimentCall) -> Reply {
    let mut write = call.write_as_member(&[ORCHESTRATORS]).await?;
    let task: Task = find(&mut write, Table::Task, &id).await?;
    let found = stored_references(&mut write, &task).await?;
    let now = call.now();
    let change = transition::accept(task, found, &call.hosted.config, now)?;
    call.finish(write, change, now).await
}

#[handler]
pub(super) async fn reject(Path((_, id)): Ids, Body(request): Body<RejectRequest>, call: ExperimentCall) -> Reply {
    let mut write = call.write_as_member(&[ORCHESTRATORS]).await?;
    let task: Task = find(&mut write, Table::Task, &id).await?;
    let found = stored_references(&mut write, &task).await?;
    let now = call.now();
    let change = transition::reject(task, found, request.reason, &call.hosted.config, now)?;
    call.finish(write, change, now).await
}

/// The variant that nobody will finish once this task is reclaimed.
async fn starting_variant(session: &mut Session, task: &Task) -> StorageResult<Option<Variant>> {
    match (task.kind, task.subject()) {
        (TaskKind::Execution, Some(idea)) => session.starting_variant(idea).await,
        _ => Ok(None),
    }
}

#[handler]
pub(super) async fn reclaim(Path((_, id)): Ids, Body(request): Body<ReclaimRequest>, call: ExperimentCall) -> Reply {
    call.worker()?;
    let mut write = call.write().await?;
    let task: Task = find(&mut write, Table::Task, &id).await?;
    let starting = starting_variant(&mut write, &task).await?;
    let now = call.now();
    let change = transition::reclaim(task, request.cause, starting, now)?;
    call.finish(write, change, now).await
}

#[handler]
pub(super) async fn reassign(Path((_, id)): Ids, Body(request): Body<ReassignRequest>, call: ExperimentCall) -> Reply {
    transition::check_reassign(&request)?;
    let by = call.worker()?;
    let mut write = call.write_as_member(&[ADMINS]).await?;
    let task: Task = find(&mut write, Table::Task, &id).await?;
    let starting = starting_variant(&mut write, &task).await?;
    let now = call.now();
    let change = transition::reassign(task.clone(), request, by, starting, now)?;
    let reply = json(change.task.as_ref().unwrap_or(&task))?;
    call.apply(write, change, now).await?;
    Ok(reply)
}
