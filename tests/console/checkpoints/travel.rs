//! Out of one backend, into another, and on.

use super::*;

const SHAPE: [&str; 8] = [
    "checkpoint_format_version",
    "counts",
    "experiment_id",
    "exported_at",
    "exporter",
    "files",
    "requires_credential_reissue",
    "spec_version",
];

/// Puts one id in the place of another, in whatever is compared.
fn renamed<T: serde::Serialize>(what: &T, from: &ExperimentId, to: &ExperimentId) -> Value {
    let text = serde_json::to_string(what).expect("JSON");
    serde_json::from_str(&text.replace(from.as_str(), to.as_str())).expect("JSON")
}

#[tokio::test]
async fn an_experiment_goes_on_in_another_backend() {
    let (here, there) = (Site::open().await, Site::open().await);
    let lab = lived(&here, "moving").await;
    let archive = export(&lab).await;

    let manifest: Value = serde_json::from_str(&member(&archive, "manifest.json")).expect("JSON");
    let keys: Vec<_> = manifest
        .as_object()
        .expect("an object")
        .keys()
        .map(String::as_str)
        .collect();
    assert_eq!(keys, SHAPE);
    let counts = json!({
        "tasks": 4, "ideas": 1, "variants": 1, "submissions": 3, "events": lab.admin.events(0, None).await
            .expect("events").cursor, "workers": 2, "groups": 2,
    });
    assert_eq!(manifest["counts"], counts);
    assert_eq!(manifest["experiment_id"], lab.id.as_str());
    assert_eq!(member(&archive, "experiment-config.yaml"), CONFIG, "verbatim");

    let reply = there.import(archive.clone(), None).await;
    let id = reply.experiment_id;
    assert_ne!(id, lab.id, "an id of the receiver's own");
    let told = reply.warnings.iter().find(|warning| warning.contains("reissue"));
    assert!(
        told.is_some_and(|warning| warning.contains(lab.worker_id.as_str())),
        "{:?}",
        reply.warnings
    );
    assert!(
        there.litter().iter().all(|name| *name == format!("{id}.git")),
        "{:?}",
        there.litter()
    );

    let copy = there.world.admin.experiment(&id);
    let (source, target) = (lab.admin.read().await.expect("read"), copy.read().await.expect("read"));
    assert_eq!((source.state, source.created_at), (target.state, target.created_at));
    assert_eq!(source.base_commit_sha, target.base_commit_sha);
    assert_eq!(source.imported_from, None);
    let provenance = json!({
        "checkpoint_exported_at": manifest["exported_at"], "checkpoint_format_version": "1",
        "source_experiment_id": lab.id,
    });
    assert_eq!(target.imported_from, Some(provenance));
    assert_eq!(
        renamed(&lab.admin.dispatch_mode().await.expect("read"), &lab.id, &id),
        json!(copy.dispatch_mode().await.expect("read"))
    );
    for (source, target) in [
        (
            json!(lab.admin.ideas().await.expect("ideas").items),
            json!(copy.ideas().await.expect("ideas").items),
        ),
        (
            json!(lab.admin.variants().await.expect("variants").items),
            json!(copy.variants().await.expect("variants").items),
        ),
        (
            json!(lab.admin.workers().await.expect("workers")),
            json!(copy.workers().await.expect("workers")),
        ),
        (
            json!(lab.admin.groups().await.expect("groups")),
            json!(copy.groups().await.expect("groups")),
        ),
        (
            json!(lab.admin.events(0, None).await.expect("events")),
            json!(copy.events(0, None).await.expect("events")),
        ),
    ] {
        assert_eq!(renamed(&source, &lab.id, &id), target);
    }
    let tasks = lab
        .admin
        .tasks()
        .await
        .expect("tasks")
        .items
        .into_iter()
        .map(|mut task| {
            if task.state == TaskState::Claimed {
                task.state = TaskState::Pending;
                task.claim = None;
            }
            task
        });
    let tasks: Vec<Task> = tasks.collect();
    assert_eq!(
        renamed(&tasks, &lab.id, &id),
        json!(copy.tasks().await.expect("tasks").items)
    );
    for task in &tasks {
        let stored = lab.admin.submission(&task.task_id).await.expect("read");
        assert_eq!(
            stored,
            copy.submission(&task.task_id).await.expect("read"),
            "{}",
            task.task_id
        );
    }

    // Its registry knows it, under the id it has there.
    let entries = there.world.admin.control().experiments().await.expect("entries");
    let entry = entries
        .iter()
        .find(|entry| entry.experiment_id == id)
        .expect("registered");
    assert_eq!(entry.config_uri, format!("eden-checkpoint:{}", lab.id));
    assert_eq!(entry.name, source.name);

    // Git takes what was written, and has the same history.
    let bundle = here.dir.path().join("repo.bundle");
    std::fs::write(&bundle, bundle_of(&archive)).expect("written");
    let clone = here.dir.path().join("clone");
    git(&[
        "-C",
        &here.repo(&lab.id),
        "bundle",
        "verify",
        "-q",
        &bundle.to_string_lossy(),
    ]);
    git(&["clone", "-q", &bundle.to_string_lossy(), &clone.to_string_lossy()]);
    let refs = |path: &str| git(&["-C", path, "for-each-ref", "--format=%(objectname) %(refname)"]);
    assert_eq!(refs(&here.repo(&lab.id)), refs(&there.repo(&id)));
    git(&["-C", &there.repo(&id), "fsck", "--strict"]);
    assert_eq!(
        git(&["-C", &there.repo(&id), "symbolic-ref", "HEAD"]).trim(),
        "refs/heads/main"
    );

    go_on(&there, &lab, &copy).await;
}

/// Nobody comes in with the old secret; with a new one the work goes on where it was, in one log.
async fn go_on(there: &Site, lab: &Lab, copy: &switchboard::client::ExperimentClient) {
    let old = lab
        .admin
        .reissue_credential(&lab.worker_id)
        .await
        .expect("reissued at the source");
    let bearer = Bearer::new(Actor::Worker(lab.worker_id.clone()), old);
    let old = Client::new(&there.world.base, bearer)
        .expect("a client")
        .experiment(copy.id());
    assert_eq!(kind_of(old.whoami().await), ErrorType::Unauthorized);
    let mut clients = Vec::new();
    for worker in copy.workers().await.expect("workers") {
        let secret = copy.reissue_credential(&worker.worker_id).await.expect("reissued");
        clients.push(copy.with_credential(Bearer::new(Actor::Worker(worker.worker_id), secret)));
    }
    let [orchestrator, worker] = clients.as_slice() else {
        panic!("two workers");
    };
    let before = copy.events(0, None).await.expect("events").events;
    let id: TaskId = "t-2".parse().expect("an id");
    worker.claim(&id, &ClaimRequest::default()).await.expect("claimed anew");
    let mut again = Submission::new(SubmissionStatus::Success);
    again.variant_id = Some("v-1".parse().expect("an id"));
    again.evaluation = json!({ "score": 0.5 }).as_object().cloned();
    let e1: TaskId = "e-1".parse().expect("an id");
    worker.submit(&e1, again).await.expect("still the claimant's to repeat");
    orchestrator
        .accept(&e1)
        .await
        .expect("its group came with it, and the metrics are of its schema");
    let after = copy.events(0, None).await.expect("events").events;
    assert_eq!(after[..before.len()], before[..]);
    let ids: std::collections::BTreeSet<_> = after.iter().map(|event| &event.event_id).collect();
    assert_eq!(ids.len(), after.len(), "no id comes twice");
    let kinds: Vec<_> = after[before.len()..].iter().map(|event| event.kind.as_str()).collect();
    assert_eq!(kinds, ["task.claimed", "task.completed", "variant.succeeded"]);
}
