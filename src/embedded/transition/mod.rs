//! The state machines (`ch04`): pure functions from the entities they touch, a request and the time to a
//! [`ChangeSet`], or to a protocol error. They do no I/O, so each rule is a unit test.
//!
//! `change_set` is what they return, and `checks` are the checks that several share. `task`, `submission` (with
//! `judgement`), `idea`, `variant` and `experiment` are the entities of an experiment. `roster` is about workers and
//! groups, `registry` and `lease` about the registry of experiments. `archived` checks entities of any state, for
//! imports.

mod archived;
mod change_set;
mod checks;
mod experiment;
mod idea;
mod judgement;
mod lease;
mod registry;
mod roster;
mod submission;
mod task;
#[cfg(test)]
mod tests;
mod variant;

pub(super) use archived::{check_event_type, check_group, check_submission, check_task, check_variant};
pub(super) use change_set::{ChangeSet, NewEvent, SubmissionChange};
pub(super) use experiment::{
    check_dispatch_patch, parse_config, policy_error, register_experiment, seed, terminate, update_dispatch_mode,
};
pub(super) use idea::{check_idea, create_idea, mark_ready};
pub(super) use judgement::{TerminalDecision, accept, reject, terminal_decision};
pub(super) use lease::{LeaseChange, LeaseSweep, StoredLease, acquire, release, renew, sweep, unregister};
pub(super) use registry::RegisteredExperiment;
pub(super) use roster::{add_member, new_group, new_worker, remove_member};
pub(super) use submission::{SubmissionReferences, submit};
pub(super) use task::{ClaimEligibility, TaskReferences, check_reassign, claim, create_task, reassign, reclaim};
pub(super) use variant::{VariantReferences, create_variant, declare_evaluation_error, integrate};

// What several of these modules import.
pub(in crate::embedded::transition) use change_set::{new_event, text};
pub(in crate::embedded::transition) use checks::{
    check_claim, check_parents, check_target, check_uri, created_by, parse_name, require_same_experiment,
};
