//! Helpers outside `/v0/` that EDEN's reference clients call: whether a submission may be accepted, whether an
//! evaluation is good, and the files of a shared directory.

use std::io;
use std::path::{Component, Path, PathBuf};

use poem::http::{StatusCode, header};
use poem::web::Path as Ids;
use poem::{Response, handler};
use serde::{Deserialize, Serialize};

use super::super::transition::{self, Refusal, Verdict};
use super::extract::{Body, Call, HostedCall};
use super::problem::{Fault, ReferenceError, empty, json};
use super::tasks::{judged, task};
use crate::protocol::*;

/// The largest file that is served.
const LARGEST: u64 = 1024 * 1024;

#[derive(Serialize)]
struct Decision {
    decision: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

/// What an orchestrator should do with a submission. The decision binds nobody.
#[handler]
pub(super) async fn validate_terminal(Ids((_, id)): Ids<(String, String)>, call: Call) -> Result<Response, Fault> {
    let mut session = call.read().await?;
    let task = task(&mut session, &id).await?;
    let cited = judged(&mut session, &task).await?;
    let (decision, reason) = match transition::verdict(task, cited, &call.hosted.config, call.now()) {
        Verdict::Accept => ("accept", None),
        Verdict::WorkerError => ("reject_worker", None),
        Verdict::ValidationError(reason) => ("reject_validation", Some(reason)),
    };
    json(&Decision { decision, reason })
}

/// Metrics to be checked against the experiment's schema.
#[derive(Serialize, Deserialize)]
struct Metrics {
    evaluation: Evaluation,
}

#[handler]
pub(super) async fn validate_evaluation(Body(metrics): Body<Metrics>, call: Call) -> Result<Response, Fault> {
    match call.hosted.config.evaluation_fault(&metrics.evaluation) {
        None => Ok(empty(StatusCode::NO_CONTENT)),
        Some(fault) => Err(Refusal::new(ErrorType::InvalidPrecondition, fault).into()),
    }
}

/// A file of the experiment's directory, for commands that a worker host runs. They send no experiment header.
#[handler]
pub(super) async fn artifact(Ids((_, path)): Ids<(String, String)>, call: HostedCall) -> Result<Response, Fault> {
    let Some(root) = &call.inner.artifacts_dir else {
        return Err(ReferenceError::ServingDisabled.into());
    };
    let bytes = read_within(&root.join(call.hosted.scope.experiment_id.as_str()), &path).await?;
    Ok(Response::builder()
        .content_type("application/octet-stream")
        .header(header::CONTENT_DISPOSITION, "attachment")
        .header(header::X_CONTENT_TYPE_OPTIONS, "nosniff")
        .body(bytes))
}

/// The bytes of a plain file below `root`, reached through no link.
async fn read_within(root: &Path, path: &str) -> Result<Vec<u8>, Fault> {
    let relative = PathBuf::from(path);
    let plain = |part: Component<'_>| matches!(part, Component::Normal(_));
    if path.is_empty() || path.contains('\0') || !relative.components().all(plain) {
        return Err(ReferenceError::InvalidPath(path.to_owned()).into());
    }
    let missing = |_: io::Error| Refusal::unknown("artifact", path);
    let root = tokio::fs::canonicalize(root).await.map_err(missing)?;
    let wanted = root.join(&relative);
    let real = tokio::fs::canonicalize(&wanted).await.map_err(missing)?;
    if real != wanted {
        let detail = format!("{path} leads through a link");
        return Err(Refusal::new(ErrorType::Forbidden, detail).into());
    }
    let about = tokio::fs::metadata(&real).await.map_err(missing)?;
    if !about.is_file() {
        return Err(Refusal::unknown("artifact", path).into());
    }
    if about.len() > LARGEST {
        return Err(ReferenceError::TooLarge { limit: LARGEST }.into());
    }
    Ok(tokio::fs::read(&real).await.map_err(missing)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn outcome(root: &Path, path: &str) -> Result<Vec<u8>, String> {
        read_within(root, path).await.map_err(|fault| match fault {
            Fault::Refused(refusal) => refusal.kind.slug().to_owned(),
            Fault::Reference(error) => error.slug().to_owned(),
            Fault::Storage(error) => error.to_string(),
        })
    }

    #[tokio::test]
    async fn only_plain_files_below_the_root_are_read() -> Result<(), Box<dyn std::error::Error>> {
        let dir = tempfile::tempdir()?;
        let root = dir.path().join("root");
        std::fs::create_dir_all(root.join("logs"))?;
        std::fs::write(dir.path().join("secret"), "no")?;
        std::fs::write(root.join("logs/one.txt"), "yes")?;
        std::fs::write(root.join("large"), vec![0; 1024 * 1024 + 1])?;
        std::os::unix::fs::symlink(dir.path().join("secret"), root.join("link"))?;
        std::os::unix::fs::symlink(dir.path(), root.join("up"))?;
        assert_eq!(outcome(&root, "logs/one.txt").await, Ok(b"yes".to_vec()));
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
            assert_eq!(outcome(&root, path).await, Err(kind.to_owned()), "{path}");
        }
        Ok(())
    }
}
