//! Submitting, accepting and rejecting.

use super::*;

#[test]
fn only_the_claimant_submits_and_only_what_belongs_to_the_task() {
    let mut model = executing();
    assert_eq!(model.claim("x", 2), ILLEGAL);
    assert_eq!(model.submit("x", 2, executed()), Err(ErrorType::WrongClaimant));
    let mut other = executed();
    other.variant_id = Some(of(json!("nothing")));
    assert_eq!(model.submit("x", 1, other), ILLEGAL);
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
fn an_ideation_submits_only_ideas_that_are_ready() {
    let mut model = Model::new();
    model
        .create_task(model.new_task("t", TaskKind::Ideation, ""))
        .expect("created");
    model.claim("t", 1).expect("claimed");
    model.create_idea(model.new_idea("i")).expect("drafted");
    let named = |status: &str| payload(json!({ "status": status, "idea_ids": ["i"] }));
    assert_eq!(model.submit("t", 1, named("success")), ILLEGAL);
    assert_eq!(model.submit("t", 1, named("error")), ILLEGAL, "whatever the status");
    assert_eq!(
        model.submit("t", 1, named("evaluation_error")),
        Err(ErrorType::BadRequest)
    );
    model.mark_ready("i").expect("ready");
    assert_eq!(model.mark_ready("i"), ILLEGAL);
    model.submit("t", 1, named("success")).expect("submitted");
    assert_eq!(model.accept("t"), Ok(vec!["task.completed"]));
    assert_eq!(model.accept("t"), ILLEGAL);
}

#[test]
fn accepting_an_execution_leaves_the_variant_starting() {
    let mut model = executing();
    assert_eq!(model.accept("x"), ILLEGAL, "nothing is submitted");
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
    assert_eq!(model.accept("e"), ILLEGAL);
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
    assert_eq!(model.accept("e"), ILLEGAL);
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
