//! Artifacts: what is kept, who may have it, and what is left of a deposit that failed.

use std::path::Path;

use reqwest::{Method, StatusCode};
use switchboard::client::{Bearer, Client};
use switchboard::clock::Clock;
use switchboard::embedded::{Location, Options};
use switchboard::lifecycle::Tasks;
use switchboard::protocol::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::{ADMIN_TOKEN, Lab, World, admin, eventually, join, kind_of};

const CAP: u64 = 100_000;

/// A backend that takes artifacts of at most [`CAP`] bytes, and the directory it keeps them in.
async fn small(dir: &Path) -> World {
    let tasks = Tasks::new();
    let location = Location::Directory(dir.to_owned());
    let mut options = Options::new(location, ADMIN_TOKEN.into(), Clock::default(), tasks.clone());
    options.max_artifact_bytes = CAP;
    World::serve(options, tasks).await
}

/// Every file below a directory.
fn files(dir: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).expect("a readable directory") {
        let path = entry.expect("an entry").path();
        match path.is_dir() {
            true => found.extend(files(&path)),
            false => found.push(path.to_string_lossy().into_owned()),
        }
    }
    found
}

fn form(boundary: &str, parts: &[(&str, Option<&str>, &[u8])]) -> Vec<u8> {
    let mut body = Vec::new();
    for (name, kind, bytes) in parts {
        body.extend(format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n").bytes());
        if let Some(kind) = kind {
            body.extend(format!("Content-Type: {kind}\r\n").bytes());
        }
        body.extend(b"\r\n");
        body.extend(*bytes);
        body.extend(b"\r\n");
    }
    body.extend(format!("--{boundary}--\r\n").bytes());
    body
}

async fn post(world: &World, lab: &Lab, kind: &str, body: Vec<u8>) -> reqwest::Response {
    reqwest::Client::new()
        .request(
            Method::POST,
            format!("{}/v0/experiments/{}/artifacts", world.base, lab.id),
        )
        .header("authorization", format!("Bearer admin:{ADMIN_TOKEN}"))
        .header(EXPERIMENT_HEADER, lab.id.as_str())
        .header("content-type", kind)
        .body(body)
        .send()
        .await
        .expect("an answer")
}

async fn refused(response: reqwest::Response) -> ErrorType {
    let problem: Problem = response.json().await.expect("a problem document");
    problem.error_type().expect("of the vocabulary")
}

#[tokio::test]
async fn bytes_come_back_exactly_and_safely() {
    let dir = tempfile::tempdir().expect("a directory");
    let world = World::at(Location::Directory(dir.path().to_owned())).await;
    let lab = world.lab("artifacts").await;
    // More than any buffer on the way, and line ends where a boundary could be suspected.
    let bytes: Vec<u8> = (0..3_000_000_u32)
        .flat_map(|n| [(n % 251) as u8, b'\r', b'\n', b'-'])
        .collect();
    let before = lab.admin.events(0, None).await.expect("events").cursor;
    let kept = lab
        .worker
        .deposit_artifact("application/gzip", bytes.clone())
        .await
        .expect("kept");
    let again = lab
        .worker
        .deposit_artifact("application/gzip", bytes.clone())
        .await
        .expect("kept");
    assert_ne!(kept.artifacts_uri, again.artifacts_uri, "a fresh URI each time");
    assert_eq!(
        (kept.size_bytes, kept.content_type.as_str()),
        (bytes.len() as u64, "application/gzip")
    );
    let id = kept
        .artifacts_uri
        .strip_prefix("eden://artifacts/")
        .expect("the scheme");
    assert!(id.len() == 32 && id.bytes().all(|b| b.is_ascii_hexdigit()), "{id}");

    let reply = lab.worker.fetch_artifact(&kept.artifacts_uri).await.expect("fetched");
    let header = |name: &str| reply.headers()[name].to_str().expect("text").to_owned();
    assert_eq!(header("content-type"), "application/gzip");
    assert_eq!(header("content-length"), bytes.len().to_string());
    assert_eq!(header("x-content-type-options"), "nosniff");
    assert!(header("content-disposition").starts_with("attachment"));
    assert!(reply.bytes().await.expect("bytes") == bytes, "other bytes came back");
    assert_eq!(
        lab.admin.events(0, None).await.expect("events").cursor,
        before,
        "no events"
    );
    assert!(files(&dir.path().join("tmp")).is_empty());
    assert_eq!(files(&dir.path().join("artifacts")).len(), 2);

    // A second life of the same directory has them still.
    let secret = lab.admin.reissue_credential(&lab.worker_id).await.expect("reissued");
    world.stop().await;
    std::fs::write(dir.path().join("tmp/left-over"), "by a crash").expect("written");
    let world = World::at(Location::Directory(dir.path().to_owned())).await;
    assert!(files(&dir.path().join("tmp")).is_empty(), "emptied at start");
    let bearer = Bearer::new(Actor::Worker(lab.worker_id.clone()), secret);
    let worker = Client::new(&world.base, bearer).expect("a client").experiment(&lab.id);
    let reply = worker.fetch_artifact(&kept.artifacts_uri).await.expect("fetched");
    assert!(reply.bytes().await.expect("bytes") == bytes);
}

#[tokio::test]
async fn an_artifact_is_for_its_depositor_and_for_administrators() {
    let world = World::start().await;
    let (lab, elsewhere) = (world.lab("here").await, world.lab("there").await);
    let kept = lab
        .worker
        .deposit_artifact("text/plain", b"secret".to_vec())
        .await
        .expect("kept");
    let uri = kept.artifacts_uri;
    for allowed in [&lab.worker, &lab.admin, &lab.orchestrator] {
        allowed
            .fetch_artifact(&uri)
            .await
            .expect("the depositor, the admin, a member of admins");
    }
    let (id, other) = join(&lab.admin, "other").await;
    assert_eq!(kind_of(other.fetch_artifact(&uri).await), ErrorType::Forbidden);
    let team = RegisterGroup {
        name: Some("team".to_owned()),
        members: vec![(&id).into()],
    };
    let team = lab.admin.register_group(&team).await.expect("a group");
    let admins = lab.admin.groups_named("admins").await.expect("groups");
    let nested = lab.admin.add_member(&admins[0].group_id, (&team.group_id).into()).await;
    nested.expect("added");
    other.fetch_artifact(&uri).await.expect("through a group in the group");

    assert_eq!(kind_of(elsewhere.admin.fetch_artifact(&uri).await), ErrorType::NotFound);
    let unknown = format!("eden://artifacts/{}", "0".repeat(32));
    for missing in [
        unknown.as_str(),
        "file:///etc/passwd",
        "eden://artifacts/../../lock",
        "x",
    ] {
        let refused = kind_of(lab.worker.fetch_artifact(missing).await);
        assert_eq!(refused, ErrorType::NotFound, "{missing}");
    }
    assert_eq!(kind_of(lab.worker.fetch_artifact("").await), ErrorType::BadRequest);

    let own = lab
        .admin
        .deposit_artifact("text/plain", Vec::new())
        .await
        .expect("the admin may deposit too");
    assert_eq!(own.size_bytes, 0);
    assert_eq!(
        kind_of(lab.worker.fetch_artifact(&own.artifacts_uri).await),
        ErrorType::Forbidden
    );
    let empty = lab.admin.fetch_artifact(&own.artifacts_uri).await.expect("fetched");
    assert_eq!(empty.bytes().await.expect("bytes").len(), 0);
}

#[tokio::test]
async fn a_form_has_exactly_one_part_and_it_is_the_file() {
    let dir = tempfile::tempdir().expect("a directory");
    let world = small(dir.path()).await;
    let lab = world.lab("forms").await;
    let kind = "multipart/form-data; boundary=xyz";
    let good = form("xyz", &[("file", Some("text/plain; charset=utf-8"), b"hello")]);
    let reply = post(&world, &lab, kind, good.clone()).await;
    assert_eq!(reply.status(), StatusCode::CREATED);
    let kept: DepositReply = reply.json().await.expect("the reply");
    assert_eq!(kept.content_type, "text/plain; charset=utf-8", "verbatim");
    for (said, stored) in [
        (None, "application/octet-stream"),
        (Some("nonsense"), "application/octet-stream"),
        (Some("image/x y"), "application/octet-stream"),
        (Some("image/svg+xml"), "image/svg+xml"),
    ] {
        let reply = post(&world, &lab, kind, form("xyz", &[("file", said, b"hello")])).await;
        let kept: DepositReply = reply.json().await.expect("the reply");
        assert_eq!(kept.content_type, stored, "{said:?}");
    }
    let present = files(&dir.path().join("artifacts"));
    let huge_header = format!(
        "--xyz\r\nContent-Disposition: form-data; name=\"file\"\r\nX: {}",
        "y".repeat(500_000)
    );
    let bad: [(&str, &str, Vec<u8>); 9] = [
        ("no part", kind, form("xyz", &[])),
        (
            "two parts",
            kind,
            form("xyz", &[("file", None, b"a"), ("file", None, b"b")]),
        ),
        (
            "an extra part",
            kind,
            form("xyz", &[("file", None, b"a"), ("note", None, b"b")]),
        ),
        ("another part", kind, form("xyz", &[("data", None, b"a")])),
        ("no boundary", "multipart/form-data", good.clone()),
        ("another type", "application/json", b"{}".to_vec()),
        ("another boundary", "multipart/form-data; boundary=abc", good.clone()),
        ("no end", kind, good[..good.len() - 9].to_vec()),
        ("an endless header", kind, huge_header.into_bytes()),
    ];
    for (what, kind, body) in bad {
        let reply = post(&world, &lab, kind, body).await;
        assert_eq!(reply.status(), StatusCode::BAD_REQUEST, "{what}");
        assert_eq!(refused(reply).await, ErrorType::BadRequest, "{what}");
    }
    assert_eq!(files(&dir.path().join("artifacts")), present);
    assert!(files(&dir.path().join("tmp")).is_empty());
}

#[tokio::test]
async fn what_is_too_large_or_cut_off_leaves_nothing() {
    let dir = tempfile::tempdir().expect("a directory");
    let world = small(dir.path()).await;
    let lab = world.lab("limits").await;
    let kind = "multipart/form-data; boundary=xyz";
    let cap = usize::try_from(CAP).expect("a small number");
    for (size, status) in [
        (cap, StatusCode::CREATED),
        (cap + 1, StatusCode::PAYLOAD_TOO_LARGE),
        (20 * cap, StatusCode::PAYLOAD_TOO_LARGE),
    ] {
        let reply = post(&world, &lab, kind, form("xyz", &[("file", None, &vec![b'x'; size])])).await;
        assert_eq!(reply.status(), status, "{size}");
        if status != StatusCode::CREATED {
            assert_eq!(refused(reply).await, ErrorType::PayloadTooLarge);
        }
    }
    assert_eq!(files(&dir.path().join("artifacts")).len(), 1);
    assert!(files(&dir.path().join("tmp")).is_empty());

    // A sender that hangs up in the middle, once its bytes have arrived.
    let address = world.base.strip_prefix("http://").expect("http");
    let mut stream = tokio::net::TcpStream::connect(address).await.expect("connected");
    let head = format!(
        "POST /v0/experiments/{id}/artifacts HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer \
         admin:{ADMIN_TOKEN}\r\n{EXPERIMENT_HEADER}: {id}\r\ncontent-type: {kind}\r\ncontent-length: 90000\r\n\r\n",
        id = lab.id
    );
    stream.write_all(head.as_bytes()).await.expect("sent");
    let part = form("xyz", &[("file", None, &vec![b'x'; 40_000])]);
    stream.write_all(&part[..part.len() - 11]).await.expect("sent");
    let tmp = dir.path().join("tmp");
    eventually("the file is begun", || files(&tmp).len() == 1).await;
    stream.shutdown().await.expect("hung up");
    let mut answer = Vec::new();
    // Whatever the server still says, nobody is obliged to listen.
    let _ = stream.read_to_end(&mut answer).await;
    drop(stream);
    eventually("the file is gone", || files(&tmp).is_empty()).await;
    assert_eq!(files(&dir.path().join("artifacts")).len(), 1);
    assert!(admin(&world.base).experiment(&lab.id).read().await.is_ok());
}
