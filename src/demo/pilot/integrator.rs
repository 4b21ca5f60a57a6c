//! The integrator: one squash commit on `variant/*` for each variant that succeeded (`ch06 §3.4`).

use serde_json::json;
use tracing::warn;

use super::{Driver, names};
use crate::demo::DemoError;
use crate::demo::credentials::Member;
use crate::demo::repo::{Author, Change, RepoError};
use crate::protocol::{CommitSha, DecisionMode, Variant, VariantId, VariantStatus};

impl Driver {
    /// Whether nothing is left to integrate, or it is not for the pilot to do.
    pub(super) fn is_integrated(&self) -> bool {
        self.ledger.unintegrated.is_empty() || self.mode.integration == DecisionMode::Manual
    }

    /// Decision 4. Goes on after termination until nothing is left.
    pub(super) async fn integrate(&mut self, member: &Member) -> Result<(), DemoError> {
        if self.mode.integration == DecisionMode::Manual {
            return Ok(());
        }
        for id in self.ledger.unintegrated.clone() {
            self.integrate_one(member, &id).await?;
        }
        Ok(())
    }

    async fn integrate_one(&mut self, member: &Member, id: &VariantId) -> Result<(), DemoError> {
        // Read first: an earlier attempt may have landed without our hearing of it.
        let variant = member.client.variant(id).await?;
        let (Some(commit), None) = (&variant.commit_sha, &variant.variant_commit_sha) else {
            self.ledger.unintegrated.remove(id);
            return Ok(());
        };
        if variant.status != VariantStatus::Success {
            self.ledger.unintegrated.remove(id);
            return Ok(());
        }
        let slug = match &variant.idea_id {
            Some(idea) => member.client.idea(idea).await?.slug,
            None => return Ok(()),
        };
        let branch = names::branch("variant", id, &slug);
        let squashed = match self.squash(&variant, commit.clone(), &slug, &branch).await? {
            Ok(squashed) => squashed,
            Err(fault @ RepoError::Integration { .. }) => {
                warn!(experiment.id = %self.experiment, variant.id = %id, "{fault}; it is left for the operator");
                self.ledger.unintegrated.remove(id);
                return Ok(());
            }
            Err(fault) => return Err(fault.into()),
        };
        let recorded = member.client.integrate(id, &squashed).await;
        let refused = matches!(&recorded, Err(fault) if fault.error_type().is_some() && !fault.is_unreachable());
        if refused && member.client.variant(id).await?.variant_commit_sha != Some(squashed) {
            // Definite: what the record does not name must not stand on a branch either.
            self.git(move |repo| repo.remove_branch(&branch)).await??;
        }
        // Whatever the answer, it is not asked again before the log says otherwise.
        if self.act(recorded).await?.is_some() || refused {
            self.ledger.unintegrated.remove(id);
        }
        Ok(())
    }

    async fn squash(
        &self,
        variant: &Variant,
        worker: CommitSha,
        slug: &str,
        branch: &str,
    ) -> Result<Result<CommitSha, RepoError>, DemoError> {
        let id = variant.variant_id.as_str();
        let evaluator = variant.evaluated_by.as_ref().map(ToString::to_string);
        let mut manifest = json!({
            "variant_id": id,
            "idea_id": variant.idea_id,
            "commit_sha": worker,
            "parent_commits": variant.parent_commits,
            "evaluation": variant.evaluation,
            "completed_at": variant.completed_at,
        });
        if let Some(name) = evaluator {
            manifest["evaluator"] = json!({ "name": name, "version": env!("CARGO_PKG_VERSION") });
        }
        if let Some(description) = &variant.description {
            manifest["description"] = json!(description);
        }
        if let Some(uri) = &variant.artifacts_uri {
            manifest["artifacts_uri"] = json!(uri);
        }
        let text = format!("{manifest:#}\n");
        let file = format!(".eden/variants/{id}/evaluation.json");
        let message = format!("variant: {id} {slug}\n");
        let branch = branch.to_owned();
        let parents = variant.parent_commits.clone();
        // Dated by the record, so that a repeated squash is the same commit.
        let at = variant.completed_at.unwrap_or(variant.started_at);
        self.git(move |repo| {
            let change = Change {
                branch: &branch,
                parents: &parents,
                file: &file,
                text: &text,
                message: &message,
                author: Author { name: "integrator", at },
            };
            repo.squash(&worker, &change)
        })
        .await
    }
}
