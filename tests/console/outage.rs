//! The servers go while people look and move about: what was seen stays, says how old it is and why, and goes on when
//! they are back.

use std::time::Duration;

use switchboard::clock::Clock;
use switchboard::live::Mirror;
use switchboard::protocol::RegisterGroup;

use crate::console::{Page, until};
use crate::life::Life;
use crate::proxy::Request;
use crate::roles::worker;
use crate::server::{self, Scene, Server};
use crate::support::Lab;
use crate::viewers::{Viewer, pages, view};

/// When the servers were last heard.
const NOON: &str = "2026-03-04T12:00:00Z";
const STALE: &str = "stale;since=@1772625600";
const EXPERIMENTS: &str = "/admin/experiments/";
const WORKERS: &str = "/admin/control/workers/";
const GROUPS: &str = "/admin/control/groups/";

/// Ten open pages, and those who go from one to the next.
struct Operators {
    scene: Scene,
    lab: Lab,
    /// Of whoever came by a link, and of Ada, a worker who administers because the group `admins` says so.
    cookies: [String; 2],
    open: Vec<Viewer>,
    /// All that was seen.
    seen: Vec<String>,
}

impl Operators {
    async fn begin() -> Self {
        let clock = Clock::manual(NOON.parse().expect("an instant"));
        let scene = Scene::set_up(Server::start(server::nothing).await, clock, |_| {}).await;
        let lab = Lab::begin(&scene.console.admin, "Busy bees", Clock::default()).await;
        let mut life = Life {
            orchestrator: lab.orchestrator.clone(),
            worker: lab.worker.clone(),
            witness: (),
        };
        life.live("0").await.expect("lived");
        let control = scene.console.admin.control();
        let (ada, credential) = worker(&control, "Ada").await;
        let admins = RegisterGroup {
            name: Some("admins".to_owned()),
            members: vec![(&ada).into()],
        };
        control.register_group(&admins).await.expect("a group");
        let cookies = [
            scene.console.sign_in().await,
            scene.console.sign_in_as(&credential).await,
        ];
        until("Ada to administer", async || {
            let page = scene.console.get(WORKERS, &[("cookie", &cookies[1])]).await;
            (page.status == 200).then_some(())
        })
        .await;
        let mut seen = pages(&lab.id);
        // Older events than the newest, of those that are held.
        seen.push(format!("/x/{}/admin/events/?before=9", lab.id));
        seen.extend([EXPERIMENTS, WORKERS, GROUPS].map(str::to_owned));
        for path in &seen {
            view(&scene.console, path, &cookies[0]).await;
        }
        let length = lab.admin.log_length().await.expect("the log's length");
        let mirror = scene.console.live.mirror(&lab.id);
        until("the end of the log", async || {
            let view = mirror.view();
            (view.freshness.word() == "live" && view.snapshot()?.cursor == length).then_some(())
        })
        .await;
        let mut open = Vec::new();
        for path in seen.iter().rev().take(10) {
            open.push(Viewer::open(&scene.console, path, &cookies[0]).await);
        }
        let operators = Self {
            scene,
            lab,
            cookies,
            open,
            seen,
        };
        operators.see_everything("live;by=push", |_, _| {}).await;
        operators
    }

    /// Everybody views each page that was seen, and each of its regions once more, as an open page would.
    async fn see_everything(&self, freshness: &str, check: impl Fn(&str, &Page)) {
        let console = &self.scene.console;
        let mut regions = 0;
        for cookie in &self.cookies {
            for path in &self.seen {
                let page = view(console, path, cookie).await;
                assert_eq!(page.header("switchboard-freshness"), Some(freshness), "{path}");
                check(path, &page);
                for id in page.attributes("section[data-region]", "id") {
                    let target = format!("section#{id}");
                    let headers = [
                        ("cookie", cookie.as_str()),
                        ("hx-request", "true"),
                        ("hx-request-type", "partial"),
                        ("hx-target", &target),
                    ];
                    let region = console.get(path, &headers).await;
                    assert_eq!(region.status, 200, "{target} of {path}: {}", region.body);
                    assert_eq!(
                        region.header("switchboard-freshness"),
                        Some(freshness),
                        "{target} of {path}"
                    );
                    assert_eq!(region.attributes("section[data-region]", "id"), [id.as_str()], "{path}");
                    regions += 1;
                }
            }
        }
        assert!(regions > 2 * self.seen.len(), "{regions}");
    }

    /// Nothing is sent of what is written, and what was typed is there still.
    async fn are_refused_to_write(&self) {
        let console = &self.scene.console;
        let [link, ada] = &self.cookies;
        let kept = [
            (
                "/admin/experiments/register",
                EXPERIMENTS,
                vec![("name", "Second sight"), ("config_uri", "file:///b.yaml")],
            ),
            (WORKERS, WORKERS, vec![("name", "Bea"), ("labels", "")]),
        ];
        for (action, page, typed) in kept {
            let request_id = view(console, page, link)
                .await
                .attributes("form [name=request_id]", "value")
                .remove(0);
            let form: Vec<_> = typed
                .iter()
                .copied()
                .chain([("request_id", request_id.as_str())])
                .collect();
            let headers = |cookie| [("cookie", cookie), ("sec-fetch-site", "same-origin")];
            let refused = console.post(action, &headers(link), &form).await;
            assert_eq!(refused.status, 503, "{action}: {}", refused.body);
            for (name, value) in typed.iter().filter(|(_, value)| !value.is_empty()) {
                let shown = refused.attributes(&format!("main form [name={name}]"), "value");
                assert!(
                    shown.iter().any(|shown| shown == value),
                    "{action}: {name} is {shown:?}"
                );
            }
            // Whether Ada still administers, nobody can know.
            let refused = console.post(action, &headers(ada), &form).await;
            assert_eq!(refused.status, 503, "{action}: {}", refused.body);
            assert_eq!(
                refused.attributes("[data-fault]", "data-fault"),
                ["role-unknown"],
                "{action}"
            );
        }
    }

    fn mirror(&self) -> std::sync::Arc<Mirror> {
        self.scene.console.live.mirror(&self.lab.id)
    }

    async fn both_are(&self, word: &str) {
        let (mirror, registry) = (self.mirror(), self.scene.console.live.registry().clone());
        until(word, async || {
            (mirror.view().freshness.word() == word && registry.view().freshness.word() == word).then_some(())
        })
        .await;
    }

    /// Each open page is told, and each page that was seen answers, saying since when and why it is old.
    async fn are_told_that_it_is_stale(&mut self) {
        for viewer in &mut self.open {
            viewer.told("freshness").await;
        }
        self.both_are("stale").await;
        self.see_everything(STALE, |path, page| {
            assert_eq!(page.attributes("#freshness", "data-freshness"), ["stale"], "{path}");
            let since = page.attributes("#freshness time", "datetime");
            assert_eq!(since, ["2026-03-04T12:00:00.000Z"], "{path}");
            let why = page.texts("#freshness .why");
            assert!(why[0].ends_with("does not answer"), "{path}: {why:?}");
            assert!(page.texts("#region-staleness").concat().contains(&why[0]), "{path}");
        })
        .await;
        self.are_refused_to_write().await;
        assert!(!self.says("t-late").await);
    }

    async fn says(&self, task: &str) -> bool {
        let path = format!("/x/{}/admin/tasks/", self.lab.id);
        let page = view(&self.scene.console, &path, &self.cookies[0]).await;
        !page.attributes(&format!("[data-task={task}]"), "data-task").is_empty()
    }

    /// The streams that were open all the time are told that it is live again, and of what happens from then on.
    async fn go_on(&mut self) {
        for viewer in &mut self.open {
            viewer.told("freshness").await;
        }
        self.both_are("live").await;
        self.see_everything("live;by=push", |_, _| {}).await;
        self.lab.ideation("t-late").await;
        for viewer in self.open.iter_mut().filter(|viewer| viewer.path.starts_with("/x/")) {
            viewer.told("tasks").await;
        }
        assert!(self.says("t-late").await);
    }
}

/// Whether a feed asks this in order to come back, or the registry in order to learn what is hosted. What a page would
/// ask names an entity or a list.
fn is_of_a_feed(request: &Request) -> bool {
    let path = request.target.split('?').next().unwrap_or_default();
    let words: Vec<_> = path.trim_start_matches("/v0/").split('/').collect();
    matches!(
        words.as_slice(),
        ["control", "events"]
            | ["experiments", _]
            | ["experiments", _, "events" | "config" | "whoami"]
            | ["experiments", _, "events", "stream"]
    )
}

#[tokio::test]
async fn pages_that_were_seen_answer_while_the_servers_are_gone_and_go_on_when_they_are_back() {
    let mut operators = Operators::begin().await;
    operators.scene.server.go().await;
    operators.scene.console.clock.advance(Duration::from_secs(60));
    operators.are_told_that_it_is_stale().await;

    operators.scene.server.take_asked();
    operators.scene.server.come_back().await;
    operators.go_on().await;
    let asked = operators.scene.server.take_asked();
    println!("{} requests until all is as it was: {asked:#?}", asked.len());
    let own = format!("/v0/experiments/{}", operators.lab.id);
    for (what, at_most) in [
        ("GET /v0/control/events", 1),
        ("GET /v0/control/experiments", 1),
        (format!("GET {own}/events/stream").as_str(), 1),
        (format!("GET {own}/workers").as_str(), 1),
        (format!("GET {own}/tasks").as_str(), 0),
        ("POST /v0/control/experiments", 0),
        ("POST /v0/control/workers", 0),
    ] {
        let times = asked.iter().filter(|line| *line == what).count();
        assert!(times <= at_most, "{what}, {times} times: {asked:#?}");
    }
    assert!(asked.len() <= 24, "a storm: {asked:#?}");
}

#[tokio::test]
async fn a_detail_that_nobody_read_is_not_asked_for_while_nobody_answers() {
    let operators = Operators::begin().await;
    operators.lab.ideation("t-unread").await;
    until("the task", async || operators.says("t-unread").await.then_some(())).await;
    operators.scene.server.go().await;
    operators.both_are("stale").await;
    let page = async |task: &str| {
        let path = format!("/x/{}/admin/tasks/{task}/", operators.lab.id);
        view(&operators.scene.console, &path, &operators.cookies[0]).await.body
    };
    let unread = page("t-unread").await;
    let why = "it cannot be read now: the task store does not answer.";
    assert!(unread.contains(why), "{unread}");
    assert!(!page("execute-0").await.contains("cannot be read now"), "it is held");
}

#[tokio::test]
async fn a_line_that_is_silently_dead_holds_up_no_page_and_is_found_out() {
    let mut operators = Operators::begin().await;
    operators.scene.line.take_requests();
    operators.scene.line.mute();
    // Nobody can know yet, and nobody waits in order to know.
    operators.see_everything("live;by=push", |_, _| {}).await;
    assert_eq!(operators.scene.line.take_requests(), []);

    // The feed gives up after 15 s without a heartbeat; that is the wire's own time, which no clock here can hurry.
    operators.scene.console.clock.advance(Duration::from_secs(60));
    operators.are_told_that_it_is_stale().await;
    let asked = operators.scene.line.take_requests();
    assert!(asked.iter().all(is_of_a_feed), "a page asks: {asked:#?}");

    operators.scene.line.heal();
    operators.go_on().await;
}
