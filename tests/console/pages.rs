//! Every page in every state, as markup. A page that is not here fails [`every_route_is_drawn_or_said_not_to_be`].

use std::fs;
use std::path::Path;
use std::time::Duration;

use switchboard::protocol::{MemberId, RegisterGroup, RegisterWorker};

use crate::console::{Console, Page, until};
use crate::roles::worker;
use crate::support::register;
use crate::worlds::Deployment;

/// Compares a page with its snapshot in `/snapshots`.
fn assert_drawn(name: &str, page: &Page) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(Path::new(env!("CARGO_MANIFEST_DIR")).join("snapshots"));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    // What names the content of other files, and revisions that depend on how changes were batched.
    settings.add_filter(r"-[0-9a-f]{8}\.(css|js|svg)", "-HASH.$1");
    settings.add_filter(r"/assets/js-[0-9a-f]{8}/", "/assets/js-HASH/");
    settings.add_filter(r"since=(fleet|[0-9a-f]+)-\d+-\d+", "since=SINCE");
    settings.add_filter(r#"data-etag="[0-9a-f]{16}""#, r#"data-etag="ETAG""#);
    // What is random, or said once, or where a test keeps its files.
    settings.add_filter(
        r"at /\S+/control-plane/worker\.json",
        "at DIRECTORY/control-plane/worker.json",
    );
    settings.add_filter(
        r#"name="request_id" value="[0-9a-f]{32}""#,
        r#"name="request_id" value="RANDOM""#,
    );
    settings.add_filter(r"console-instance=[0-9a-f]+", "console-instance=RANDOM");
    settings.add_filter(r#"id="secret">\s*[^<]+"#, r#"id="secret">SECRET"#);
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

/// Of the deployment's registry; the ids are those of [`staffed`].
const REGISTRY: [(&str, &str); 4] = [
    ("workers", "/admin/control/workers/"),
    ("worker", "/admin/control/workers/W/"),
    ("groups", "/admin/control/groups/"),
    ("group", "/admin/control/groups/G/"),
];

const EXPERIMENTS: &str = "/admin/experiments/";
const SIGN_IN: &str = "/signin";
/// Pages that are drawn by tests of their own.
const OTHERS: [&str; 4] = [EXPERIMENTS, SIGN_IN, "/admin/experiments/E/unregister", "/x/by-name/N"];

const BARE: &str = "leads to the same page of the active experiment";

/// Routes that answer GET with something other than a page, and why there is nothing to draw.
const NOT_DRAWN: [(&str, &str); 17] = [
    ("/", BARE),
    ("/admin/tasks/", BARE),
    ("/admin/tasks/:task/", BARE),
    ("/admin/ideas/", BARE),
    ("/admin/ideas/:idea/", BARE),
    ("/admin/variants/", BARE),
    ("/admin/variants/:variant/", BARE),
    ("/admin/events/", BARE),
    ("/ideator/*rest", BARE),
    ("/executor/*rest", BARE),
    ("/evaluator/*rest", BARE),
    ("/x/:experiment/live", "a stream of events"),
    ("/live", "a stream of events"),
    ("/healthz", "a word for supervisors"),
    ("/metrics", "figures for a monitoring system"),
    ("/x/:experiment/admin/seed", "redirects to the overview"),
    ("/assets", "files that pages refer to"),
];

/// The patterns of the console's route table, each with what answers there; of what is nested, nothing.
pub fn route_table() -> Vec<(String, Option<String>)> {
    let table = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/web/mod.rs")).expect("the routes");
    let mut routes = Vec::new();
    for (is_nested, found) in table
        .split(".at(")
        .skip(1)
        .map(|call| (false, call))
        .chain(table.split(".nest(").skip(1).map(|call| (true, call)))
    {
        let found = found.split(".at(").next().unwrap_or_default();
        let (pattern, endpoint) = found
            .trim_start()
            .strip_prefix('"')
            .and_then(|rest| rest.split_once('"'))
            .unwrap_or_else(|| panic!("a route whose pattern is no literal cannot be checked: {found}"));
        routes.push((pattern.to_owned(), (!is_nested).then(|| endpoint.to_owned())));
    }
    routes
}

/// The patterns that the table answers GET for, and what is nested in it.
fn routes() -> Vec<String> {
    let answers_get = |endpoint: &Option<String>| {
        endpoint.as_ref().is_none_or(|endpoint| {
            endpoint.trim_start_matches([',', ' ', '\n']).starts_with("get(") || endpoint.contains(".get(")
        })
    };
    let table = route_table().into_iter();
    table
        .filter(|(_, endpoint)| answers_get(endpoint))
        .map(|(pattern, _)| pattern)
        .collect()
}

/// Whether a pattern of the route table leads from a path; `:name` stands for one segment.
fn leads(pattern: &str, path: &str) -> bool {
    let (pattern, path): (Vec<_>, Vec<_>) = (pattern.split('/').collect(), path.split('/').collect());
    pattern.len() == path.len()
        && pattern
            .iter()
            .zip(path)
            .all(|(pattern, part)| *pattern == part || (pattern.starts_with(':') && !part.is_empty()))
}

#[test]
fn every_route_is_drawn_or_said_not_to_be() {
    let routes = routes();
    assert!(routes.len() >= PAGES.len() + NOT_DRAWN.len(), "too few: {routes:?}");
    let drawn: Vec<_> = PAGES
        .iter()
        .map(|(_, path)| format!("/x/E/{path}"))
        .chain(OTHERS.map(str::to_owned))
        .chain(REGISTRY.map(|(_, path)| path.to_owned()))
        .collect();
    for route in &routes {
        let is_drawn = drawn.iter().any(|path| leads(route, path));
        let is_excepted = NOT_DRAWN.iter().any(|(pattern, _)| pattern == route);
        assert!(
            is_drawn != is_excepted,
            "{route} is neither drawn nor said not to be, or both"
        );
    }
    for path in drawn {
        assert!(
            routes.iter().any(|route| leads(route, &path)),
            "{path} is no route any more"
        );
    }
    for (pattern, _) in NOT_DRAWN {
        assert!(
            routes.iter().any(|route| route == pattern),
            "{pattern} is no route any more"
        );
    }
}

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
    let unregister = format!("/admin/experiments/{}/unregister", world.busy.id);
    assert_drawn("unregister__running", &get(&unregister).await);
    assert_drawn("unseeded", &get(&format!("/x/{}/", world.unseeded)).await);
    assert_drawn("experiments__busy", &get(EXPERIMENTS).await);
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
    assert_drawn("experiments__stale", &get(EXPERIMENTS).await);
}

/// Workers and groups of every kind, and the paths of [`REGISTRY`] with their ids.
async fn staffed(console: &Console) -> [(&'static str, String); 4] {
    let registry = console.admin.control().registry();
    let worker = async |name: Option<&str>, labels: &[(&str, &str)]| {
        console.clock.advance(Duration::from_secs(60));
        let labels = labels
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect();
        let name = name.map(str::to_owned);
        let request = RegisterWorker { name, labels };
        registry.register_worker(&request).await.expect("a worker").0.worker_id
    };
    let group = async |name: &str, members: Vec<MemberId>| {
        console.clock.advance(Duration::from_secs(60));
        let name = Some(name.to_owned());
        let request = RegisterGroup { name, members };
        registry.register_group(&request).await.expect("a group").group_id
    };
    let ada = worker(
        Some("Ada <b>Lovelace</b>"),
        &[("team", "blue & white"), ("site", "london")],
    )
    .await;
    let twin = worker(Some("grace"), &[]).await;
    worker(Some("grace"), &[("note", "a value that goes on ".repeat(8).trim())]).await;
    let nameless = worker(None, &[("pool", "batch")]).await;
    let nobody = "wkr_00000000000000000000000000".parse().expect("an id");
    let inner = group("night shift", vec![(&ada).into(), (&nameless).into()]).await;
    let outer = group("everybody", vec![(&inner).into(), (&twin).into(), nobody]).await;
    group("admins", vec![(&outer).into()]).await;
    REGISTRY.map(|(name, path)| {
        let path = path
            .replace("/W/", &format!("/{ada}/"))
            .replace("/G/", &format!("/{outer}/"));
        (name, path)
    })
}

#[tokio::test]
async fn the_deployments_workers_and_groups_are_drawn() {
    let console = Console::start().await;
    let cookie = console.sign_in().await;
    let headers = [("cookie", cookie.as_str()), ("sec-fetch-site", "same-origin")];
    for (name, path) in REGISTRY.into_iter().filter(|(name, _)| name.ends_with('s')) {
        assert_drawn(&format!("{name}__empty"), &console.get(path, &headers).await);
    }
    let paths = staffed(&console).await;
    for (name, path) in &paths {
        assert_drawn(&format!("{name}__filled"), &console.get(path, &headers).await);
    }
    let [(_, workers), (_, worker), (_, groups), (_, group)] = &paths;
    assert_drawn(
        "workers__none_match",
        &console.get(&format!("{workers}?q=zzz&name=grace"), &headers).await,
    );
    let wrong = [("name", " bad"), ("labels", "a=b\nnonsense")];
    assert_drawn("workers__refused", &console.post(workers, &headers, &wrong).await);
    let wrong = [("name", "admins"), ("members", "")];
    assert_drawn("groups__refused", &console.post(groups, &headers, &wrong).await);
    let wrong = [("member_id", "grace")];
    assert_drawn(
        "group__refused",
        &console.post(&format!("{group}members"), &headers, &wrong).await,
    );
    let wrong = [("confirm", "no")];
    assert_drawn(
        "group__unconfirmed",
        &console.post(&format!("{group}delete"), &headers, &wrong).await,
    );
    assert_drawn(
        "worker__unconfirmed",
        &console
            .post(&format!("{worker}reissue-credential"), &headers, &wrong)
            .await,
    );
    assert_drawn(
        "group__added",
        &console.get(&format!("{group}?ok=added"), &headers).await,
    );

    let form = [("name", "grace"), ("request_id", "once")];
    assert_drawn("token__registered", &console.post(workers, &headers, &form).await);
    assert_drawn("token__shown_already", &console.post(workers, &headers, &form).await);
    let end = &worker.trim_end_matches('/')[worker.len() - 7..];
    let confirmed = [("confirm", "Ada <b>Lovelace</b>"), ("request_id", end)];
    assert_drawn(
        "token__reissued",
        &console
            .post(&format!("{worker}reissue-credential"), &headers, &confirmed)
            .await,
    );
    let nobody = "/admin/control/workers/wkr_00000000000000000000000000/";
    assert_drawn("fault__not_registered", &console.get(nobody, &headers).await);

    console.lose_backend().await;
    let registry = console.live.registry();
    until("a stale registry", async || {
        (registry.view().freshness.word() == "stale").then_some(())
    })
    .await;
    for (name, path) in &paths {
        assert_drawn(&format!("{name}__unreachable"), &console.get(path, &headers).await);
    }
}

#[tokio::test]
async fn a_registry_that_is_not_the_consoles_to_read_is_drawn() {
    let console = Console::start_with(|access| access.control_admin_token = None).await;
    let cookie = console.sign_in().await;
    let headers = [("cookie", cookie.as_str())];
    for (name, path) in REGISTRY.into_iter().filter(|(name, _)| name.ends_with('s')) {
        assert_drawn(&format!("{name}__no_token"), &console.get(path, &headers).await);
    }
    let alone = Console::start_with(|access| access.control_plane = None).await;
    let cookie = alone.sign_in().await;
    let headers = [("cookie", cookie.as_str())];
    assert_drawn(
        "fault__no_control_plane",
        &alone.get("/admin/control/workers/", &headers).await,
    );
}

#[tokio::test]
async fn what_an_operator_sees_who_is_no_administrator_is_drawn() {
    let world = Deployment::start().await;
    world.known(&world.busy.id).await;
    let (_, credential) = worker(&world.console.admin.control(), "Ada").await;
    let cookie = world.console.sign_in_as(&credential).await;
    let get = async |path: &str| world.console.get(path, &[("cookie", &cookie)]).await;
    let busy = format!("/x/{}/", world.busy.id);
    assert_drawn("overview__operator", &get(&busy).await);
    assert_drawn("unseeded__operator", &get(&format!("/x/{}/", world.unseeded)).await);
    assert_drawn(
        "fault__not_an_administrator",
        &get(&format!("{busy}admin/tasks/")).await,
    );

    let tokenless = world
        .console
        .beside(|setup| setup.access.control_admin_token = None)
        .await;
    let unknown = tokenless.get(EXPERIMENTS, &[("cookie", &cookie)]).await;
    assert_drawn("fault__role_unknown", &unknown);
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
        &console.get(EXPERIMENTS, &[("cookie", &cookie)]).await,
    );
    let home = console.get("/", &[("cookie", &cookie)]).await;
    assert_eq!((home.status, home.header("location")), (303, Some(EXPERIMENTS)));
}

#[tokio::test]
async fn a_choice_between_experiments_of_one_name_is_drawn() {
    let console = Console::start().await;
    let cookie = console.sign_in().await;
    for _ in 0..2 {
        register(&console.admin, "Twins").await;
    }
    let registry = console.live.registry();
    until("both", async || (registry.view().rows.len() == 2).then_some(())).await;
    let page = console.get("/x/by-name/Twins", &[("cookie", &cookie)]).await;
    assert_drawn("by_name__choice", &page);
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
        &console.get(EXPERIMENTS, &[("cookie", &cookie)]).await,
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

/// What keeps itself up to date: its own address, the element it replaces, and the tag it is known by.
struct Refetch {
    address: String,
    tag: String,
    id: String,
    etag: Option<String>,
}

fn refetches(page: &Page) -> Vec<Refetch> {
    let document = scraper::Html::parse_document(&page.body);
    let selector = scraper::Selector::parse("[hx-get]").expect("a selector");
    let refetch = |element: scraper::ElementRef<'_>| {
        assert_eq!(element.attr("hx-target"), Some("this"), "{}", element.html());
        Refetch {
            address: element.attr("hx-get").expect("selected by it").to_owned(),
            tag: element.value().name().to_owned(),
            id: element.attr("id").expect("what is swapped has an id").to_owned(),
            etag: element.attr("data-etag").map(str::to_owned),
        }
    };
    document.select(&selector).map(refetch).collect()
}

#[tokio::test]
async fn every_part_that_asks_for_itself_is_answered_with_itself() {
    let world = Deployment::start().await;
    world.known(&world.busy.id).await;
    let cookie = world.console.sign_in().await;
    let paths = PAGES.map(|(_, path)| format!("/x/{}/{path}", world.busy.id));
    let registry = staffed(&world.console).await.map(|(_, path)| path);
    for path in paths.into_iter().chain(registry).chain([EXPERIMENTS.to_owned()]) {
        let page = world.console.get(&path, &[("cookie", &cookie)]).await;
        let parts = refetches(&page);
        assert!(!parts.is_empty(), "{path} follows nothing");
        for part in parts {
            let (target, from) = (format!("{}#{}", part.tag, part.id), format!("http://console{path}"));
            let mut headers = vec![
                ("cookie", cookie.as_str()),
                ("hx-request", "true"),
                ("hx-request-type", "partial"),
                ("hx-target", &target),
                ("hx-current-url", &from),
            ];
            let whole = world.console.get(&part.address, &headers).await;
            assert_eq!(whole.status, 200, "{path}: {target}");
            assert!(!whole.body.contains("<html"), "{path}: {target}: {}", whole.body);
            let roots = scraper::Html::parse_fragment(&whole.body);
            let roots: Vec<_> = roots
                .root_element()
                .child_elements()
                .map(|root| format!("{}#{}", root.value().name(), root.attr("id").unwrap_or_default()))
                .collect();
            assert_eq!(roots, [target.as_str()], "{path}");

            let etag = part.etag.map(|etag| format!("\"{etag}\""));
            headers.extend(etag.as_deref().map(|etag| ("if-none-match", etag)));
            let again = world.console.get(&part.address, &headers).await;
            assert!(matches!(again.status, 200 | 304), "{path}: {target}: {}", again.status);
            assert_eq!(again.status == 304, again.body.is_empty(), "{path}: {target}");
        }
    }
}

#[tokio::test]
async fn signing_in_is_drawn() {
    let console = Console::start().await;
    assert_drawn("sign_in", &console.get(SIGN_IN, &[]).await);
    assert_drawn("sign_in__wrong", &console.get("/signin?token=nonsense", &[]).await);
    let link = console.sign_in_link();
    assert_eq!(console.get(&link, &[]).await.status, 303);
    assert_drawn("sign_in__used", &console.get(&link, &[]).await);
    let link = console.sign_in_link();
    console.clock.advance(Duration::from_secs(15 * 60));
    assert_drawn("sign_in__expired", &console.get(&link, &[]).await);
    let without_links = console.beside(|setup| setup.sign_in_links = false).await;
    assert_drawn("sign_in__worker", &without_links.get(SIGN_IN, &[]).await);
    assert_drawn("sign_in__malformed", &console.present("open sesame", "/").await);
    let (_, credential) = worker(&console.admin.control(), "Ada").await;
    let wrong = format!("{credential}x");
    assert_drawn("sign_in__refused", &without_links.present(&wrong, "/").await);
    for _ in 1..10 {
        without_links.present(&wrong, "/").await;
    }
    assert_drawn("sign_in__limited", &without_links.present(&credential, "/").await);
    assert_drawn(
        "fault__cross_site",
        &console.post(SIGN_IN, &[("sec-fetch-site", "cross-site")], &[]).await,
    );
}
