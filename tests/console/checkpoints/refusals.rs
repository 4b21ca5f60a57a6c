//! What is refused, in which order, and what that leaves.

use super::*;

/// An import request beneath the typed client.
struct Request<'a> {
    site: &'a Site,
    bearer: Option<String>,
    header: Option<String>,
    query: &'static str,
}

impl<'a> Request<'a> {
    fn new(site: &'a Site) -> Self {
        Self {
            site,
            bearer: Some(format!("admin:{ADMIN_TOKEN}")),
            header: None,
            query: "",
        }
    }

    async fn send(self, body: Vec<u8>) -> (StatusCode, ErrorType, String) {
        let url = format!("{}/v0/checkpoints/import{}", self.site.world.base, self.query);
        let mut request = reqwest::Client::new().post(url).body(body);
        if let Some(bearer) = self.bearer {
            request = request.header("authorization", format!("Bearer {bearer}"));
        }
        if let Some(header) = self.header {
            request = request.header(EXPERIMENT_HEADER, header);
        }
        let response = request.send().await.expect("an answer");
        let status = response.status();
        let problem: Problem = response.json().await.expect("a problem document");
        (status, problem.error_type().expect("of the vocabulary"), problem.detail)
    }
}

#[tokio::test]
async fn refusals_come_in_the_order_of_the_wire() {
    let site = Site::open().await;
    let lab = lived(&site, "order").await;
    let archive = export(&lab).await;
    let junk = || b"this is not a tar".to_vec();
    let spoiled = |from: &str, to: &str| {
        let manifest = member(&archive, "manifest.json");
        assert!(manifest.contains(from), "{manifest}");
        with(&archive, "manifest.json", manifest.replace(from, to).as_bytes())
    };
    let expect = |what: &'static str, (status, kind, detail): (StatusCode, ErrorType, String), wanted: ErrorType| {
        assert_eq!(kind, wanted, "{what}: {detail}");
        assert_eq!(status.as_u16(), wanted.status(), "{what}");
    };
    let own = lab.id.to_string();

    let mut request = Request::new(&site);
    request.bearer = None;
    request.query = "?as_experiment_id=nonsense";
    expect("no bearer", request.send(Vec::new()).await, ErrorType::Unauthorized);
    let group = RegisterWorker::default();
    let worker: RegisteredWorker = reqwest::Client::new()
        .post(format!("{}/v0/control/workers", site.world.base))
        .header("authorization", format!("Bearer admin:{ADMIN_TOKEN}"))
        .json(&group)
        .send()
        .await
        .expect("an answer")
        .json()
        .await
        .expect("a worker");
    let mut request = Request::new(&site);
    request.bearer = Some(format!("{}:{}", worker.worker.worker_id, worker.registration_token));
    expect("a worker", request.send(Vec::new()).await, ErrorType::Forbidden);
    let mut request = Request::new(&site);
    request.header = Some(fresh('9').to_string());
    expect("an empty body", request.send(Vec::new()).await, ErrorType::BadRequest);
    let mut request = Request::new(&site);
    request.query = "?as_experiment_id=nonsense";
    expect("an ill-formed id", request.send(junk()).await, ErrorType::BadRequest);
    for header in [fresh('9').to_string(), "nonsense".to_owned(), String::new()] {
        let mut request = Request::new(&site);
        request.header = Some(header);
        expect(
            "another header",
            request.send(junk()).await,
            ErrorType::ExperimentIdMismatch,
        );
    }
    let mut request = Request::new(&site);
    (request.header, request.query) = (Some(own.clone()), "?as_experiment_id=exp_00000000000000000000000077");
    expect(
        "header and query disagree",
        request.send(junk()).await,
        ErrorType::ExperimentIdMismatch,
    );
    let mut request = Request::new(&site);
    request.header = Some(own.clone());
    expect("no archive", request.send(junk()).await, ErrorType::CheckpointInvalid);
    for (what, body, wanted) in [
        (
            "a manifest of no shape",
            spoiled("counts", "count"),
            ErrorType::CheckpointInvalid,
        ),
        (
            "a format to come",
            with(&spoiled("\"1\"", "\"999\""), "tasks.jsonl", b"junk"),
            ErrorType::UnsupportedCheckpointVersion,
        ),
        (
            "a protocol to come",
            with(&spoiled("\"v0\"", "\"v99\""), "tasks.jsonl", b"junk"),
            ErrorType::SpecVersionMismatch,
        ),
        (
            "junk for tasks",
            with(&archive, "tasks.jsonl", b"junk\n"),
            ErrorType::CheckpointInvalid,
        ),
        (
            "junk for a bundle",
            with(&archive, "repo.bundle", b"junk\n"),
            ErrorType::CheckpointInvalid,
        ),
        ("an id in use", archive.clone(), ErrorType::ExperimentIdConflict),
    ] {
        let mut request = Request::new(&site);
        request.header = Some(own.clone());
        expect(what, request.send(body).await, wanted);
    }
    assert_eq!(site.litter(), [format!("{own}.git")]);
    let entries = site.world.admin.control().experiments().await.expect("entries");
    assert_eq!(entries.len(), 1, "nothing else was registered");
    let refused = lab.worker.export_checkpoint().await;
    assert_eq!(kind_of(refused), ErrorType::Forbidden);
    for (version, status) in [("1", StatusCode::OK), ("2", StatusCode::BAD_REQUEST)] {
        let reply = reqwest::Client::new()
            .post(format!(
                "{}/v0/experiments/{own}/checkpoint?format_version={version}",
                site.world.base
            ))
            .header("authorization", format!("Bearer admin:{ADMIN_TOKEN}"))
            .header(EXPERIMENT_HEADER, &own)
            .send()
            .await
            .expect("an answer");
        assert_eq!(reply.status(), status, "{version}");
    }
}

#[tokio::test]
async fn uploads_that_are_too_large_or_cut_off_leave_nothing() {
    let site = Site::with(50_000).await;
    let lab = lived(&site, "limits").await;
    let archive = export(&lab).await;
    assert!(archive.len() < 50_000);
    let padded = [archive.clone(), vec![0; 50_001 - archive.len()]].concat();
    assert_eq!(site.refused(padded, None).await, ErrorType::PayloadTooLarge);
    assert_eq!(
        site.refused(vec![b'x'; 2_000_000], None).await,
        ErrorType::PayloadTooLarge
    );
    let before = site.litter();
    assert_eq!(before.len(), 1, "the repository of the source: {before:?}");

    let address = site.world.base.strip_prefix("http://").expect("http");
    let mut stream = tokio::net::TcpStream::connect(address).await.expect("connected");
    let head = format!(
        "POST /v0/checkpoints/import HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer \
         admin:{ADMIN_TOKEN}\r\ncontent-length: 40000\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.expect("sent");
    stream.write_all(&archive[..1000]).await.expect("sent");
    eventually("the file is begun", || site.litter().len() == 2).await;
    drop(stream);
    eventually("the file is gone", || site.litter().len() == 1).await;
    let reply = site.import(archive, None).await;
    assert!(site.world.admin.experiment(&reply.experiment_id).read().await.is_ok());
}
