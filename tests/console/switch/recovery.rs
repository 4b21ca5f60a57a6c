//! What befalls one experiment, or one credential, while the console runs; and that it gets over it by itself.

use std::path::Path;

use switchboard::experiment_configs;
use switchboard::protocol::*;

use super::{Ask, BOTH, Site, fault, outcome, visit, words};
use crate::browser::Browser;
use crate::console::{Page, until};
use crate::gateway::Fault;
use crate::support::{CONFIG, Lab, register};

fn tasks(lab: &Lab) -> String {
    format!("/x/{}/admin/tasks/", lab.id)
}

fn is_live(page: &Page) -> bool {
    page.status == 200 && page.attributes("#freshness", "data-freshness") == ["live"]
}

/// The console's own worker in an experiment.
async fn console_worker(lab: &Lab) -> WorkerId {
    let ours = lab.admin.registry().workers_named("switchboard").await.expect("a list");
    assert_eq!(ours.len(), 1);
    ours[0].worker_id.clone()
}

#[tokio::test]
async fn a_revoked_bearer_of_the_default_experiment_is_replaced_while_running() {
    let site = Site::with(|setup, alpha| setup.access.default_experiment = Some(alpha.clone())).await;
    let browser = site.link().await;
    assert_eq!(visit(&browser, "/", Ask::Plain).await.status, 200);
    site.follows(&site.alpha.id).await;
    let me = console_worker(&site.alpha).await;
    for round in 0..3 {
        site.alpha.admin.reissue_credential(&me).await.expect("revoked");
        let task = format!("after-{round}");
        site.alpha.ideation(&task).await;
        until("the task", async || {
            let page = visit(&browser, &tasks(&site.alpha), Ask::Plain).await;
            assert_eq!(outcome(&page), "200", "{}", page.body);
            (is_live(&page) && page.body.contains(&task)).then_some(())
        })
        .await;
    }
    assert_eq!(console_worker(&site.alpha).await, me, "it is the same worker");
}

#[tokio::test]
async fn a_revoked_bearer_of_the_control_plane_is_replaced_while_running() {
    let site = Site::start().await;
    let browser = site.link().await;
    let registry = site.world.admin.control().registry();
    let me = registry
        .workers_named("switchboard")
        .await
        .expect("a list")
        .remove(0)
        .worker_id;
    for round in 0..3 {
        registry.reissue_credential(&me).await.expect("revoked");
        let name = format!("Number {round}");
        register(&site.world.admin, &name).await;
        until("the experiment", async || {
            let page = visit(&browser, "/admin/experiments/", Ask::Plain).await;
            (is_live(&page) && page.texts("tbody .name").contains(&name)).then_some(())
        })
        .await;
    }
    assert_eq!(registry.workers_named("switchboard").await.expect("a list").len(), 1);
}

/// Nothing makes another bearer: no admin token, and the one that is kept is refused.
#[tokio::test]
async fn a_refused_bearer_is_never_taken_for_an_experiment_that_is_not_seeded() {
    let site = Site::start().await;
    site.follows(&site.alpha.id).await;
    let me = console_worker(&site.alpha).await;
    let kept = site.console.beside(|setup| setup.access.admin_token = None).await;
    // Else the console with the token would mend it at once.
    let no = Fault::Problem(401, "unauthorized");
    site.store.gateway.fail(no, |_, principal| principal == "admin");
    site.alpha.admin.reissue_credential(&me).await.expect("revoked");
    let browser = Browser::by_link(kept.base(), &kept.sign_in_link()).await;
    for ask in BOTH {
        let page = visit(&browser, &tasks(&site.alpha), ask).await;
        assert_eq!(outcome(&page), "503 cannot-bootstrap-credential");
        assert!(words(&page).contains("refuses the kept credential"), "{}", words(&page));
    }
    // Whoever has the token mends it for both, since they share the directory.
    site.store.gateway.heal();
    site.follows(&site.alpha.id).await;
    site.alpha.ideation("mended").await;
    until("the task", async || {
        let page = visit(&browser, &tasks(&site.alpha), Ask::Plain).await;
        page.body.contains("mended").then_some(())
    })
    .await;
}

#[tokio::test]
async fn the_ways_of_not_being_there_are_told_apart_and_each_ends() {
    let site = Site::start().await;
    let overview = format!("/x/{}/", site.beta.id);
    for (status, slug, wanted, said) in [
        (
            400,
            "experiment-id-mismatch",
            "409 not-hosted-here",
            "serves other experiments",
        ),
        (404, "not-found", "409", "does not host it yet"),
        (
            401,
            "unauthorized",
            "503 cannot-bootstrap-credential",
            "refuses the admin token",
        ),
        (
            403,
            "forbidden",
            "502 task-store-refused",
            "does not let the console read it",
        ),
        (500, "internal", "503 task-store-unreachable", "fails with status 500"),
    ] {
        let part = format!("/experiments/{}", site.beta.id);
        site.store
            .gateway
            .fail(Fault::Problem(status, slug), move |path, _| path.contains(&part));
        let console = site.another(|_| {}).await;
        let browser = Browser::by_link(console.base(), &console.sign_in_link()).await;
        for ask in BOTH {
            let page = visit(&browser, &overview, ask).await;
            assert_eq!(outcome(&page), wanted, "{}", page.body);
            assert!(words(&page).contains(said), "{}", words(&page));
            assert_eq!(status == 404, page.body.contains("form class=\"form seed\""), "{slug}");
        }
        // That is the matter of this experiment, and of no other.
        assert_eq!(visit(&browser, &tasks(&site.alpha), Ask::Plain).await.status, 200);
        site.store.gateway.heal();
        until(slug, async || {
            let page = visit(&browser, &overview, Ask::Plain).await;
            (outcome(&page) == "200").then_some(())
        })
        .await;
    }
}

#[tokio::test]
async fn what_is_seeded_elsewhere_or_moves_here_shows_by_itself() {
    let site = Site::start().await;
    let unseeded = register(&site.world.admin, "Gamma").await;
    let browser = site.link().await;
    let registry = site.console.live.registry();
    until("the experiment", async || registry.view().rows.get(&unseeded).map(drop)).await;
    let overview = format!("/x/{unseeded}/");
    let told = async || outcome(&visit(&browser, &overview, Ask::Plain).await);
    assert_eq!(told().await, "409");
    let part = format!("/experiments/{unseeded}");
    let elsewhere = Fault::Problem(400, "experiment-id-mismatch");
    site.store.gateway.fail(elsewhere, move |path, _| path.contains(&part));
    until("not hosted here", async || {
        (told().await == "409 not-hosted-here").then_some(())
    })
    .await;
    until("the row", async || {
        let page = visit(&browser, "/admin/experiments/", Ask::Plain).await;
        let mut rows = page.texts("tbody tr").into_iter();
        rows.any(|row| row.starts_with("Gamma") && row.contains("hosts other experiments"))
            .then_some(())
    })
    .await;
    site.store.gateway.heal();
    until("unseeded again", async || (told().await == "409").then_some(())).await;
    let seed = SeedRequest {
        config: CONFIG.to_owned(),
        base_commit_sha: None,
    };
    site.world.admin.control().seed(&unseeded, &seed).await.expect("seeded");
    until("its page", async || (told().await == "200").then_some(())).await;
}

/// The task store tells no configuration, so that files do.
async fn with_files(site: &Site, dir: &Path) -> crate::console::Console {
    site.store
        .gateway
        .fail(Fault::Problem(404, "not-found"), |path, _| path.ends_with("/config"));
    let dir = dir.to_owned();
    site.another(|setup| {
        setup.configs = experiment_configs::Options {
            dir: Some(dir),
            default: None,
        };
    })
    .await
}

#[tokio::test]
async fn a_configuration_that_is_missing_invalid_or_changed_is_told_and_noticed() {
    let site = Site::start().await;
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join(format!("{}.yaml", site.alpha.id));
    let console = with_files(&site, dir.path()).await;
    let browser = Browser::by_link(console.base(), &console.sign_in_link()).await;
    let overview = format!("/x/{}/", site.alpha.id);
    let shows = async |key: &str, said: &str| {
        until(key, async || {
            // Files are looked at again every so often of the console's time.
            let page = visit(&browser, &overview, Ask::Plain).await;
            assert_eq!(page.status, 200, "{}", page.body);
            (fault(&page) == key && words(&page).contains(said)).then_some(())
        })
        .await;
        for ask in BOTH {
            assert_eq!(fault(&visit(&browser, &overview, ask).await), key);
        }
    };
    shows("config-missing", file.to_str().expect("UTF-8")).await;
    std::fs::write(&file, "parallel_variants: none\n").expect("written");
    shows("config-invalid", "parallel_variants").await;
    std::fs::write(&file, CONFIG).expect("written");
    shows("", "maximize score").await;
    std::fs::write(&file, CONFIG.replace("maximize", "minimize")).expect("written");
    shows("", "minimize score").await;
    std::fs::remove_file(&file).expect("removed");
    shows("config-missing", "").await;
    // Another experiment's file is nobody else's.
    let other = visit(&browser, &format!("/x/{}/", site.beta.id), Ask::Plain).await;
    assert_eq!(outcome(&other), "200 config-missing");
}
