//! The EDEN v0 wire: entities, events, errors and their validation rules.
//!
//! No IO, no async and no clock: everything here can be checked by a unit test. Both sides of the
//! wire use these types, so what the embedded backend emits is what the client reads.

mod actor;
mod config;
mod control;
mod error;
mod event;
mod event_data;
mod expansion;
mod experiment;
mod id;
mod idea;
mod name;
mod percent;
mod task;
mod text;
mod time;
mod variant;
mod wire_enum;
mod worker;

pub use actor::{Actor, Principal};
pub use config::from_yaml;
pub use config::{
    AutoCheckpoint, Baseline, ConfigFault, ConfigFaults, Deadlines, Direction, EvaluationSchema, ExperimentConfig,
    IdeationPolicy, MetricType, Objective, Settings, TerminationPolicy, TextPosition,
};
pub use control::{
    AcquireLease, ExperimentList, Lease, LeaseInstance, LeaseList, RegisterExperiment, RegistryEntry, SeedRequest,
};
pub use error::{ErrorType, Problem};
pub use event::{Event, EventBatch, Notice, Subject};
pub use event_data::{EventDataError, check_event_data};
pub use experiment::{
    DecisionMode, DepositReply, DispatchMode, Experiment, ExperimentState, ImportReply, PolicyErrorRequest, StateReply,
    TerminateRequest,
};
pub use id::{ExperimentId, GroupId, IdError, IdeaId, MemberId, TaskId, VariantId, WorkerId};
pub use idea::{Idea, IdeaState};
pub use name::{DisplayName, NameError};
pub use percent::{percent_decode, percent_encode};
pub use task::{
    Claim, ClaimRequest, ReassignRequest, ReclaimCause, ReclaimRequest, RejectReason, RejectRequest, Submission,
    SubmissionStatus, SubmitRequest, Target, TargetKind, Task, TaskKind, TaskState,
};
pub use time::Timestamp;
pub use variant::{CommitSha, Evaluation, IntegrateRequest, Variant, VariantStatus};
pub use worker::{
    AddMember, Group, GroupList, RegisterGroup, RegisterWorker, RegisteredWorker, UncheckedWhoami, Whoami, Worker,
    WorkerList,
};

/// Unknown members of an entity. EDEN tolerates them, so they are kept and echoed (`ch02 §1`).
pub type Extra = serde_json::Map<String, serde_json::Value>;

/// Request header that names the experiment; it must equal the path segment (`ch07 §1.3`).
pub const EXPERIMENT_HEADER: &str = "x-eden-experiment-id";

/// Response header of list replies: the log position the list is true for. A Switchboard extension
/// that lets a reader list and then watch without a gap and without replaying history.
pub const CURSOR_HEADER: &str = "eden-event-cursor";
