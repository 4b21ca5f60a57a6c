//! Ideas (`ch07 §3`).

use poem::http::StatusCode;
use poem::web::Path;
use poem::{Response, handler};
use serde::Deserialize;
use serde_json::Value;

use super::super::storage::Table;
use super::super::transition::{self, Refusal};
use super::extract::{Body, Call, Params, shaped};
use super::problem::{Fault, empty, json, json_text};
use super::validator::Known;
use crate::protocol::*;

#[derive(Deserialize)]
struct Filter {
    state: Option<String>,
}

#[handler]
pub(super) async fn list(Params(filter): Params<Filter>, known: Known, call: Call) -> Result<Response, Fault> {
    call.list(&known, Table::Idea, vec![("state", filter.state)]).await
}

#[handler]
pub(super) async fn read(Path((_, id)): Path<(String, String)>, call: Call) -> Result<Response, Fault> {
    let text = call.read().await?.text(Table::Idea, &id).await?;
    Ok(json_text(text.ok_or_else(|| Refusal::unknown("idea", id))?))
}

#[handler]
pub(super) async fn create(Body(body): Body<Value>, call: Call) -> Result<Response, Fault> {
    let by = call.worker()?;
    let idea: Idea = shaped(body)?;
    let mut write = call.write().await?;
    let exists = write.text(Table::Idea, idea.idea_id.as_str()).await?.is_some();
    let warnings = match write.has_slug(&idea.slug).await? {
        true => vec![format!("another idea has the slug {}", idea.slug)],
        false => Vec::new(),
    };
    let experiment = write.experiment().await?;
    let change = transition::create_idea(&experiment, by, idea, exists)?;
    let mut reply = change.idea.clone();
    if let (Some(idea), false) = (&mut reply, warnings.is_empty()) {
        // For its author and not kept (`ch07 §3`), in the place of what the author may have put there.
        idea.extra.insert("warnings".to_owned(), warnings.into());
    }
    let reply = json(&reply)?;
    call.finish(write, change, call.now()).await?;
    Ok(reply)
}

#[handler]
pub(super) async fn mark_ready(Path((_, id)): Path<(String, String)>, call: Call) -> Result<Response, Fault> {
    call.worker()?;
    let mut write = call.write().await?;
    let idea = write.get(Table::Idea, &id).await?;
    let change = transition::mark_ready(idea.ok_or_else(|| Refusal::unknown("idea", id))?)?;
    call.finish(write, change, call.now()).await?;
    Ok(empty(StatusCode::NO_CONTENT))
}
