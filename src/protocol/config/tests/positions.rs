//! The positions of faults.

use super::*;

/// As `(line, column, field)`.
fn faults(text: &str) -> Vec<(usize, usize, String)> {
    let faults = ExperimentConfig::checked(text).expect_err("refused");
    let position = |fault: &ConfigFault| fault.position.map_or((0, 0), |at| (at.line, at.column));
    faults
        .iter()
        .map(|fault| (position(fault).0, position(fault).1, fault.field.clone()))
        .collect()
}

fn at(line: usize, column: usize, field: &str) -> (usize, usize, String) {
    (line, column, field.to_owned())
}

#[test]
fn every_fault_has_its_own_position() {
    let text = "\
# A comment, and a blank line.

parallel_variants: two
evaluation_schema:
  score: real
  'commit sha': text
  ratio:
    float
objective:
  expr: ''
dispatch_mode: {
  integration: auto, termination: later,
  unknown: [1] }
termination_policy:
  kind: target_condition
  threshold: high
baseline: {enabled: no}
auto_checkpoint:
  enabled: true
  interval_seconds: 0
  every: 5
max_quiescent_iterations: 1.0
execution_task_deadline:
evaluation_task_deadline: .inf
";
    assert_eq!(
        faults(text),
        [
            at(3, 20, "parallel_variants"),
            at(6, 3, "evaluation_schema.\"commit sha\""),
            at(8, 5, "evaluation_schema.ratio"),
            at(10, 3, "objective.direction"),
            at(10, 9, "objective.expr"),
            at(12, 35, "dispatch_mode.termination"),
            at(15, 3, "termination_policy.metric"),
            at(16, 14, "termination_policy.threshold"),
            at(17, 21, "baseline.enabled"),
            at(20, 21, "auto_checkpoint.interval_seconds"),
            at(21, 3, "auto_checkpoint.every"),
            at(22, 27, "max_quiescent_iterations"),
            at(23, 25, "execution_task_deadline"),
            at(24, 27, "evaluation_task_deadline"),
        ]
    );
}

#[test]
fn faults_of_json_in_one_line_differ_by_column() {
    let text =
        r#"{"parallel_variants":1,"evaluation_schema":{"größe":"real"},"objective":{"expr":"a","direction":"up"}}"#;
    assert_eq!(
        faults(text),
        [
            at(1, 45, "evaluation_schema.\"größe\""),
            at(1, 97, "objective.direction")
        ]
    );
}

#[test]
fn a_fault_of_an_aliased_value_is_at_its_anchor() {
    let text = "limits: &limits {kind: max_variants,\n  target: 0}\n".to_owned()
        + "parallel_variants: 1\nevaluation_schema: {a: real}\nobjective: {expr: a, direction: maximize}\n"
        + "termination_policy: *limits\nideation_policy:\n  <<: *limits\n  kind: fixed_total\n";
    assert_eq!(
        faults(&text),
        [
            at(2, 11, "termination_policy.target"),
            at(8, 3, "ideation_policy.total")
        ]
    );
}

#[test]
fn a_text_that_is_no_configuration_has_one_fault() {
    for (text, wanted) in [
        ("", "line 1, column 1: the configuration is empty"),
        ("# nothing\n", "the configuration is empty"),
        (
            "- a\n- b",
            "line 1, column 1: the configuration must be a mapping of fields, not a list",
        ),
        ("a: [1, 2\nb: 3\n", "line 2, column 2: did not find expected ',' or ']'"),
        (
            "a: 1\n\tb: 2\n",
            "line 2, column 1: found a tab character that violates indentation",
        ),
        ("a: *b", "line 1, column 4: unknown anchor"),
        ("a: 1\n---\nb: 2", "more than one document"),
        (
            "a: !secret b",
            "line 1, column 4: a: a tag (!) has no place in a configuration",
        ),
        (
            "? [a]\n: b",
            "line 1, column 3: invalid type: sequence, expected the name of a field",
        ),
        ("\u{0}", "control characters are not allowed"),
    ] {
        let faults = ExperimentConfig::checked(text).expect_err("refused");
        assert_eq!(faults.iter().count(), 1, "{text:?}: {faults}");
        assert!(faults.to_string().contains(wanted), "{text:?}: {faults}");
    }
}

#[test]
fn the_first_faults_are_listed_and_the_rest_counted() {
    use std::fmt::Write;
    let mut text = GOOD.replace("termination: auto", "");
    text = text.replace("{score: real, retries: integer}", "");
    let metrics = (0..2000).fold(String::new(), |mut metrics, n| {
        let _ = write!(metrics, "\n  m{n}: float");
        metrics
    });
    text = text.replace("evaluation_schema: ", &format!("evaluation_schema:{metrics}"));
    let faults = ExperimentConfig::checked(&text).expect_err("refused");
    assert_eq!(
        (faults.iter().count(), faults.more()),
        (MOST_REPORTED, 2000 - MOST_REPORTED)
    );
    let words = faults.to_string();
    assert_eq!(words.lines().count(), MOST_REPORTED + 1);
    assert!(words.starts_with("line 4, column 7: evaluation_schema.m0 must be integer, real or text, not \"float\"\n"));
    assert!(words.ends_with("\nand 1980 more"));
    assert_eq!(faults.in_one_line().lines().count(), 1);
}

#[test]
fn faults_of_a_value_have_no_positions() {
    let config = ExperimentConfig::from_yaml(&GOOD.replace("command", "policy")).expect("taken");
    let faults = config.settings().expect_err("refused");
    assert_eq!(
        faults.to_string(),
        "termination_policy is required when dispatch_mode.termination is auto\n\
         ideation_policy must be a mapping, not a list"
    );
}
