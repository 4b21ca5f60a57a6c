//! Creating, reclaiming and reassigning tasks.

use super::*;

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
    held.claim = Some(of(json!({ "worker_id": worker(1), "claimed_at": model::NOW })));
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
fn reclaiming_a_task_errors_the_variant_that_was_started() {
    let mut model = executing();
    assert_eq!(
        model.reclaim("x", ReclaimCause::Expired),
        Ok(vec!["task.reclaimed", "variant.errored"])
    );
    assert_eq!(model.ideas["i"].state, IdeaState::Dispatched, "its task is still live");
    assert_eq!(model.reclaim("x", ReclaimCause::Operator), ILLEGAL, "nobody holds it");
    assert_eq!(model.submit("x", 1, executed()), Err(ErrorType::NotClaimed));
    model.claim("x", 2).expect("claimed by another");
    assert_eq!(model.submit("x", 1, executed()), Err(ErrorType::WrongClaimant));

    let mut model = executing();
    model.submit("x", 1, executed()).expect("submitted");
    assert_eq!(model.reclaim("x", ReclaimCause::Expired), ILLEGAL);
    assert_eq!(model.reclaim("x", ReclaimCause::HealthPolicy), ILLEGAL);
    model.reclaim("x", ReclaimCause::Operator).expect("reclaimed");
    assert!(model.submissions.is_empty());

    let mut model = evaluating();
    assert_eq!(model.reclaim("e", ReclaimCause::Operator), Ok(vec!["task.reclaimed"]));
    assert_eq!(model.variant("v").expect("there").status, VariantStatus::Starting);
}

#[test]
fn reassigning_reclaims_a_claimed_task() {
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
