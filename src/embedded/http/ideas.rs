//! Ideas (`ch07 §3`).

use poem::handler;
use poem::web::Path;
use serde::Deserialize;
use serde_json::Value;

use super::{Body, ExperimentCall, IfNoneMatch, Params, Reply, find, from_body, json};
use crate::embedded::storage::Table;
use crate::embedded::transition;
use crate::protocol::*;

type Ids = Path<(String, String)>;

#[derive(Deserialize)]
struct ListParams {
    state: Option<String>,
}

#[handler]
pub(super) async fn list(Params(params): Params<ListParams>, known: IfNoneMatch, call: ExperimentCall) -> Reply {
    call.list(&known, Table::Idea, vec![("state", params.state)]).await
}

#[handler]
pub(super) async fn read(Path((_, id)): Ids, call: ExperimentCall) -> Reply {
    call.entity(Table::Idea, &id).await
}

#[handler]
pub(super) async fn create(Body(body): Body<Value>, call: ExperimentCall) -> Reply {
    let by = call.worker()?;
    let idea: Idea = from_body(body)?;
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
        // Told to the author and not stored (`ch07 §3`). It replaces a member of that name that the author sent.
        idea.extra.insert("warnings".to_owned(), warnings.into());
    }
    let reply = json(&reply)?;
    call.apply(write, change, call.now()).await?;
    Ok(reply)
}

#[handler]
pub(super) async fn mark_ready(Path((_, id)): Ids, call: ExperimentCall) -> Reply {
    call.worker()?;
    let mut write = call.write().await?;
    let idea = find(&mut write, Table::Idea, &id).await?;
    let change = transition::mark_ready(idea)?;
    call.finish(write, change, call.now()).await
}
