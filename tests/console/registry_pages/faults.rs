//! A control plane that fails, lies or falls silent.

use std::sync::{Arc, Mutex};

use switchboard::lifecycle::Tasks;
use switchboard::protocol::RegisterGroup;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::{GROUPS, Hand, NOBODY, WORKERS, as_form, count, registry, words};
use crate::console::{Console, Page, until};
use crate::roles::worker;

/// A server of which nothing is as it should be: what it answers to a path.
struct Fake {
    base: String,
    answer: Arc<Mutex<Answer>>,
    tasks: Tasks,
}

type Answer = Box<dyn Fn(&str) -> (u16, String) + Send>;

impl Fake {
    async fn start(answer: impl Fn(&str) -> (u16, String) + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let base = format!("http://{}", listener.local_addr().expect("bound"));
        let fake = Self {
            base,
            answer: Arc::new(Mutex::new(Box::new(answer))),
            tasks: Tasks::new(),
        };
        let (tasks, answer) = (fake.tasks.clone(), fake.answer.clone());
        fake.tasks.spawn("fake", async move {
            loop {
                let (mut socket, _) = tokio::select! {
                    () = tasks.stopping().cancelled_owned() => return,
                    accepted = listener.accept() => accepted.expect("the socket accepts"),
                };
                let answer = answer.clone();
                tasks.spawn("faked", async move {
                    let (mut head, mut buffer) = (Vec::new(), [0; 4096]);
                    while let Ok(read @ 1..) = socket.read(&mut buffer).await {
                        head.extend(&buffer[..read]);
                        if head.windows(4).any(|end| end == b"\r\n\r\n") {
                            break;
                        }
                    }
                    let head = String::from_utf8_lossy(&head).into_owned();
                    let path = head.split(' ').nth(1).unwrap_or_default();
                    let (status, body) = answer.lock().expect("whole")(path);
                    let length = body.len();
                    let answer =
                        format!("HTTP/1.1 {status} X\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}");
                    let _ = socket.write_all(answer.as_bytes()).await;
                });
            }
        });
        fake
    }

    fn answers(&self, status: u16, body: &str) {
        let body = body.to_owned();
        *self.answer.lock().expect("whole") = Box::new(move |_| (status, body.clone()));
    }

    async fn console(&self) -> Console {
        let base = self.base.clone();
        Console::start_with(|access| access.control_plane = Some(base)).await
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.tasks.stop();
    }
}

#[tokio::test]
async fn every_bad_answer_has_its_words_and_none_looks_like_an_empty_list() {
    let fake = Fake::start(|_| (503, String::new())).await;
    let console = fake.console().await;
    let problem = |kind: &str, status: u16| {
        format!(r#"{{"type":"eden://error/{kind}","title":"T","status":{status},"detail":"D","instance":"/"}}"#)
    };
    for htmx in [false, true] {
        let hand = Hand::of(&console, htmx).await;
        for (status, body, read, written, said, fate) in [
            (
                401,
                problem("unauthorized", 401),
                503,
                503,
                "refuses the console's admin token",
                "Nothing was changed",
            ),
            (
                403,
                problem("forbidden", 403),
                502,
                503,
                "does not let the console",
                "Nothing was changed",
            ),
            (
                404,
                problem("not-found", 404),
                502,
                422,
                "does not understand",
                "Nothing was changed",
            ),
            (
                400,
                problem("bad-request", 400),
                502,
                422,
                "does not understand",
                "Nothing was changed",
            ),
            (500, String::new(), 503, 503, "fails with status 500", "is not known"),
            (
                502,
                "<h1>Bad gateway</h1>".to_owned(),
                503,
                503,
                "fails with status 502",
                "is not known",
            ),
            (
                200,
                "<h1>Welcome</h1>".to_owned(),
                502,
                503,
                "does not understand",
                "is not known",
            ),
            (
                200,
                r#"{"workers":7,"groups":[{}]}"#.to_owned(),
                502,
                503,
                "does not understand",
                "is not known",
            ),
            (302, String::new(), 502, 503, "does not understand", "is not known"),
        ] {
            fake.answers(status, &body);
            for path in [WORKERS.to_owned(), GROUPS.to_owned(), format!("{WORKERS}{NOBODY}/")] {
                let page = hand.get(&path).await;
                let words = words(&page);
                assert!(
                    page.status == read && words.contains(said),
                    "{status} {body} {path}: {} {words}",
                    page.status
                );
                assert_eq!(
                    page.attributes("main .empty, main table", "class"),
                    [""; 0],
                    "{path} looks real"
                );
            }
            for path in [WORKERS, GROUPS] {
                let page = hand.post(path, &[("name", "kept as typed")]).await;
                let words = words(&page);
                assert!(
                    page.status == written && words.contains(fate),
                    "{status} {body} {path}: {} {words}",
                    page.status
                );
                assert_eq!(page.attributes("#name", "value"), ["kept as typed"]);
            }
            // What is on the screen stays there; the bar is not the registry's.
            let mut headers = hand.headers();
            headers.retain(|(name, _)| !name.starts_with("hx-"));
            headers.extend([
                ("hx-request", "true"),
                ("hx-request-type", "partial"),
                ("hx-target", "section#region-workers"),
            ]);
            assert_eq!(console.get(WORKERS, &headers).await.status, read);
            headers.pop();
            headers.push(("hx-target", "div#freshness"));
            assert_eq!(console.get(WORKERS, &headers).await.status, 200);
        }
    }
    let hand = Hand::of(&console, false).await;
    fake.answers(200, r#"{"workers":[],"groups":[],"experiments":[]}"#);
    assert_eq!(
        hand.get(WORKERS).await.texts(".empty-what"),
        ["No worker is registered"],
        "over as soon as it is over"
    );
}

#[tokio::test]
async fn cycles_that_a_server_lets_in_are_resolved_and_told() {
    let id = |kind: &str, tail: &str| format!("{kind}_{}{tail}", "0".repeat(25));
    let at = r#""experiment_id":"exp_00000000000000000000000000","created_at":"2026-01-01T00:00:00.000Z","registered_at":"2026-01-01T00:00:00.000Z""#;
    let worker = format!(r#"{{"worker_id":"{}","name":"ada",{at}}}"#, id("wkr", "1"));
    let group = |tail: &str, inner: &str| {
        format!(
            r#"{{"group_id":"{}","name":"{tail}",{at},"members":["{}","{}"]}}"#,
            id("grp", tail),
            id("grp", inner),
            id("wkr", "1")
        )
    };
    let body = format!(
        r#"{{"workers":[{worker}],"groups":[{},{},{}]}}"#,
        group("a", "b"),
        group("b", "a"),
        group("c", "c")
    );
    let fake = Fake::start(move |_| (200, body.clone())).await;
    let console = fake.console().await;
    let hand = Hand::of(&console, false).await;
    for group in ["a", "b", "c"] {
        let page = hand.get(&format!("{GROUPS}{}/", id("grp", group))).await;
        assert_eq!(page.status, 200);
        assert!(words(&page).contains("contains itself"), "{group}");
        assert_eq!(page.texts("tr[id^=row-in-]").len(), 1, "{group}");
    }
    let page = hand.get(&format!("{WORKERS}{}/", id("wkr", "1"))).await;
    assert_eq!(page.texts(".outcome .name"), ["a", "b", "c"]);
    let list = hand.get(GROUPS).await;
    assert_eq!(list.texts("tbody td:nth-child(5)"), ["1", "1", "1"]);
}

#[tokio::test]
async fn an_answer_that_is_lost_leaves_the_outcome_open_and_is_not_asked_for_again() {
    let (console, proxy) = Console::behind_a_proxy().await;
    for htmx in [false, true] {
        let hand = Hand::of(&console, htmx).await;
        let before = count(&console).await;
        // While the control plane is known not to answer, nothing would be sent to it.
        until("the feed", async || {
            let freshness = console.live.registry().view().freshness.clone();
            freshness.is_current().then_some(())
        })
        .await;
        let form = hand.form(WORKERS, &[("name", "Ada"), ("labels", "a=b")]).await;
        proxy.lose_answers();
        let landed_and_cut = async {
            until("the worker", async || (count(&console).await > before).then_some(())).await;
            proxy.cut();
        };
        let form = as_form(&form);
        let (page, ()) = futures_util::future::join(hand.post(WORKERS, &form), landed_and_cut).await;
        let said = words(&page);
        assert_eq!(page.status, 503, "{said}");
        assert!(
            said.contains("Whether the worker was registered is not known"),
            "{said}"
        );
        assert!(said.contains("Not known now"), "nor is the list: {said}");
        assert_eq!(page.texts("#labels"), ["a=b"]);

        proxy.heal();
        let again = hand.post(WORKERS, &form).await;
        assert_eq!(again.status, 409);
        assert!(words(&again).contains("was not sent on again"), "{}", words(&again));
        assert!(
            again.texts("tbody .name").contains(&"Ada".to_owned()),
            "it is there to be looked for"
        );
        assert_eq!(count(&console).await, before + 1);
    }
    proxy.cut();
    let hand = Hand::of(&console, false).await;
    let page = hand.get(WORKERS).await;
    assert_eq!(page.status, 200, "what was seen since is shown");
    assert!(words(&page).contains("as they were read"), "{}", words(&page));
    proxy.heal();
    assert_eq!(hand.get(WORKERS).await.status, 200);
}

#[tokio::test]
async fn a_change_that_may_be_made_twice_is_sent_again_after_a_lost_answer() {
    let (console, proxy) = Console::behind_a_proxy().await;
    let hand = Hand::of(&console, false).await;
    let (worker, _) = worker(&console.admin.control(), "Ada").await;
    let crew = RegisterGroup {
        name: Some("crew".to_owned()),
        members: vec![],
    };
    let group = registry(&console)
        .register_group(&crew)
        .await
        .expect("a group")
        .group_id;
    until("the feed", async || {
        let freshness = console.live.registry().view().freshness.clone();
        freshness.is_current().then_some(())
    })
    .await;
    let path = format!("{GROUPS}{group}/members");
    let form = [("member_id", worker.as_str()), ("request_id", "1")];
    proxy.lose_answers();
    let landed_and_cut = async {
        until("the member", async || {
            let groups = registry(&console).groups().await.expect("a list");
            groups.iter().any(|group| !group.members.is_empty()).then_some(())
        })
        .await;
        proxy.cut();
    };
    let (page, ()) = futures_util::future::join(hand.post(&path, &form), landed_and_cut).await;
    let said = words(&page);
    assert_eq!(page.status, 503, "{said}");
    assert!(said.contains("Whether the member was added is not known"), "{said}");

    let meanwhile = hand.post(&path, &form).await;
    let said = words(&meanwhile);
    assert!(!said.contains("Nothing was changed"), "nobody knows that: {said}");

    proxy.heal();
    let again = until("the server", async || {
        let page = hand.post(&path, &form).await;
        (page.status != 503).then_some(page)
    })
    .await;
    let location = again.header("location").map(str::to_owned);
    assert_eq!(location, Some(format!("{GROUPS}{group}/?ok=added")), "{}", again.body);
}

#[tokio::test]
async fn a_control_plane_that_is_not_there_has_carried_nothing_out() {
    let console = Console::without_backend().await;
    let hand = Hand::of(&console, false).await;
    let page = hand.post(WORKERS, &[("name", "Ada")]).await;
    assert_eq!(page.status, 503);
    assert!(
        words(&page).contains("Nothing was changed: the control plane does not answer."),
        "{}",
        words(&page)
    );
    assert_eq!(page.attributes("#name", "value"), ["Ada"]);
}

#[tokio::test]
async fn a_control_plane_that_says_nothing_is_waited_for_a_little() {
    let (console, proxy) = Console::behind_a_proxy().await;
    let hand = Hand::of(&console, false).await;
    proxy.mute();
    let page = hand.get(GROUPS).await;
    assert_eq!(page.status, 503);
    assert!(words(&page).contains("did not answer in time"), "{}", words(&page));
    proxy.heal();
    until("the list", async || {
        (hand.get(GROUPS).await.status == 200).then_some(())
    })
    .await;
}

#[tokio::test]
async fn what_is_typed_into_an_outage_stays_whether_the_rest_is_known_or_not() {
    for seen in [false, true] {
        let (console, proxy) = Console::behind_a_proxy().await;
        let hand = Hand::of(&console, false).await;
        let (worker, _) = worker(&console.admin.control(), "Ada").await;
        let crew = RegisterGroup {
            name: Some("crew".to_owned()),
            members: vec![],
        };
        let group = registry(&console).register_group(&crew).await.expect("a group");
        let group = group.group_id;
        let (worker, group) = (format!("{WORKERS}{worker}/"), format!("{GROUPS}{group}/"));
        for page in [&worker, &group].into_iter().filter(|_| seen) {
            assert_eq!(hand.get(page).await.status, 200);
        }
        proxy.cut();
        until("the outage", async || {
            let freshness = console.live.registry().view().freshness.clone();
            (freshness.word() == "stale").then_some(())
        })
        .await;
        for (page, action, field) in [
            (&group, "members", "member_id"),
            (&group, "delete", "confirm"),
            (&worker, "reissue-credential", "confirm"),
        ] {
            let path = format!("{page}{action}");
            let typed = match field {
                "confirm" => expected(&hand.post(&path, &[(field, "")]).await),
                _ => NOBODY.to_owned(),
            };
            let answer = hand.post(&path, &[(field, typed.as_str())]).await;
            assert_eq!(answer.status, 503, "{path}");
            assert!(words(&answer).contains("Nothing was changed"), "{}", words(&answer));
            let kept = answer.attributes(&format!("form[action='{path}'] [name={field}]"), "value");
            assert_eq!(kept, [typed], "{path}, seen: {seen}");
        }
    }
}

/// What the page wants typed before it does what cannot be undone.
fn expected(page: &Page) -> String {
    let label = page.texts("label[for=confirm]").concat();
    let (_, rest) = label.split_once('\u{201c}').unwrap_or_else(|| panic!("{}", page.body));
    rest.split_once('\u{201d}').expect("the end of it").0.to_owned()
}
