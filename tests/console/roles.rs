//! Who may go where: the whole route table, for who is not signed in, who is no administrator, and who is one.

use std::time::Duration;

use switchboard::client::ControlClient;
use switchboard::protocol::*;
use switchboard::web::routes;

use crate::console::{Console, Page, until};
use crate::support::{Lab, kind_of};
use crate::worlds::Deployment;

const HERE: (&str, &str) = ("sec-fetch-site", "same-origin");

/// A worker of the deployment, and its credential.
pub async fn worker(control: &ControlClient, name: &str) -> (WorkerId, String) {
    let request = RegisterWorker {
        name: Some(name.to_owned()),
        ..RegisterWorker::default()
    };
    let (worker, secret) = control.register_worker(&request).await.expect("a worker");
    let credential = credential(&worker.worker_id, &secret);
    (worker.worker_id, credential)
}

pub fn credential(worker: &WorkerId, secret: &secrecy::SecretString) -> String {
    use secrecy::ExposeSecret;
    format!("{worker}:{}", secret.expose_secret())
}

async fn group(control: &ControlClient, name: &str, members: Vec<MemberId>) -> GroupId {
    let request = RegisterGroup {
        name: Some(name.to_owned()),
        members,
    };
    control.register_group(&request).await.expect("a group").group_id
}

async fn get(console: &Console, path: &str, cookie: &str) -> Page {
    console.get(path, &[("cookie", cookie)]).await
}

fn faults(page: &Page) -> Vec<String> {
    page.attributes("[data-fault]", "data-fault")
}

/// What needs an administrator, said once more in the tests' own words.
fn is_gated(pattern: &str) -> bool {
    pattern == "/admin"
        || pattern.starts_with("/admin/")
        || pattern == "/x/:experiment/admin"
        || pattern.starts_with("/x/:experiment/admin/")
}

/// What every operator may do below the gate.
const OPEN_TO_OPERATORS: [(&str, &str); 2] = [
    ("POST", "/admin/experiments/:experiment/select"),
    ("POST", "/admin/experiments/clear-selection"),
];

const OPEN_TO_ALL: [&str; 3] = ["/healthz", "/signin", "/assets"];

/// Ways to write a path that mean, or might be taken to mean, the same.
fn spellings(path: &str) -> Vec<String> {
    let mut spellings = vec![
        path.to_owned(),
        path.trim_end_matches('/').to_owned(),
        format!("{}/", path.trim_end_matches('/')),
        path.replace("/admin", "/%61dmin"),
        path.replace("/admin", "/%2561dmin"),
        path.replace("/admin", "//admin"),
        path.replace("/admin", "/./admin"),
        path.replace("/admin", "/ADMIN"),
        path.replace("/admin/", "/admin%2F"),
        format!("{}/nowhere", path.trim_end_matches('/')),
    ];
    spellings.sort();
    spellings.dedup();
    spellings
}

#[tokio::test]
async fn no_route_is_forgotten() {
    let world = Deployment::start().await;
    world.known(&world.busy.id).await;
    let console = &world.console;
    let (_, credential) = worker(&console.admin.control(), "somebody").await;
    let mut patterns: Vec<_> = routes().map(|route| route.pattern).collect();
    patterns.dedup();
    assert!(patterns.len() > 15, "{patterns:?}");
    let gated = patterns.iter().filter(|pattern| is_gated(pattern)).count();
    assert!(gated > 10, "{patterns:?}");
    // What is nowhere in the table is behind the gate too.
    patterns.extend([
        "/admin",
        "/admin/nowhere/",
        "/admin/control/workers/",
        "/x/:experiment/admin",
        "/x/:experiment/admin/nowhere",
        "/nowhere",
    ]);
    patterns.push("/admin/experiments/clear-selection");
    for pattern in patterns {
        let path = pattern
            .replace(":experiment", world.busy.id.as_str())
            .replace(":task", "evaluate-good")
            .replace(":idea", "idea-good")
            .replace(":variant", "v-good")
            .replace(":name", "Busy%20bees")
            .replace(":worker", "wkr_00000000000000000000000000")
            .replace(":group", "grp_00000000000000000000000000")
            .replace(":member", "wkr_00000000000000000000000000")
            .replace("*rest", "ideate-1/submit");
        assert!(!path.contains(':'), "say what {pattern} stands for");
        // One of the routes is the way out.
        let cookie = console.sign_in_as(&credential).await;
        for method in ["GET", "POST", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS"] {
            if !OPEN_TO_ALL.contains(&pattern) {
                let page = console.ask(method, &path, &[HERE]).await;
                let to_sign_in = page.header("location").is_some_and(|to| to.starts_with("/signin"));
                assert!(
                    page.status == 303 && to_sign_in,
                    "{method} {path}: {} for nobody",
                    page.status
                );
                assert!(
                    page.body.is_empty() && page.header("set-cookie").is_none(),
                    "{method} {path}"
                );
                let htmx = console.ask(method, &path, &[HERE, ("hx-request", "true")]).await;
                assert_eq!(htmx.status, 401, "{method} {path} for nobody, by htmx");
            }
            let is_open = OPEN_TO_OPERATORS.contains(&(method, pattern));
            if is_gated(pattern) && !is_open {
                for path in spellings(&path) {
                    // What is done to the list of exceptions by another spelling makes it something else.
                    let page = console.ask(method, &path, &[HERE, ("cookie", &cookie)]).await;
                    assert_eq!(page.status, 403, "{method} {path} for an operator");
                }
            } else if !pattern.ends_with("/live") {
                let page = console.ask(method, &path, &[HERE, ("cookie", &cookie)]).await;
                assert_ne!(page.status, 403, "{method} {path} for an operator");
            }
        }
    }
}

#[tokio::test]
async fn whoever_is_no_administrator_is_told_in_place() {
    let world = Deployment::start().await;
    world.known(&world.busy.id).await;
    let console = &world.console;
    let (_, credential) = worker(&console.admin.control(), "Ada <b>").await;
    let cookie = console.sign_in_as(&credential).await;
    let tasks = format!("/x/{}/admin/tasks/", world.busy.id);

    let page = get(console, &tasks, &cookie).await;
    assert_eq!(
        (page.status, faults(&page)),
        (403, vec!["not-an-administrator".to_owned()])
    );
    let words = page.texts("[data-fault]").concat();
    assert!(words.contains("group admins") && words.contains("Ada <b>"), "{words}");
    assert!(words.contains("An administrator can add you"), "{words}");
    assert_eq!(page.attributes("body", "data-experiment"), [world.busy.id.as_str()]);
    assert!(
        !page.attributes("#bar form", "action").is_empty(),
        "the switcher is there"
    );
    assert_eq!(page.texts("#operator strong"), ["Ada <b>"]);
    assert!(page.texts("#operator .popover p")[1].contains("not in the group admins"));

    let part = async |method: &str, target: &str| {
        let from = format!("http://console{tasks}");
        let headers = [
            ("cookie", cookie.as_str()),
            HERE,
            ("hx-request", "true"),
            ("hx-request-type", "partial"),
            ("hx-target", target),
            ("hx-current-url", &from),
        ];
        console.ask(method, &tasks, &headers).await
    };
    let main = part("GET", "main#main").await;
    assert!(main.status == 403 && !main.body.contains("<html"), "{}", main.body);
    assert_eq!(faults(&main), ["not-an-administrator"]);
    let region = part("GET", "section#region-tasks").await;
    assert_eq!(
        (region.status, region.body.as_str()),
        (403, ""),
        "a region keeps what it shows"
    );
    let badge = part("GET", "div#freshness").await;
    assert!(
        badge.status == 200 && badge.body.contains("id=\"freshness\""),
        "{}",
        badge.body
    );
    assert_eq!(part("POST", "main#main").await.status, 403);

    // What there is for them leads nowhere else, and the streams of both kinds of page are theirs.
    for path in [
        format!("/x/{}/", world.busy.id),
        format!("/x/{}/", world.unseeded),
        "/x/exp_00000000000000000000000000/".to_owned(),
    ] {
        let page = get(console, &path, &cookie).await;
        let hrefs = page
            .attributes("a", "href")
            .into_iter()
            .chain(page.attributes("form", "action"));
        let gated: Vec<_> = hrefs
            .filter(|href| href.contains("/admin") && !href.ends_with("/select") && !href.ends_with("/clear-selection"))
            .collect();
        assert!(gated.is_empty(), "{path}: {gated:?}");
        let stream = page.attributes("#live", "hx-sse:connect").pop().expect("a stream");
        let stream = console.stream(&stream, &cookie).await;
        assert_eq!(stream.status(), 200);
        assert_eq!(stream.headers()["content-type"], "text/event-stream");
    }
    let overview = get(console, &format!("/x/{}/", world.busy.id), &cookie).await;
    let admins = get(console, &format!("/x/{}/", world.busy.id), &console.sign_in().await).await;
    assert_ne!(overview.body, admins.body, "the cache keeps roles apart");
    assert_eq!(
        overview.texts("tr[data-event]"),
        admins.texts("tr[data-event]"),
        "it says the same"
    );
    let unseeded = get(console, &format!("/x/{}/", world.unseeded), &cookie).await;
    assert!(unseeded.status == 409 && unseeded.attributes("form.seed", "action").is_empty());
    assert!(unseeded.body.contains("An administrator can seed it"));
}

#[tokio::test]
async fn a_switch_draws_no_page_that_is_not_for_them() {
    let world = Deployment::start().await;
    world.known(&world.empty.id).await;
    let console = &world.console;
    let (_, credential) = worker(&console.admin.control(), "somebody").await;
    let cookie = console.sign_in_as(&credential).await;
    let select = format!("/admin/experiments/{}/select", world.empty.id);
    let next = format!("/x/{}/admin/tasks/", world.busy.id);
    let overview = format!("/x/{}/", world.empty.id);

    let headers = [("cookie", cookie.as_str()), HERE];
    let plain = console.post(&select, &headers, &[("next", &next)]).await;
    assert_eq!((plain.status, plain.header("location")), (303, Some(overview.as_str())));
    let clear = console.post("/admin/experiments/clear-selection", &headers, &[]).await;
    assert_eq!((clear.status, clear.header("location")), (303, Some("/")));
    let htmx = [
        ("cookie", cookie.as_str()),
        HERE,
        ("hx-request", "true"),
        ("hx-request-type", "partial"),
        ("hx-target", "main#main"),
    ];
    let drawn = console.post(&select, &htmx, &[("next", &next)]).await;
    assert_eq!(
        (drawn.status, drawn.header("hx-push-url")),
        (200, Some(overview.as_str()))
    );
}

#[tokio::test]
async fn the_groups_decide_and_a_change_counts_at_once() {
    let console = Console::start().await;
    let control = console.admin.control();
    let (ada, credential) = worker(&control, "Ada").await;
    let cookie = console.sign_in_as(&credential).await;
    let status = async || get(&console, "/admin/experiments/", &cookie).await.status;
    assert_eq!(status().await, 403, "there is no such group");

    let leads = group(&control, "leads", vec![(&ada).into()]).await;
    let admins = group(&control, "admins", vec![(&leads).into()]).await;
    // The console hears of it within moments; until then its time stands still.
    until("the member of a member", async || (status().await == 200).then_some(())).await;
    let page = get(&console, "/admin/experiments/", &cookie).await;
    assert_eq!(page.texts("#operator strong"), ["Ada"]);

    control.remove_member(&leads, &(&ada).into()).await.expect("removed");
    until("the end of it", async || (status().await == 403).then_some(())).await;
    control.add_member(&admins, (&ada).into()).await.expect("added");
    until("a member", async || (status().await == 200).then_some(())).await;
    control.delete_group(&admins).await.expect("deleted");
    until("the end of the group", async || (status().await == 403).then_some(())).await;
}

#[tokio::test]
async fn nobody_administers_while_the_groups_cannot_be_read() {
    let (console, proxy) = Console::behind_a_proxy().await;
    let control = console.admin.control();
    let (ada, credential) = worker(&control, "Ada").await;
    let admins = group(&control, "admins", vec![(&ada).into()]).await;
    let cookie = console.sign_in_as(&credential).await;
    let page = async |path: &str| get(&console, path, &cookie).await;
    until("an administrator", async || {
        (page("/admin/experiments/").await.status == 200).then_some(())
    })
    .await;

    let (bob, dismissed) = worker(&control, "Bob").await;
    control.add_member(&admins, (&bob).into()).await.expect("added");
    let dismissed = console.sign_in_as(&dismissed).await;
    let of_bob = async || get(&console, "/admin/experiments/", &dismissed).await;
    until("another administrator", async || {
        (of_bob().await.status == 200).then_some(())
    })
    .await;
    control.remove_member(&admins, &(&bob).into()).await.expect("removed");
    until("the end of it", async || (of_bob().await.status == 403).then_some(())).await;

    proxy.cut();
    let stale = until("the cut", async || {
        Some(page("/admin/experiments/").await).filter(|p| !p.texts("[data-freshness=stale]").is_empty())
    })
    .await;
    assert_eq!(stale.status, 200, "what Ada might have seen before is shown as it was");
    assert!(
        stale.texts("#operator .popover p")[1].contains("reading only"),
        "the bar says so: {}",
        stale.body
    );
    let links = stale.attributes("#rail a", "href");
    assert_eq!(
        links,
        [
            "/admin/experiments/",
            "/admin/control/workers/",
            "/admin/control/groups/"
        ],
        "and leads on"
    );
    assert_eq!(stale.attributes(".switcher-foot a", "href"), ["/admin/experiments/"]);
    let refused = of_bob().await;
    assert_eq!(
        (refused.status, faults(&refused)),
        (503, vec!["role-unknown".to_owned()]),
        "what was known before the outage does not make Bob one again"
    );
    assert!(
        refused.texts("[data-fault]").concat().contains("does not answer"),
        "{}",
        refused.body
    );
    assert!(
        refused.texts("#operator .popover p")[1].contains("for now"),
        "the bar says so too"
    );
    assert_eq!(
        console
            .post("/admin/experiments/register", &[("cookie", &cookie), HERE], &[])
            .await
            .status,
        503,
        "nothing is changed on the strength of it"
    );
    // Who came by a link needs no groups.
    let link = console.sign_in().await;
    assert_eq!(get(&console, "/admin/experiments/", &link).await.status, 200);

    proxy.heal();
    until("an administrator again", async || {
        (page("/admin/experiments/").await.status == 200).then_some(())
    })
    .await;

    let tokenless = console.beside(|setup| setup.access.control_admin_token = None).await;
    let refused = get(&tokenless, "/admin/experiments/", &cookie).await;
    assert_eq!(
        (refused.status, faults(&refused)),
        (503, vec!["role-unknown".to_owned()])
    );
    assert!(
        refused.texts("[data-fault]").concat().contains("no admin token"),
        "{}",
        refused.body
    );
}

#[tokio::test]
async fn pages_ask_the_control_plane_for_nothing_while_nothing_changes() {
    let (console, proxy) = Console::behind_a_proxy().await;
    let lab = Lab::begin(&console.admin, "alpha", console.clock.clone()).await;
    let control = console.admin.control();
    let (ada, of_ada) = worker(&control, "Ada").await;
    let (_, of_bob) = worker(&control, "Bob").await;
    group(&control, "admins", vec![(&ada).into()]).await;
    let (ada, bob) = (console.sign_in_as(&of_ada).await, console.sign_in_as(&of_bob).await);
    let overview = format!("/x/{}/", lab.id);
    let tasks = format!("{overview}admin/tasks/");
    let mirror = console.live.mirror(&lab.id);
    until("the feed", async || {
        (mirror.view().freshness.word() == "live").then_some(())
    })
    .await;
    until("an administrator", async || {
        (get(&console, &tasks, &ada).await.status == 200).then_some(())
    })
    .await;
    get(&console, &overview, &bob).await;

    // Far longer than a list is good for that no feed stands behind.
    console.clock.advance(Duration::from_secs(600));
    proxy.take_requests();
    for _ in 0..20 {
        assert_eq!(get(&console, &overview, &bob).await.status, 200);
        assert_eq!(get(&console, &tasks, &bob).await.status, 403);
        assert_eq!(get(&console, &tasks, &ada).await.status, 200);
        assert_eq!(get(&console, "/admin/experiments/", &ada).await.status, 200);
    }
    let asked = proxy.take_requests();
    assert!(asked.is_empty(), "{asked:#?}");
}

#[tokio::test]
async fn in_a_deployment_of_one_experiment_its_own_groups_decide() {
    let (whole, proxy) = Console::behind_a_proxy().await;
    let lab = Lab::begin(&whole.admin, "alone", whole.clock.clone()).await;
    let console = whole
        .beside(|setup| {
            setup.access.control_plane = None;
            setup.access.control_admin_token = None;
            setup.access.default_experiment = Some(lab.id.clone());
        })
        .await;
    let request = RegisterWorker {
        name: Some("Grace".to_owned()),
        ..RegisterWorker::default()
    };
    let (grace, secret) = lab.admin.register_worker(&request).await.expect("a worker");
    let (of_deployment, elsewhere) = worker(&whole.admin.control(), "elsewhere").await;
    assert_eq!(
        console.present(&elsewhere, "/").await.status,
        401,
        "{of_deployment} is nobody here"
    );

    let cookie = console.sign_in_as(&credential(&grace.worker_id, &secret)).await;
    let tasks = format!("/x/{}/admin/tasks/", lab.id);
    let page = get(&console, &tasks, &cookie).await;
    assert_eq!(page.status, 403);
    assert!(
        page.texts("[data-fault]").concat().contains(lab.id.as_str()),
        "{}",
        page.body
    );
    assert_eq!(get(&console, &format!("/x/{}/", lab.id), &cookie).await.status, 200);

    let groups = lab.admin.groups_named("admins").await.expect("groups");
    let member = (&grace.worker_id).into();
    lab.admin.add_member(&groups[0].group_id, member).await.expect("added");
    until("an administrator", async || {
        (get(&console, &tasks, &cookie).await.status == 200).then_some(())
    })
    .await;
    // The notice of it may come after the page that read through, and after it what was read is read again.
    let mirror = console.live.mirror(&lab.id);
    let grace = (&grace.worker_id).into();
    until("the feed, with the notice", async || {
        let view = mirror.view();
        let told = view
            .snapshot()?
            .groups()
            .iter()
            .any(|group| group.members.contains(&grace));
        (told && view.freshness.word() == "live").then_some(())
    })
    .await;
    for _ in 0..3 {
        get(&console, &tasks, &cookie).await;
    }
    console.clock.advance(Duration::from_secs(600));
    proxy.take_requests();
    for _ in 0..20 {
        assert_eq!(get(&console, &tasks, &cookie).await.status, 200);
    }
    let asked: Vec<_> = proxy.take_requests();
    let groups = asked
        .iter()
        .filter(|request| request.target.ends_with("/groups"))
        .count();
    assert_eq!(groups, 0, "the experiment's feed tells of its groups: {asked:#?}");

    // The same cookie says nobody to a console of the whole deployment, and the other way round.
    assert_eq!(get(&whole, &tasks, &cookie).await.status, 303);
    let denied = lab.worker.groups_named("admins").await;
    assert!(denied.is_ok() || matches!(kind_of(denied), ErrorType::Forbidden));
}
