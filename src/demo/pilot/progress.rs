//! What a driver remembers between rounds: counts and a queue, never whole lists.

use std::collections::BTreeSet;

use super::ids;
use crate::demo::plan::metric_value;
use crate::protocol::{TerminationPolicy, Timestamp, Variant, VariantId, VariantStatus};

/// The counts that policies decide by, and the integrator's queue.
#[derive(Debug)]
pub(super) struct Progress {
    /// How much of the log has been read.
    pub cursor: u64,
    /// Variants started, without the baseline.
    pub attempted: u64,
    /// The number of the next ideation task; all before it are taken.
    pub next_task: u64,
    pub has_baseline: bool,
    /// Succeeded and not integrated yet.
    pub unintegrated: BTreeSet<VariantId>,
    created_at: Timestamp,
    policy: TerminationPolicy,
    target_reached: bool,
    /// The best value of the metric of a convergence window.
    best_watched: Option<f64>,
    /// Variants integrated since that value.
    since_best: u64,
}

impl Progress {
    pub(super) fn new(created_at: Timestamp, policy: TerminationPolicy) -> Self {
        Self {
            cursor: 0,
            attempted: 0,
            next_task: 1,
            has_baseline: false,
            unintegrated: BTreeSet::new(),
            created_at,
            policy,
            target_reached: false,
            best_watched: None,
            since_best: 0,
        }
    }

    /// Counts a variant of the list with which a driver starts.
    pub(super) fn add_listed(&mut self, variant: &Variant) {
        self.started(variant.is_baseline());
        if let Some(number) = ids::task_number(&variant.variant_id) {
            self.next_task = self.next_task.max(number + 1);
        }
        if variant.status == VariantStatus::Success {
            self.succeeded(variant);
        }
        if variant.variant_commit_sha.is_some() {
            self.integrated(variant);
        }
    }

    pub(super) fn started(&mut self, is_baseline: bool) {
        if is_baseline {
            self.has_baseline = true;
        } else {
            self.attempted += 1;
        }
    }

    pub(super) fn succeeded(&mut self, variant: &Variant) {
        if !variant.is_baseline() {
            self.unintegrated.insert(variant.variant_id.clone());
        }
        if let TerminationPolicy::TargetCondition {
            metric,
            threshold,
            direction,
        } = &self.policy
        {
            let value = metric_value(variant.evaluation.as_ref(), metric);
            self.target_reached |= value.is_some_and(|v| v == *threshold || direction.better(v, *threshold));
        }
    }

    pub(super) fn integrated(&mut self, variant: &Variant) {
        self.unintegrated.remove(&variant.variant_id);
        let TerminationPolicy::ConvergenceWindow { metric, direction, .. } = &self.policy else {
            return;
        };
        let value = metric_value(variant.evaluation.as_ref(), metric);
        let is_better = |value: f64| self.best_watched.is_none_or(|best| direction.better(value, best));
        if value.is_some_and(is_better) {
            self.best_watched = value;
            self.since_best = 0;
        } else {
            self.since_best += 1;
        }
    }

    /// Why the policy ends the experiment now, if it does.
    pub(super) fn reason_to_terminate(&self, now: Timestamp) -> Option<String> {
        match &self.policy {
            TerminationPolicy::NeverTerminate => None,
            TerminationPolicy::MaxVariants { target } => {
                (self.attempted >= *target).then(|| format!("max_variants: {} variants attempted", self.attempted))
            }
            TerminationPolicy::MaxWallTime { duration } => {
                let limit = jiff::SignedDuration::try_from(*duration).ok()?;
                let age = now.instant().duration_since(self.created_at.instant());
                (age >= limit).then(|| format!("max_wall_time: {limit} have passed"))
            }
            TerminationPolicy::ConvergenceWindow { metric, window, .. } => (self.since_best >= *window)
                .then(|| format!("convergence_window: {window} integrated variants brought no better {metric}")),
            TerminationPolicy::TargetCondition { metric, threshold, .. } => self
                .target_reached
                .then(|| format!("target_condition: {metric} reached {threshold}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::ExperimentConfig;

    fn variant(id: &str, score: f64) -> Variant {
        serde_json::from_value(serde_json::json!({
            "variant_id": id, "experiment_id": "exp_00000000000000000000000000", "status": "success",
            "idea_id": "i", "parent_commits": ["0".repeat(40)], "started_at": "2026-01-01T00:00:00.000Z",
            "evaluation": {"score": score},
        }))
        .expect("a variant")
    }

    #[test]
    fn each_policy_ends_when_its_condition_holds() {
        let start: Timestamp = "2026-01-01T00:00:00.000Z".parse().expect("an instant");
        let later: Timestamp = "2026-01-01T00:10:00.000Z".parse().expect("an instant");
        let policy = |text: &str| {
            let metrics = "{parallel_variants: 1, evaluation_schema: {score: real}";
            let objective = "objective: {expr: score, direction: maximize}";
            let text = format!("{metrics}, {objective}, termination_policy: {text}}}");
            let config = ExperimentConfig::from_yaml(&text).expect("a configuration");
            config.when_to_terminate().expect("a good policy").expect("a policy")
        };
        let verdict = |policy: &TerminationPolicy, scores: &[f64]| {
            let mut progress = Progress::new(start, policy.clone());
            for (n, score) in scores.iter().enumerate() {
                let mut variant = variant(&format!("v-abc-{n}a"), *score);
                variant.variant_commit_sha = variant.parent_commits.first().cloned();
                progress.add_listed(&variant);
            }
            progress.reason_to_terminate(later)
        };
        let is_over = |policy: &TerminationPolicy, scores: &[f64]| verdict(policy, scores).is_some();
        let max = policy("{kind: max_variants, target: 2}");
        assert!(!is_over(&max, &[1.0]) && is_over(&max, &[1.0, 1.0]));
        let target = policy("{kind: target_condition, metric: score, threshold: 2}");
        assert!(!is_over(&target, &[1.9]) && is_over(&target, &[2.0]));
        let window = policy("{kind: convergence_window, metric: score, window: 2}");
        assert!(!is_over(&window, &[1.0, 1.0, 3.0, 2.0]) && is_over(&window, &[1.0, 3.0, 2.0, 3.0]));
        let wall_time = policy("{kind: max_wall_time, duration: PT10M}");
        let reason = "max_wall_time: PT10M have passed";
        assert_eq!(verdict(&wall_time, &[]).as_deref(), Some(reason));
        assert!(!is_over(&policy("{kind: max_wall_time, duration: PT11M}"), &[]));
        assert!(!is_over(&policy("{kind: never_terminate}"), &[1.0; 9]));
    }

    #[test]
    fn task_numbers_continue_after_those_of_the_listed_variants() {
        let start = "2026-01-01T00:00:00.000Z".parse().expect("an instant");
        let mut progress = Progress::new(start, TerminationPolicy::NeverTerminate);
        for id in ["v-abc-7b", "v-abc-12a-2", "baseline-abc", "somebody-elses"] {
            progress.add_listed(&variant(id, 1.0));
        }
        assert_eq!(progress.next_task, 13);
        assert_eq!(progress.unintegrated.len(), 4);
    }
}
