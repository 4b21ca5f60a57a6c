//! What the registered types of events must carry (`ch05 §3`). Other members are allowed, and so are other types.

use serde_json::Value;

use super::{
    Actor, CommitSha, DecisionMode, Extra, MemberId, ReclaimCause, RejectReason, TargetKind, TaskKind, WorkerId,
};

/// What a member must be.
struct Rule {
    /// The end of a sentence that begins with "must be".
    needs: &'static str,
    admits: fn(&Value) -> bool,
}

const ID: Rule = Rule {
    needs: "a text that is not empty",
    admits: |value| is_text(value, |text| !text.is_empty()),
};
const TEXT: Rule = Rule {
    needs: "a text",
    admits: Value::is_string,
};
const WORKER: Rule = Rule {
    needs: "the id of a worker",
    admits: |value| is_text(value, |text| text.parse::<WorkerId>().is_ok()),
};
const ACTOR: Rule = Rule {
    needs: "admin or the id of a worker",
    admits: |value| is_text(value, |text| text.parse::<Actor>().is_ok()),
};
const COMMIT: Rule = Rule {
    needs: "40 or 64 lowercase hex digits",
    admits: |value| is_text(value, |text| text.parse::<CommitSha>().is_ok()),
};
const TASK_KIND: Rule = Rule {
    needs: "ideation, execution or evaluation",
    admits: |value| is_text(value, |text| TaskKind::from_word(text).is_some()),
};
const REJECT_REASON: Rule = Rule {
    needs: "worker_error, validation_error or policy_limit",
    admits: |value| is_text(value, |text| RejectReason::from_word(text).is_some()),
};
const RECLAIM_CAUSE: Rule = Rule {
    needs: "expired, operator or health_policy",
    admits: |value| is_text(value, |text| ReclaimCause::from_word(text).is_some()),
};
const TARGET: Rule = Rule {
    needs: "null or the kind and the id of a worker or a group",
    admits: |value| value.is_null() || is_target(value),
};
const MODES: Rule = Rule {
    needs: "an object of auto and manual",
    admits: |value| value.as_object().is_some_and(|modes| modes.values().all(is_mode)),
};

fn is_text(value: &Value, rule: fn(&str) -> bool) -> bool {
    value.as_str().is_some_and(rule)
}

fn is_mode(value: &Value) -> bool {
    is_text(value, |text| DecisionMode::from_word(text).is_some())
}

fn is_target(value: &Value) -> bool {
    let has = |key, rule| value.get(key).is_some_and(|member| is_text(member, rule));
    has("kind", |kind| TargetKind::from_word(kind).is_some()) && has("id", |id| id.parse::<MemberId>().is_ok())
}

/// The 19 types and their members.
const REGISTRY: [(&str, &[(&str, Rule)]); 19] = [
    ("task.created", &[("task_id", ID), ("kind", TASK_KIND)]),
    ("task.claimed", &[("task_id", ID), ("worker_id", WORKER)]),
    ("task.submitted", &[("task_id", ID)]),
    ("task.completed", &[("task_id", ID)]),
    ("task.failed", &[("task_id", ID), ("reason", REJECT_REASON)]),
    ("task.reclaimed", &[("task_id", ID), ("cause", RECLAIM_CAUSE)]),
    (
        "task.reassigned",
        &[
            ("task_id", ID),
            ("new_target", TARGET),
            ("reason", TEXT),
            ("reassigned_by", ACTOR),
        ],
    ),
    ("idea.drafted", &[("idea_id", ID)]),
    ("idea.ready", &[("idea_id", ID)]),
    ("idea.dispatched", &[("idea_id", ID), ("task_id", ID)]),
    ("idea.completed", &[("idea_id", ID), ("task_id", ID)]),
    // [`check_event_data`] has more rules for this one.
    ("variant.started", &[("variant_id", ID)]),
    ("variant.succeeded", &[("variant_id", ID), ("commit_sha", COMMIT)]),
    ("variant.errored", &[("variant_id", ID)]),
    ("variant.evaluation_errored", &[("variant_id", ID)]),
    (
        "variant.integrated",
        &[("variant_id", ID), ("variant_commit_sha", COMMIT)],
    ),
    (
        "experiment.dispatch_mode_changed",
        &[("dispatch_mode", MODES), ("changed", MODES), ("updated_by", ACTOR)],
    ),
    ("experiment.terminated", &[("reason", TEXT), ("terminated_by", ACTOR)]),
    (
        "experiment.policy_error",
        &[("policy_kind", TEXT), ("error_type", TEXT), ("error_message", TEXT)],
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

/// Checks the data of an event. Types that are not registered may have any (`ch05 §3.6`).
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
    for (member, rule) in *members {
        if !data.get(*member).is_some_and(rule.admits) {
            return Err(fault(member, rule.needs));
        }
    }
    if kind == "variant.started" {
        // A baseline says its kind, and may have no idea.
        let is_baseline = data.get("kind").is_some_and(|kind| kind == "baseline");
        if data.contains_key("kind") && !is_baseline {
            return Err(fault("kind", "baseline or nothing"));
        }
        if !data.get("idea_id").map_or(is_baseline, ID.admits) {
            return Err(fault("idea_id", ID.needs));
        }
    }
    Ok(())
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
