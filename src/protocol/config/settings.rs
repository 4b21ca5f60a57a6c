//! The fields that orchestrators and worker hosts read, by type.

use std::time::Duration;

use super::block::{Block, Read, boolean, choice, number, seconds, shown, text, whole};
use super::duration;
use super::metric::Direction;
use super::node::{Kind, Node};
use crate::protocol::{DecisionMode, DispatchMode, Extra};

/// When the orchestrator creates ideation tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdeationPolicy {
    /// Whenever fewer than `target` are pending, up to `max_total` in all.
    MaintainPending {
        /// How many should be pending.
        target: u64,
        /// How many there may be over the life of the experiment.
        max_total: Option<u64>,
    },
    /// A fixed number and no more.
    FixedTotal {
        /// How many.
        total: u64,
    },
}

impl Default for IdeationPolicy {
    fn default() -> Self {
        Self::MaintainPending {
            target: 3,
            max_total: None,
        }
    }
}

/// When the orchestrator ends the experiment, where it decides that (`ch03 §6.2`).
#[derive(Debug, Clone, PartialEq)]
pub enum TerminationPolicy {
    /// Never.
    NeverTerminate,
    /// Once this many variants were attempted.
    MaxVariants {
        /// How many.
        target: u64,
    },
    /// Once the experiment has lasted this long.
    MaxWallTime {
        /// How long.
        duration: Duration,
    },
    /// Once a metric has not become better over the last integrated variants.
    ConvergenceWindow {
        /// The metric. Nobody checks before it is evaluated that the schema has it.
        metric: String,
        /// How many variants.
        window: u64,
        /// Which way is better.
        direction: Direction,
    },
    /// Once a metric has reached a threshold.
    TargetCondition {
        /// The metric, as above.
        metric: String,
        /// The threshold.
        threshold: f64,
        /// Which way is better.
        direction: Direction,
    },
}

/// What becomes of the seed (`ch02 §2.7`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Baseline {
    /// It becomes a variant that is evaluated like others.
    #[default]
    Evaluated,
    /// It becomes a variant with these metrics; the server checks them against the schema when it is created.
    Given(Extra),
    /// It becomes no variant.
    Off,
}

/// Checkpoints that an orchestrator exports by itself.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AutoCheckpoint {
    /// Whether it does.
    pub enabled: bool,
    /// The time between two of them, in seconds.
    pub interval_seconds: f64,
    /// How many of them are kept.
    pub retention_count: u64,
    /// Whether one is exported at the end of the experiment.
    pub on_terminate: bool,
}

/// How long a worker host waits for the command of one task, in seconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Deadlines {
    /// Of an ideation task.
    pub ideation: f64,
    /// Of an execution task.
    pub execution: f64,
    /// Of an evaluation task.
    pub evaluation: f64,
}

/// All that a configuration says beside what is measured, with the reference's defaults for what it leaves out.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Who decides at first.
    pub dispatch_mode: DispatchMode,
    /// When ideation tasks are created.
    pub ideation_policy: IdeationPolicy,
    /// When the experiment ends.
    pub termination_policy: Option<TerminationPolicy>,
    /// What becomes of the seed.
    pub baseline: Baseline,
    /// Whether and when checkpoints are exported.
    pub auto_checkpoint: AutoCheckpoint,
    /// After how many rounds without progress an orchestrator ends.
    pub max_quiescent_iterations: u64,
    /// How long worker hosts wait.
    pub deadlines: Deadlines,
}

/// Reads them all. After a noted fault the returned value means nothing.
pub(super) fn read(root: &Block, dispatch_mode: DispatchMode) -> Settings {
    if dispatch_mode.termination == DecisionMode::Auto && root.get("termination_policy").is_none() {
        root.note(
            "termination_policy",
            "is required when dispatch_mode.termination is auto",
        );
    }
    let deadline = |name, default| root.optional(name, seconds).unwrap_or(default);
    Settings {
        dispatch_mode,
        ideation_policy: ideation_policy(root).unwrap_or_default(),
        termination_policy: termination_policy(root),
        baseline: baseline(root),
        auto_checkpoint: auto_checkpoint(root.block("auto_checkpoint")),
        max_quiescent_iterations: root.optional("max_quiescent_iterations", whole(2)).unwrap_or(3),
        deadlines: Deadlines {
            ideation: deadline("ideation_task_deadline", 120.0),
            execution: deadline("execution_task_deadline", 600.0),
            evaluation: deadline("evaluation_task_deadline", 300.0),
        },
    }
}

/// Reads the block of a policy, by the kind that the block names.
type PolicyReader<T> = fn(&Block) -> Option<T>;

pub(super) fn ideation_policy(root: &Block) -> Option<IdeationPolicy> {
    const KINDS: [(&str, PolicyReader<IdeationPolicy>); 2] =
        [("maintain_pending", maintain_pending), ("fixed_total", fixed_total)];
    let block = root.block("ideation_policy")?;
    block.required("kind", "", choice(&KINDS))?(&block)
}

fn maintain_pending(block: &Block) -> Option<IdeationPolicy> {
    Some(IdeationPolicy::MaintainPending {
        target: block.optional("target", whole(1)).unwrap_or(3),
        max_total: block.optional("max_total", whole_or_null).flatten(),
    })
}

fn fixed_total(block: &Block) -> Option<IdeationPolicy> {
    let total = block.required("total", " when kind is fixed_total", whole(1))?;
    Some(IdeationPolicy::FixedTotal { total })
}

fn whole_or_null(node: &Node) -> Read<Option<u64>> {
    match node.kind {
        Kind::Null => Ok(None),
        _ => whole(0)(node).map(Some),
    }
}

pub(super) fn termination_policy(root: &Block) -> Option<TerminationPolicy> {
    const KINDS: [(&str, PolicyReader<TerminationPolicy>); 5] = [
        ("never_terminate", |_| Some(TerminationPolicy::NeverTerminate)),
        ("max_variants", max_variants),
        ("max_wall_time", max_wall_time),
        ("convergence_window", convergence_window),
        ("target_condition", target_condition),
    ];
    let block = root.block("termination_policy")?;
    block.required("kind", "", choice(&KINDS))?(&block)
}

fn max_variants(block: &Block) -> Option<TerminationPolicy> {
    let target = block.required("target", " when kind is max_variants", whole(1))?;
    Some(TerminationPolicy::MaxVariants { target })
}

fn max_wall_time(block: &Block) -> Option<TerminationPolicy> {
    let duration = block.required("duration", " when kind is max_wall_time", wall_time)?;
    Some(TerminationPolicy::MaxWallTime { duration })
}

// In the next two, every field is read before the first `?`, so that all faults are noted.

fn convergence_window(block: &Block) -> Option<TerminationPolicy> {
    let metric = block.required("metric", " when kind is convergence_window", text);
    let window = block.required("window", " when kind is convergence_window", whole(1));
    let direction = direction(block);
    Some(TerminationPolicy::ConvergenceWindow {
        metric: metric?.to_owned(),
        window: window?,
        direction,
    })
}

fn target_condition(block: &Block) -> Option<TerminationPolicy> {
    let metric = block.required("metric", " when kind is target_condition", text);
    let threshold = block.required("threshold", " when kind is target_condition", number);
    let direction = direction(block);
    Some(TerminationPolicy::TargetCondition {
        metric: metric?.to_owned(),
        threshold: threshold?,
        direction,
    })
}

fn direction(block: &Block) -> Direction {
    let given = block.optional("direction", choice(Direction::WORDS));
    given.unwrap_or(Direction::Maximize)
}

fn wall_time(node: &Node) -> Read<Duration> {
    let shown = shown(node);
    match &node.kind {
        Kind::Text(text) => duration::parse(text).map_err(|message| format!("{message}, not {shown}")),
        _ => Err(format!("{}, not {shown}", duration::WANTED)),
    }
}

pub(super) fn baseline(root: &Block) -> Baseline {
    let Some(block) = root.block("baseline") else {
        return Baseline::Evaluated;
    };
    let enabled = block.optional("enabled", boolean).unwrap_or(true);
    let metrics = block.block("metrics");
    if !enabled && block.get("metrics").is_some() {
        block.note("metrics", "must be left out when baseline.enabled is false");
    }
    match metrics {
        _ if !enabled => Baseline::Off,
        Some(metrics) => Baseline::Given(metrics.json_except(&[])),
        None => Baseline::Evaluated,
    }
}

fn auto_checkpoint(block: Option<Block>) -> AutoCheckpoint {
    const KNOWN: [&str; 4] = ["enabled", "interval_seconds", "retention_count", "on_terminate"];
    let default = AutoCheckpoint {
        enabled: false,
        interval_seconds: 3600.0,
        retention_count: 6,
        on_terminate: true,
    };
    let Some(block) = block else {
        return default;
    };
    for member in block.members_except(&KNOWN) {
        block.note_name(member, format!("is not known; there are {}", KNOWN.join(", ")));
    }
    let flag = |name, default| block.optional(name, boolean).unwrap_or(default);
    let interval_seconds = block.optional("interval_seconds", seconds);
    let retention_count = block.optional("retention_count", whole(1));
    AutoCheckpoint {
        enabled: flag("enabled", default.enabled),
        interval_seconds: interval_seconds.unwrap_or(default.interval_seconds),
        retention_count: retention_count.unwrap_or(default.retention_count),
        on_terminate: flag("on_terminate", default.on_terminate),
    }
}
