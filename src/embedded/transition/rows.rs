//! The rows of the state machines (`ch04`), one by one.

use serde_json::json;

use super::model::{Model, Outcome, of, sha, worker};
use super::*;

const REFUSED: Outcome = Err(ErrorType::IllegalTransition);

fn payload(value: Value) -> Submission {
    of(value)
}

/// An idea `i` ready, an execution task `x` claimed by worker 1, and its variant `v` starting.
fn executing() -> Model {
    let mut model = Model::new();
    model.create_idea(model.new_idea("i")).expect("drafted");
    model.mark_ready("i").expect("ready");
    model
        .create_task(model.new_task("x", TaskKind::Execution, "i"))
        .expect("created");
    model.claim("x", 1).expect("claimed");
    model.create_variant(model.new_variant("v", "i")).expect("started");
    model
}

fn executed() -> Submission {
    payload(json!({ "status": "success", "variant_id": "v", "commit_sha": sha('a'), "artifacts_uri": "eden://a/x" }))
}

/// The execution accepted, and an evaluation task `e` of `v` claimed by worker 2.
fn evaluating() -> Model {
    let mut model = executing();
    model.submit("x", 1, executed()).expect("submitted");
    model.accept("x").expect("accepted");
    model
        .create_task(model.new_task("e", TaskKind::Evaluation, "v"))
        .expect("created");
    model.claim("e", 2).expect("claimed");
    model
}

fn measured(status: &str) -> Submission {
    payload(json!({
        "status": status, "variant_id": "v", "evaluation": { "score": 0.5 }, "artifacts_uri": "eden://a/e",
    }))
}

#[test]
fn creation_needs_its_subject_in_the_right_state() {
    let mut model = Model::new();
    let task = |model: &Model, id: &str, kind, subject: &str| model.new_task(id, kind, subject);
    assert_eq!(
        model.create_task(task(&model, "t", TaskKind::Ideation, "")),
        Ok(vec!["task.created"])
    );
    let twice = task(&model, "t", TaskKind::Ideation, "");
    assert_eq!(model.create_task(twice), Err(ErrorType::AlreadyExists));
    let execution = task(&model, "x", TaskKind::Execution, "i");
    assert_eq!(model.create_task(execution.clone()), Err(ErrorType::NotFound));
    model.create_idea(model.new_idea("i")).expect("drafted");
    assert_eq!(
        model.create_task(execution.clone()),
        Err(ErrorType::InvalidPrecondition)
    );
    model.mark_ready("i").expect("ready");
    assert_eq!(
        model.create_task(execution),
        Ok(vec!["task.created", "idea.dispatched"])
    );
    let evaluation = task(&model, "e", TaskKind::Evaluation, "v");
    assert_eq!(model.create_task(evaluation.clone()), Err(ErrorType::NotFound));
    model.create_variant(model.new_variant("v", "i")).expect("started");
    assert_eq!(
        model.create_task(evaluation),
        Err(ErrorType::InvalidPrecondition),
        "it has no commit"
    );
    let mut elsewhere = task(&model, "t2", TaskKind::Ideation, "");
    elsewhere
        .payload
        .insert("experiment_id".to_owned(), json!("exp_00000000000000000000000009"));
    assert_eq!(model.create_task(elsewhere), Err(ErrorType::InvalidPrecondition));
}

#[test]
fn creation_refuses_forged_and_malformed_bodies() {
    let mut model = Model::new();
    let good = model.new_task("t", TaskKind::Ideation, "");
    let mut forged = good.clone();
    forged.created_by = Some(Actor::Worker(worker(7)));
    let mut held = good.clone();
    held.claim = Some(of(json!({ "worker_id": worker(1), "claimed_at": super::model::NOW })));
    let mut crooked = good.clone();
    crooked.target = Some(of(json!({ "kind": "group", "id": worker(1) })));
    let mut empty = good.clone();
    empty.payload.clear();
    for (fault, task) in [
        ("forged", forged),
        ("held", held),
        ("crooked", crooked),
        ("empty", empty),
    ] {
        assert_eq!(model.create_task(task), Err(ErrorType::BadRequest), "{fault}");
    }
    let mut done = good;
    done.state = TaskState::Completed;
    assert_eq!(model.create_task(done), Err(ErrorType::InvalidPrecondition));
    assert!(model.log.is_empty());
}

#[test]
fn targets_come_from_the_body_or_else_from_the_idea() {
    let mut model = Model::new();
    let target = |n| Target {
        kind: TargetKind::Worker,
        id: (&worker(n)).into(),
    };
    let mut idea = model.new_idea("i");
    idea.intended_executor = Some(target(1));
    idea.intended_evaluator = Some(target(2));
    model.create_idea(idea).expect("drafted");
    model.mark_ready("i").expect("ready");
    model
        .create_task(model.new_task("x", TaskKind::Execution, "i"))
        .expect("created");
    assert_eq!(model.tasks["x"].target, Some(target(1)));
    assert_eq!(model.claim("x", 3), Err(ErrorType::WorkerNotEligible));
    let mut variant = model.new_variant("v", "i");
    variant.commit_sha = Some(sha('a'));
    model.create_variant(variant).expect("started");
    let mut explicit = model.new_task("e", TaskKind::Evaluation, "v");
    explicit.target = Some(target(3));
    model.create_task(explicit).expect("created");
    assert_eq!(model.tasks["e"].target, Some(target(3)));
    model.tasks.remove("e");
    model
        .create_task(model.new_task("f", TaskKind::Evaluation, "v"))
        .expect("created");
    assert_eq!(model.tasks["f"].target, Some(target(2)));
}

#[test]
fn only_the_holder_submits_and_only_what_belongs_to_the_task() {
    let mut model = executing();
    assert_eq!(model.claim("x", 2), REFUSED);
    assert_eq!(model.submit("x", 2, executed()), Err(ErrorType::WrongClaimant));
    let mut other = executed();
    other.variant_id = Some(of(json!("nothing")));
    assert_eq!(model.submit("x", 1, other), REFUSED);
    let shapeless = payload(json!({ "status": "success", "variant_id": "v" }));
    assert_eq!(model.submit("x", 1, shapeless), Err(ErrorType::BadRequest));
    let mut idle = executed();
    idle.commit_sha = Some(sha('0'));
    assert_eq!(model.submit("x", 1, idle), Err(ErrorType::NoOpVariant));
    assert_eq!(model.submit("x", 1, executed()), Ok(vec!["task.submitted"]));
    let mut moved = executed();
    moved.artifacts_uri = None;
    assert_eq!(model.submit("x", 1, moved), Ok(vec![]), "artifacts never count");
    assert_eq!(
        model.submissions["x"].artifacts_uri.as_deref(),
        Some("eden://a/x"),
        "the first stays"
    );
    let mut changed = executed();
    changed.commit_sha = Some(sha('b'));
    assert_eq!(model.submit("x", 1, changed), Err(ErrorType::ConflictingResubmission));
    model.accept("x").expect("accepted");
    assert_eq!(model.submit("x", 1, executed()), Err(ErrorType::NotClaimed));
}

#[test]
fn an_ideation_answers_with_ideas_that_are_ready() {
    let mut model = Model::new();
    model
        .create_task(model.new_task("t", TaskKind::Ideation, ""))
        .expect("created");
    model.claim("t", 1).expect("claimed");
    model.create_idea(model.new_idea("i")).expect("drafted");
    let named = |status: &str| payload(json!({ "status": status, "idea_ids": ["i"] }));
    assert_eq!(model.submit("t", 1, named("success")), REFUSED);
    assert_eq!(model.submit("t", 1, named("error")), REFUSED, "whatever the status");
    assert_eq!(
        model.submit("t", 1, named("evaluation_error")),
        Err(ErrorType::BadRequest)
    );
    model.mark_ready("i").expect("ready");
    assert_eq!(model.mark_ready("i"), REFUSED);
    model.submit("t", 1, named("success")).expect("submitted");
    assert_eq!(model.accept("t"), Ok(vec!["task.completed"]));
    assert_eq!(model.accept("t"), REFUSED);
}

#[test]
fn accepting_an_execution_leaves_the_variant_starting() {
    let mut model = executing();
    assert_eq!(model.accept("x"), REFUSED, "nothing is submitted");
    model.submit("x", 1, executed()).expect("submitted");
    assert_eq!(model.accept("x"), Ok(vec!["task.completed", "idea.completed"]));
    let variant = model.variant("v").expect("there");
    assert_eq!(variant.status, VariantStatus::Starting);
    assert_eq!(variant.commit_sha, Some(sha('a')));
    assert_eq!(variant.executed_by, Some(worker(1)));
    assert_eq!(variant.executor_artifacts_uri.as_deref(), Some("eden://a/x"));
    assert_eq!(model.tasks["x"].claim, None);
    assert_eq!(model.tasks["x"].submitted_by, Some(worker(1)));
}

#[test]
fn accepting_an_evaluation_needs_metrics_of_the_schema() {
    let mut model = evaluating();
    let mut wrong = measured("success");
    wrong.evaluation = of(json!({ "speed": 1 }));
    model.submit("e", 2, wrong).expect("submitted");
    assert_eq!(model.accept("e"), REFUSED);
    assert_eq!(
        model.reject("e", RejectReason::ValidationError),
        Ok(vec!["task.failed"]),
        "the variant can be measured again"
    );
    model
        .create_task(model.new_task("e2", TaskKind::Evaluation, "v"))
        .expect("a retry");
    model.claim("e2", 2).expect("claimed");
    model.submit("e2", 2, measured("success")).expect("submitted");
    assert_eq!(model.accept("e2"), Ok(vec!["task.completed", "variant.succeeded"]));
    let variant = model.variant("v").expect("there");
    assert_eq!(variant.evaluated_by, Some(worker(2)));
    assert!(variant.completed_at.is_some() && variant.evaluation.is_some());
}

#[test]
fn an_error_cannot_be_accepted() {
    let mut model = evaluating();
    model.submit("e", 2, measured("error")).expect("submitted");
    assert_eq!(model.accept("e"), REFUSED);
}

#[test]
fn rejecting_an_execution_errors_its_variant_and_completes_the_idea() {
    for (reason, artifacts) in [
        (RejectReason::WorkerError, Some("eden://a/x")),
        (RejectReason::PolicyLimit, Some("eden://a/x")),
        (RejectReason::ValidationError, None),
    ] {
        let mut model = executing();
        model.submit("x", 1, executed()).expect("submitted");
        let events = model.reject("x", reason);
        assert_eq!(events, Ok(vec!["task.failed", "idea.completed", "variant.errored"]));
        let variant = model.variant("v").expect("there");
        assert_eq!(variant.status, VariantStatus::Error);
        assert_eq!(variant.executor_artifacts_uri.as_deref(), artifacts, "{reason}");
        assert_eq!(model.ideas["i"].state, IdeaState::Completed);
    }
}

#[test]
fn rejecting_an_evaluation_depends_on_what_was_reported() {
    let mut model = evaluating();
    model.submit("e", 2, measured("error")).expect("submitted");
    assert_eq!(
        model.reject("e", RejectReason::WorkerError),
        Ok(vec!["task.failed", "variant.errored"])
    );
    assert!(model.variant("v").expect("there").evaluation.is_some());

    let mut model = evaluating();
    model.submit("e", 2, measured("error")).expect("submitted");
    model.reject("e", RejectReason::ValidationError).expect("rejected");
    let variant = model.variant("v").expect("there");
    assert_eq!((&variant.evaluation, &variant.artifacts_uri), (&None, &None));

    let mut model = evaluating();
    let mut wrong = measured("error");
    wrong.evaluation = of(json!({ "speed": 1 }));
    model.submit("e", 2, wrong).expect("submitted");
    let refused = model.reject("e", RejectReason::WorkerError);
    assert_eq!(refused, Err(ErrorType::InvalidPrecondition));

    for status in ["success", "evaluation_error"] {
        let mut model = evaluating();
        model.submit("e", 2, measured(status)).expect("submitted");
        assert_eq!(model.reject("e", RejectReason::WorkerError), Ok(vec!["task.failed"]));
        let variant = model.variant("v").expect("there");
        assert_eq!(variant.status, VariantStatus::Starting);
        assert_eq!(variant.evaluation, None);
    }
}

#[test]
fn taking_a_task_back_abandons_what_was_started() {
    let mut model = executing();
    assert_eq!(
        model.reclaim("x", ReclaimCause::Expired),
        Ok(vec!["task.reclaimed", "variant.errored"])
    );
    assert_eq!(model.ideas["i"].state, IdeaState::Dispatched, "its task is still live");
    assert_eq!(model.reclaim("x", ReclaimCause::Operator), REFUSED, "nobody holds it");
    assert_eq!(model.submit("x", 1, executed()), Err(ErrorType::NotClaimed));
    model.claim("x", 2).expect("claimed by another");
    assert_eq!(model.submit("x", 1, executed()), Err(ErrorType::WrongClaimant));

    let mut model = executing();
    model.submit("x", 1, executed()).expect("submitted");
    assert_eq!(model.reclaim("x", ReclaimCause::Expired), REFUSED);
    assert_eq!(model.reclaim("x", ReclaimCause::HealthPolicy), REFUSED);
    model.reclaim("x", ReclaimCause::Operator).expect("reclaimed");
    assert!(model.submissions.is_empty());

    let mut model = evaluating();
    assert_eq!(model.reclaim("e", ReclaimCause::Operator), Ok(vec!["task.reclaimed"]));
    assert_eq!(model.variant("v").expect("there").status, VariantStatus::Starting);
}

#[test]
fn reassigning_takes_back_what_is_held() {
    let mut model = executing();
    assert_eq!(
        model.reassign("x", Some(4)),
        Ok(vec!["task.reclaimed", "variant.errored", "task.reassigned"])
    );
    assert_eq!(model.reassign("x", Some(4)), Ok(vec![]), "the same target again");
    assert_eq!(model.reassign("x", None), Ok(vec!["task.reassigned"]));
    let event = model.log.last().expect("logged");
    assert_eq!(event.data.get("new_target"), Some(&Value::Null), "null is said");
    model.claim("x", 1).expect("claimed");
    model.create_variant(model.new_variant("v2", "i")).expect("started");
    let mut second = executed();
    second.variant_id = Some(of(json!("v2")));
    model.submit("x", 1, second).expect("submitted");
    assert_eq!(model.reassign("x", None), Err(ErrorType::InvalidPrecondition));
    model.accept("x").expect("accepted");
    assert_eq!(model.reassign("x", None), Err(ErrorType::InvalidPrecondition));
}

#[test]
fn integration_happens_once() {
    let mut model = evaluating();
    assert_eq!(model.integrate("v", sha('c')), Err(ErrorType::InvalidPrecondition));
    model.submit("e", 2, measured("success")).expect("submitted");
    model.accept("e").expect("accepted");
    model.terminate().expect("terminated");
    assert_eq!(
        model.integrate("v", sha('c')),
        Ok(vec!["variant.integrated"]),
        "terminated or not"
    );
    assert_eq!(model.integrate("v", sha('c')), Ok(vec![]));
    assert_eq!(model.integrate("v", sha('d')), Err(ErrorType::InvalidPrecondition));
    assert_eq!(model.declare_evaluation_error("v"), REFUSED);
}

#[test]
fn an_evaluation_error_keeps_nothing_of_earlier_attempts() {
    let mut model = evaluating();
    model.submit("e", 2, measured("evaluation_error")).expect("submitted");
    model.reject("e", RejectReason::WorkerError).expect("rejected");
    assert_eq!(
        model.declare_evaluation_error("v"),
        Ok(vec!["variant.evaluation_errored"])
    );
    let variant = model.variant("v").expect("there");
    assert_eq!((&variant.evaluation, &variant.artifacts_uri), (&None, &None));
    assert!(variant.completed_at.is_some());
}

#[test]
fn a_baseline_may_begin_measured() {
    let mut model = Model::new();
    let mut baseline = model.new_variant("baseline", "none");
    baseline.kind = Some("baseline".to_owned());
    baseline.idea_id = None;
    baseline.commit_sha = Some(sha('0'));
    baseline.status = VariantStatus::Success;
    assert_eq!(
        model.create_variant(baseline.clone()),
        Err(ErrorType::InvalidPrecondition)
    );
    baseline.evaluation = of(json!({ "score": "high" }));
    assert_eq!(
        model.create_variant(baseline.clone()),
        Err(ErrorType::InvalidPrecondition)
    );
    baseline.evaluation = of(json!({ "score": 1 }));
    let events = model.create_variant(baseline);
    assert_eq!(events, Ok(vec!["variant.started", "variant.succeeded"]));
    assert!(!model.log[0].data.contains_key("idea_id"));
    assert_eq!(
        model.integrate("baseline", sha('c')),
        Err(ErrorType::InvalidPrecondition)
    );
}

#[test]
fn variants_are_created_starting_and_whole() {
    let mut model = Model::new();
    let good = model.new_variant("v", "i");
    assert_eq!(
        model.create_variant(good.clone()),
        Err(ErrorType::NotFound),
        "no such idea"
    );
    model.create_idea(model.new_idea("i")).expect("drafted");
    let with = |change: fn(&mut Variant)| {
        let mut variant = good.clone();
        change(&mut variant);
        variant
    };
    for (expected, variant) in [
        (ErrorType::BadRequest, with(|v| v.idea_id = None)),
        (ErrorType::BadRequest, with(|v| v.kind = Some("other".to_owned()))),
        (ErrorType::BadRequest, with(|v| v.branch = Some("main".to_owned()))),
        (ErrorType::BadRequest, with(|v| v.parent_commits.clear())),
        (ErrorType::BadRequest, with(|v| v.variant_commit_sha = Some(sha('a')))),
        (
            ErrorType::BadRequest,
            with(|v| v.artifacts_uri = Some("no uri".to_owned())),
        ),
        (
            ErrorType::InvalidPrecondition,
            with(|v| v.status = VariantStatus::Success),
        ),
    ] {
        assert_eq!(model.create_variant(variant.clone()), Err(expected), "{variant:?}");
    }
    let mut branched = good.clone();
    branched.branch = Some("work/a".to_owned());
    model.create_variant(branched.clone()).expect("started");
    assert_eq!(model.create_variant(good), Err(ErrorType::AlreadyExists));
    branched.variant_id = of(json!("w"));
    assert_eq!(
        model.create_variant(branched),
        Err(ErrorType::InvalidPrecondition),
        "one branch, one variant"
    );
}

#[test]
fn a_terminated_experiment_finishes_what_it_has() {
    let mut model = executing();
    model
        .create_task(model.new_task("t", TaskKind::Ideation, ""))
        .expect("created");
    assert_eq!(model.terminate(), Ok(vec!["experiment.terminated"]));
    assert_eq!(model.terminate(), Ok(vec![]));
    assert_eq!(model.create_task(model.new_task("t2", TaskKind::Ideation, "")), REFUSED);
    assert_eq!(model.claim("t", 1), REFUSED);
    assert_eq!(model.reassign("t", Some(1)), Ok(vec!["task.reassigned"]));
    model
        .create_idea(model.new_idea("late"))
        .expect("ideas are not held back");
    model.submit("x", 1, executed()).expect("submitted");
    model.accept("x").expect("accepted");
}

#[test]
fn the_dispatch_mode_says_what_changed() {
    let mode: Extra = of(json!({ "termination": "manual", "integration": "auto" }));
    assert!(good_dispatch_patch(&of(json!({ "integration": "later" }))).is_err());
    let (same, change) = update_dispatch_mode(mode.clone(), Extra::new(), &worker(1));
    assert_eq!((same, change), (mode.clone(), Change::default()));
    let patch = of(json!({ "integration": "manual", "termination": "manual", "x_other": "auto" }));
    let (mode, change) = update_dispatch_mode(mode, patch, &worker(1));
    assert_eq!(
        mode,
        of::<Extra>(json!({ "termination": "manual", "integration": "manual", "x_other": "auto" }))
    );
    assert_eq!(
        change.events[0].data["changed"],
        json!({ "integration": "manual", "x_other": "auto" })
    );
}
