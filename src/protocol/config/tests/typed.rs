//! The fields that orchestrators and worker hosts read, by type.

use std::time::Duration;

use super::*;

fn with(more: &str) -> String {
    GOOD.replace("dispatch_mode: {termination: auto}", more)
}

fn settings(more: &str) -> Settings {
    let config = ExperimentConfig::checked(&with(more)).expect("a good configuration");
    config.settings().expect("the same rules")
}

/// The only fault, without its position.
fn fault(more: &str) -> String {
    let faults = ExperimentConfig::checked(&with(more)).expect_err("refused").to_string();
    assert_eq!(faults.lines().count(), 1, "{faults}");
    faults
        .split_once(": ")
        .map(|(_, fault)| fault.to_owned())
        .unwrap_or_default()
}

#[test]
fn absent_fields_have_the_defaults_of_the_reference() {
    let settings = settings("note: none");
    assert_eq!(settings.dispatch_mode, DispatchMode::default());
    assert_eq!(
        settings.ideation_policy,
        IdeationPolicy::MaintainPending {
            target: 3,
            max_total: None
        }
    );
    assert_eq!(settings.termination_policy, None);
    assert_eq!(settings.baseline, Baseline::Evaluated);
    let AutoCheckpoint {
        enabled,
        interval_seconds,
        retention_count,
        on_terminate,
    } = settings.auto_checkpoint;
    assert_eq!(
        (enabled, interval_seconds, retention_count, on_terminate),
        (false, 3600.0, 6, true)
    );
    assert_eq!(settings.max_quiescent_iterations, 3);
    let Deadlines {
        ideation,
        execution,
        evaluation,
    } = settings.deadlines;
    assert_eq!((ideation, execution, evaluation), (120.0, 600.0, 300.0));
}

#[test]
fn every_policy_is_read() {
    let termination = |policy: &str| settings(&format!("termination_policy: {policy}")).termination_policy;
    assert_eq!(
        termination("{kind: never_terminate, why: not}"),
        Some(TerminationPolicy::NeverTerminate)
    );
    assert_eq!(
        termination("{kind: max_variants, target: 9, window: many}"),
        Some(TerminationPolicy::MaxVariants { target: 9 })
    );
    assert_eq!(
        termination("{kind: max_wall_time, duration: PT2H}"),
        Some(TerminationPolicy::MaxWallTime {
            duration: Duration::from_secs(7200)
        })
    );
    assert_eq!(
        termination("{kind: max_wall_time, duration: 01:00:00}"),
        Some(TerminationPolicy::MaxWallTime {
            duration: Duration::from_secs(3600)
        })
    );
    assert_eq!(
        termination("{kind: convergence_window, metric: score, window: 5, direction: minimize}"),
        Some(TerminationPolicy::ConvergenceWindow {
            metric: "score".to_owned(),
            window: 5,
            direction: Direction::Minimize
        })
    );
    assert_eq!(
        termination("{kind: target_condition, metric: elsewhere, threshold: 4}"),
        Some(TerminationPolicy::TargetCondition {
            metric: "elsewhere".to_owned(),
            threshold: 4.0,
            direction: Direction::Maximize
        })
    );
    let ideation = |policy: &str| settings(&format!("ideation_policy: {policy}")).ideation_policy;
    assert_eq!(
        ideation("{kind: maintain_pending, target: 7, max_total: 0, total: any}"),
        IdeationPolicy::MaintainPending {
            target: 7,
            max_total: Some(0)
        }
    );
    assert_eq!(
        ideation("{kind: maintain_pending, max_total: null}"),
        IdeationPolicy::default()
    );
    assert_eq!(
        ideation("{kind: fixed_total, total: 4}"),
        IdeationPolicy::FixedTotal { total: 4 }
    );
    assert_eq!(settings("baseline: {enabled: false}").baseline, Baseline::Off);
    let Baseline::Given(metrics) = settings("baseline: {metrics: {score: 1.5}}").baseline else {
        panic!("metrics are given");
    };
    assert_eq!(metrics.get("score"), Some(&serde_json::json!(1.5)));
}

#[test]
fn each_rule_has_its_message() {
    for (more, words) in [
        (
            "dispatch_mode: {termination: auto}",
            "termination_policy is required when dispatch_mode.termination is auto",
        ),
        ("dispatch_mode: ~", "dispatch_mode must be a mapping, not null"),
        (
            "dispatch_mode: {integration: ~}",
            "dispatch_mode.integration must be auto or manual, not null",
        ),
        (
            "termination_policy: ~",
            "termination_policy must be a mapping, not null",
        ),
        ("termination_policy: {}", "termination_policy.kind is required"),
        (
            "termination_policy: {kind: soon}",
            "termination_policy.kind must be never_terminate, max_variants, max_wall_time, convergence_window or \
             target_condition, not \"soon\"",
        ),
        (
            "termination_policy: {kind: max_variants}",
            "termination_policy.target is required when kind is max_variants",
        ),
        (
            "termination_policy: {kind: max_variants, target: 2.0}",
            "termination_policy.target must be a whole number of at least 1, not 2.0",
        ),
        (
            "termination_policy: {kind: max_variants, target: '2'}",
            "termination_policy.target must be a whole number of at least 1, not \"2\"",
        ),
        (
            "termination_policy: {kind: max_variants, target: true}",
            "termination_policy.target must be a whole number of at least 1, not true",
        ),
        (
            "termination_policy: {kind: max_wall_time, duration: 3600}",
            "termination_policy.duration must be an ISO 8601 duration such as PT2H or P1DT12H, or a clock form such as \
             02:00:00, not 3600",
        ),
        (
            "termination_policy: {kind: max_wall_time, duration: PT0S}",
            "termination_policy.duration must be longer than nothing, not \"PT0S\"",
        ),
        (
            "termination_policy: {kind: convergence_window, metric: '', window: 1}",
            "termination_policy.metric must not be empty",
        ),
        (
            "termination_policy: {kind: target_condition, metric: a, threshold: .nan}",
            "termination_policy.threshold must be a finite number, not NaN",
        ),
        (
            "ideation_policy: {kind: fixed_total, target: 3}",
            "ideation_policy.total is required when kind is fixed_total",
        ),
        (
            "ideation_policy: {kind: maintain_pending, target: 0}",
            "ideation_policy.target must be at least 1, not 0",
        ),
        (
            "ideation_policy: {kind: maintain_pending, max_total: -1}",
            "ideation_policy.max_total must be at least 0, not -1",
        ),
        (
            "ideation_policy: {kind: maintain_pending, target: 99999999999999999999}",
            "ideation_policy.target is too large: 99999999999999999999",
        ),
        (
            "baseline: {enabled: false, metrics: {}}",
            "baseline.metrics must be left out when baseline.enabled is false",
        ),
        (
            "baseline: {enabled: ~}",
            "baseline.enabled must be true or false, not null",
        ),
        (
            "auto_checkpoint: {every: 3}",
            "auto_checkpoint.every is not known; there are enabled, interval_seconds, retention_count, on_terminate",
        ),
        (
            "auto_checkpoint: {interval_seconds: -1.5}",
            "auto_checkpoint.interval_seconds must be above 0, not -1.5",
        ),
        (
            "max_quiescent_iterations: 1",
            "max_quiescent_iterations must be at least 2, not 1",
        ),
        (
            "ideation_task_deadline: soon",
            "ideation_task_deadline must be a number of seconds above 0, not \"soon\"",
        ),
        (
            "objective: {expr: 5, direction: maximize}",
            "objective.expr must be text, not 5; text that looks like something else stands in quotes",
        ),
    ] {
        assert_eq!(fault(more), words, "{more}");
    }
}

#[test]
fn retired_fields_and_role_commands_pass() {
    let config = ExperimentConfig::checked(&with(
        "max_variants: lots\nexecution_command: 5\nexecution_task_deadline: 3",
    ));
    let config = config.expect("a good configuration");
    assert_eq!(config.extra.get("max_variants"), Some(&serde_json::json!("lots")));
    assert!((config.settings().expect("good").deadlines.execution - 3.0).abs() < f64::EPSILON);
}
