//! The worlds that pages are drawn from: made over the wire, with ids and times that never differ.

use std::time::Duration;

use serde_json::json;
use switchboard::protocol::*;

use crate::console::{Console, until};
use crate::support::{Lab, register, sha};

/// Three experiments: one busy, one that has only been seeded, one that has only been registered.
pub struct Deployment {
    pub console: Console,
    pub busy: Lab,
    pub empty: Lab,
    pub unseeded: ExperimentId,
}

impl Deployment {
    pub async fn start() -> Self {
        let console = Console::start().await;
        let busy = Lab::begin(&console.admin, "Busy bees", console.clock.clone()).await;
        console.clock.advance(Duration::from_secs(1));
        let empty = Lab::begin(&console.admin, "Empty quarter", console.clock.clone()).await;
        console.clock.advance(Duration::from_secs(1));
        let unseeded = register(&console.admin, "Unwritten page").await;
        // The control plane warns of what it has not heard of for minutes, so it is read before time passes.
        let registry = console.live.registry();
        until("the registry", async || registry.view().rows.get(&unseeded).map(drop)).await;
        fill(&console, &busy).await;
        Self {
            console,
            busy,
            empty,
            unseeded,
        }
    }

    /// Waits until the console knows all there is to know of an experiment.
    pub async fn known(&self, id: &ExperimentId) {
        let log = self.console.admin.experiment(id).events(0, None).await.expect("a log");
        let mirror = self.console.live.mirror(id);
        until("the mirror", async || {
            mirror.view().snapshot().filter(|s| s.cursor == log.cursor).map(drop)
        })
        .await;
    }
}

/// A little of everything: each state of a task, an idea and a variant.
async fn fill(console: &Console, lab: &Lab) {
    let step = || console.clock.advance(Duration::from_secs(90));
    let baseline = Variant {
        kind: Some("baseline".to_owned()),
        status: VariantStatus::Success,
        idea_id: None,
        commit_sha: Some(sha('0')),
        branch: None,
        evaluation: evaluation(0.25, 0),
        completed_at: Some(console.clock.now()),
        ..lab.variant("baseline", "none")
    };
    lab.orchestrator.create_variant(&baseline).await.expect("a baseline");

    step();
    let ideation = lab.ideation("ideate-1").await;
    lab.claim(&ideation.task_id).await;
    for (name, priority) in [("idea-good", 3.0), ("idea-bad", 1.5)] {
        step();
        lab.worker
            .create_idea(&Idea {
                priority,
                artifacts_uri: text(name),
                ..lab.idea(name)
            })
            .await
            .expect("an idea");
        lab.worker
            .mark_ready(&name.parse().expect("an id"))
            .await
            .expect("ready");
    }
    lab.worker.create_idea(&lab.idea("idea-draft")).await.expect("an idea");
    let ideas = ["idea-good", "idea-bad"].map(|id| id.parse().expect("an id"));
    let handed_in = Submission {
        idea_ids: Some(ideas.to_vec()),
        ..Submission::new(SubmissionStatus::Success)
    };
    lab.worker
        .submit(&ideation.task_id, handed_in)
        .await
        .expect("submitted");
    lab.orchestrator.accept(&ideation.task_id).await.expect("accepted");

    step();
    execute(lab, "good", 'a').await;
    step();
    evaluate(lab, "good", 0.75).await;
    lab.orchestrator
        .integrate(&"v-good".parse().expect("an id"), &sha('b'))
        .await
        .expect("integrated");

    step();
    execute(lab, "bad", 'c').await;
    step();
    let broken = lab
        .task("evaluate-bad", TaskKind::Evaluation, json!({ "variant_id": "v-bad" }))
        .await
        .expect("a task");
    lab.claim(&broken.task_id).await;
    let error = Submission {
        variant_id: "v-bad".parse().ok(),
        ..Submission::new(SubmissionStatus::Error)
    };
    lab.worker.submit(&broken.task_id, error).await.expect("submitted");
    lab.orchestrator
        .reject(&broken.task_id, RejectReason::WorkerError)
        .await
        .expect("rejected");

    step();
    let late = lab.ideation("ideate-2").await;
    let expires_at = Some("2026-03-04T06:00:00Z".parse().expect("a timestamp"));
    lab.worker
        .claim(&late.task_id, &ClaimRequest { expires_at })
        .await
        .expect("claimed");
    step();
    let waiting = lab.ideation("ideate-3").await;
    lab.claim(&waiting.task_id).await;
    let nothing = Submission {
        idea_ids: Some(Vec::new()),
        ..Submission::new(SubmissionStatus::Success)
    };
    lab.worker.submit(&waiting.task_id, nothing).await.expect("submitted");
    step();
    lab.ideation("odd id/with \"everything\" & more").await;
}

async fn execute(lab: &Lab, name: &str, commit: char) {
    let idea = format!("idea-{name}");
    let task = lab
        .task(
            &format!("execute-{name}"),
            TaskKind::Execution,
            json!({ "idea_id": idea }),
        )
        .await
        .expect("a task");
    lab.claim(&task.task_id).await;
    let variant = lab.variant(&format!("v-{name}"), &idea);
    lab.worker
        .create_variant(&Variant {
            description: Some("One step further.".to_owned()),
            ..variant.clone()
        })
        .await
        .expect("a variant");
    let done = Submission {
        variant_id: Some(variant.variant_id),
        commit_sha: Some(sha(commit)),
        ..Submission::new(SubmissionStatus::Success)
    };
    lab.worker.submit(&task.task_id, done).await.expect("submitted");
    lab.orchestrator.accept(&task.task_id).await.expect("accepted");
}

async fn evaluate(lab: &Lab, name: &str, score: f64) {
    let variant = format!("v-{name}");
    let task = lab
        .task(
            &format!("evaluate-{name}"),
            TaskKind::Evaluation,
            json!({ "variant_id": variant }),
        )
        .await
        .expect("a task");
    lab.claim(&task.task_id).await;
    let measured = Submission {
        variant_id: variant.parse().ok(),
        evaluation: evaluation(score, 2),
        ..Submission::new(SubmissionStatus::Success)
    };
    lab.worker.submit(&task.task_id, measured).await.expect("submitted");
    lab.orchestrator.accept(&task.task_id).await.expect("accepted");
}

fn evaluation(score: f64, retries: u64) -> Option<Evaluation> {
    json!({ "score": score, "retries": retries }).as_object().cloned()
}

fn text(name: &str) -> String {
    format!("data:text/plain;charset=utf-8,Why%20{name}%3A%20because%20%3Cb%3Eit%3C%2Fb%3E%20might%20help.")
}
