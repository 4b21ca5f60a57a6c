//! Every page in every state, as markup. A page's snapshot holds its `<main>`, in all states that one test brings about;
//! what stands around it has snapshots of its own. Pages of an experiment are found in the route table, so a new one is
//! drawn without a line here.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use switchboard::live::{Hosting, RegistryRow};
use switchboard::protocol::{MemberId, RegisterGroup, RegisterWorker};
use switchboard::web::{Answer, routes};

use crate::console::{Console, Page, until};
use crate::roles::worker;
use crate::support::register;
use crate::worlds::Deployment;

/// Compares a text with its snapshot in `/snapshots`.
fn assert_text(name: &str, text: &str) {
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
    let text = text.replace("><", ">\n<");
    settings.bind(|| insta::assert_snapshot!(name, text));
}

/// What a page shows, without the shell around it. A part of a page is all of it.
fn main_of(body: &str) -> &str {
    let main = || {
        let from = body.find("<main ")?;
        let to = body.find("</main>")? + "</main>".len();
        Some(&body[from..to])
    };
    main().unwrap_or(body)
}

/// The states of pages that one test brings about, by page.
#[derive(Default)]
struct Drawn(BTreeMap<String, String>);

impl Drawn {
    fn add(&mut self, name: &str, state: &str, page: &Page) {
        let text = self.0.entry(name.to_owned()).or_default();
        let separator = if text.is_empty() { "" } else { "\n\n" };
        let main = main_of(&page.body);
        write!(text, "{separator}== {state}: {}\n{main}", page.status).expect("a text grows");
    }

    /// Compares each page with its snapshot.
    fn check(self) {
        for (name, text) in self.0 {
            assert_text(&name, &text);
        }
    }
}

/// Compares one state of a page, which no other test of the page brings about, with its snapshot.
fn assert_drawn(name: &str, page: &Page) {
    assert_text(name, &format!("{}\n{}", page.status, main_of(&page.body)));
}

/// Compares what stands around a page with its snapshot.
fn assert_shell(name: &str, page: &Page) {
    let shell = page.body.replace(main_of(&page.body), "<main>MAIN</main>");
    assert_text(name, &format!("{}\n{shell}", page.status));
}

/// The pages of an experiment, from the route table: the last part of the pattern, and the path below the experiment with
/// the entities of [`Deployment`]'s busy one.
fn pages() -> Vec<(&'static str, String)> {
    let of_experiment = routes()
        .filter(|route| route.answer == Answer::Page)
        .filter_map(|route| route.pattern.strip_prefix("/x/:experiment/"));
    of_experiment
        .map(|pattern| {
            let last = pattern.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
            let name = if last.is_empty() {
                "overview"
            } else {
                last.trim_start_matches(':')
            };
            let path = pattern
                .replace(":task", "evaluate-good")
                .replace(":idea", "idea-good")
                .replace(":variant", "v-good");
            assert!(!path.contains(':'), "say what {pattern} stands for");
            (name, path)
        })
        .collect()
}

/// Pages of the deployment's workers and groups; the ids are those of [`staffed`].
const ROSTER: [(&str, &str); 4] = [
    ("workers", "/admin/control/workers/"),
    ("worker", "/admin/control/workers/W/"),
    ("groups", "/admin/control/groups/"),
    ("group", "/admin/control/groups/G/"),
];

const EXPERIMENTS: &str = "/admin/experiments/";
const SIGN_IN: &str = "/signin";
const SWITCH: &str = "/switch";
/// Pages that are drawn by tests of their own.
const OTHERS: [&str; 5] = [
    EXPERIMENTS,
    SIGN_IN,
    SWITCH,
    "/admin/experiments/E/unregister",
    "/x/by-name/N",
];

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
fn every_page_of_the_deployment_is_drawn_somewhere() {
    let drawn: Vec<_> = OTHERS.into_iter().chain(ROSTER.map(|(_, path)| path)).collect();
    let pages: Vec<_> = routes()
        .filter(|route| route.answer == Answer::Page && !route.pattern.starts_with("/x/:experiment/"))
        .map(|route| route.pattern)
        .collect();
    for page in &pages {
        assert!(drawn.iter().any(|path| leads(page, path)), "{page} is drawn by no test");
    }
    for path in drawn {
        assert!(pages.iter().any(|page| leads(page, path)), "{path} is no page any more");
    }
}

#[tokio::test]
async fn every_page_is_drawn() {
    let world = Deployment::start().await;
    let cookie = world.console.sign_in().await;
    let get = async |path: &str| world.console.get(path, &[("cookie", &cookie)]).await;
    let mut drawn = Drawn::default();
    for id in [&world.busy.id, &world.empty.id] {
        world.known(id).await;
    }
    let pages = pages();
    assert!(pages.len() >= 8, "{pages:?}");
    for (name, path) in &pages {
        drawn.add(name, "busy", &get(&format!("/x/{}/{path}", world.busy.id)).await);
    }
    for (name, path) in &pages {
        let page = get(&format!("/x/{}/{path}", world.empty.id)).await;
        // An empty experiment has no such entity.
        if page.status != 404 {
            drawn.add(name, "empty", &page);
        }
    }
    let unregister = format!("/admin/experiments/{}/unregister", world.busy.id);
    assert_drawn("unregister__running", &get(&unregister).await);
    assert_drawn("unseeded", &get(&format!("/x/{}/", world.unseeded)).await);
    world.console.ready(&world.busy.id, |_| true).await;
    world.console.ready(&world.empty.id, |_| true).await;
    drawn.add("experiments", "busy", &get(EXPERIMENTS).await);
    let filtered = format!("{EXPERIMENTS}?q=E&state=running&readiness=ready&sort=name&dir=asc&per=1&color=red");
    drawn.add("experiments", "filtered", &get(&filtered).await);
    drawn.add(
        "experiments",
        "none matches",
        &get(&format!("{EXPERIMENTS}?q=zzz")).await,
    );
    drawn.add("switch", "all", &get(SWITCH).await);
    drawn.add(
        "switch",
        "none matches",
        &get(&format!("{SWITCH}?q=zzz&next=/x/")).await,
    );
    assert_shell(
        "shell__experiment",
        &get(&format!("/x/{}/admin/tasks/", world.busy.id)).await,
    );
    assert_shell("shell__deployment", &get(EXPERIMENTS).await);
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
    for id in [&world.busy.id, &world.empty.id, &world.unseeded] {
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
    for (name, path) in &pages {
        drawn.add(name, "stale", &get(&format!("/x/{}/{path}", world.busy.id)).await);
    }
    drawn.add("experiments", "stale", &get(EXPERIMENTS).await);
    assert_shell("shell__stale", &get(&format!("/x/{}/", world.busy.id)).await);
    drawn.check();
}

/// Workers and groups of every kind, and the paths of [`ROSTER`] with their ids.
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
    ROSTER.map(|(name, path)| {
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
    let mut drawn = Drawn::default();
    for (name, path) in ROSTER.into_iter().filter(|(name, _)| name.ends_with('s')) {
        drawn.add(name, "empty", &console.get(path, &headers).await);
    }
    let paths = staffed(&console).await;
    for (name, path) in &paths {
        drawn.add(name, "filled", &console.get(path, &headers).await);
    }
    let [(_, workers), (_, worker), (_, groups), (_, group)] = &paths;
    drawn.add(
        "workers",
        "none match",
        &console.get(&format!("{workers}?q=zzz&name=grace"), &headers).await,
    );
    let wrong = [("name", " bad"), ("labels", "a=b\nnonsense")];
    drawn.add("workers", "refused", &console.post(workers, &headers, &wrong).await);
    let wrong = [("name", "admins"), ("members", "")];
    drawn.add("groups", "refused", &console.post(groups, &headers, &wrong).await);
    let wrong = [("member_id", "grace")];
    drawn.add(
        "group",
        "refused",
        &console.post(&format!("{group}members"), &headers, &wrong).await,
    );
    let wrong = [("confirm", "no")];
    drawn.add(
        "group",
        "unconfirmed",
        &console.post(&format!("{group}delete"), &headers, &wrong).await,
    );
    drawn.add(
        "worker",
        "unconfirmed",
        &console
            .post(&format!("{worker}reissue-credential"), &headers, &wrong)
            .await,
    );
    drawn.add(
        "group",
        "added",
        &console.get(&format!("{group}?ok=added"), &headers).await,
    );

    let form = [("name", "grace"), ("request_id", "once")];
    drawn.add("token", "registered", &console.post(workers, &headers, &form).await);
    drawn.add("token", "shown already", &console.post(workers, &headers, &form).await);
    let end = &worker.trim_end_matches('/')[worker.len() - 7..];
    let confirmed = [("confirm", "Ada <b>Lovelace</b>"), ("request_id", end)];
    drawn.add(
        "token",
        "reissued",
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
        drawn.add(name, "unreachable", &console.get(path, &headers).await);
    }
    drawn.check();
}

#[tokio::test]
async fn a_registry_that_is_not_the_consoles_to_read_is_drawn() {
    let console = Console::start_with(|access| access.control_admin_token = None).await;
    let cookie = console.sign_in().await;
    let headers = [("cookie", cookie.as_str())];
    for (name, path) in ROSTER.into_iter().filter(|(name, _)| name.ends_with('s')) {
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
    assert_shell("shell__operator", &get(&busy).await);
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
    assert_shell("shell__fragment", &part("main#main").await);
    assert_drawn("tasks__region", &part("section#region-tasks").await);
    assert_drawn("bar__freshness", &part("div#freshness").await);
    assert_drawn("bar__pending", &part("span#region-pending").await);
}

#[tokio::test]
async fn a_switcher_that_cannot_list_every_experiment_is_drawn() {
    let console = Console::start().await;
    let (_, credential) = worker(&console.admin.control(), "Ada").await;
    let (cookie, other) = (console.sign_in().await, console.sign_in_as(&credential).await);
    for n in 1..=22 {
        register(&console.admin, &format!("Number {n}")).await;
    }
    let registry = console.live.registry();
    until("all of them", async || {
        let view = registry.view();
        let is_known = |row: &std::sync::Arc<RegistryRow>| row.hosting == Hosting::NotHosted;
        (view.rows.len() == 22 && view.rows.values().all(is_known)).then_some(())
    })
    .await;
    let part = async |path: &str, cookie: &str, target: &str| {
        let headers = [
            ("cookie", cookie),
            ("hx-request", "true"),
            ("hx-request-type", "partial"),
            ("hx-target", target),
        ];
        console.get(path, &headers).await
    };
    let mut drawn = Drawn::default();
    let (list, found) = ("div#region-switcher", "div#switcher-found");
    drawn.add("switcher", "22 registered", &part(SWITCH, &cookie, list).await);
    drawn.add("switcher", "no administrator", &part(SWITCH, &other, list).await);
    drawn.add("switcher", "matches", &part("/switch?q=number+2", &cookie, found).await);
    drawn.add(
        "switcher",
        "more matches",
        &part("/switch?q=number", &cookie, found).await,
    );
    drawn.add("switcher", "none matches", &part("/switch?q=zzz", &cookie, found).await);
    drawn.check();
}

/// A region of a page: the element that is replaced, and the tag it is known by.
struct Refetch {
    tag: String,
    id: String,
    name: String,
    etag: String,
}

fn refetches(page: &Page) -> Vec<Refetch> {
    let document = scraper::Html::parse_document(&page.body);
    let selector = scraper::Selector::parse("[data-region]").expect("a selector");
    let attribute =
        |element: scraper::ElementRef<'_>, name| element.attr(name).expect("every region has it").to_owned();
    let refetch = |element: scraper::ElementRef<'_>| Refetch {
        tag: element.value().name().to_owned(),
        id: attribute(element, "id"),
        name: attribute(element, "data-region"),
        etag: attribute(element, "data-etag"),
    };
    document.select(&selector).map(refetch).collect()
}

#[tokio::test]
async fn every_region_is_answered_alone_and_with_the_others() {
    let world = Deployment::start().await;
    world.known(&world.busy.id).await;
    let cookie = world.console.sign_in().await;
    let paths = pages()
        .into_iter()
        .map(|(_, path)| format!("/x/{}/{path}", world.busy.id));
    let registry = staffed(&world.console).await.map(|(_, path)| path);
    for path in paths.into_iter().chain(registry).chain([EXPERIMENTS.to_owned()]) {
        let page = world.console.get(&path, &[("cookie", &cookie)]).await;
        assert_eq!(page.attributes("main", "data-page"), [path.as_str()]);
        let from = format!("http://console{path}");
        let base = [
            ("cookie", cookie.as_str()),
            ("hx-request", "true"),
            ("hx-request-type", "partial"),
            ("hx-current-url", &from),
        ];
        // Rows and values are sent alone, up to their first end tag.
        assert_eq!(page.texts("[data-region] tbody tr tr").len(), 0, "{path}");
        let nested = page.attributes("[data-region] span[id]:not([data-region]):has(*)", "id");
        assert_eq!(nested, [""; 0], "{path}");
        let regions = refetches(&page);
        assert!(
            regions.iter().any(|region| region.name != "switcher"),
            "{path} follows nothing"
        );
        for region in &regions {
            let target = format!("{}#{}", region.tag, region.id);
            let mut headers = base.to_vec();
            headers.push(("hx-target", &target));
            let whole = world.console.get(&path, &headers).await;
            assert_eq!(whole.status, 200, "{path}: {target}");
            assert!(!whole.body.contains("<html"), "{path}: {target}: {}", whole.body);
            let roots = scraper::Html::parse_fragment(&whole.body);
            let roots: Vec<_> = roots
                .root_element()
                .child_elements()
                .map(|root| format!("{}#{}", root.value().name(), root.attr("id").unwrap_or_default()))
                .collect();
            assert_eq!(roots, [target.as_str()], "{path}");

            let etag = format!("\"{}\"", region.etag);
            headers.push(("if-none-match", &etag));
            let again = world.console.get(&path, &headers).await;
            assert!(matches!(again.status, 200 | 304), "{path}: {target}: {}", again.status);
            assert_eq!(again.status == 304, again.body.is_empty(), "{path}: {target}");
        }
        // All in one request: those that the page does not have come whole, the others not at all.
        let known = |etag: &dyn Fn(&Refetch) -> String| {
            let known = regions
                .iter()
                .map(|region| format!("{}=\"{}\"", region.name, etag(region)));
            known.collect::<Vec<_>>().join(", ")
        };
        let mut headers = base.to_vec();
        let none = known(&|_| String::new());
        headers.extend([("hx-target", "div#refresh"), ("switchboard-regions", none.as_str())]);
        let all = world.console.get(&path, &headers).await;
        assert_eq!(
            (all.status, all.header("cache-control")),
            (200, Some("no-store")),
            "{path}"
        );
        for region in &regions {
            let partial = format!("<hx-partial id=\"{}\" hx-swap=\"outerMorph\">", region.id);
            assert_eq!(all.body.matches(&partial).count(), 1, "{path}: {partial}");
        }
        let tags = all.attributes("[data-region]", "data-etag");
        headers.pop();
        let mut tags = tags.into_iter();
        let present = known(&|_| String::new())
            .split(", ")
            .fold(String::new(), |list, member| {
                let (name, _) = member.split_once('=').expect("a member");
                let separator = if list.is_empty() { "" } else { ", " };
                format!("{list}{separator}{name}=\"{}\"", tags.next().expect("a tag"))
            });
        headers.push(("switchboard-regions", &present));
        let again = world.console.get(&path, &headers).await;
        assert!(
            again.status == 204 || again.body.len() < all.body.len(),
            "{path}: {} {}",
            again.status,
            again.body
        );
        headers.pop();
        headers.push(("switchboard-regions", "nothing=\"\""));
        let missing = world.console.get(&path, &headers).await;
        assert_eq!(missing.header("hx-refresh"), Some("true"), "{path}");
    }
}

#[tokio::test]
async fn signing_in_is_drawn() {
    let console = Console::start().await;
    let mut drawn = Drawn::default();
    assert_shell("shell__bare", &console.get(SIGN_IN, &[]).await);
    drawn.add("sign_in", "by link", &console.get(SIGN_IN, &[]).await);
    drawn.add("sign_in", "wrong", &console.get("/signin?token=nonsense", &[]).await);
    let link = console.sign_in_link();
    assert_eq!(console.get(&link, &[]).await.status, 303);
    drawn.add("sign_in", "used", &console.get(&link, &[]).await);
    let link = console.sign_in_link();
    console.clock.advance(Duration::from_secs(15 * 60));
    drawn.add("sign_in", "expired", &console.get(&link, &[]).await);
    let without_links = console.beside(|setup| setup.sign_in_links = false).await;
    drawn.add("sign_in", "worker", &without_links.get(SIGN_IN, &[]).await);
    drawn.add("sign_in", "malformed", &console.present("open sesame", "/").await);
    let (_, credential) = worker(&console.admin.control(), "Ada").await;
    let wrong = format!("{credential}x");
    drawn.add("sign_in", "refused", &without_links.present(&wrong, "/").await);
    for _ in 1..10 {
        without_links.present(&wrong, "/").await;
    }
    drawn.add("sign_in", "limited", &without_links.present(&credential, "/").await);
    assert_drawn(
        "fault__cross_site",
        &console.post(SIGN_IN, &[("sec-fetch-site", "cross-site")], &[]).await,
    );
    drawn.check();
}
