use super::read::MOST_REPORTED;
use super::*;
use crate::protocol::DispatchMode;

mod arbitrary;
mod positions;
mod schema;
mod typed;

const GOOD: &str = "
parallel_variants: 2
evaluation_schema: {score: real, retries: integer}
objective: {expr: score, direction: maximize}
dispatch_mode: {termination: auto}
ideation_command: [python, ideate.py]
";

#[test]
fn unknown_keys_are_kept_and_defaults_merged() -> Result<(), ConfigFaults> {
    let config = ExperimentConfig::from_yaml(GOOD)?;
    assert!(config.extra.contains_key("ideation_command"));
    assert_eq!(config.objective_metric(), Some("score"));
    assert_eq!(
        config.initial_dispatch_mode()?.termination,
        crate::protocol::DecisionMode::Auto
    );
    Ok(())
}

#[test]
fn faults_are_sentences() {
    let fault = |from: &str, to: &str| {
        ExperimentConfig::from_yaml(&GOOD.replace(from, to))
            .expect_err("refused")
            .to_string()
    };
    assert_eq!(
        fault("parallel_variants: 2", "parallel_variants: 0"),
        "line 2, column 20: parallel_variants must be at least 1, not 0"
    );
    assert_eq!(
        fault("score: real, retries: integer", ""),
        "line 3, column 20: evaluation_schema must name at least one metric"
    );
    assert_eq!(
        fault("retries", "commit_sha"),
        "line 3, column 34: evaluation_schema.commit_sha cannot be the name of a metric: variants have a field of that name"
    );
    assert_eq!(
        fault("termination: auto", "termination: later"),
        "line 5, column 30: dispatch_mode.termination must be auto or manual, not \"later\""
    );
    assert_eq!(
        fault("{termination: auto}", "manual"),
        "line 5, column 16: dispatch_mode must be a mapping, not \"manual\""
    );
}

#[test]
fn the_expansion_of_aliases_is_bounded() {
    let fault = |text: String| match ExperimentConfig::from_yaml(&format!("{GOOD}{text}")) {
        Err(faults) => faults.to_string(),
        Ok(_) => String::new(),
    };
    let long = format!("note: {}", "x".repeat(ExperimentConfig::LONGEST));
    assert_eq!(fault(long), "a configuration has at most 65536 bytes");
    let many = format!("a: &a [{}]\nb: [{}]", "x, ".repeat(9000), "*a, ".repeat(90));
    assert!(fault(many).contains("aliases"));
    let large = format!("a: &a {}\nb: [{}]", "x".repeat(50_000), "*a, ".repeat(90));
    assert!(fault(large).contains("aliases"));
    let plain = format!("a: &a [x, y]\nb: [*a, *a]\nc: [{}]", "x, ".repeat(20_000));
    assert_eq!(fault(plain), "");
}

#[test]
fn a_configuration_is_sent_in_the_order_of_its_text() {
    let text = "
objective: {expr: zeal, direction: minimize, note: kept}
evaluation_schema: {zeal: real, alpha: text, mid: integer}
parallel_variants: 3
big: 18446744073709551616
deep: [{a: ~, b: -1, c: 1.5, d: yes, e: true}]
";
    let config = ExperimentConfig::checked(text).expect("a good configuration");
    let sent = serde_json::to_string(&config).expect("JSON");
    assert!(
        sent.contains(r#""evaluation_schema":{"zeal":"real","alpha":"text","mid":"integer"}"#),
        "{sent}"
    );
    assert!(
        sent.contains(r#""deep":[{"a":null,"b":-1,"c":1.5,"d":"yes","e":true}]"#),
        "{sent}"
    );
    assert!(sent.contains(r#""note":"kept""#), "{sent}");
    let received: ExperimentConfig = serde_json::from_str(&sent).expect("a configuration");
    assert_eq!(received, config);
    let names: Vec<_> = received.evaluation_schema.iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["zeal", "alpha", "mid"]);
}

#[test]
fn a_repeated_key_has_its_last_value_at_its_first_position() {
    let text = "
base: &base {alpha: integer, beta: text}
parallel_variants: 1
evaluation_schema:
  <<: *base
  gamma: real
  alpha: real
  gamma: text
objective: {expr: alpha, direction: maximize}
parallel_variants: 4
";
    let config = ExperimentConfig::checked(text).expect("a good configuration");
    assert_eq!(config.parallel_variants, 4);
    let metrics: Vec<_> = config.evaluation_schema.iter().collect();
    assert_eq!(
        metrics,
        [
            ("alpha", MetricType::Real),
            ("beta", MetricType::Text),
            ("gamma", MetricType::Text)
        ]
    );
    let several = "a: &a {x: real}\nb: &b {x: text, y: text}\nparallel_variants: 1\nevaluation_schema: {<<: [*a, *b]}\n\
                   objective: {expr: x, direction: maximize}";
    let config = ExperimentConfig::checked(several).expect("a good configuration");
    assert_eq!(config.evaluation_schema.get("x"), Some(MetricType::Real));
    assert!(config.evaluation_schema.contains_key("y"));
}

#[test]
fn a_task_store_accepts_faults_in_fields_that_it_does_not_read() {
    for more in [
        "dispatch_mode: {termination: auto}",
        "dispatch_mode: ~",
        "termination_policy: {kind: soon}",
        "termination_policy: ~",
        "ideation_policy: {kind: fixed_total}",
        "baseline: {enabled: false, metrics: {score: 1}}",
        "auto_checkpoint: {often: true}",
        "max_quiescent_iterations: 1",
        "execution_task_deadline: 0",
    ] {
        let text = GOOD.replace("dispatch_mode: {termination: auto}", more);
        let config = ExperimentConfig::from_yaml(&text).expect("taken");
        assert!(ExperimentConfig::checked(&text).is_err(), "{more}");
        if !more.ends_with('~') {
            assert!(config.settings().is_err(), "{more}");
        }
    }
    let number = GOOD.replace("expr: score", "expr: 5");
    assert_eq!(ExperimentConfig::from_yaml(&number).expect("taken").objective.expr, "5");
    assert!(ExperimentConfig::checked(&number).is_err());
}

#[test]
fn metric_types_admit_their_values_only() {
    use serde_json::json;
    assert!(MetricType::Integer.admits(&json!(1.0)));
    assert!(!MetricType::Integer.admits(&json!(1.5)));
    assert!(!MetricType::Real.admits(&json!(true)));
    assert!(MetricType::Text.admits(&json!(null)));
}
