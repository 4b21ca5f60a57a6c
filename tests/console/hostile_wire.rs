//! Hostile input as it comes over a socket: broken framing, absurd values, headers that contradict each other.

use switchboard::embedded::Authentication;
use switchboard::protocol::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{self, ADMIN_TOKEN, Lab};

/// A backend on a socket that believes everybody, and an experiment in it.
struct Wire {
    world: support::World,
    lab: Lab,
}

/// What came back on the socket.
#[derive(Debug)]
struct Answer {
    status: u16,
    kind: String,
    body: String,
}

impl Answer {
    /// The status and the last segment of the problem's type, all else about the problem being as it must be.
    fn refusal(&self) -> (u16, &'static str) {
        assert_eq!(self.kind, "application/problem+json", "{self:?}");
        let problem: Problem = serde_json::from_str(&self.body).expect("a problem document");
        assert_eq!(problem.status, self.status);
        assert!(!problem.title.is_empty() && !problem.detail.is_empty() && !problem.instance.is_empty());
        (self.status, problem.error_type().expect("of the vocabulary").slug())
    }
}

impl Wire {
    async fn start() -> Self {
        let world = support::World::start_with(|options| options.authentication = Authentication::Off).await;
        let lab = world.lab("hostile").await;
        Self { world, lab }
    }

    /// A request for a path below the experiment, with the headers that it takes and a few more.
    fn request(&self, method: &str, path: &str, headers: &str, body: &[u8]) -> Vec<u8> {
        let id = &self.lab.id;
        let head = format!(
            "{method} /v0/experiments/{id}{path} HTTP/1.1\r\nhost: here\r\nconnection: close\r\n\
             {EXPERIMENT_HEADER}: {id}\r\n{headers}"
        );
        let length = match headers.contains("-length") || headers.contains("-encoding: chunked") {
            true => String::new(),
            false => format!("content-length: {}\r\n", body.len()),
        };
        [head.as_bytes(), length.as_bytes(), b"\r\n", body].concat()
    }

    async fn open(&self) -> TcpStream {
        let address = self.world.base.strip_prefix("http://").expect("an address");
        TcpStream::connect(address).await.expect("a connection")
    }

    /// Sends bytes and reads what comes back until the server closes the connection; `None` if that is nothing.
    async fn exchange(&self, bytes: &[u8]) -> Option<Answer> {
        let (mut reading, mut writing) = self.open().await.into_split();
        let mut came = Vec::new();
        // The server may answer and close before it has taken everything.
        let (_, read) = tokio::join!(writing.write_all(bytes), reading.read_to_end(&mut came));
        if came.is_empty() {
            read.ok()?;
        }
        let text = String::from_utf8(came).expect("text");
        let (head, body) = text.split_once("\r\n\r\n")?;
        let kind = head.lines().find_map(|line| line.strip_prefix("content-type: "));
        Some(Answer {
            status: head.split(' ').nth(1)?.parse().ok()?,
            kind: kind.unwrap_or_default().to_owned(),
            body: body.to_owned(),
        })
    }

    async fn sent(&self, method: &str, path: &str, headers: &str, body: &[u8]) -> Answer {
        let request = self.request(method, path, headers, body);
        self.exchange(&request).await.expect("an answer")
    }

    async fn refused(&self, method: &str, path: &str, headers: &str, body: &[u8]) -> (u16, &'static str) {
        self.sent(method, path, headers, body).await.refusal()
    }

    /// Everything that a refused write could have left.
    async fn memory(&self) -> (Vec<Event>, Vec<Worker>, Vec<Group>) {
        let log = self.lab.admin.events(0, None).await.expect("the log").events;
        let workers = self.lab.admin.workers().await.expect("workers");
        let groups = self.lab.admin.groups().await.expect("groups");
        (log, workers, groups)
    }

    /// The server takes work from others as before.
    async fn works(&self) {
        self.lab
            .ideation(&format!("after-{}", self.memory().await.0.len()))
            .await;
    }
}

#[tokio::test]
async fn bodies_that_are_none_are_refused_and_leave_nothing() {
    let wire = Wire::start().await;
    let before = wire.memory().await;
    let deep = "[".repeat(100_000);
    let deep_yaml = format!(r#"{{"config": "{}"}}"#, "[".repeat(100_000));
    let bad: [(&str, &[u8]); 20] = [
        ("/workers", b""),
        ("/workers", b"{"),
        ("/workers", b"null"),
        ("/workers", b"[]"),
        ("/workers", b"{}{}"),
        ("/workers", b"\xef\xbb\xbf{}"),
        ("/workers", b"{\"name\": \"\xff\xfe\"}"),
        ("/workers", b"{\"name\": \"\\ud800\"}"),
        (
            "/workers",
            b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\xab\xae\x05\x00\x43\xbf\xa6\xa3\x02\x00\x00\x00",
        ),
        ("/workers", deep.as_bytes()),
        (
            "/policy-errors",
            b"{\"policy_kind\": NaN, \"error_type\": \"e\", \"error_message\": \"m\"}",
        ),
        ("/tasks", b"{\"kind\": \"ideation\", \"payload\": {\"n\": 1e999}}"),
        ("/tasks", b"{\"kind\": \"ideation\", \"payload\": {\"n\": -Infinity}}"),
        ("/tasks/t/reclaim", b"{\"cause\": \"operator\", \"cause\": \"boredom\"}"),
        ("/tasks/t/claim", b"{\"expires_at\": null}"),
        ("/tasks/t/claim", b"{\"expires_at\": \"2026-02-30T00:00:00Z\"}"),
        ("/groups", b"{\"members\": [null]}"),
        ("/groups", b"{\"members\": [\"grp_../../../../../../../../..\"]}"),
        ("/variants/v/integrate", b"{\"variant_commit_sha\": \"HEAD\"}"),
        ("/terminate", b"{\"reason\": {\"$ne\": 1}}"),
    ];
    for (path, body) in bad {
        let told = String::from_utf8_lossy(&body[..body.len().min(60)]);
        let refused = wire.refused("POST", path, "", body).await;
        assert_eq!(refused, (400, "bad-request"), "{path} {told}");
    }
    for headers in [
        "content-type: text/plain\r\n",
        "content-encoding: gzip\r\n",
        "content-type: \r\n",
    ] {
        // Neither makes JSON of what is none, nor something else of what is.
        assert_eq!(
            wire.refused("POST", "/workers", headers, b"name=x").await,
            (400, "bad-request")
        );
        assert_eq!(
            wire.refused("POST", "/tasks/t/claim", headers, b"{}").await,
            (404, "not-found")
        );
    }
    let seed = format!(
        "POST /_switchboard/experiments/{}/seed HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{deep_yaml}",
        support::register(&wire.world.admin, "empty").await,
        deep_yaml.len()
    );
    let answer = wire.exchange(seed.as_bytes()).await.expect("an answer");
    assert_eq!(answer.refusal(), (400, "bad-request"));
    assert_eq!(wire.memory().await, before);
    wire.works().await;
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_before_it_is_whole() {
    let wire = Wire::start().await;
    let before = wire.memory().await;
    let much = vec![b' '; 1024 * 1024 + 5000];
    for headers in ["content-length: 10737418240\r\n", "content-length: 1053576\r\n"] {
        let refused = wire.refused("POST", "/workers", headers, &much).await;
        assert_eq!(refused, (413, "payload-too-large"));
    }
    let chunk = [b"10000\r\n".as_slice(), &[b' '; 0x10000], b"\r\n"].concat();
    let chunks = [chunk.repeat(17), b"0\r\n\r\n".to_vec()].concat();
    let refused = wire
        .refused("POST", "/workers", "transfer-encoding: chunked\r\n", &chunks)
        .await;
    assert_eq!(refused, (413, "payload-too-large"));
    assert_eq!(wire.memory().await, before);
    wire.works().await;
}

#[tokio::test]
async fn a_body_that_breaks_off_is_refused_or_unheard_and_leaves_nothing() {
    let wire = Wire::start().await;
    let before = wire.memory().await;
    let whole = b"{\"name\": \"ghost\"}";
    for (headers, body) in [
        ("content-length: 1000\r\n", whole.as_slice()),
        ("transfer-encoding: chunked\r\n", b"12\r\n{\"name\": \"ghost\"}\r\n"),
        ("transfer-encoding: chunked\r\n", b"zz\r\n{\"name\": \"ghost\"}\r\n"),
        ("transfer-encoding: chunked\r\n", b"ffffffffffffffffff\r\n{}"),
    ] {
        let mut stream = wire.open().await;
        stream
            .write_all(&wire.request("POST", "/workers", headers, body))
            .await
            .expect("sent");
        stream.shutdown().await.expect("half closed");
        let mut came = String::new();
        // Nobody need be told who does not listen, but what is told must be true.
        let _ = stream.read_to_string(&mut came).await;
        assert!(came.is_empty() || came.starts_with("HTTP/1.1 400 "), "{came}");
        let stream = &mut wire.open().await;
        stream
            .write_all(&wire.request("POST", "/workers", headers, body))
            .await
            .expect("sent");
    }
    assert_eq!(wire.memory().await, before);
    wire.works().await;
}

#[tokio::test]
async fn ids_are_names_and_never_paths() {
    let wire = Wire::start().await;
    let task = |id: &str| {
        let payload = serde_json::json!({ "experiment_id": wire.lab.id });
        let now = "2026-01-02T03:04:05Z";
        let task = serde_json::json!({
            "task_id": id, "kind": "ideation", "state": "pending", "payload": payload, "created_at": now, "updated_at": now,
        });
        task.to_string()
    };
    for id in ["", ".", ".."] {
        let refused = wire.refused("POST", "/tasks", "", task(id).as_bytes()).await;
        assert_eq!(refused, (400, "bad-request"), "{id:?}");
    }
    for path in [
        "/tasks/.",
        "/tasks/..",
        "/tasks/%2e%2e",
        "/tasks/%00",
        "/tasks/%FF",
        "/tasks/%",
        "/tasks/",
        "/tasks//",
        "/tasks/a/../b",
    ] {
        let status = wire.refused("GET", path, "", b"").await;
        assert_eq!(status, (404, "not-found"), "{path}");
    }
    let long = "x".repeat(10_000);
    for id in [
        "a/b",
        "../a",
        "a\0b",
        "a\u{202e}b",
        "\u{1f4a9}",
        "%2e%2e",
        "a b?c#d",
        "'; DROP TABLE task; --",
        &long,
    ] {
        let answer = wire.sent("POST", "/tasks", "", task(id).as_bytes()).await;
        assert_eq!(answer.status, 200, "{id:?}");
        let path = format!("/tasks/{}", percent_encode(id));
        let answer = wire.sent("GET", &path, "", b"").await;
        let read: Task = serde_json::from_str(&answer.body).expect("a task");
        assert_eq!(read.task_id.as_str(), id);
    }
    wire.works().await;
}

#[tokio::test]
async fn absurd_queries_are_refused_or_mean_what_they_say() {
    let wire = Wire::start().await;
    for query in [
        "cursor=-1",
        "cursor=18446744073709551616",
        "cursor=1e3",
        "cursor=abc",
        "cursor=",
        "cursor=1&cursor=2",
        "cursor=%FF",
    ] {
        for path in ["/events", "/events/subscribe"] {
            let refused = wire.refused("GET", &format!("{path}?{query}"), "", b"").await;
            assert_eq!(refused, (400, "bad-request"), "{path}?{query}");
        }
    }
    for query in ["limit=abc", "limit=-1", "limit=1.0", "limit=18446744073709551616"] {
        let refused = wire.refused("GET", &format!("/events?{query}"), "", b"").await;
        assert_eq!(refused, (400, "bad-request"), "{query}");
    }
    for query in [
        "timeout=NaN",
        "timeout=1e300",
        "timeout=-1",
        "timeout=inf",
        "timeout=abc",
        "timeout=",
    ] {
        let refused = wire
            .refused("GET", &format!("/events/subscribe?{query}"), "", b"")
            .await;
        assert_eq!(refused, (400, "bad-request"), "{query}");
    }
    for query in [
        "cursor=18446744073709551615",
        "limit=18446744073709551615",
        "limit=0",
        "unknown=%FF%00",
    ] {
        let answer = wire.sent("GET", &format!("/events?{query}"), "", b"").await;
        let batch: EventBatch = serde_json::from_str(&answer.body).expect("a batch");
        assert!(batch.events.is_empty(), "{query}");
    }
    wire.works().await;
}

#[tokio::test]
async fn headers_that_contradict_each_other_are_refused() {
    let wire = Wire::start().await;
    let before = wire.memory().await;
    let other = support::register(&wire.world.admin, "other").await;
    for second in [other.as_str(), wire.lab.id.as_str(), ""] {
        let headers = format!("X-EDEN-Experiment-Id: {second}\r\n");
        let refused = wire.refused("POST", "/tasks/t/claim", &headers, b"{}").await;
        assert_eq!(refused, (400, "experiment-id-mismatch"), "{second}");
    }
    // Whoever frames a message in two ways at once wants two readers to see two messages.
    let smuggled = b"0\r\n\r\nPOST /v0/control/experiments HTTP/1.1\r\nhost: a\r\ncontent-length: 27\r\n\r\n{\"config_uri\": \"file:///a\"}";
    for framing in [
        "content-length: 4\r\ncontent-length: 90\r\n",
        "content-length: 4\r\ntransfer-encoding: chunked\r\n",
        "transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n",
        "content-length: +4\r\n",
        "content-length: -1\r\n",
    ] {
        let request = wire.request("POST", "/tasks/t/claim", framing, smuggled);
        if let Some(answer) = wire.exchange(&request).await {
            assert!((400..500).contains(&answer.status), "{framing}: {answer:?}");
            assert_eq!(answer.body.matches("HTTP/1.1").count(), 0, "one answer: {answer:?}");
        }
    }
    assert_eq!(wire.memory().await, before);
    let registered = wire.world.admin.control().experiments().await.expect("experiments");
    assert_eq!(registered.len(), 2, "nothing was smuggled in");
    wire.works().await;
}

#[tokio::test]
async fn what_is_hardly_http_is_answered_and_closed() {
    let wire = Wire::start().await;
    let id = &wire.lab.id;
    let old = format!("GET /v0/experiments/{id}/state HTTP/1.0\r\n{EXPERIMENT_HEADER}: {id}\r\n\r\n");
    assert_eq!(wire.exchange(old.as_bytes()).await.expect("an answer").status, 200);
    let old = old.replace("/state", "/nothing");
    let refused = wire.exchange(old.as_bytes()).await.expect("an answer");
    assert_eq!(refused.refusal(), (404, "not-found"));
    // Of what the HTTP library itself cannot read nobody here hears; it answers with a bare status and hangs up.
    let endless = format!(
        "GET /healthz HTTP/1.1\r\nauthorization: Bearer {}\r\n\r\n",
        "x".repeat(2_000_000)
    );
    for (bytes, status) in [
        (endless.as_bytes(), 431),
        (b"GET /healthz HTTP/9.9\r\n\r\n".as_slice(), 400),
        (b"GET /healthz\x00 HTTP/1.1\r\n\r\n", 400),
        (b"GET /healthz HTTP/1.1\r\nbad header\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
    ] {
        // The last bytes may still be under way when it hangs up, and then the answer is lost to a reset.
        if let Some(answer) = wire.exchange(bytes).await {
            assert_eq!(answer.status, status, "{answer:?}");
        }
    }
    wire.works().await;
}

#[tokio::test]
async fn a_huge_credential_is_a_wrong_one() {
    let world = support::World::start().await;
    let lab = world.lab("credentials").await;
    let wire = Wire { world, lab };
    for bearer in [
        format!("admin:{}", "x".repeat(60_000)),
        format!("{}:{ADMIN_TOKEN}", "x".repeat(60_000)),
        format!("wkr_7zzzzzzzzzzzzzzzzzzzzzzzzz:{}", "x".repeat(60_000)),
        format!("admin:{ADMIN_TOKEN} ") + "\u{e9}",
        ":".repeat(1000),
    ] {
        let headers = format!("authorization: Bearer {bearer}\r\n");
        let refused = wire.refused("GET", "/state", &headers, b"").await;
        assert_eq!(refused, (401, "unauthorized"));
    }
    let twice = format!("authorization: Bearer admin:x\r\nauthorization: Bearer admin:{ADMIN_TOKEN}\r\n");
    assert_eq!(wire.refused("GET", "/state", &twice, b"").await, (401, "unauthorized"));
    wire.works().await;
}
