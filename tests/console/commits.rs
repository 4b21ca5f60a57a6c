//! A variant's page tells what its commit changed, from the experiment's repository, or why it cannot.

use std::path::Path;

use git2::{Repository, RepositoryInitOptions, Signature, Time};
use switchboard::protocol::*;

use crate::console::{Console, Page, until};
use crate::support::{Lab, sha};

/// A bare repository with one commit of one file.
fn repository(path: &Path) -> CommitSha {
    let mut options = RepositoryInitOptions::new();
    options.bare(true).mkpath(true).initial_head("main");
    let git = Repository::init_opts(path, &options).expect("a repository");
    let mut tree = git.treebuilder(None).expect("a tree");
    let blob = git.blob(b"one\ntwo\n").expect("a blob");
    tree.insert("<g>.txt", blob, 0o100_644).expect("an entry");
    let tree = tree.write().and_then(|id| git.find_tree(id)).expect("a tree");
    let who = Signature::new("ada", "ada@example.invalid", &Time::new(1_767_323_000, 0)).expect("a signature");
    let message = "Try <b>it</b>\n\nBecause.\n";
    let made = git.commit(Some("refs/heads/main"), &who, &who, message, &tree, &[]);
    made.expect("a commit").to_string().parse().expect("a name")
}

/// The page of an experiment's baseline with `commit`.
async fn page(console: &Console, cookie: &str, lab: &Lab, commit: CommitSha) -> Page {
    let baseline = Variant {
        kind: Some("baseline".to_owned()),
        status: VariantStatus::Success,
        idea_id: None,
        branch: None,
        commit_sha: Some(commit),
        evaluation: serde_json::json!({ "score": 0.5, "retries": 0 }).as_object().cloned(),
        completed_at: Some(console.clock.now()),
        ..lab.variant("baseline", "none")
    };
    lab.orchestrator.create_variant(&baseline).await.expect("a baseline");
    let path = format!("/x/{}/admin/variants/baseline/", lab.id);
    until("the variant is known", async || {
        let page = console.get(&path, &[("cookie", cookie)]).await;
        (page.status == 200).then_some(page)
    })
    .await
}

#[tokio::test]
async fn the_page_of_a_variant_tells_what_its_commit_changed_or_why_not() {
    let dir = tempfile::tempdir().expect("a directory");
    let console = Console::with_repositories(dir.path()).await;
    let cookie = console.sign_in().await;
    let cast = async |name: &str| Lab::begin(&console.admin, name, console.clock.clone()).await;

    let lab = cast("With a repository").await;
    let place = |lab: &Lab| dir.path().join(format!("{}.git", lab.id));
    let commit = repository(&place(&lab));
    let drawn = page(&console, &cookie, &lab, commit).await;
    assert!(
        drawn.texts("dd").contains(&"Try <b>it</b>".to_owned()),
        "{}",
        drawn.body
    );
    assert!(drawn.texts("dd").contains(&"ada".to_owned()));
    assert_eq!(drawn.texts("#region-variant td code"), ["<g>.txt"]);
    let cells = drawn.texts("#region-variant td");
    assert!(cells.windows(3).any(|cells| cells == ["added", "2", "0"]), "{cells:?}");

    let words = |page: &Page| page.texts("#region-variant p.muted").join("\n");
    let lab = cast("With another repository").await;
    repository(&place(&lab));
    let drawn = page(&console, &cookie, &lab, sha('5')).await;
    let missing = format!("{} is not in the repository", sha('5'));
    assert!(words(&drawn).contains(&missing), "{}", words(&drawn));

    let lab = cast("Without a repository").await;
    let drawn = page(&console, &cookie, &lab, sha('5')).await;
    assert!(words(&drawn).contains("there is no repository at"), "{}", words(&drawn));

    let lab = cast("With something else").await;
    std::fs::create_dir(place(&lab)).expect("made");
    let drawn = page(&console, &cookie, &lab, sha('5')).await;
    assert!(words(&drawn).contains("cannot be read"), "{}", words(&drawn));
}
