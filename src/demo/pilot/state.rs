//! How a driver knows the state of its experiment: it lists the variants once, and reads the log from there on.

use std::cmp::Ordering;

use super::driver::Driver;
use super::elite::Candidate;
use super::ids;
use crate::demo::error::DemoError;
use crate::demo::problem::Measured;
use crate::protocol::{Baseline, Event, Subject, Variant, VariantId, VariantStatus};

/// Events read at once.
const BATCH: u64 = 500;
/// How many of the best variants are read as candidates at the start. Some may have no genome.
const CANDIDATES: usize = 64;

impl Driver {
    /// Lists the variants once and keeps what matters of them.
    pub(super) async fn load_state(&mut self) -> Result<(), DemoError> {
        let mut listed = self.client().variants().await?;
        // A server without cursors has its whole log read. Variants are then counted twice, which ends an experiment
        // too early rather than too late.
        self.progress.cursor = listed.cursor.unwrap_or(0);
        listed.items.sort_by_key(|variant| variant.completed_at);
        for variant in &listed.items {
            self.progress.add_listed(variant);
        }
        let mut measured: Vec<(f64, &Variant)> = listed
            .items
            .iter()
            .filter_map(|variant| Some((self.score(variant)?, variant)))
            .collect();
        let direction = self.plan.direction;
        measured.sort_by(
            |(a, _), (b, _)| match (direction.better(*a, *b), direction.better(*b, *a)) {
                (true, _) => Ordering::Less,
                (_, true) => Ordering::Greater,
                _ => Ordering::Equal,
            },
        );
        for (_, variant) in measured.into_iter().take(CANDIDATES) {
            self.consider(variant).await?;
        }
        if self.plan.baseline == Baseline::Off {
            self.consider_seed()?;
        }
        Ok(())
    }

    /// Applies the events since the last time.
    pub(super) async fn read_events(&mut self) -> Result<(), DemoError> {
        loop {
            let batch = self.client().events(self.progress.cursor, Some(BATCH)).await?;
            if batch.events.is_empty() {
                return Ok(());
            }
            for event in &batch.events {
                self.apply_event(event).await?;
            }
            self.progress.cursor = batch.cursor;
        }
    }

    async fn apply_event(&mut self, event: &Event) -> Result<(), DemoError> {
        match event.kind.as_str() {
            "variant.started" => self.progress.started(event.data_str("kind") == Some("baseline")),
            "variant.succeeded" | "variant.integrated" => {
                if let Some(id) = variant_of(event) {
                    self.apply_variant(&event.kind, &id).await?;
                }
            }
            "experiment.dispatch_mode_changed" => self.mode = self.client().dispatch_mode().await?,
            "experiment.terminated" => self.terminated = true,
            _ => {}
        }
        Ok(())
    }

    /// The variant may have changed since the event. If it is integrated by now, an event about that follows.
    async fn apply_variant(&mut self, event: &str, id: &VariantId) -> Result<(), DemoError> {
        let variant = self.client().variant(id).await?;
        match &variant.variant_commit_sha {
            Some(_) if event == "variant.integrated" => self.progress.integrated(&variant),
            _ => self.progress.succeeded(&variant),
        }
        if let Some(commit) = &variant.variant_commit_sha {
            self.elite.integrated(id, commit);
        }
        self.consider(&variant).await
    }

    fn score(&self, variant: &Variant) -> Option<f64> {
        let is_measured = variant.status == VariantStatus::Success;
        self.plan.score(variant.evaluation.as_ref()).filter(|_| is_measured)
    }

    /// Keeps a variant to breed from, if it is good enough.
    async fn consider(&mut self, variant: &Variant) -> Result<(), DemoError> {
        let commit = variant.variant_commit_sha.as_ref().or(variant.commit_sha.as_ref());
        let (Some(score), Some(commit)) = (self.score(variant), commit) else {
            return Ok(());
        };
        if !self.elite.wants(score) {
            return Ok(());
        }
        // Other clients may make variants whose commit is not here, or has no genome.
        let genomes = self.genomes(std::slice::from_ref(commit)).await?;
        if let Some(genome) = genomes.and_then(|mut genomes| genomes.pop()) {
            self.elite.offer(Candidate {
                variant: variant.variant_id.clone(),
                commit: commit.clone(),
                score,
                genome,
            });
        }
        Ok(())
    }

    /// Without a baseline variant the search still starts from the seed.
    fn consider_seed(&mut self) -> Result<(), DemoError> {
        let genome = self.plan.problem.initial();
        if let Ok(Measured::Valid(found)) = self.plan.problem.measure(&genome)
            && let Some(score) = self.plan.score(Some(&found))
        {
            self.elite.offer(Candidate {
                variant: ids::baseline(&self.experiment)?,
                commit: self.seed.clone(),
                score,
                genome,
            });
        }
        Ok(())
    }
}

fn variant_of(event: &Event) -> Option<VariantId> {
    event.subjects().into_iter().find_map(|subject| match subject {
        Subject::Variant(id) => Some(id),
        _ => None,
    })
}
