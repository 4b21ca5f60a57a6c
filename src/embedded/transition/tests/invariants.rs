//! What holds after any sequence of operations.

use std::collections::BTreeMap;

use super::*;
use proptest::prelude::*;

#[derive(Debug, Clone)]
enum Op {
    CreateTask(u8, u8),
    Claim(u8, u8),
    Submit(u8, u8, SubmissionStatus, u8),
    Accept(u8),
    Reject(u8, RejectReason),
    Reclaim(u8, ReclaimCause),
    Reassign(u8, Option<u8>),
    Draft(u8),
    Ready(u8),
    Start(u8, u8, bool),
    Unmeasurable(u8),
    Integrate(u8, bool),
    Terminate,
}

fn ops() -> impl Strategy<Value = Op> {
    // Few ids, so that operations concern the same entities.
    let (task, thing, who) = (|| 0..9_u8, || 0..3_u8, || 1..3_u8);
    let often = [SubmissionStatus::ALL, &[SubmissionStatus::Success; 2]].concat();
    let status = proptest::sample::select(often);
    let reason = proptest::sample::select(RejectReason::ALL);
    let cause = proptest::sample::select(ReclaimCause::ALL);
    prop_oneof![
        100 => (task(), thing()).prop_map(|(id, subject)| Op::CreateTask(id, subject)),
        120 => (task(), who()).prop_map(|(id, by)| Op::Claim(id, by)),
        160 => (task(), who(), status, thing()).prop_map(|(id, by, status, thing)| Op::Submit(id, by, status, thing)),
        100 => task().prop_map(Op::Accept),
        40 => (task(), reason).prop_map(|(id, reason)| Op::Reject(id, reason)),
        20 => (task(), cause).prop_map(|(id, cause)| Op::Reclaim(id, cause)),
        20 => (task(), proptest::option::of(who())).prop_map(|(id, target)| Op::Reassign(id, target)),
        40 => thing().prop_map(Op::Draft),
        60 => thing().prop_map(Op::Ready),
        80 => (thing(), thing(), any::<bool>()).prop_map(|(id, idea, commit)| Op::Start(id, idea, commit)),
        20 => thing().prop_map(Op::Unmeasurable),
        40 => (thing(), any::<bool>()).prop_map(|(id, other)| Op::Integrate(id, other)),
        1 => Just(Op::Terminate),
    ]
}

fn run(model: &mut Model, op: Op) -> Kinds {
    match op {
        Op::CreateTask(id, subject) => {
            // By the id, or tasks of the kind that needs nothing would take every one.
            let kind = TaskKind::ALL[usize::from(id) % 3];
            let subject = if kind == TaskKind::Execution {
                format!("i{subject}")
            } else {
                format!("v{subject}")
            };
            model.create_task(model.new_task(&format!("t{id}"), kind, &subject))
        }
        Op::Claim(id, by) => model.claim(&format!("t{id}"), by),
        Op::Submit(id, by, status, thing) => submit(model, &format!("t{id}"), by, status, thing),
        Op::Accept(id) => model.accept(&format!("t{id}")),
        Op::Reject(id, reason) => model.reject(&format!("t{id}"), reason),
        Op::Reclaim(id, cause) => model.reclaim(&format!("t{id}"), cause),
        Op::Reassign(id, target) => model.reassign(&format!("t{id}"), target),
        Op::Draft(id) => model.create_idea(model.new_idea(&format!("i{id}"))),
        Op::Ready(id) => model.mark_ready(&format!("i{id}")),
        Op::Start(id, idea, commit) => {
            let mut variant = model.new_variant(&format!("v{id}"), &format!("i{idea}"));
            variant.commit_sha = commit.then(|| sha('b'));
            model.create_variant(variant)
        }
        Op::Unmeasurable(id) => model.declare_evaluation_error(&format!("v{id}")),
        Op::Integrate(id, other) => model.integrate(&format!("v{id}"), sha(if other { 'c' } else { 'd' })),
        Op::Terminate => model.terminate(),
    }
}

/// Worker 1 stands for the claimant of the task, and thing 0 for what the task is about. Others are often wrong.
fn submit(model: &mut Model, id: &str, by: u8, status: SubmissionStatus, thing: u8) -> Kinds {
    let mut payload = Submission::new(status);
    let Some(task) = model.tasks.get(id) else {
        return model.submit(id, by, payload);
    };
    let own = match task.kind {
        TaskKind::Execution => {
            let of_idea = |v: &&Variant| v.idea_id == task.idea_id() && v.status == VariantStatus::Starting;
            model.variants.iter().find(of_idea).map(|v| v.variant_id.clone())
        }
        _ => task.variant_id(),
    };
    let variant = own.filter(|_| thing == 0).or_else(|| format!("v{thing}").parse().ok());
    match task.kind {
        TaskKind::Ideation => payload.idea_ids = Some(of(json!([format!("i{thing}")]))),
        TaskKind::Execution => {
            payload.variant_id = variant;
            payload.commit_sha = Some(sha('a'));
        }
        TaskKind::Evaluation => {
            payload.variant_id = variant;
            payload.evaluation = of(json!({ "score": 0.5 }));
        }
    }
    let by = if task.claim.as_ref().is_some_and(|c| by == 1 && c.worker_id == worker(2)) {
        2
    } else {
        by
    };
    model.submit(id, by, payload)
}

/// The state of each entity according to the log alone. Panics when the log contains an impossible transition.
fn replay(log: &[NewEvent]) -> BTreeMap<String, &'static str> {
    let mut states = BTreeMap::new();
    for event in log {
        assert_eq!(check_event_data(event.kind, &event.data), Ok(()));
        let (entity, edges): (_, &[(&str, &'static str)]) = match event.kind {
            "task.created" => ("task_id", &[("", "pending")]),
            "task.claimed" => ("task_id", &[("pending", "claimed")]),
            "task.submitted" => ("task_id", &[("claimed", "submitted")]),
            "task.completed" => ("task_id", &[("submitted", "completed")]),
            "task.failed" => ("task_id", &[("submitted", "failed")]),
            "task.reclaimed" => ("task_id", &[("claimed", "pending"), ("submitted", "pending")]),
            "task.reassigned" => ("task_id", &[("pending", "pending")]),
            "idea.drafted" => ("idea_id", &[("", "drafting")]),
            "idea.ready" => ("idea_id", &[("drafting", "ready")]),
            "idea.dispatched" => ("idea_id", &[("ready", "dispatched")]),
            "idea.completed" => ("idea_id", &[("dispatched", "completed")]),
            "variant.started" => ("variant_id", &[("", "starting")]),
            "variant.succeeded" => ("variant_id", &[("starting", "success")]),
            "variant.errored" => ("variant_id", &[("starting", "error")]),
            "variant.evaluation_errored" => ("variant_id", &[("starting", "evaluation_error")]),
            "variant.integrated" => ("variant_id", &[("success", "success")]),
            "experiment.terminated" => continue,
            other => panic!("an event of no registered type: {other}"),
        };
        let id = event.data[entity].as_str().expect("an id").to_owned();
        let before = states.get(&id).copied().unwrap_or_default();
        let edge = edges.iter().find(|(from, _)| *from == before);
        let (_, after) = edge.unwrap_or_else(|| panic!("{} from {before:?} of {id}", event.kind));
        states.insert(id, *after);
    }
    states
}

fn check(model: &Model) {
    let mut stored = BTreeMap::new();
    for (id, task) in &model.tasks {
        stored.insert(id.clone(), task.state.as_str());
        let held = matches!(task.state, TaskState::Claimed | TaskState::Submitted);
        assert_eq!(task.claim.is_some(), held, "claim of {id}");
        let is_submitted = matches!(
            task.state,
            TaskState::Submitted | TaskState::Completed | TaskState::Failed
        );
        assert_eq!(model.submissions.contains_key(id), is_submitted, "submission of {id}");
    }
    for (id, idea) in &model.ideas {
        stored.insert(id.clone(), idea.state.as_str());
        let executions = model
            .tasks
            .values()
            .filter(|t| t.kind == TaskKind::Execution && t.subject() == Some(id));
        let live = executions.filter(|t| t.state.is_live()).count();
        assert_eq!(
            live,
            usize::from(idea.state == IdeaState::Dispatched),
            "live tasks of {id}"
        );
    }
    for variant in &model.variants {
        let id = variant.variant_id.as_str();
        stored.insert(id.to_owned(), variant.status.as_str());
        assert_eq!(
            variant.completed_at.is_some(),
            variant.status != VariantStatus::Starting,
            "{id}"
        );
        if variant.status == VariantStatus::Success {
            assert!(variant.commit_sha.is_some() && variant.evaluation.is_some(), "{id}");
        } else {
            assert!(variant.variant_commit_sha.is_none(), "{id}");
        }
        let evaluations = model
            .tasks
            .values()
            .filter(|t| t.kind == TaskKind::Evaluation && t.subject() == Some(id));
        assert!(
            evaluations.filter(|t| t.state.is_live()).count() <= 1,
            "evaluations of {id}"
        );
    }
    assert_eq!(stored, replay(&model.log), "entities and log agree");
    let end = model.log.iter().position(|event| event.kind == "experiment.terminated");
    let late = end.map_or(&[][..], |end| &model.log[end + 1..]);
    let begun = late
        .iter()
        .find(|e| matches!(e.kind, "task.created" | "task.claimed" | "experiment.terminated"));
    assert_eq!(begun, None, "after the end");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn no_sequence_of_operations_breaks_the_state_machines(ops in proptest::collection::vec(ops(), 1..400)) {
        let mut model = Model::new();
        for op in ops {
            let before = model.log.len();
            if let Ok(events) = run(&mut model, op) {
                prop_assert_eq!(model.log.len(), before + events.len());
            } else {
                prop_assert_eq!(model.log.len(), before);
            }
            check(&model);
        }
    }
}

/// Random operations must reach the last states, or the property above says little.
#[test]
fn random_operations_reach_integration() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let mut kinds = std::collections::BTreeSet::new();
    for _ in 0..40 {
        let tree = proptest::collection::vec(ops(), 800)
            .new_tree(&mut runner)
            .expect("operations");
        let mut model = Model::new();
        for op in tree.current() {
            // Errors are expected.
            let _ = run(&mut model, op);
        }
        kinds.extend(model.log.iter().map(|event| event.kind));
    }
    for kind in [
        "variant.integrated",
        "task.failed",
        "variant.errored",
        "variant.evaluation_errored",
        "task.reassigned",
    ] {
        assert!(kinds.contains(kind), "{kind} was never reached, only {kinds:?}");
    }
}
