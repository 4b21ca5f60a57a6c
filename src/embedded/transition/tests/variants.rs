//! Creating and integrating variants.

use super::*;

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
    assert_eq!(model.declare_evaluation_error("v"), ILLEGAL);
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
fn a_baseline_may_be_created_with_its_metrics() {
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
fn variants_are_created_starting_and_well_formed() {
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
