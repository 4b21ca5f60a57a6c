//! The fields that a task store reads: what is measured, and who decides at first.

use super::block::{Block, Read, choice, shown, text, whole};
use super::metric::{Direction, EvaluationSchema, MetricType, Objective};
use super::model::ExperimentConfig;
use super::node::{Kind, Node};
use crate::protocol::{DecisionMode, DispatchMode};

/// Names that the protocol itself uses for variants (`ch02 §8`).
const RESERVED_METRICS: [&str; 11] = [
    "variant_id",
    "commit_sha",
    "parent_commits",
    "branch",
    "status",
    "artifacts_uri",
    "executor_artifacts_uri",
    "description",
    "timestamp",
    "started_at",
    "completed_at",
];

/// The fields of a configuration that this file reads.
const READ: [&str; 5] = [
    "parallel_variants",
    "evaluation_schema",
    "objective",
    "dispatch_mode",
    "termination_policy",
];

/// Which rules a configuration has to follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rules {
    /// Those of a task store.
    Store,
    /// Every one.
    All,
}

/// The configuration, unless a fault was noted.
pub(super) fn read(root: &Block, rules: Rules) -> Option<ExperimentConfig> {
    let parallel_variants = root.required("parallel_variants", "", whole(1));
    let evaluation_schema = root
        .required("evaluation_schema", "", |_| Ok(()))
        .and_then(|()| schema(root));
    let objective = root
        .required("objective", "", |_| Ok(()))
        .and_then(|()| objective(root, rules));
    Some(ExperimentConfig {
        parallel_variants: parallel_variants?,
        evaluation_schema: evaluation_schema?,
        objective: objective?,
        dispatch_mode: match root.get("dispatch_mode").map(|member| &member.value) {
            Some(node) if matches!(node.kind, Kind::Map(_)) => node.to_json().as_object().cloned(),
            _ => None,
        },
        termination_policy: root
            .get("termination_policy")
            .map(|member| member.value.to_json())
            .filter(|policy| !policy.is_null()),
        extra: root.json_except(&READ),
    })
}

fn schema(root: &Block) -> Option<EvaluationSchema> {
    let block = root.block("evaluation_schema")?;
    if block.members().is_empty() {
        root.note("evaluation_schema", "must name at least one metric");
    }
    let metrics = block.members().iter().filter_map(|member| {
        if let Some(message) = metric_name_fault(&member.name) {
            block.note_name(member, message);
        }
        let kind = block.value(member, choice(MetricType::WORDS))?;
        Some((member.name.clone(), kind))
    });
    Some(metrics.collect())
}

fn metric_name_fault(name: &str) -> Option<&'static str> {
    let mut chars = name.chars();
    let is_identifier = chars.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && chars.all(|c| c.is_ascii_alphanumeric() || c == '_');
    if !is_identifier {
        return Some("cannot be the name of a metric: only letters, digits and _, and no digit first");
    }
    RESERVED_METRICS
        .contains(&name)
        .then_some("cannot be the name of a metric: variants have a field of that name")
}

fn objective(root: &Block, rules: Rules) -> Option<Objective> {
    let block = root.block("objective")?;
    let expr = block.required("expr", "", |node| match rules {
        Rules::Store => lenient_text(node),
        Rules::All => text(node).map(str::to_owned),
    });
    let direction = block.required("direction", "", choice(Direction::WORDS));
    Some(Objective {
        expr: expr?,
        direction: direction?,
        extra: block.json_except(&["expr", "direction"]),
    })
}

/// Stores have always taken a bare number or word here as the text it is written as, so it stays allowed.
fn lenient_text(node: &Node) -> Read<String> {
    match &node.kind {
        Kind::Text(text) => Ok(text.clone()),
        Kind::Null => Ok(String::new()),
        Kind::Bool(_) | Kind::Whole(_) | Kind::Real(_) => Ok(shown(node)),
        Kind::List(_) | Kind::Map(_) => text(node).map(str::to_owned),
    }
}

/// The first dispatch mode. Unknown keys are ignored, whatever they hold.
pub(super) fn dispatch_mode(root: &Block, rules: Rules) -> DispatchMode {
    let default = DispatchMode::default();
    let absent = match root.get("dispatch_mode") {
        None => true,
        Some(member) => matches!((rules, &member.value.kind), (Rules::Store, Kind::Null)),
    };
    let Some(block) = (!absent).then(|| root.block("dispatch_mode")).flatten() else {
        return default;
    };
    let mode = |name: &str, default| block.optional(name, choice(DecisionMode::WORDS)).unwrap_or(default);
    DispatchMode {
        termination: mode("termination", default.termination),
        ideation_creation: mode("ideation_creation", default.ideation_creation),
        execution_dispatch: mode("execution_dispatch", default.execution_dispatch),
        evaluation_dispatch: mode("evaluation_dispatch", default.evaluation_dispatch),
        integration: mode("integration", default.integration),
    }
}
