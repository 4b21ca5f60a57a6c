//! Routes outside `/v0/` that EDEN's reference clients call: whether a submission may be accepted, whether an
//! evaluation is valid, and the files of a shared directory.

use std::io;
use std::path::{Component, Path, PathBuf};

use poem::http::header;
use poem::web::Path as Ids;
use poem::{Response, handler};
use serde::{Deserialize, Serialize};

use super::calls::HeaderlessCall;
use super::error::ReferenceError;
use super::tasks::stored_references;
use super::{Body, ExperimentCall, HttpResult, Reply, find, json, no_content};
use crate::embedded::ProtocolError;
use crate::embedded::storage::Table;
use crate::embedded::transition::{self, TerminalDecision};
use crate::protocol::*;

/// The most bytes of a file that is served.
const MAX_FILE: u64 = 1024 * 1024;

#[derive(Serialize)]
struct DecisionReply {
    decision: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

/// What an orchestrator should do with a submission. It is only advice.
#[handler]
pub(super) async fn validate_terminal(Ids((_, id)): Ids<(String, String)>, call: ExperimentCall) -> Reply {
    let mut session = call.read().await?;
    let task: Task = find(&mut session, Table::Task, &id).await?;
    let found = stored_references(&mut session, &task).await?;
    let (decision, reason) = match transition::terminal_decision(task, found, &call.hosted.config, call.now()) {
        TerminalDecision::Accept => ("accept", None),
        TerminalDecision::WorkerError => ("reject_worker", None),
        TerminalDecision::ValidationError(reason) => ("reject_validation", Some(reason)),
    };
    json(&DecisionReply { decision, reason })
}

/// Metrics to check against the experiment's schema.
#[derive(Serialize, Deserialize)]
struct Metrics {
    evaluation: Evaluation,
}

#[handler]
pub(super) async fn validate_evaluation(Body(metrics): Body<Metrics>, call: ExperimentCall) -> Reply {
    match call.hosted.config.evaluation_fault(&metrics.evaluation) {
        None => Ok(no_content()),
        Some(fault) => Err(ProtocolError::invalid_precondition(fault).into()),
    }
}

/// A file in the experiment's directory, for commands that a worker host runs. They send no experiment header.
#[handler]
pub(super) async fn artifact(Ids((_, path)): Ids<(String, String)>, HeaderlessCall(call): HeaderlessCall) -> Reply {
    let Some(root) = &call.backend.artifacts_dir else {
        return Err(ReferenceError::ServingDisabled.into());
    };
    let bytes = read_within(&root.join(call.hosted.scope.experiment_id.as_str()), &path).await?;
    Ok(Response::builder()
        .content_type("application/octet-stream")
        .header(header::CONTENT_DISPOSITION, "attachment")
        .header(header::X_CONTENT_TYPE_OPTIONS, "nosniff")
        .body(bytes))
}

/// The bytes of a regular file below `root` that is reached without a symbolic link.
async fn read_within(root: &Path, path: &str) -> HttpResult<Vec<u8>> {
    let relative = PathBuf::from(path);
    let is_plain = |part: Component<'_>| matches!(part, Component::Normal(_));
    if path.is_empty() || path.contains('\0') || !relative.components().all(is_plain) {
        return Err(ReferenceError::InvalidPath(path.to_owned()).into());
    }
    let missing = |_: io::Error| ProtocolError::not_found("artifact", path);
    let root = tokio::fs::canonicalize(root).await.map_err(missing)?;
    let wanted = root.join(&relative);
    let real = tokio::fs::canonicalize(&wanted).await.map_err(missing)?;
    if real != wanted {
        return Err(ProtocolError::forbidden(format!("{path} leads through a link")).into());
    }
    let metadata = tokio::fs::metadata(&real).await.map_err(missing)?;
    if !metadata.is_file() {
        return Err(ProtocolError::not_found("artifact", path).into());
    }
    if metadata.len() > MAX_FILE {
        return Err(ReferenceError::TooLarge { limit: MAX_FILE }.into());
    }
    Ok(tokio::fs::read(&real).await.map_err(missing)?)
}

#[cfg(test)]
mod tests {
    use super::super::HttpError;
    use super::*;

    async fn read(root: &Path, path: &str) -> Result<Vec<u8>, String> {
        read_within(root, path).await.map_err(|error| match error {
            HttpError::Protocol(error) => error.kind.slug().to_owned(),
            HttpError::Reference(error) => error.slug().to_owned(),
            HttpError::Storage(error) => error.to_string(),
        })
    }

    #[tokio::test]
    async fn only_regular_files_below_the_root_are_read() -> Result<(), Box<dyn std::error::Error>> {
        let dir = tempfile::tempdir()?;
        let root = dir.path().join("root");
        std::fs::create_dir_all(root.join("logs"))?;
        std::fs::write(dir.path().join("secret"), "no")?;
        std::fs::write(root.join("logs/one.txt"), "yes")?;
        std::fs::write(root.join("large"), vec![0; 1024 * 1024 + 1])?;
        std::os::unix::fs::symlink(dir.path().join("secret"), root.join("link"))?;
        std::os::unix::fs::symlink(dir.path(), root.join("up"))?;
        assert_eq!(read(&root, "logs/one.txt").await, Ok(b"yes".to_vec()));
        for (path, kind) in [
            ("", "invalid-path"),
            ("../secret", "invalid-path"),
            ("logs/../../secret", "invalid-path"),
            ("/etc/passwd", "invalid-path"),
            ("logs\0", "invalid-path"),
            ("link", "forbidden"),
            ("up/secret", "forbidden"),
            ("logs", "not-found"),
            ("nothing", "not-found"),
            ("large", "artifact-too-large"),
        ] {
            assert_eq!(read(&root, path).await, Err(kind.to_owned()), "{path}");
        }
        Ok(())
    }
}
