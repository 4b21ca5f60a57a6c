//! What the configuration tells orchestrators and worker hosts, by type.

use std::time::Duration;

use super::block::{Block, Read, choice, number, seconds, text, truth, whole};
use super::metric::Direction;
use super::node::{Kind, Node};
use super::{Extra, duration};
use crate::protocol::{DecisionMode, DispatchMode};

/// When the orchestrator creates ideation tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdeationPolicy {
    /// Whenever fewer than `target` are pending, up to `max_total` in all.
    MaintainPending {
        /// How many shall be pending.
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
        /// The metric; whether it is one of the schema is seen when it is read.
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
    /// It becomes a variant with these metrics, which are held against the schema when it is created.
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

/// Everything that a configuration tells beside what is measured; what it leaves out is as the reference has it.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Who decides what to begin with.
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

/// Reads them all. What is faulty is noted, and what is returned then is of no use.
pub(super) fn read(root: &Block, dispatch_mode: DispatchMode) -> Settings {
    let termination_policy = root.block("termination_policy");
    if dispatch_mode.termination == DecisionMode::Auto && root.get("termination_policy").is_none() {
        root.note(
            "termination_policy",
            "is required when dispatch_mode.termination is auto",
        );
    }
    Settings {
        dispatch_mode,
        ideation_policy: root
            .block("ideation_policy")
            .and_then(|block| ideation(&block))
            .unwrap_or_default(),
        termination_policy: termination_policy.and_then(|block| termination(&block)),
        baseline: root.block("baseline").map(|block| baseline(&block)).unwrap_or_default(),
        auto_checkpoint: auto_checkpoint(root.block("auto_checkpoint")),
        max_quiescent_iterations: root.optional("max_quiescent_iterations", whole(2)).unwrap_or(3),
        deadlines: Deadlines {
            ideation: root.optional("ideation_task_deadline", seconds).unwrap_or(120.0),
            execution: root.optional("execution_task_deadline", seconds).unwrap_or(600.0),
            evaluation: root.optional("evaluation_task_deadline", seconds).unwrap_or(300.0),
        },
    }
}

#[derive(Clone, Copy)]
enum IdeationKind {
    MaintainPending,
    FixedTotal,
}

fn ideation(block: &Block) -> Option<IdeationPolicy> {
    const KINDS: [(&str, IdeationKind); 2] = [
        ("maintain_pending", IdeationKind::MaintainPending),
        ("fixed_total", IdeationKind::FixedTotal),
    ];
    Some(match block.required("kind", "", choice(&KINDS))? {
        IdeationKind::MaintainPending => IdeationPolicy::MaintainPending {
            target: block.optional("target", whole(1)).unwrap_or(3),
            max_total: block.optional("max_total", whole_or_null).flatten(),
        },
        IdeationKind::FixedTotal => IdeationPolicy::FixedTotal {
            total: block.required("total", " when kind is fixed_total", whole(1))?,
        },
    })
}

fn whole_or_null(node: &Node) -> Read<Option<u64>> {
    match node.kind {
        Kind::Null => Ok(None),
        _ => whole(0)(node).map(Some),
    }
}

#[derive(Clone, Copy)]
enum TerminationKind {
    NeverTerminate,
    MaxVariants,
    MaxWallTime,
    ConvergenceWindow,
    TargetCondition,
}

fn termination(block: &Block) -> Option<TerminationPolicy> {
    const KINDS: [(&str, TerminationKind); 5] = [
        ("never_terminate", TerminationKind::NeverTerminate),
        ("max_variants", TerminationKind::MaxVariants),
        ("max_wall_time", TerminationKind::MaxWallTime),
        ("convergence_window", TerminationKind::ConvergenceWindow),
        ("target_condition", TerminationKind::TargetCondition),
    ];
    let direction = || {
        block
            .optional("direction", choice(&Direction::ALL))
            .unwrap_or(Direction::Maximize)
    };
    // Everything that is required is read before anything is given up, so that all faults are found.
    match block.required("kind", "", choice(&KINDS))? {
        TerminationKind::NeverTerminate => Some(TerminationPolicy::NeverTerminate),
        TerminationKind::MaxVariants => {
            let target = block.required("target", " when kind is max_variants", whole(1))?;
            Some(TerminationPolicy::MaxVariants { target })
        }
        TerminationKind::MaxWallTime => {
            let duration = block.required("duration", " when kind is max_wall_time", wall_time)?;
            Some(TerminationPolicy::MaxWallTime { duration })
        }
        TerminationKind::ConvergenceWindow => {
            let metric = block.required("metric", " when kind is convergence_window", text);
            let window = block.required("window", " when kind is convergence_window", whole(1));
            let direction = direction();
            Some(TerminationPolicy::ConvergenceWindow {
                metric: metric?.to_owned(),
                window: window?,
                direction,
            })
        }
        TerminationKind::TargetCondition => {
            let metric = block.required("metric", " when kind is target_condition", text);
            let threshold = block.required("threshold", " when kind is target_condition", number);
            let direction = direction();
            Some(TerminationPolicy::TargetCondition {
                metric: metric?.to_owned(),
                threshold: threshold?,
                direction,
            })
        }
    }
}

fn wall_time(node: &Node) -> Read<Duration> {
    let shown = super::block::shown(node);
    match &node.kind {
        Kind::Text(text) => duration::parse(text).map_err(|words| format!("{words}, not {shown}")),
        _ => Err(format!("{}, not {shown}", duration::WANTED)),
    }
}

fn baseline(block: &Block) -> Baseline {
    let enabled = block.optional("enabled", truth).unwrap_or(true);
    let metrics = block.block("metrics");
    if !enabled && block.get("metrics").is_some() {
        block.note("metrics", "must be left out when baseline.enabled is false");
    }
    match metrics {
        _ if !enabled => Baseline::Off,
        Some(metrics) => {
            let metrics = metrics.members().iter();
            Baseline::Given(
                metrics
                    .map(|metric| (metric.name.clone(), metric.value.to_json()))
                    .collect(),
            )
        }
        None => Baseline::Evaluated,
    }
}

fn auto_checkpoint(block: Option<Block>) -> AutoCheckpoint {
    const KNOWN: [&str; 4] = ["enabled", "interval_seconds", "retention_count", "on_terminate"];
    let unknown = block.iter().flat_map(|block| {
        let members = block
            .members()
            .iter()
            .filter(|member| !KNOWN.contains(&member.name.as_str()));
        members.map(move |member| (block, member))
    });
    for (block, member) in unknown {
        block.note_name(member, format!("is not known; there are {}", KNOWN.join(", ")));
    }
    let truth_of = |name: &str, default: bool| block.and_then(|block| block.optional(name, truth)).unwrap_or(default);
    AutoCheckpoint {
        enabled: truth_of("enabled", false),
        interval_seconds: block
            .and_then(|block| block.optional("interval_seconds", seconds))
            .unwrap_or(3600.0),
        retention_count: block
            .and_then(|block| block.optional("retention_count", whole(1)))
            .unwrap_or(6),
        on_terminate: truth_of("on_terminate", true),
    }
}
