//! What the registered types of events must carry (`ch05 §3`). Other members are welcome, and so are other types.

use serde_json::Value;

use super::{Actor as Anybody, CommitSha, Extra, MemberId, ReclaimCause, RejectReason, TargetKind, TaskKind, WorkerId};

/// What a member must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A text that is not empty.
    Id,
    Text,
    Worker,
    Actor,
    Commit,
    Task,
    Reason,
    Cause,
    Target,
    Modes,
}

use Kind::*;

/// The 19 types and their members.
const REGISTRY: [(&str, &[(&str, Kind)]); 19] = [
    ("task.created", &[("task_id", Id), ("kind", Task)]),
    ("task.claimed", &[("task_id", Id), ("worker_id", Worker)]),
    ("task.submitted", &[("task_id", Id)]),
    ("task.completed", &[("task_id", Id)]),
    ("task.failed", &[("task_id", Id), ("reason", Reason)]),
    ("task.reclaimed", &[("task_id", Id), ("cause", Cause)]),
    (
        "task.reassigned",
        &[
            ("task_id", Id),
            ("new_target", Target),
            ("reason", Text),
            ("reassigned_by", Actor),
        ],
    ),
    ("idea.drafted", &[("idea_id", Id)]),
    ("idea.ready", &[("idea_id", Id)]),
    ("idea.dispatched", &[("idea_id", Id), ("task_id", Id)]),
    ("idea.completed", &[("idea_id", Id), ("task_id", Id)]),
    // Of a baseline the idea is optional, and its kind is said.
    ("variant.started", &[("variant_id", Id)]),
    ("variant.succeeded", &[("variant_id", Id), ("commit_sha", Commit)]),
    ("variant.errored", &[("variant_id", Id)]),
    ("variant.evaluation_errored", &[("variant_id", Id)]),
    (
        "variant.integrated",
        &[("variant_id", Id), ("variant_commit_sha", Commit)],
    ),
    (
        "experiment.dispatch_mode_changed",
        &[("dispatch_mode", Modes), ("changed", Modes), ("updated_by", Actor)],
    ),
    ("experiment.terminated", &[("reason", Text), ("terminated_by", Actor)]),
    (
        "experiment.policy_error",
        &[("policy_kind", Text), ("error_type", Text), ("error_message", Text)],
    ),
];

/// An event of a registered type without what that type needs.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an event of type {kind} must have data.{member}: {needs}")]
pub struct EventDataError {
    /// The type of the event.
    pub kind: String,
    /// The member that is missing or wrong.
    pub member: &'static str,
    /// What it must be.
    pub needs: &'static str,
}

/// Whether an event of this type may have this data. Types that are not registered may have any (`ch05 §3.6`).
///
/// # Errors
/// The first member that is missing or wrong.
pub fn check_event_data(kind: &str, data: &Extra) -> Result<(), EventDataError> {
    let Some((_, members)) = REGISTRY.iter().find(|(known, _)| *known == kind) else {
        return Ok(());
    };
    let fault = |member, needs| EventDataError {
        kind: kind.to_owned(),
        member,
        needs,
    };
    for (member, wanted) in *members {
        if !data.get(*member).is_some_and(|value| wanted.admits(value)) {
            return Err(fault(member, wanted.words()));
        }
    }
    if kind == "variant.started" {
        let is_baseline = data.get("kind").is_some_and(|kind| kind == "baseline");
        if data.contains_key("kind") && !is_baseline {
            return Err(fault("kind", "baseline or nothing"));
        }
        let has_idea = data.get("idea_id").map(|idea| Id.admits(idea));
        if !has_idea.unwrap_or(is_baseline) {
            return Err(fault("idea_id", Id.words()));
        }
    }
    Ok(())
}

impl Kind {
    fn admits(self, value: &Value) -> bool {
        let text = value.as_str();
        let is = |rule: fn(&str) -> bool| text.is_some_and(rule);
        match self {
            Id => is(|text| !text.is_empty()),
            Text => text.is_some(),
            Worker => is(|text| text.parse::<WorkerId>().is_ok()),
            Actor => is(|text| text.parse::<Anybody>().is_ok()),
            Commit => is(|text| text.parse::<CommitSha>().is_ok()),
            Task => is(|text| TaskKind::from_word(text).is_some()),
            Reason => is(|text| RejectReason::from_word(text).is_some()),
            Cause => is(|text| ReclaimCause::from_word(text).is_some()),
            Target => value.is_null() || is_target(value),
            Modes => value.as_object().is_some_and(|modes| {
                let mut words = modes.values().map(Value::as_str);
                words.all(|word| matches!(word, Some("auto" | "manual")))
            }),
        }
    }

    fn words(self) -> &'static str {
        match self {
            Id => "a text that is not empty",
            Text => "a text",
            Worker => "the id of a worker",
            Actor => "admin or the id of a worker",
            Commit => "40 or 64 lowercase hex digits",
            Task => "ideation, execution or evaluation",
            Reason => "worker_error, validation_error or policy_limit",
            Cause => "expired, operator or health_policy",
            Target => "null or the kind and the id of a worker or a group",
            Modes => "an object of auto and manual",
        }
    }
}

fn is_target(value: &Value) -> bool {
    let word = |key| value.get(key).and_then(Value::as_str);
    word("kind").and_then(TargetKind::from_word).is_some()
        && word("id").is_some_and(|id| id.parse::<MemberId>().is_ok())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fault(kind: &str, data: Value) -> Option<&'static str> {
        let data = data.as_object().expect("an object");
        check_event_data(kind, data).err().map(|error| error.member)
    }

    #[test]
    fn registered_types_need_their_members_and_others_need_none() {
        let worker = format!("wkr_{:0>26}", 1);
        let (target, commit) = (json!({ "kind": "worker", "id": worker }), "a".repeat(40));
        for (kind, data) in [
            ("task.created", json!({ "task_id": "t", "kind": "ideation" })),
            ("task.claimed", json!({ "task_id": "t", "worker_id": worker })),
            ("task.failed", json!({ "task_id": "t", "reason": "worker_error" })),
            ("task.reclaimed", json!({ "task_id": "t", "cause": "operator" })),
            (
                "task.reassigned",
                json!({ "task_id": "t", "new_target": target, "reason": "", "reassigned_by": "admin" }),
            ),
            ("idea.dispatched", json!({ "idea_id": "i", "task_id": "t" })),
            ("variant.started", json!({ "variant_id": "v", "idea_id": "i" })),
            ("variant.succeeded", json!({ "variant_id": "v", "commit_sha": commit })),
            (
                "variant.integrated",
                json!({ "variant_id": "v", "variant_commit_sha": commit }),
            ),
            (
                "experiment.dispatch_mode_changed",
                json!({ "dispatch_mode": { "integration": "auto" }, "changed": {}, "updated_by": worker }),
            ),
            (
                "experiment.terminated",
                json!({ "reason": "", "terminated_by": worker }),
            ),
            (
                "experiment.policy_error",
                json!({ "policy_kind": "termination", "error_type": "E", "error_message": "" }),
            ),
        ] {
            assert_eq!(fault(kind, data.clone()), None, "{kind}");
            for member in data.as_object().expect("an object").keys() {
                let mut without = data.clone();
                without.as_object_mut().expect("an object").remove(member);
                assert_eq!(fault(kind, without), Some(leaked(member)), "{kind}");
                let mut wrong = data.clone();
                wrong[member] = json!(7);
                assert_eq!(fault(kind, wrong), Some(leaked(member)), "{kind}");
            }
        }
        for (kind, data, member) in [
            (
                "task.created",
                json!({ "task_id": "t", "kind": "leisure" }),
                Some("kind"),
            ),
            (
                "task.failed",
                json!({ "task_id": "", "reason": "worker_error" }),
                Some("task_id"),
            ),
            (
                "task.failed",
                json!({ "task_id": "t", "reason": "whim" }),
                Some("reason"),
            ),
            (
                "task.reclaimed",
                json!({ "task_id": "t", "cause": "whim" }),
                Some("cause"),
            ),
            (
                "variant.started",
                json!({ "variant_id": "v", "kind": "baseline" }),
                None,
            ),
            (
                "variant.started",
                json!({ "variant_id": "v", "kind": "other" }),
                Some("kind"),
            ),
            ("variant.started", json!({ "variant_id": "v" }), Some("idea_id")),
            ("x_somebody.noted", json!({}), None),
            ("task.noted", json!({ "task_id": 7 }), None),
        ] {
            assert_eq!(fault(kind, data.clone()), member, "{kind} {data}");
        }
        let mut reassigned = json!({ "task_id": "t", "new_target": null, "reason": "", "reassigned_by": "admin" });
        assert_eq!(fault("task.reassigned", reassigned.clone()), None);
        reassigned["new_target"] = json!({ "kind": "worker", "id": "somebody" });
        assert_eq!(fault("task.reassigned", reassigned), Some("new_target"));
    }

    /// The name of the member as the table has it.
    fn leaked(name: &str) -> &'static str {
        let mut members = REGISTRY.iter().flat_map(|(_, members)| members.iter());
        let known = members.find(|(member, _)| *member == name);
        known.expect("in the table").0
    }
}
