//! Every page and every act, in every posture, by everybody, with htmx and without.

use switchboard::access::{CredentialState, Posture};
use switchboard::clock::Clock;
use switchboard::protocol::*;
use switchboard::web::{Answer, RouteInfo, routes};

use super::table::{Table, cell};
use super::{Ask, BOTH, Site, assert_sound, follows, send, visit, words};
use crate::browser::Browser;
use crate::console::{Console, Page, until};
use crate::roles::credential;
use crate::support::{CONFIG, Lab, register, sha};

/// By posture, and in it whoever came by a link, a member of `admins`, and another operator.
const EXPECTED: &str = "
                                               A: alone             B: token             C: kept              D: neither
                                               link   member other  link   member other  link   member other  link   member other
/                                              ok     ok     ok     ok     ok     ok     ok     ok     ok     stale  CP?    CP?
/admin/tasks/                                  ok     ok     admin  ok     ok     admin  ok     role?  role?  stale  role?  role?
/admin/tasks/:task/                            ok     ok     admin  ok     ok     admin  ok     role?  role?  stale  role?  role?
/admin/ideas/                                  ok     ok     admin  ok     ok     admin  ok     role?  role?  stale  role?  role?
/admin/ideas/:idea/                            ok     ok     admin  ok     ok     admin  ok     role?  role?  stale  role?  role?
/admin/variants/                               ok     ok     admin  ok     ok     admin  ok     role?  role?  stale  role?  role?
/admin/variants/:variant/                      ok     ok     admin  ok     ok     admin  ok     role?  role?  stale  role?  role?
/admin/events/                                 ok     ok     admin  ok     ok     admin  ok     role?  role?  stale  role?  role?
/ideator/*rest                                 nopage nopage nopage nopage nopage nopage nopage nopage nopage stale  CP?    CP?
/executor/*rest                                nopage nopage nopage nopage nopage nopage nopage nopage nopage stale  CP?    CP?
/evaluator/*rest                               nopage nopage nopage nopage nopage nopage nopage nopage nopage stale  CP?    CP?
/signin                                        ok     ok     ok     ok     ok     ok     ok     ok     ok     ok     ok     ok
/x/:experiment/                                ok     ok     ok     ok     ok     ok     ok     ok     ok     CP?    CP?    CP?
/x/:experiment/admin/tasks/                    ok     ok     admin  ok     ok     admin  ok     role?  role?  CP?    role?  role?
/x/:experiment/admin/tasks/:task/              ok     ok     admin  ok     ok     admin  ok     role?  role?  CP?    role?  role?
/x/:experiment/admin/ideas/                    ok     ok     admin  ok     ok     admin  ok     role?  role?  CP?    role?  role?
/x/:experiment/admin/ideas/:idea/              ok     ok     admin  ok     ok     admin  ok     role?  role?  CP?    role?  role?
/x/:experiment/admin/variants/                 ok     ok     admin  ok     ok     admin  ok     role?  role?  CP?    role?  role?
/x/:experiment/admin/variants/:variant/        ok     ok     admin  ok     ok     admin  ok     role?  role?  CP?    role?  role?
/x/:experiment/admin/events/                   ok     ok     admin  ok     ok     admin  ok     role?  role?  CP?    role?  role?
/x/:experiment/admin/seed                      ok     ok     admin  ok     ok     admin  ok     role?  role?  CP?    role?  role?
/x/by-name/:name                               noname noname noname ok     ok     ok     ok     ok     ok     CP?    CP?    CP?
/switch                                        noCP   noCP   noCP   ok     ok     ok     ok     ok     ok     stale  stale  stale
/admin/experiments/                            noCP   noCP   admin  ok     ok     admin  ok     role?  role?  stale  role?  role?
/admin/experiments/:experiment/unregister      noCP   noCP   admin  ok     ok     admin  ok     role?  role?  CP?    role?  role?
/admin/control/workers/                        noCP   noCP   admin  ok     ok     admin  notok  role?  role?  notok  role?  role?
/admin/control/workers/:worker/                noCP   noCP   admin  ok     ok     admin  notok  role?  role?  notok  role?  role?
/admin/control/groups/                         noCP   noCP   admin  ok     ok     admin  notok  role?  role?  notok  role?  role?
/admin/control/groups/:group/                  noCP   noCP   admin  ok     ok     admin  notok  role?  role?  notok  role?  role?
POST register                                  noCP   noCP   admin  ok     ok     admin  no     role?  role?  no     role?  role?
unseeded: /x/:experiment/                      noexp  noexp  noexp  unseed unseed unseed nocred nocred nocred CP?    CP?    CP?
POST seed                                      noexp  noexp  admin  ok     ok     admin  unseed role?  role?  CP?    role?  role?
POST select                                    noexp  noexp  noexp  ok     ok     ok     nocred nocred nocred CP?    CP?    CP?
POST clear-selection                           ok     ok     ok     ok     ok     ok     ok     ok     ok     stale  CP?    CP?
POST unregister, running                       noCP   noCP   admin  no     no     admin  no     role?  role?  CP?    role?  role?
POST unregister, terminated                    noCP   noCP   admin  ok     ok     admin  no     role?  role?  CP?    role?  role?
";

/// What there is to look at, by the names that routes give it.
struct Places<'a> {
    experiment: &'a str,
    worker: &'a str,
    group: &'a str,
}

impl Places<'_> {
    fn path(&self, pattern: &str) -> String {
        let path = pattern
            .replace(":experiment", self.experiment)
            .replace(":task", "only-in-alpha")
            .replace(":idea", "idea-1")
            .replace(":variant", "v-1")
            .replace(":name", "Alpha")
            .replace(":worker", self.worker)
            .replace(":group", self.group)
            .replace("*rest", "");
        assert!(!path.contains(':'), "say what {pattern} stands for");
        path
    }
}

/// The pages of the route table, and what leads to them.
fn pages() -> Vec<&'static str> {
    let is_page = |route: &RouteInfo| {
        route.method == "GET" && matches!(route.answer, Answer::Page | Answer::BarePath | Answer::Redirect)
    };
    let pages: Vec<_> = routes().filter(is_page).map(|route| route.pattern).collect();
    assert!(pages.len() > 20, "{pages:?}");
    pages
}

/// An idea and a variant, so that every page has something to show.
async fn furnish(lab: &Lab) {
    lab.worker.create_idea(&lab.idea("idea-1")).await.expect("an idea");
    let variant = Variant {
        kind: Some("baseline".to_owned()),
        status: VariantStatus::Success,
        idea_id: None,
        commit_sha: Some(sha('0')),
        branch: None,
        completed_at: Some(lab.variant("v-1", "x").started_at),
        evaluation: serde_json::json!({"score": 0.5, "retries": 0}).as_object().cloned(),
        ..lab.variant("v-1", "x")
    };
    lab.orchestrator.create_variant(&variant).await.expect("a variant");
}

/// Goes where a write leads.
async fn landed(browser: &Browser, answer: Page, ask: Ask) -> (Option<String>, Page) {
    let to = answer
        .header("location")
        .or_else(|| answer.header("hx-redirect"))
        .map(str::to_owned);
    match &to {
        // What HX-Redirect names is loaded whole.
        Some(path) if answer.header("location").is_some() => {
            let page = visit(browser, path, ask).await;
            (to, page)
        }
        Some(path) => {
            let page = visit(browser, path, Ask::Plain).await;
            (to, page)
        }
        None => (to, answer),
    }
}

/// The life of an experiment through the pages: what cannot be done there is done past them.
async fn live(site: &Site, console: &Console, browser: &Browser, column: usize, ask: Ask, table: &mut Table) {
    let name = format!("Walk {column} {ask:?}");
    let form = [("name", name.as_str()), ("config_uri", "file:///walk.yaml")];
    let answer = send(browser, "/admin/experiments/register", &form, ask).await;
    let (to, page) = landed(browser, answer, ask).await;
    table.note("POST register", column, ask, &page);
    let id: ExperimentId = match to {
        Some(to) => {
            assert!(words(&page).contains(&name), "it shows at once");
            to.split("exp=").nth(1).expect("its id").parse().expect("an id")
        }
        None => register(&site.world.admin, &name).await,
    };
    let knows_all = console.live.registry().view().listed && console.live.registry().view().rows.len() > 1;
    if knows_all {
        let registry = console.live.registry();
        until("the experiment", async || registry.view().rows.get(&id).cloned()).await;
    }

    let overview = format!("/x/{id}/");
    table.note(
        "unseeded: /x/:experiment/",
        column,
        ask,
        &visit(browser, &overview, ask).await,
    );
    let parts = [("config", CONFIG), ("base_commit_sha", "")];
    let answer = browser
        .post_parts(&format!("{overview}admin/seed"), &parts, ask == Ask::Htmx)
        .await;
    assert_sound(&answer, ask, "seed");
    let (to, page) = landed(browser, answer, ask).await;
    table.note("POST seed", column, ask, &page);
    let admin = site.world.admin.experiment(&id);
    if admin.read().await.is_err() {
        assert_eq!(to, None, "a redirect would say that it is done");
        let seed = SeedRequest {
            config: CONFIG.to_owned(),
            base_commit_sha: None,
        };
        site.world.admin.control().seed(&id, &seed).await.expect("seeded");
    }

    let lab = Lab::cast(admin, Clock::default()).await;

    if knows_all && console.live.registry().view().rows[&id].credential != CredentialState::Missing {
        follows(console, &id).await;
    }
    let next = format!("/x/{}/admin/tasks/?state=pending", site.alpha.id);
    let form = [("next", next.as_str())];
    let answer = send(browser, &format!("/admin/experiments/{id}/select"), &form, ask).await;
    let (_, page) = landed(browser, answer, ask).await;
    table.note("POST select", column, ask, &page);
    if page.status == 200 {
        let drawn = page.attributes("main", "data-experiment");
        assert!(
            drawn == [id.as_str()] && !page.body.contains("only-in-"),
            "its own page: {}",
            page.body
        );
        let bare = browser.get("/").await;
        assert_eq!(bare.header("location"), Some(overview.as_str()), "and it is selected");
    }
    let answer = send(browser, "/admin/experiments/clear-selection", &[], ask).await;
    let (_, page) = landed(browser, answer, ask).await;
    table.note("POST clear-selection", column, ask, &page);

    let unregister = format!("/admin/experiments/{id}/unregister");
    let form = [("confirm", name.as_str())];
    let answer = send(browser, &unregister, &form, ask).await;
    let (_, page) = landed(browser, answer, ask).await;
    table.note("POST unregister, running", column, ask, &page);
    lab.orchestrator
        .terminate("the walk is over")
        .await
        .expect("terminated");
    let answer = send(browser, &unregister, &form, ask).await;
    let (to, page) = landed(browser, answer, ask).await;
    table.note("POST unregister, terminated", column, ask, &page);
    match to {
        Some(_) => {
            assert!(!page.texts("tbody .name").contains(&name), "it is gone at once");
            let page = visit(browser, &overview, ask).await;
            assert_eq!(cell(&page), "noexp");
        }
        None => site.world.admin.control().unregister(&id).await.expect("unregistered"),
    }
}

#[tokio::test]
async fn every_page_and_act_in_every_posture_by_everybody() {
    let site = Site::start().await;
    furnish(&site.alpha).await;
    // Both experiments' credentials are made, and the control plane's: posture C finds them kept.
    for lab in [&site.alpha, &site.beta] {
        site.follows(&lab.id).await;
    }
    let request = |name: &str| RegisterWorker {
        name: Some(name.to_owned()),
        ..RegisterWorker::default()
    };
    let (here, secret) = site
        .alpha
        .admin
        .register_worker(&request("Anna"))
        .await
        .expect("a worker");
    let alone_member = credential(&here.worker_id, &secret);
    let admins = site.alpha.admin.groups_named("admins").await.expect("groups").remove(0);
    site.alpha
        .admin
        .add_member(&admins.group_id, (&here.worker_id).into())
        .await
        .expect("a member");
    let (there, secret) = site
        .alpha
        .admin
        .register_worker(&request("Arno"))
        .await
        .expect("a worker");
    let alone_other = credential(&there.worker_id, &secret);
    let group = site
        .world
        .admin
        .control()
        .registry()
        .groups_named("admins")
        .await
        .expect("groups")
        .remove(0);
    let member = site.member.split(':').next().expect("an id").to_owned();
    let places = Places {
        experiment: site.alpha.id.as_str(),
        worker: &member,
        group: group.group_id.as_str(),
    };

    let alone = site
        .another(|setup| {
            setup.access.control_plane = None;
            setup.access.control_admin_token = None;
            setup.access.default_experiment = Some(site.alpha.id.clone());
        })
        .await;
    let kept = site
        .console
        .beside(|setup| {
            setup.access.admin_token = None;
            setup.access.control_admin_token = None;
        })
        .await;
    let bare = site
        .another(|setup| {
            setup.access.admin_token = None;
            setup.access.control_admin_token = None;
        })
        .await;
    let deployments = [
        (Posture::SingleExperiment, &alone, [&alone_member, &alone_other]),
        (Posture::Administered, &site.console, [&site.member, &site.other]),
        (Posture::StoredCredentials, &kept, [&site.member, &site.other]),
        (Posture::WithoutCredentials, &bare, [&site.member, &site.other]),
    ];
    let mut table = Table::like(EXPECTED, 2);
    for (posture, console, [member, other]) in deployments {
        let offset = (u32::from(posture.letter()) - u32::from('A')) as usize * 3;
        if posture != Posture::WithoutCredentials {
            follows(console, &site.alpha.id).await;
        }
        let browsers = [
            Browser::by_link(console.base(), &console.sign_in_link()).await,
            Browser::signed_in(console.base(), member).await,
            Browser::signed_in(console.base(), other).await,
        ];
        for (index, browser) in browsers.iter().enumerate() {
            for ask in BOTH {
                // Nothing leads to the sign-in page by htmx: who is signed out is sent there whole.
                for pattern in pages().into_iter().filter(|it| ask == Ask::Plain || *it != "/signin") {
                    let page = visit(browser, &places.path(pattern), ask).await;
                    table.note(pattern, offset + index, ask, &page);
                }
                live(&site, console, browser, offset + index, ask, &mut table).await;
            }
        }
    }
    table.check();
}
