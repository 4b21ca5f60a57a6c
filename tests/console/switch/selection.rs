//! What becomes of a selection when its experiment goes, or when nobody can say whether it went.

use switchboard::client::ClientError;

use super::{Ask, How, Site, outcome, send, visit};
use crate::console::until;
use crate::support::Lab;

/// Ends an experiment and takes it out of the registry.
async fn end(site: &Site, lab: &Lab) -> Result<(), ClientError> {
    lab.orchestrator.terminate("it is over").await?;
    site.world.admin.control().unregister(&lab.id).await
}

#[tokio::test]
async fn a_selection_whose_experiment_is_gone_is_cleared_and_told_to_everybody() {
    let site = Site::start().await;
    let labs = [
        site.world.lab("One").await,
        site.world.lab("Two").await,
        site.world.lab("Three").await,
    ];
    let [link, member, other] = [
        site.link().await,
        site.operator(&site.member).await,
        site.operator(&site.other).await,
    ];
    let registry = site.console.live.registry();
    for (lab, browser) in labs.iter().zip([&link, &member, &other]) {
        until("the experiment", async || registry.view().rows.get(&lab.id).map(drop)).await;
        let page = send(
            browser,
            &format!("/admin/experiments/{}/select", lab.id),
            &[],
            Ask::Plain,
        )
        .await;
        assert_eq!(page.status, 303);
    }
    for lab in &labs {
        end(&site, lab).await.expect("unregistered");
        until("its end", async || {
            (!registry.view().rows.contains_key(&lab.id)).then_some(())
        })
        .await;
    }
    let alpha = format!("/x/{}/", site.alpha.id);
    for (lab, (browser, ask)) in labs
        .iter()
        .zip([(&link, Ask::Plain), (&member, Ask::Htmx), (&other, Ask::Plain)])
    {
        let page = visit(browser, "/", ask).await;
        assert_eq!(outcome(&page), "200 stale-selection", "{}", page.body);
        let named = page.attributes("[data-fault] .id", "title");
        assert_eq!(named, [lab.id.as_str()], "it says which: {}", page.body);
        let again = browser.get("/").await;
        assert_eq!(again.header("location"), Some(alpha.as_str()), "told once");
        // A page of it says that it is gone, and no more than that.
        let page = visit(browser, &format!("/x/{}/", lab.id), ask).await;
        assert_eq!(outcome(&page), "404 no-such-experiment");
    }
}

#[tokio::test]
async fn the_page_of_a_selected_experiment_that_is_gone_clears_the_selection_too() {
    let site = Site::start().await;
    let lab = site.world.lab("One").await;
    let registry = site.console.live.registry();
    until("the experiment", async || registry.view().rows.get(&lab.id).map(drop)).await;
    let browser = site.operator(&site.other).await;
    send(
        &browser,
        &format!("/admin/experiments/{}/select", lab.id),
        &[],
        Ask::Plain,
    )
    .await;
    end(&site, &lab).await.expect("unregistered");
    until("its end", async || {
        (!registry.view().rows.contains_key(&lab.id)).then_some(())
    })
    .await;
    let page = visit(&browser, &format!("/x/{}/", lab.id), Ask::Htmx).await;
    assert_eq!(outcome(&page), "404 stale-selection");
    let page = visit(&browser, "/", Ask::Plain).await;
    assert_eq!(outcome(&page), "200");
}

/// While the registry cannot be read, nobody knows that a selection is stale, so it is kept.
#[tokio::test]
async fn a_selection_outlives_an_outage_of_the_control_plane() {
    let site = Site::start().await;
    let browser = site.operator(&site.other).await;
    send(
        &browser,
        &format!("/admin/experiments/{}/select", site.beta.id),
        &[],
        Ask::Plain,
    )
    .await;
    site.follows(&site.beta.id).await;
    site.control.fail(How::Cut);
    let registry = site.console.live.registry();
    until("the cut", async || {
        (registry.view().freshness.word() == "stale").then_some(())
    })
    .await;
    let beta = format!("/x/{}/", site.beta.id);
    assert_eq!(browser.get("/").await.header("location"), Some(beta.as_str()));
    assert_eq!(visit(&browser, "/", Ask::Htmx).await.status, 200);
    // A console that starts now knows of no experiment at all, and its selection stays what it was.
    let fresh = site.another(|_| {}).await;
    let cookie = browser.cookie().expect("a cookie");
    let page = fresh.get("/", &[("cookie", &cookie)]).await;
    assert_eq!(page.header("location"), Some(beta.as_str()));
    let page = fresh.get(&beta, &[("cookie", &cookie)]).await;
    assert_eq!(outcome(&page), "503 control-plane-unreachable");
    site.control.heal();
    until("the page", async || {
        let page = fresh.get(&beta, &[("cookie", &cookie)]).await;
        (page.status == 200).then_some(())
    })
    .await;
}
