//! Content codings over a real socket: the same content in each, with a tag of its own, and nothing secret in any.

use std::io::Read as _;
use std::time::Duration;

use poem::http::header;
use reqwest::{Response, StatusCode};
use switchboard::access::CredentialState;
use switchboard::live::Hosting;

use crate::console::{Console, until};
use crate::support::{ADMIN_TOKEN, Lab, World, join};
use crate::worlds::Deployment;

/// What a browser accepts, and the coding that it gets.
const ACCEPTED: [(&str, Option<&str>); 5] = [
    ("", None),
    ("zstd", None),
    ("gzip", Some("gzip")),
    ("gzip, deflate, br, zstd", Some("br")),
    ("br;q=0.2, gzip", Some("gzip")),
];

struct Answer {
    status: StatusCode,
    coding: Option<String>,
    etag: Option<String>,
    vary: String,
    length: usize,
    text: String,
}

async fn read(response: Response) -> Answer {
    let text_of = |name| {
        response
            .headers()
            .get(name)
            .map(|value| value.to_str().expect("text").to_owned())
    };
    let (status, coding, etag) = (response.status(), text_of("content-encoding"), text_of("etag"));
    let vary = text_of("vary").unwrap_or_default().to_ascii_lowercase();
    let bytes = response.bytes().await.expect("a whole answer");
    let mut decoded = Vec::new();
    match coding.as_deref() {
        None => decoded.extend_from_slice(&bytes),
        Some("gzip") => drop(
            flate2::read::GzDecoder::new(&bytes[..])
                .read_to_end(&mut decoded)
                .expect("gzip"),
        ),
        Some("br") => brotli::BrotliDecompress(&mut &bytes[..], &mut decoded).expect("brotli"),
        Some(other) => panic!("{other} was not accepted"),
    }
    Answer {
        status,
        coding,
        etag,
        vary,
        length: bytes.len(),
        text: String::from_utf8(decoded).expect("text"),
    }
}

/// Asks for the same in each way, and again with the tag of each answer.
async fn check(what: &str, ask: impl AsyncFn(&str, Option<&str>) -> Response) {
    let plain = read(ask("", None).await).await;
    assert_eq!(
        (plain.status, plain.coding.as_deref()),
        (StatusCode::OK, None),
        "{what}"
    );
    let mut tags = Vec::new();
    for (accepted, coding) in ACCEPTED {
        let answer = read(ask(accepted, None).await).await;
        assert_eq!(answer.coding.as_deref(), coding, "{what}: {accepted}");
        assert!(answer.text == plain.text, "{what}: {accepted}: other content");
        assert!(coding.is_none() || answer.length < plain.length, "{what}: {accepted}");
        assert!(
            answer.vary.contains("accept-encoding"),
            "{what}: {accepted}: {}",
            answer.vary
        );
        let Some(etag) = answer.etag else { continue };
        // A copy in one coding is known in all, and the 304 names the tag of what would have been sent.
        for (accepted, _) in ACCEPTED {
            let again = read(ask(accepted, Some(&etag)).await).await;
            assert_eq!(again.status, StatusCode::NOT_MODIFIED, "{what}: {etag} and {accepted}");
            assert_eq!(again.length, 0);
            assert!(again.vary.contains("accept-encoding"), "{what}: {}", again.vary);
        }
        tags.push((coding, etag));
    }
    tags.sort();
    tags.dedup();
    let codings: Vec<_> = tags.iter().map(|(coding, _)| *coding).collect();
    assert!(
        codings.is_empty() || codings == [None, Some("br"), Some("gzip")],
        "{what}: {tags:?}"
    );
}

#[tokio::test]
async fn a_page_is_the_same_in_every_coding() {
    let world = Deployment::start().await;
    world.known(&world.busy.id).await;
    // Nothing changes any more once the console has found out what it can.
    world
        .console
        .ready(&world.busy.id, |credential| credential == CredentialState::Verified)
        .await;
    world.console.ready(&world.empty.id, |_| true).await;
    let registry = world.console.live.registry();
    until("an experiment that is not seeded", async || {
        let view = registry.view();
        let row = view.rows.get(&world.unseeded)?;
        (row.hosting == Hosting::NotHosted).then_some(())
    })
    .await;
    let cookie = world.console.sign_in().await;
    let browser = reqwest::Client::builder().no_proxy().build().expect("an HTTP client");
    let experiment = format!("/x/{}", world.busy.id);
    let page = world
        .console
        .get(&format!("{experiment}/"), &[("cookie", &cookie)])
        .await;
    let mut paths = ["/", "/admin/tasks/", "/admin/ideas/", "/admin/events/"]
        .map(|path| format!("{experiment}{path}"))
        .to_vec();
    // Not the page of experiments: its forms have an id that differs each time.
    paths.extend(page.attributes("script[src]", "src"));
    paths.extend(page.attributes("link[rel=stylesheet]", "href"));
    assert!(paths.len() >= 8, "pages, scripts and a stylesheet: {paths:?}");
    for path in paths {
        check(&path, async |accepted, known| {
            let mut request = browser
                .get(format!("{}{path}", world.console.base()))
                .header("cookie", &cookie);
            if !accepted.is_empty() {
                request = request.header("accept-encoding", accepted);
            }
            if let Some(known) = known {
                request = request.header("if-none-match", known);
            }
            request.send().await.expect("an answer")
        })
        .await;
    }
    let stream = browser.get(format!("{}{experiment}/live", world.console.base()));
    let stream = stream.header("cookie", &cookie).header("accept-encoding", "br, gzip");
    let stream = stream.send().await.expect("a stream");
    assert_eq!(
        (stream.status(), stream.headers().get("content-encoding")),
        (StatusCode::OK, None)
    );
}

#[tokio::test]
async fn a_new_row_of_a_long_list_is_sent_in_few_bytes() {
    let console = Console::start().await;
    let lab = Lab::begin(&console.admin, "Busy bees", console.clock.clone()).await;
    for n in 0..110 {
        lab.ideation(&format!("task-{n:06}")).await;
        console.clock.advance(Duration::from_millis(500));
    }
    let caught_up = async || {
        let cursor = lab.admin.log_length().await.expect("the log's length");
        let mirror = console.live.mirror(&lab.id);
        until("the end of the log", async || {
            mirror
                .view()
                .snapshot()
                .filter(|snapshot| snapshot.cursor == cursor)
                .map(drop)
        })
        .await;
    };
    caught_up().await;
    let cookie = console.sign_in().await;
    let list = format!("/x/{}/admin/tasks/?per=100", lab.id);
    let page = console.get(&list, &[("cookie", &cookie)]).await;
    assert_eq!(page.texts("tbody tr").len(), 100);
    let known = format!("tasks=\"{}\"", page.attributes("#region-tasks", "data-etag").remove(0));
    lab.ideation("task-000110").await;
    caught_up().await;
    let browser = reqwest::Client::builder().no_proxy().build().expect("an HTTP client");
    let request = browser
        .get(format!("{}{list}", console.base()))
        .header("cookie", &cookie);
    let request = request
        .header("hx-request", "true")
        .header("hx-request-type", "partial");
    let request = request
        .header("hx-target", "div#refresh")
        .header("switchboard-regions", known);
    let answer = request.header("accept-encoding", "br").send().await.expect("an answer");
    let head: usize = answer
        .headers()
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len() + 4)
        .sum();
    let answer = read(answer).await;
    let (text, _) = answer.text.split_at(answer.text.len().min(2000));
    assert!(text.contains("task-000110") && !text.contains("task-000109"), "{text}");
    let bytes = "HTTP/1.1 200 OK\r\n\r\n".len() + head + answer.length;
    println!("{bytes} bytes, {} of them content: {text}", answer.length);
    assert!(bytes < 430, "{bytes} bytes: {text}");
}

#[tokio::test]
async fn the_backends_json_is_the_same_in_every_coding() {
    let world = World::start().await;
    let lab = world.lab("coded").await;
    for n in 0..4 {
        lab.ideation(&format!("task-{n}")).await;
    }
    let client = reqwest::Client::builder().no_proxy().build().expect("an HTTP client");
    let bearer = format!("Bearer admin:{ADMIN_TOKEN}");
    let experiment = format!("/v0/experiments/{}", lab.id);
    for path in ["", "/tasks", "/tasks/task-1", "/events", "/workers"] {
        let url = format!("{}{experiment}{path}", world.base);
        check(path, async |accepted, known| {
            let mut request = client.get(&url).header(header::AUTHORIZATION, &bearer);
            request = request.header(switchboard::protocol::EXPERIMENT_HEADER, lab.id.to_string());
            if !accepted.is_empty() {
                request = request.header("accept-encoding", accepted);
            }
            if let Some(known) = known {
                request = request.header("if-none-match", known);
            }
            request.send().await.expect("an answer")
        })
        .await;
    }
    let admin = |request: reqwest::RequestBuilder| {
        request
            .header(header::AUTHORIZATION, &bearer)
            .header(switchboard::protocol::EXPERIMENT_HEADER, lab.id.to_string())
            .header("accept-encoding", "br, gzip")
    };
    // A reply to a write may hold a credential.
    let (worker, _) = join(&lab.admin, "compressed").await;
    let reissue = format!("{}{experiment}/workers/{worker}/reissue-credential", world.base);
    let reissued = admin(client.post(reissue)).send().await.expect("an answer");
    assert_eq!(
        (reissued.status(), reissued.headers().get("content-encoding")),
        (StatusCode::OK, None)
    );
    assert!(reissued.text().await.expect("text").contains("registration_token"));
    let stream = admin(client.get(format!("{}{experiment}/events/stream", world.base)));
    let stream = stream.send().await.expect("a stream");
    assert_eq!(
        (stream.status(), stream.headers().get("content-encoding")),
        (StatusCode::OK, None)
    );
}
