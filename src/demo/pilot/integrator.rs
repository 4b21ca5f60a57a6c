//! The integrator: one squash commit on `variant/*` for each variant that succeeded (`ch06 §3.4`).

use serde_json::json;
use tracing::warn;

use super::driver::Driver;
use super::ids;
use crate::demo::error::DemoError;
use crate::demo::repo::{Change, RepoError};
use crate::protocol::{DecisionMode, Variant, VariantId, VariantStatus};

impl Driver {
    /// Whether nothing is left to integrate, or a person decides about it.
    pub(super) fn is_integrated(&self) -> bool {
        self.progress.unintegrated.is_empty() || self.mode.integration == DecisionMode::Manual
    }

    /// Decision 4. It goes on after termination until nothing is left.
    pub(super) async fn integrate(&mut self) -> Result<(), DemoError> {
        if self.mode.integration == DecisionMode::Manual {
            return Ok(());
        }
        for id in self.progress.unintegrated.clone() {
            if self.integrate_variant(&id).await? {
                self.progress.unintegrated.remove(&id);
            }
        }
        Ok(())
    }

    /// Returns whether the variant is dealt with, one way or the other; it is tried again only if the log says so.
    async fn integrate_variant(&mut self, id: &VariantId) -> Result<bool, DemoError> {
        let client = self.client();
        // An earlier attempt may have succeeded without an answer.
        let variant = client.variant(id).await?;
        let (Some(commit), None, VariantStatus::Success) =
            (&variant.commit_sha, &variant.variant_commit_sha, variant.status)
        else {
            return Ok(true);
        };
        let Some(idea) = &variant.idea_id else {
            return Ok(false);
        };
        let slug = client.idea(idea).await?.slug;
        let branch = ids::branch("variant", id, &slug);
        let worker = commit.clone();
        let change = Change {
            branch: branch.clone(),
            parents: variant.parent_commits.clone(),
            file: format!(".eden/variants/{id}/evaluation.json"),
            text: format!("{:#}\n", manifest(&variant)),
            message: format!("variant: {id} {slug}\n"),
            author: "integrator".into(),
            // The variant's own time, so that a repeated squash is the same commit.
            at: variant.completed_at.unwrap_or(variant.started_at),
        };
        let squashed = match self.git(move |repo| repo.squash(&worker, &change)).await? {
            Ok(squashed) => squashed,
            Err(fault @ RepoError::Integration { .. }) => {
                warn!(experiment.id = %self.experiment, variant.id = %id, "{fault}; it is left for the operator");
                return Ok(true);
            }
            Err(fault) => return Err(fault.into()),
        };
        let recorded = client.integrate(id, &squashed).await;
        let is_refused = matches!(&recorded, Err(fault) if fault.error_type().is_some() && !fault.is_unreachable());
        if is_refused && client.variant(id).await?.variant_commit_sha != Some(squashed) {
            // The refusal is final, and a branch must not hold what no variant names.
            self.git(move |repo| repo.remove_branch(&branch)).await??;
        }
        Ok(self.act(async { recorded }).await?.is_some() || is_refused)
    }
}

/// What the squash commit says of its variant (`ch06 §3.4`).
fn manifest(variant: &Variant) -> serde_json::Value {
    let mut manifest = json!({
        "variant_id": variant.variant_id,
        "idea_id": variant.idea_id,
        "commit_sha": variant.commit_sha,
        "parent_commits": variant.parent_commits,
        "evaluation": variant.evaluation,
        "completed_at": variant.completed_at,
    });
    if let Some(evaluator) = &variant.evaluated_by {
        manifest["evaluator"] = json!({ "name": evaluator, "version": env!("CARGO_PKG_VERSION") });
    }
    if let Some(description) = &variant.description {
        manifest["description"] = json!(description);
    }
    if let Some(uri) = &variant.artifacts_uri {
        manifest["artifacts_uri"] = json!(uri);
    }
    manifest
}
