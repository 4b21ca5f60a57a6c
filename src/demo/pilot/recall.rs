//! How a driver knows how things stand: one list when it opens, the log from there on.

use super::ledger::{Candidate, number};
use super::{DemoError, Driver};
use crate::client::ExperimentClient;
use crate::protocol::{CommitSha, Event, Subject, Variant, VariantId, VariantStatus};

/// Events read at once.
const BATCH: u64 = 500;

impl Driver {
    /// Lists the variants once and keeps what matters of them.
    pub(super) async fn recall(&mut self) -> Result<(), DemoError> {
        let client = self.crew.orchestrator.client.clone();
        let mut listed = client.variants().await?;
        // A server that does not say is asked for its whole log once more; noting twice does no harm but
        // to the counts, which then end the experiment early rather than late.
        self.ledger.cursor = listed.cursor.unwrap_or(0);
        listed.items.sort_by_key(|variant| variant.completed_at);
        for variant in &listed.items {
            self.ledger.open_with(variant, &self.plan.termination);
        }
        let mut measured: Vec<&Variant> = listed.items.iter().filter(|v| self.score(v).is_some()).collect();
        let direction = self.plan.direction;
        measured.sort_by(|a, b| match (self.score(a), self.score(b)) {
            (Some(a), Some(b)) if direction.better(a, b) => std::cmp::Ordering::Less,
            (Some(a), Some(b)) if direction.better(b, a) => std::cmp::Ordering::Greater,
            _ => std::cmp::Ordering::Equal,
        });
        let best: Vec<Variant> = measured.into_iter().take(64).cloned().collect();
        for variant in &best {
            self.consider(variant).await?;
        }
        if !self.plan.baseline.enabled {
            self.consider_seed().await?;
        }
        Ok(())
    }

    /// Reads what the log says since the last time.
    pub(super) async fn catch_up(&mut self, client: &ExperimentClient) -> Result<(), DemoError> {
        loop {
            let batch = client.events(self.ledger.cursor, Some(BATCH)).await?;
            if batch.events.is_empty() {
                return Ok(());
            }
            for event in &batch.events {
                self.note(client, event).await?;
            }
            self.ledger.cursor = batch.cursor;
        }
    }

    async fn note(&mut self, client: &ExperimentClient, event: &Event) -> Result<(), DemoError> {
        match event.kind.as_str() {
            "variant.started" => self.ledger.started(event.data_str("kind") == Some("baseline")),
            "variant.succeeded" | "variant.integrated" => {
                if let Some(id) = variant_of(event) {
                    let variant = client.variant(&id).await?;
                    match &variant.variant_commit_sha {
                        Some(commit) => {
                            if event.kind == "variant.succeeded" {
                                // Integrated since; that event follows.
                                self.ledger.succeeded(&variant, &self.plan.termination);
                            } else {
                                self.ledger.integrated(&variant, &self.plan.termination);
                            }
                            self.elite.integrated(&id, commit);
                        }
                        None => self.ledger.succeeded(&variant, &self.plan.termination),
                    }
                    self.consider(&variant).await?;
                }
            }
            "experiment.dispatch_mode_changed" => self.mode = client.dispatch_mode().await?,
            "experiment.terminated" => self.terminated = true,
            _ => {}
        }
        Ok(())
    }

    fn score(&self, variant: &Variant) -> Option<f64> {
        let measured = variant.status == VariantStatus::Success;
        number(variant.evaluation.as_ref(), &self.plan.metric).filter(|_| measured)
    }

    /// Keeps a variant to breed from, if it is good enough.
    async fn consider(&mut self, variant: &Variant) -> Result<(), DemoError> {
        let commit = variant.variant_commit_sha.as_ref().or(variant.commit_sha.as_ref());
        let (Some(score), Some(commit)) = (self.score(variant), commit.cloned()) else {
            return Ok(());
        };
        if self.elite.wants(score) {
            let file = self.plan.problem.file();
            let wanted = commit.clone();
            // A commit that is not here, or holds no genome, is somebody else's way of doing things.
            if let Ok(genome) = self.git(move |repo| repo.read(&wanted, file)).await? {
                self.elite.offer(Candidate {
                    variant: variant.variant_id.clone(),
                    commit,
                    score,
                    genome,
                });
            }
        }
        Ok(())
    }

    /// Without a baseline variant the seed still has to be where the search begins.
    async fn consider_seed(&mut self) -> Result<(), DemoError> {
        use crate::demo::problem::Measured;
        let genome = self.plan.problem.initial();
        if let Ok(Measured::Valid(found)) = self.plan.problem.measure(&genome)
            && let Some(score) = number(Some(&found), &self.plan.metric)
        {
            self.elite.offer(Candidate {
                variant: super::named(super::names::baseline(&self.experiment))?,
                commit: self.seed.clone(),
                score,
                genome,
            });
        }
        Ok(())
    }

    /// The genomes of some commits.
    pub(super) async fn genomes(&self, commits: &[CommitSha]) -> Result<Option<Vec<String>>, DemoError> {
        let (file, commits) = (self.plan.problem.file(), commits.to_vec());
        let read = self
            .git(move |repo| commits.iter().map(|commit| repo.read(commit, file)).collect())
            .await?;
        Ok(read.ok())
    }
}

fn variant_of(event: &Event) -> Option<VariantId> {
    event.subjects().into_iter().find_map(|subject| match subject {
        Subject::Variant(id) => Some(id),
        _ => None,
    })
}
