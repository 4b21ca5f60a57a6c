//! What a browser that watches is told, and what watching costs.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use switchboard::access::CredentialState;

use crate::console::{Console, until};
use crate::support::Lab;

/// A frame of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Frame {
    event: String,
    /// The topics that changed.
    data: String,
    id: Option<String>,
    retry: Option<u64>,
}

fn frames(text: &str) -> Vec<Frame> {
    let whole = text.rfind("\n\n").map_or("", |end| &text[..end]);
    let field = |frame: &str, name: &str| {
        let line = frame.lines().find_map(|line| line.strip_prefix(name));
        line.map(|value| value.trim().to_owned())
    };
    let frame = |frame| {
        Some(Frame {
            event: field(frame, "event:")?,
            data: field(frame, "data:")?,
            id: field(frame, "id:"),
            retry: field(frame, "retry:").map(|millis| millis.parse().expect("milliseconds")),
        })
    };
    whole.split("\n\n").filter_map(frame).collect()
}

/// The first frames of a stream, as they are sent at once.
async fn opening(mut stream: reqwest::Response) -> Vec<Frame> {
    let mut text = Vec::new();
    while !text.ends_with(b"\n\n") {
        let chunk = stream.chunk().await.expect("the stream goes on");
        text.extend_from_slice(&chunk.expect("something is said"));
    }
    frames(std::str::from_utf8(&text).expect("text"))
}

/// What a browser that has heard these names when it comes back.
fn position(frames: &[Frame]) -> Option<&str> {
    frames.iter().rev().find_map(|frame| frame.id.as_deref())
}

/// The event of each frame, and the topics that it names.
fn names(frames: &[Frame]) -> Vec<String> {
    let name = |frame: &Frame| format!("{} {}", frame.event, frame.data).trim_end().to_owned();
    frames.iter().map(name).collect()
}

/// Waits until the console has consumed the whole log.
async fn caught_up(console: &Console, lab: &Lab) {
    let log = lab.admin.events(0, None).await.expect("the log");
    let mirror = console.live.mirror(&lab.id);
    until("the end of the log", async || {
        let view = mirror.view();
        let end = view.snapshot().is_some_and(|snapshot| snapshot.cursor == log.cursor);
        (end && view.freshness.word() == "live").then_some(())
    })
    .await;
}

/// A console with an experiment that it follows, and somebody who is signed in.
async fn followed() -> (Console, Lab, String) {
    let console = Console::start().await;
    let lab = Lab::begin(&console.admin, "alpha", console.clock.clone()).await;
    lab.ideation("a-1").await;
    let cookie = console.sign_in().await;
    until("the experiment", async || {
        let page = console.get(&tasks(&lab), &[("cookie", &cookie)]).await;
        (page.status == 200).then_some(())
    })
    .await;
    caught_up(&console, &lab).await;
    // What is known of its readiness by then does not change any more, and is not told as a change of the registry.
    console
        .ready(&lab.id, |credential| credential == CredentialState::Verified)
        .await;
    (console, lab, cookie)
}

fn tasks(lab: &Lab) -> String {
    format!("/x/{}/admin/tasks/", lab.id)
}

/// Where the stream of a page begins.
async fn stream_of(console: &Console, page: &str, cookie: &str) -> String {
    let page = console.get(page, &[("cookie", cookie)]).await;
    let streams = page.attributes("#live", "hx-sse:connect");
    streams.first().expect("a stream").clone()
}

#[tokio::test]
async fn a_stream_tells_what_changed_since_its_position_or_that_everything_may_have() {
    let (console, lab, cookie) = followed().await;
    let drawn = stream_of(&console, &tasks(&lab), &cookie).await;
    let told = opening(console.stream(&drawn, &cookie).await).await;
    assert_eq!(names(&told), ["beat"], "nothing has changed");
    let (_, since) = drawn.split_once("since=").expect("a position");
    assert_eq!(position(&told), Some(since));
    let retry = told[0].retry.expect("when to come back");
    assert!((500..=1000).contains(&retry), "{retry}");

    let task = lab.ideation("a-2").await;
    lab.claim(&task.task_id).await;
    caught_up(&console, &lab).await;
    let told = opening(console.stream(&drawn, &cookie).await).await;
    assert_eq!(
        names(&told),
        ["changed tasks events"],
        "each topic once, however often it changed"
    );
    assert!(told[0].retry.is_some());
    // `Last-Event-ID` is later than the page.
    for (heard, rest) in [(1, ["beat"]), (0, ["changed tasks events"])] {
        let url = format!("{}{drawn}", console.base());
        let mut resumed = reqwest::Client::new().get(url).header("cookie", &cookie);
        if let Some(position) = position(&told[..heard]) {
            resumed = resumed.header("last-event-id", position);
        }
        let resumed = resumed.send().await.expect("open");
        assert_eq!(names(&opening(resumed).await), rest, "after {heard}");
    }

    let live = drawn.split('?').next().expect("a path");
    for elsewhere in [
        live.to_owned(),
        format!("{live}?since=1-7-7"),
        "/live?since=nonsense".to_owned(),
    ] {
        let told = opening(console.stream(&elsewhere, &cookie).await).await;
        assert_eq!(names(&told), ["resync"], "{elsewhere}");
        assert!(told[0].retry.is_some());
        let again = match elsewhere.starts_with("/live") {
            true => format!("/live?since={}", position(&told).expect("a position")),
            false => format!("{live}?since={}", position(&told).expect("a position")),
        };
        assert_eq!(
            names(&opening(console.stream(&again, &cookie).await).await),
            ["beat"],
            "{again}"
        );
    }
}

#[tokio::test]
async fn a_reader_that_does_not_read_is_cut_and_resumes_where_it_was() {
    const PATIENCE: Duration = Duration::from_millis(400);
    let (console, lab, cookie) = followed().await;
    let drawn = stream_of(&console, &tasks(&lab), &cookie).await;

    // Little fits in between, so that it does not take long until it is full.
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_send_buffer_size(4096).expect("a size");
    socket
        .bind("127.0.0.1:0".parse().expect("an address"))
        .expect("a free port");
    let listening = socket.listen(16).expect("it listens");
    let address = listening.local_addr().expect("bound");
    console.serve_with_write_timeout(listening, PATIENCE);
    let open = async |receive: u32| -> TcpStream {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.set_recv_buffer_size(receive).expect("a size");
        let mut stream = socket.connect(address).await.expect("a connection");
        let request = format!("GET {drawn} HTTP/1.1\r\nHost: h\r\nCookie: {cookie}\r\n\r\n");
        stream.write_all(request.as_bytes()).await.expect("asked");
        stream
    };
    let mut slow = open(2048).await;
    let mut quick = open(256 * 1024).await;

    let mut changes = 0;
    while slow.take_error().expect("a socket").is_none() {
        changes += 1;
        assert!(
            changes < 2000,
            "nobody ends the connection of a reader that does not read"
        );
        lab.ideation(&format!("b-{changes}")).await;
        caught_up(&console, &lab).await;
    }
    // What nobody takes is held by nobody: what fits into the sockets, and no more.
    let mut held = Vec::new();
    let _ = slow.read_to_end(&mut held).await;
    println!("cut after {changes} changes, with {} bytes in between", held.len());
    assert!(held.len() < 64 * 1024, "{}", held.len());

    // Others were told all the time.
    let now = stream_of(&console, &tasks(&lab), &cookie).await;
    let (_, now) = now.split_once("since=").expect("a position");
    let mut told = String::new();
    while position(&frames(&told)) != Some(now) {
        let mut piece = [0; 16 * 1024];
        let length = quick.read(&mut piece).await.expect("the stream goes on");
        assert_ne!(length, 0, "{told}");
        told.push_str(&String::from_utf8_lossy(&piece[..length]));
    }

    let seen = frames(&String::from_utf8_lossy(&held));
    let last = position(&seen).expect("a position");
    assert_ne!(last, now);
    let url = format!("{}{drawn}", console.base());
    let back = reqwest::Client::new()
        .get(url)
        .header("cookie", &cookie)
        .header("last-event-id", last);
    let told = opening(back.send().await.expect("open")).await;
    assert_eq!(
        names(&told),
        ["changed tasks events"],
        "each topic once, however often it changed"
    );
    assert_eq!(position(&told), Some(now));
}

/// What htmx asks for a region of a page.
fn region<'a>(cookie: &'a str, target: &'a str) -> [(&'a str, &'a str); 4] {
    [
        ("cookie", cookie),
        ("hx-request", "true"),
        ("hx-request-type", "partial"),
        ("hx-target", target),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_thousand_viewers_of_one_change_cost_one_drawing() {
    const VIEWERS: u64 = 1000;
    let (console, lab, cookie) = followed().await;
    // Another operator, of the same standing.
    let other = console.sign_in().await;
    let path = tasks(&lab);
    lab.ideation("a-2").await;
    caught_up(&console, &lab).await;
    let (asked_before, drawn_before) = console.regions();
    let asks = (0..VIEWERS).map(|n| {
        let cookie = if n % 2 == 0 { &cookie } else { &other };
        let (console, path) = (&console, &path);
        async move { console.get(path, &region(cookie, "section#region-tasks")).await }
    });
    let pages = futures_util::future::join_all(asks).await;
    assert!(
        pages
            .iter()
            .all(|page| page.status == 200 && page.body == pages[0].body)
    );
    assert!(pages[0].body.contains("a-2"));
    let (asked, drawn) = console.regions();
    assert_eq!((asked - asked_before, drawn - drawn_before), (VIEWERS, 1));
}

#[tokio::test]
async fn a_region_is_drawn_again_only_when_a_topic_of_its_own_changes() {
    let (console, lab, cookie) = followed().await;
    let path = tasks(&lab);
    let ask = async |target: &str, known: Option<&str>| {
        let mut headers = region(&cookie, target).to_vec();
        headers.extend(known.map(|tag| ("if-none-match", tag)));
        console.get(&path, &headers).await
    };
    let page = ask("section#region-tasks", None).await;
    let tag = page.header("etag").expect("a tag").to_owned();
    let pending = ask("span#region-pending", None).await;
    let (_, before) = console.regions();

    // An idea is none of the tasks.
    lab.worker.create_idea(&lab.idea("i-1")).await.expect("an idea");
    caught_up(&console, &lab).await;
    let again = ask("section#region-tasks", Some(&tag)).await;
    assert_eq!(again.status, 304);
    assert_eq!(ask("span#region-pending", pending.header("etag")).await.status, 304);
    assert_eq!(console.regions().1, before, "nothing was drawn for it");

    lab.ideation("a-2").await;
    caught_up(&console, &lab).await;
    let changed = ask("section#region-tasks", Some(&tag)).await;
    assert_eq!(changed.status, 200);
    assert!(changed.body.contains("a-2"));
    assert!(ask("span#region-pending", None).await.body.contains(">2<"));
    assert_eq!(console.regions().1, before + 2);
}

/// Whether a page of experiments hears at once of activity when it opens its stream, after `change` to what it was drawn
/// from.
async fn is_told_of(console: &Console, cookie: &str, query: &str, change: impl AsyncFnOnce()) -> bool {
    let drawn = stream_of(console, &format!("/admin/experiments/{query}"), cookie).await;
    change().await;
    let mut stream = console.stream(&drawn, cookie).await;
    let mut text = Vec::new();
    while !text.ends_with(b"\n\n") {
        let chunk = stream.chunk().await.expect("the stream goes on");
        text.extend_from_slice(&chunk.expect("something is said"));
    }
    String::from_utf8_lossy(&text).contains("activity")
}

#[tokio::test]
async fn the_page_of_experiments_hears_only_of_what_it_shows_and_of_what_orders_it() {
    let (console, older, cookie) = followed().await;
    console.clock.advance(Duration::from_secs(1));
    let newer = Lab::begin(&console.admin, "beta", console.clock.clone()).await;
    newer.ideation("b-1").await;
    let mut tasks = 0;
    let mut is_told = async |query: &str, lab: &Lab| {
        tasks += 1;
        let change = async || {
            lab.ideation(&format!("t-{tasks}")).await;
            for lab in [&older, &newer] {
                caught_up(&console, lab).await;
            }
        };
        is_told_of(&console, &cookie, query, change).await
    };
    // What else was read after the start changes something once.
    until("nothing of the older one", async || {
        (!is_told("?per=1", &older).await).then_some(())
    })
    .await;
    until("nothing of the first by name", async || {
        (!is_told("?per=1&sort=name", &older).await).then_some(())
    })
    .await;
    assert!(is_told("?per=1", &newer).await);
    assert!(is_told("?per=1&page=2", &older).await);
    assert!(is_told("?per=1&sort=name", &newer).await);
    assert!(is_told("?per=1&sort=pending", &newer).await);
    assert!(is_told("?per=1&sort=pending", &older).await, "either decides the order");
    assert!(is_told("", &older).await);
}
