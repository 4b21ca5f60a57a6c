//! The state machines (`ch04`), transition by transition, and random sequences of operations.

mod experiments;
mod invariants;
pub(super) mod model;
mod submissions;
mod tasks;
mod variants;

use serde_json::{Value, json};

use self::model::{Kinds, Model, of, sha, worker};
use super::*;
use crate::protocol::*;

const ILLEGAL: Kinds = Err(ErrorType::IllegalTransition);

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
