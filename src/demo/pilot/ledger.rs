//! What the orchestrator remembers between rounds: counts and the best few, never whole lists.

use std::collections::BTreeSet;

use super::plan::TerminationPolicy;
use crate::protocol::{CommitSha, Direction, Evaluation, Timestamp, Variant, VariantId, VariantStatus};

/// A measured variant to breed from.
#[derive(Debug, Clone)]
pub(super) struct Candidate {
    pub variant: VariantId,
    /// Where children start: the squash commit once there is one.
    pub commit: CommitSha,
    pub score: f64,
    pub genome: String,
}

/// How many candidates are kept to breed from.
const KEPT: usize = 12;

/// The best candidates, best first, no two of the same score.
#[derive(Debug)]
pub(super) struct Elite {
    direction: Direction,
    kept: Vec<Candidate>,
}

impl Elite {
    pub(super) fn new(direction: Direction) -> Self {
        Self {
            direction,
            kept: Vec::new(),
        }
    }

    pub(super) fn best_first(&self) -> &[Candidate] {
        &self.kept
    }

    /// Whether a candidate of that score would be kept, so that its genome is worth reading.
    pub(super) fn wants(&self, score: f64) -> bool {
        let new = self.kept.iter().all(|kept| kept.score != score);
        let room = self.kept.len() < KEPT;
        new && (room
            || self
                .kept
                .last()
                .is_some_and(|last| self.direction.better(score, last.score)))
    }

    pub(super) fn offer(&mut self, candidate: Candidate) {
        if self.wants(candidate.score) {
            let at = self
                .kept
                .partition_point(|kept| self.direction.better(kept.score, candidate.score));
            self.kept.insert(at, candidate);
            self.kept.truncate(KEPT);
        }
    }

    pub(super) fn integrated(&mut self, variant: &VariantId, commit: &CommitSha) {
        if let Some(kept) = self.kept.iter_mut().find(|kept| kept.variant == *variant) {
            kept.commit = commit.clone();
        }
    }
}

/// Counts that policies decide by, and the integrator's queue.
#[derive(Debug)]
pub(super) struct Ledger {
    /// The log is consumed up to here.
    pub cursor: u64,
    /// Variants begun, the baseline apart.
    pub attempted: u64,
    /// The number of the next ideation task; all before it are taken.
    pub next_task: u64,
    pub has_baseline: bool,
    /// Succeeded and not integrated yet.
    pub unintegrated: BTreeSet<VariantId>,
    pub created_at: Timestamp,
    target_reached: bool,
    /// Of the metric that a convergence window watches.
    best_watched: Option<f64>,
    since_better: u64,
}

impl Ledger {
    pub(super) fn new(created_at: Timestamp) -> Self {
        Self {
            cursor: 0,
            attempted: 0,
            next_task: 1,
            has_baseline: false,
            unintegrated: BTreeSet::new(),
            created_at,
            target_reached: false,
            best_watched: None,
            since_better: 0,
        }
    }

    /// Takes note of a variant as it stands when the ledger is opened.
    pub(super) fn open_with(&mut self, variant: &Variant, policy: &TerminationPolicy) {
        self.started(variant.is_baseline());
        if let Some(number) = task_number(variant.variant_id.as_str()) {
            self.next_task = self.next_task.max(number + 1);
        }
        if variant.status == VariantStatus::Success {
            self.succeeded(variant, policy);
        }
        if variant.variant_commit_sha.is_some() {
            self.integrated(variant, policy);
        }
    }

    pub(super) fn started(&mut self, baseline: bool) {
        if baseline {
            self.has_baseline = true;
        } else {
            self.attempted += 1;
        }
    }

    pub(super) fn succeeded(&mut self, variant: &Variant, policy: &TerminationPolicy) {
        if !variant.is_baseline() {
            self.unintegrated.insert(variant.variant_id.clone());
        }
        if let TerminationPolicy::TargetCondition {
            metric,
            threshold,
            direction,
        } = policy
        {
            let value = number(variant.evaluation.as_ref(), metric);
            self.target_reached |= value.is_some_and(|v| v == *threshold || direction.better(v, *threshold));
        }
    }

    pub(super) fn integrated(&mut self, variant: &Variant, policy: &TerminationPolicy) {
        self.unintegrated.remove(&variant.variant_id);
        if let TerminationPolicy::ConvergenceWindow { metric, direction, .. } = policy {
            let value = number(variant.evaluation.as_ref(), metric);
            match (value, self.best_watched) {
                (Some(value), Some(best)) if !direction.better(value, best) => self.since_better += 1,
                (Some(value), _) => {
                    self.best_watched = Some(value);
                    self.since_better = 0;
                }
                (None, _) => self.since_better += 1,
            }
        }
    }

    /// Why the experiment should end now, if it should (`ch03 §6.1`).
    pub(super) fn verdict(&self, policy: &TerminationPolicy, now: Timestamp) -> Option<String> {
        match policy {
            TerminationPolicy::NeverTerminate => None,
            TerminationPolicy::MaxVariants { target } => {
                (self.attempted >= *target).then(|| format!("max_variants: {} variants attempted", self.attempted))
            }
            TerminationPolicy::MaxWallTime { duration } => {
                let limit = duration.parse::<jiff::SignedDuration>().ok()?;
                let age = now.instant().duration_since(self.created_at.instant());
                (age >= limit).then(|| format!("max_wall_time: {duration} have passed"))
            }
            TerminationPolicy::ConvergenceWindow { metric, window, .. } => (self.since_better >= *window)
                .then(|| format!("convergence_window: {window} integrated variants brought no better {metric}")),
            TerminationPolicy::TargetCondition { metric, threshold, .. } => self
                .target_reached
                .then(|| format!("target_condition: {metric} reached {threshold}")),
        }
    }
}

/// A number among the metrics.
pub(super) fn number(evaluation: Option<&Evaluation>, metric: &str) -> Option<f64> {
    evaluation?.get(metric)?.as_f64()
}

/// The number of the ideation task that a variant's id comes from; see [`super::names`].
fn task_number(variant: &str) -> Option<u64> {
    let digits = variant.strip_prefix("v-")?.split('-').nth(1)?;
    digits.trim_end_matches(|c: char| c.is_ascii_lowercase()).parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(name: &str, score: f64) -> Candidate {
        Candidate {
            variant: name.parse().expect("an id"),
            commit: "0".repeat(40).parse().expect("a commit"),
            score,
            genome: String::new(),
        }
    }

    fn variant(id: &str, score: f64) -> Variant {
        serde_json::from_value(serde_json::json!({
            "variant_id": id, "experiment_id": "exp_00000000000000000000000000", "status": "success",
            "idea_id": "i", "parent_commits": ["0".repeat(40)], "started_at": "2026-01-01T00:00:00.000Z",
            "evaluation": {"score": score},
        }))
        .expect("a variant")
    }

    #[test]
    fn the_elite_is_bounded_ordered_and_without_twins() {
        let mut elite = Elite::new(Direction::Minimize);
        for n in (0..40).rev() {
            elite.offer(candidate(&n.to_string(), f64::from(n % 20)));
        }
        let scores: Vec<f64> = elite.best_first().iter().map(|kept| kept.score).collect();
        assert_eq!(scores, (0..12).map(f64::from).collect::<Vec<_>>());
        assert!(!elite.wants(11.0) && !elite.wants(11.5) && elite.wants(10.5));
    }

    #[test]
    fn each_policy_ends_when_its_condition_holds() {
        let start: Timestamp = "2026-01-01T00:00:00.000Z".parse().expect("an instant");
        let later: Timestamp = "2026-01-01T00:10:00.000Z".parse().expect("an instant");
        let policy = |text: &str| -> TerminationPolicy { crate::protocol::from_yaml(text).expect("a policy") };
        let verdict = |policy: &TerminationPolicy, scores: &[f64]| {
            let mut ledger = Ledger::new(start);
            for (n, score) in scores.iter().enumerate() {
                let mut variant = variant(&format!("v-abc-{n}a"), *score);
                variant.variant_commit_sha = variant.parent_commits.first().cloned();
                ledger.open_with(&variant, policy);
            }
            ledger.verdict(policy, later).is_some()
        };
        let max = policy("{kind: max_variants, target: 2}");
        assert!(!verdict(&max, &[1.0]) && verdict(&max, &[1.0, 1.0]));
        let target = policy("{kind: target_condition, metric: score, threshold: 2}");
        assert!(!verdict(&target, &[1.9]) && verdict(&target, &[2.0]));
        let window = policy("{kind: convergence_window, metric: score, window: 2}");
        assert!(!verdict(&window, &[1.0, 1.0, 3.0, 2.0]) && verdict(&window, &[1.0, 3.0, 2.0, 3.0]));
        assert!(verdict(&policy("{kind: max_wall_time, duration: PT10M}"), &[]));
        assert!(!verdict(&policy("{kind: max_wall_time, duration: PT11M}"), &[]));
        assert!(!verdict(&policy("{kind: never_terminate}"), &[1.0; 9]));
    }

    #[test]
    fn numbering_goes_on_after_the_variants_there_are() {
        let mut ledger = Ledger::new("2026-01-01T00:00:00.000Z".parse().expect("an instant"));
        for id in ["v-abc-7b", "v-abc-12a-2", "baseline-abc", "somebody-elses"] {
            ledger.open_with(&variant(id, 1.0), &TerminationPolicy::NeverTerminate);
        }
        assert_eq!(ledger.next_task, 13);
        assert_eq!(ledger.unintegrated.len(), 4);
    }
}
