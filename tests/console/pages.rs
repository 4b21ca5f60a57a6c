//! Every page in every state, as markup. A page that is not here fails [`every_page_is_drawn`].

use std::path::Path;

use crate::console::{Console, Page, until};
use crate::worlds::Deployment;

/// Compares a page with its snapshot in `/snapshots`.
fn assert_drawn(name: &str, page: &Page) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(Path::new(env!("CARGO_MANIFEST_DIR")).join("snapshots"));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    // What names the content of other files, and revisions that depend on how changes were batched.
    settings.add_filter(r"-[0-9a-f]{8}\.(css|js|svg)", "-HASH.$1");
    settings.add_filter(r"since=(fleet|[0-9a-f]+)-\d+-\d+", "since=SINCE");
    settings.add_filter(r#"data-etag="[0-9a-f]{16}""#, r#"data-etag="ETAG""#);
    // One element a line, so that a difference can be read.
    let body = page.body.replace("><", ">\n<");
    settings.bind(|| insta::assert_snapshot!(name, format!("{}\n{body}", page.status)));
}

const PAGES: [(&str, &str); 8] = [
    ("overview", ""),
    ("tasks", "admin/tasks/"),
    ("task", "admin/tasks/evaluate-good/"),
    ("ideas", "admin/ideas/"),
    ("idea", "admin/ideas/idea-good/"),
    ("variants", "admin/variants/"),
    ("variant", "admin/variants/v-good/"),
    ("events", "admin/events/"),
];

#[tokio::test]
async fn every_page_is_drawn() {
    let world = Deployment::start().await;
    let cookie = world.console.sign_in().await;
    let get = async |path: &str| world.console.get(path, &[("cookie", &cookie)]).await;
    for id in [&world.busy.id, &world.empty.id] {
        world.known(id).await;
    }
    for (name, path) in PAGES {
        assert_drawn(
            &format!("{name}__busy"),
            &get(&format!("/x/{}/{path}", world.busy.id)).await,
        );
    }
    for (name, path) in PAGES
        .into_iter()
        .filter(|(name, _)| !matches!(*name, "task" | "idea" | "variant"))
    {
        assert_drawn(
            &format!("{name}__empty"),
            &get(&format!("/x/{}/{path}", world.empty.id)).await,
        );
    }
    assert_drawn("unseeded", &get(&format!("/x/{}/", world.unseeded)).await);
    assert_drawn("experiments__busy", &get("/admin/experiments/").await);
    assert_drawn(
        "task__odd_id",
        &get(&format!(
            "/x/{}/admin/tasks/odd%20id%2Fwith%20%22everything%22%20%26%20more/",
            world.busy.id
        ))
        .await,
    );
    assert_drawn(
        "fault__no_such_task",
        &get(&format!("/x/{}/admin/tasks/nothing/", world.busy.id)).await,
    );
    assert_drawn(
        "fault__no_such_experiment",
        &get("/x/exp_00000000000000000000000000/").await,
    );
    assert_drawn("fault__no_such_page", &get("/nowhere").await);

    world.console.lose_backend().await;
    for id in [&world.busy.id, &world.empty.id] {
        let mirror = world.console.live.mirror(id);
        until("staleness", async || {
            (mirror.view().freshness.word() == "stale").then_some(())
        })
        .await;
    }
    let registry = world.console.live.registry();
    until("a stale registry", async || {
        (registry.view().freshness.word() == "stale").then_some(())
    })
    .await;
    for (name, path) in PAGES {
        assert_drawn(
            &format!("{name}__stale"),
            &get(&format!("/x/{}/{path}", world.busy.id)).await,
        );
    }
    assert_drawn("experiments__stale", &get("/admin/experiments/").await);
}

#[tokio::test]
async fn a_deployment_with_nothing_in_it_is_drawn() {
    let console = Console::start().await;
    let cookie = console.sign_in().await;
    until("the registry", async || {
        console.live.registry().view().listed.then_some(())
    })
    .await;
    assert_drawn(
        "experiments__empty",
        &console.get("/admin/experiments/", &[("cookie", &cookie)]).await,
    );
    let home = console.get("/", &[("cookie", &cookie)]).await;
    assert_eq!(
        (home.status, home.header("location")),
        (303, Some("/admin/experiments/"))
    );
}

#[tokio::test]
async fn a_backend_that_was_never_there_is_drawn() {
    let console = Console::without_backend().await;
    let cookie = console.sign_in().await;
    let registry = console.live.registry();
    until("a stale registry", async || {
        (registry.view().freshness.word() == "stale").then_some(())
    })
    .await;
    assert_drawn(
        "experiments__failed",
        &console.get("/admin/experiments/", &[("cookie", &cookie)]).await,
    );
    let page = console
        .get("/x/exp_00000000000000000000000000/", &[("cookie", &cookie)])
        .await;
    assert_drawn("fault__control_plane_unreachable", &page);
}

#[tokio::test]
async fn the_parts_of_a_page_are_drawn_alone() {
    let world = Deployment::start().await;
    world.known(&world.busy.id).await;
    let cookie = world.console.sign_in().await;
    let path = format!("/x/{}/admin/tasks/?state=pending", world.busy.id);
    let part = async |target: &str| {
        let from = format!("http://console{path}");
        let headers = [
            ("cookie", cookie.as_str()),
            ("hx-request", "true"),
            ("hx-request-type", "partial"),
            ("hx-target", target),
            ("hx-current-url", &from),
        ];
        world.console.get(&path, &headers).await
    };
    assert_drawn("tasks__main", &part("main#main").await);
    assert_drawn("tasks__region", &part("section#region-tasks").await);
    assert_drawn("bar__freshness", &part("div#freshness").await);
    assert_drawn("bar__pending", &part("span#region-pending").await);
}

#[tokio::test]
async fn signing_in_is_drawn() {
    let console = Console::start().await;
    assert_drawn("sign_in", &console.get("/signin", &[]).await);
    assert_drawn("sign_in__wrong", &console.get("/signin?token=nonsense", &[]).await);
    let link = console.sign_in_link();
    assert_eq!(console.get(&link, &[]).await.status, 303);
    assert_drawn("sign_in__used", &console.get(&link, &[]).await);
    let link = console.sign_in_link();
    console.clock.advance(std::time::Duration::from_secs(15 * 60));
    assert_drawn("sign_in__expired", &console.get(&link, &[]).await);
    assert_drawn(
        "fault__cross_site",
        &console.post("/signin", &[("sec-fetch-site", "cross-site")], &[]).await,
    );
}
