//! Variants and their integration (`ch07 §4`, `§5`).

use poem::http::StatusCode;
use poem::web::Path;
use poem::{Response, handler};
use serde::Deserialize;
use serde_json::Value;

use super::super::authority::ORCHESTRATORS;
use super::super::storage::{Session, StorageError, Table};
use super::super::transition::{self, Refusal, Surroundings};
use super::extract::{Body, Call, Params, shaped};
use super::problem::{Fault, empty, json, json_text};
use super::validator::Known;
use crate::protocol::*;

type Ids = Path<(String, String)>;

#[derive(Deserialize)]
struct Filter {
    status: Option<String>,
}

#[handler]
pub(super) async fn list(Params(filter): Params<Filter>, known: Known, call: Call) -> Result<Response, Fault> {
    call.list(&known, Table::Variant, vec![("status", filter.status)]).await
}

#[handler]
pub(super) async fn read(Path((_, id)): Ids, call: Call) -> Result<Response, Fault> {
    let text = call.read().await?.text(Table::Variant, &id).await?;
    Ok(json_text(text.ok_or_else(|| Refusal::unknown("variant", id))?))
}

/// A baseline is the orchestrator's to create, so authority comes before the schema.
#[handler]
pub(super) async fn create(Body(body): Body<Value>, call: Call) -> Result<Response, Fault> {
    call.worker()?;
    let mut write = call.write().await?;
    if body.get("kind").and_then(Value::as_str) == Some("baseline") {
        call.require(&mut write, &[ORCHESTRATORS]).await?;
    }
    let variant: Variant = shaped(body)?;
    let around = surroundings(&mut write, &variant).await?;
    let experiment = write.experiment().await?;
    let now = call.now();
    let change = transition::create_variant(&experiment, &call.hosted.config, variant, &around, now)?;
    let reply = json(&change.variant)?;
    call.finish(write, change, now).await?;
    Ok(reply)
}

async fn surroundings(session: &mut Session, variant: &Variant) -> Result<Surroundings, StorageError> {
    Ok(Surroundings {
        exists: session
            .text(Table::Variant, variant.variant_id.as_str())
            .await?
            .is_some(),
        idea_exists: match &variant.idea_id {
            Some(idea) => session.text(Table::Idea, idea.as_str()).await?.is_some(),
            None => false,
        },
        branch_taken: match &variant.branch {
            Some(branch) => session.has_branch(branch).await?,
            None => false,
        },
    })
}

async fn variant(session: &mut Session, id: &str) -> Result<Variant, Fault> {
    let variant = session.get(Table::Variant, id).await?;
    Ok(variant.ok_or_else(|| Refusal::unknown("variant", id))?)
}

#[handler]
pub(super) async fn declare_evaluation_error(Path((_, id)): Ids, call: Call) -> Result<Response, Fault> {
    call.worker()?;
    let mut write = call.write().await?;
    let variant = variant(&mut write, &id).await?;
    let now = call.now();
    let change = transition::declare_evaluation_error(variant, now)?;
    call.finish(write, change, now).await?;
    Ok(empty(StatusCode::NO_CONTENT))
}

#[handler]
pub(super) async fn integrate(
    Path((_, id)): Ids,
    Body(request): Body<IntegrateRequest>,
    call: Call,
) -> Result<Response, Fault> {
    call.worker()?;
    let mut write = call.write().await?;
    call.require(&mut write, &[ORCHESTRATORS]).await?;
    let variant = variant(&mut write, &id).await?;
    let change = transition::integrate(variant, request.variant_commit_sha)?;
    call.finish(write, change, call.now()).await?;
    Ok(empty(StatusCode::OK))
}
