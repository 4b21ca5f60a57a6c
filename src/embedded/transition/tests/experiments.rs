//! Termination and the dispatch mode.

use super::*;

#[test]
fn a_terminated_experiment_finishes_its_tasks() {
    let mut model = executing();
    model
        .create_task(model.new_task("t", TaskKind::Ideation, ""))
        .expect("created");
    assert_eq!(model.terminate(), Ok(vec!["experiment.terminated"]));
    assert_eq!(model.terminate(), Ok(vec![]));
    assert_eq!(model.create_task(model.new_task("t2", TaskKind::Ideation, "")), ILLEGAL);
    assert_eq!(model.claim("t", 1), ILLEGAL);
    assert_eq!(model.reassign("t", Some(1)), Ok(vec!["task.reassigned"]));
    model
        .create_idea(model.new_idea("late"))
        .expect("ideas are not held back");
    model.submit("x", 1, executed()).expect("submitted");
    model.accept("x").expect("accepted");
}

#[test]
fn the_dispatch_mode_event_names_what_changed() {
    let mode: Extra = of(json!({ "termination": "manual", "integration": "auto" }));
    assert!(check_dispatch_patch(&of(json!({ "integration": "later" }))).is_err());
    let (same, change) = update_dispatch_mode(mode.clone(), Extra::new(), &worker(1));
    assert_eq!((same, change), (mode.clone(), ChangeSet::default()));
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
