//! Variants and their integration (`ch07 §4`, `§5`).

use poem::http::StatusCode;
use poem::web::Path;
use poem::{Response, handler};
use serde::Deserialize;
use serde_json::Value;

use super::{Body, ExperimentCall, IfNoneMatch, Params, Reply, find, from_body, json};
use crate::embedded::groups::ORCHESTRATORS;
use crate::embedded::storage::{Session, StorageResult, Table};
use crate::embedded::transition::{self, VariantReferences};
use crate::protocol::*;

type Ids = Path<(String, String)>;

#[derive(Deserialize)]
struct ListParams {
    status: Option<String>,
}

#[handler]
pub(super) async fn list(Params(params): Params<ListParams>, known: IfNoneMatch, call: ExperimentCall) -> Reply {
    call.list(&known, Table::Variant, vec![("status", params.status)]).await
}

#[handler]
pub(super) async fn read(Path((_, id)): Ids, call: ExperimentCall) -> Reply {
    call.entity(Table::Variant, &id).await
}

/// Only an orchestrator may create a baseline, so authority is checked before the schema.
#[handler]
pub(super) async fn create(Body(body): Body<Value>, call: ExperimentCall) -> Reply {
    call.worker()?;
    let mut write = call.write().await?;
    if body.get("kind").and_then(Value::as_str) == Some("baseline") {
        call.require_member(&mut write, &[ORCHESTRATORS]).await?;
    }
    let variant: Variant = from_body(body)?;
    let found = references(&mut write, &variant).await?;
    let experiment = write.experiment().await?;
    let now = call.now();
    let change = transition::create_variant(&experiment, &call.hosted.config, variant, &found, now)?;
    let reply = json(&change.variant)?;
    call.apply(write, change, now).await?;
    Ok(reply)
}

async fn references(session: &mut Session, variant: &Variant) -> StorageResult<VariantReferences> {
    Ok(VariantReferences {
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

#[handler]
pub(super) async fn declare_evaluation_error(Path((_, id)): Ids, call: ExperimentCall) -> Reply {
    call.worker()?;
    let mut write = call.write().await?;
    let variant = find(&mut write, Table::Variant, &id).await?;
    let now = call.now();
    let change = transition::declare_evaluation_error(variant, now)?;
    call.finish(write, change, now).await
}

#[handler]
pub(super) async fn integrate(
    Path((_, id)): Ids,
    Body(request): Body<IntegrateRequest>,
    call: ExperimentCall,
) -> Reply {
    let mut write = call.write_as_member(&[ORCHESTRATORS]).await?;
    let variant = find(&mut write, Table::Variant, &id).await?;
    let change = transition::integrate(variant, request.variant_commit_sha)?;
    call.apply(write, change, call.now()).await?;
    // 200 with an empty body, as the wire has it (`ch07 §5`).
    Ok(Response::builder().status(StatusCode::OK).body(()))
}
