//! Random texts cause no panic, good texts stay good, and a single fault is reported alone and with its position.

use proptest::prelude::*;

use super::*;

/// What can be wrong with each field.
const BREAKS: [(&str, &str); 30] = [
    ("parallel_variants", "0"),
    ("parallel_variants", "1.0"),
    ("parallel_variants", "~"),
    ("evaluation_schema.score", "float"),
    ("evaluation_schema.score", "~"),
    ("objective.expr", "''"),
    ("objective.expr", "[]"),
    ("objective.direction", "up"),
    ("dispatch_mode.termination", "1"),
    ("dispatch_mode.integration", "~"),
    ("ideation_policy.kind", "some"),
    ("ideation_policy.target", "0"),
    ("ideation_policy.max_total", "-1"),
    ("termination_policy.kind", "~"),
    ("termination_policy.metric", "''"),
    ("termination_policy.window", "two"),
    ("termination_policy.window", "2.5"),
    ("termination_policy.direction", "sideways"),
    ("baseline.enabled", "'true'"),
    ("baseline.metrics", "none"),
    ("auto_checkpoint.enabled", "1"),
    ("auto_checkpoint.interval_seconds", "0"),
    ("auto_checkpoint.retention_count", "0"),
    ("auto_checkpoint.on_terminate", "~"),
    ("max_quiescent_iterations", "1"),
    ("max_quiescent_iterations", "true"),
    ("ideation_task_deadline", "-1"),
    ("execution_task_deadline", "'5'"),
    ("evaluation_task_deadline", ".inf"),
    ("evaluation_task_deadline", "[]"),
];

/// Every field and a good value of it.
const FIELDS: [(&str, &[(&str, &str)]); 12] = [
    ("parallel_variants", &[("", "2")]),
    (
        "evaluation_schema",
        &[("score", "real"), ("n", "integer"), ("_note", "text")],
    ),
    (
        "objective",
        &[("expr", "score"), ("direction", "maximize"), ("why", "not")],
    ),
    (
        "dispatch_mode",
        &[("termination", "auto"), ("integration", "manual"), ("more", "[1]")],
    ),
    (
        "ideation_policy",
        &[("kind", "maintain_pending"), ("target", "4"), ("max_total", "~")],
    ),
    (
        "termination_policy",
        &[
            ("kind", "convergence_window"),
            ("metric", "score"),
            ("window", "3"),
            ("direction", "minimize"),
        ],
    ),
    ("baseline", &[("enabled", "true"), ("metrics", "{score: 1}")]),
    (
        "auto_checkpoint",
        &[
            ("enabled", "true"),
            ("interval_seconds", "0.5"),
            ("retention_count", "1"),
            ("on_terminate", "false"),
        ],
    ),
    ("max_quiescent_iterations", &[("", "2")]),
    ("ideation_task_deadline", &[("", "1")]),
    ("execution_task_deadline", &[("", "1e3")]),
    ("evaluation_task_deadline", &[("", "0.25")]),
];

/// A configuration in a random layout, and the line of each field.
fn written(order: &[usize], layout: &[u8], broken: Option<(&str, &str)>) -> (String, Vec<(String, usize)>) {
    let mut text = String::new();
    let mut lines = Vec::new();
    for (&index, &layout) in order.iter().zip(layout) {
        let (field, members) = FIELDS[index];
        text.push_str(["", "\n", "# größer: 3\n", "unknown_", "\r\n"][usize::from(layout % 5)]);
        if text.ends_with("unknown_") {
            text.push_str(&format!("{field}: |\n  parallel_variants: 0\n"));
        }
        let flow = layout >= 128;
        text.push_str(&format!("{field}:"));
        if members[0].0.is_empty() {
            let value = broken
                .filter(|(path, _)| *path == field)
                .map_or(members[0].1, |(_, value)| value);
            lines.push((field.to_owned(), 1 + text.matches('\n').count()));
            text.push_str(&format!(" {value}\n"));
            continue;
        }
        if flow {
            text.push_str(" {");
        }
        for (name, value) in members {
            let path = format!("{field}.{name}");
            let value = broken
                .filter(|(broken, _)| *broken == path)
                .map_or(*value, |(_, value)| value);
            text.push_str(if flow && layout % 2 == 0 { "" } else { "\n  " });
            lines.push((path, 1 + text.matches('\n').count()));
            text.push_str(&format!("{name}: {value}{}", if flow { "," } else { "" }));
        }
        text.push_str(if flow { "}\n" } else { "\n" });
    }
    (text, lines)
}

fn orders() -> impl Strategy<Value = Vec<usize>> {
    Just((0..FIELDS.len()).collect::<Vec<_>>()).prop_shuffle()
}

proptest! {
    #[test]
    fn nothing_panics(text in "\\PC{0,200}|[a-c:\\[\\]{}&*<!'\"#|>?,~ \n-]{0,80}") {
        for read in [ExperimentConfig::from_yaml(&text), ExperimentConfig::checked(&text)] {
            let faults = read.expect_err("it is not likely to be a configuration");
            prop_assert!(faults.iter().count() >= 1);
            prop_assert!(faults.to_string().lines().count() >= 1);
        }
    }

    #[test]
    fn nothing_in_a_configuration_panics(value in "[a-c0-9:\\[\\]{}&*<!'\"#|>?,~. \n-]{0,40}", field in 0..FIELDS.len()) {
        let order: Vec<_> = (0..FIELDS.len()).collect();
        let (field, members) = FIELDS[field];
        let path = match members[0].0 { "" => field.to_owned(), name => format!("{field}.{name}") };
        let (text, _) = written(&order, &[0; FIELDS.len()], Some((&path, &value)));
        if let Err(faults) = ExperimentConfig::checked(&text) {
            prop_assert!(faults.iter().count() >= 1);
            for fault in faults.iter() {
                prop_assert!(fault.position.is_none_or(|place| place.line <= text.lines().count() + 1), "{}", fault);
            }
        }
    }

    #[test]
    fn a_good_configuration_stays_good(order in orders(), layout in prop::collection::vec(any::<u8>(), FIELDS.len())) {
        let (text, _) = written(&order, &layout, None);
        let config = ExperimentConfig::checked(&text);
        prop_assert!(config.is_ok(), "{:?}\n{}", config, text);
        let config = config.expect("good");
        prop_assert_eq!(&Ok(config.clone()), &ExperimentConfig::from_yaml(&text));
        let by_type: ExperimentConfig = serde_yaml::from_str(&text).expect("read by its type");
        prop_assert_eq!(&by_type, &config);
        let sent = serde_json::to_string(&config).expect("JSON");
        prop_assert_eq!(ExperimentConfig::checked(&sent), Ok(config.clone()));
        prop_assert_eq!(serde_json::from_str::<ExperimentConfig>(&sent).expect("JSON"), config);
    }

    #[test]
    fn one_fault_is_reported_with_its_line(
        order in orders(),
        layout in prop::collection::vec(any::<u8>(), FIELDS.len()),
        broken in 0..BREAKS.len(),
    ) {
        let (field, value) = BREAKS[broken];
        let (text, lines) = written(&order, &layout, Some((field, value)));
        let line = lines.iter().find(|(path, _)| path == field).map(|(_, line)| *line);
        let faults = ExperimentConfig::checked(&text).expect_err("refused");
        let told: Vec<_> = faults.iter().collect();
        prop_assert_eq!(told.len(), 1, "{}\n{}", faults, text);
        prop_assert_eq!(told[0].field.as_str(), field);
        prop_assert_eq!(told[0].position.map(|place| place.line), line, "{}\n{}", faults, text);
    }
}
