//! Servers without push, as the reference's are: everything works by long-poll and by asking every so often.

use switchboard::clock::Clock;
use switchboard::protocol::*;

use super::{Ask, Site, outcome, visit, words};
use crate::console::until;
use crate::gateway::Fault;
use crate::support::{CONFIG, Lab, register};

#[tokio::test]
async fn without_push_everything_shows_by_itself() {
    let site = Site::start().await;
    let missing = Fault::Problem(404, "not-found");
    site.store
        .gateway
        .fail(missing, |path, _| path.contains("/events/stream"));
    site.control
        .gateway
        .fail(missing, |path, _| path.ends_with("/control/events"));
    let console = site.another(|_| {}).await;
    let browser = crate::browser::Browser::signed_in(console.base(), &site.member).await;
    let shows = async |path: &str, wanted: &str| {
        until(&format!("{wanted} on {path}"), async || {
            let page = visit(&browser, path, Ask::Plain).await;
            (page.body.contains(wanted) || words(&page).contains(wanted)).then_some(())
        })
        .await;
    };
    let dashboard = "/admin/experiments/";
    shows(dashboard, "data-freshness=\"polling\"").await;
    let tasks = format!("/x/{}/admin/tasks/", site.alpha.id);
    shows(&tasks, "only-in-alpha").await;
    site.alpha.ideation("told by a long-poll").await;
    shows(&tasks, "told by a long-poll").await;

    let id = register(&site.world.admin, "Newcomer").await;
    shows(dashboard, "Newcomer").await;
    let overview = format!("/x/{id}/");
    assert_eq!(outcome(&visit(&browser, &overview, Ask::Plain).await), "409");
    let seed = SeedRequest {
        config: CONFIG.to_owned(),
        base_commit_sha: None,
    };
    site.world.admin.control().seed(&id, &seed).await.expect("seeded");
    shows(&overview, "maximize score").await;
    let lab = Lab::cast(site.world.admin.experiment(&id), Clock::default()).await;
    lab.orchestrator.terminate("it is over").await.expect("terminated");
    shows(&overview, "terminated").await;
    site.world.admin.control().unregister(&id).await.expect("unregistered");
    until("its end", async || {
        let page = visit(&browser, &overview, Ask::Plain).await;
        (outcome(&page) == "404 no-such-experiment").then_some(())
    })
    .await;
    until("its end on the list", async || {
        (!visit(&browser, dashboard, Ask::Plain).await.body.contains("Newcomer")).then_some(())
    })
    .await;
    let asked = [&site.store, &site.control].map(|line| line.gateway.take_requests());
    assert!(
        asked[0].iter().any(|it| it.contains("/events/subscribe?")),
        "by long-poll"
    );
    assert!(
        asked[1]
            .iter()
            .filter(|it| *it == "GET /v0/control/experiments")
            .count()
            > 2,
        "by asking again"
    );
}
