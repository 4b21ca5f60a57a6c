//! The requests of operators during an outage of the backend, and the responses they should get.

use secrecy::ExposeSecret;
use switchboard::client::Client;
use switchboard::protocol::{RegisterGroup, RegisterWorker};

use crate::Outcome;
use crate::deployment::Console;
use crate::http::{self, Answer};

/// The submitted fields of the form that registers an experiment, and the part of the returned form that shows them.
const FORM: &str = "name=Second+sight&config_uri=file%3A%2F%2F%2Fb.yaml&request_id=1";
const RETURNED_FIELD: &str = "value=\"Second sight\"";

/// The kind of a request.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Sort {
    Page,
    /// A region, as an open page refetches it.
    Region,
    /// A form. It is sent only while the console must refuse it.
    Write,
}

impl Sort {
    pub const ALL: [Self; 3] = [Self::Page, Self::Region, Self::Write];

    pub fn name(self) -> &'static str {
        match self {
            Self::Page => "pages",
            Self::Region => "regions",
            Self::Write => "refused writes",
        }
    }
}

/// A request that is sent repeatedly, ready to be written to a socket.
pub struct Ask {
    pub sort: Sort,
    pub request: Vec<u8>,
}

impl Ask {
    /// Whether the answer is the one required during an outage.
    pub fn is_answered_by(&self, answer: &Answer) -> bool {
        match self.sort {
            Sort::Page => answer.status == 200,
            Sort::Region => answer.status == 200 && !answer.text().contains("<html"),
            Sort::Write => answer.status == 503 && answer.text().contains(RETURNED_FIELD),
        }
    }
}

/// Registers a worker in the deployment's group `admins` and signs it in. Returns its session cookie.
pub async fn administrator_by_group(admin: &Client, console: &Console) -> Outcome<String> {
    let worker = RegisterWorker {
        name: Some("Ada".to_owned()),
        ..RegisterWorker::default()
    };
    let (worker, secret) = admin.control().register_worker(&worker).await?;
    let group = RegisterGroup {
        name: Some("admins".to_owned()),
        members: vec![(&worker.worker_id).into()],
    };
    admin.control().register_group(&group).await?;
    let credential = format!("{}:{}", worker.worker_id, secret.expose_secret());
    http::present(console.address, &credential).await
}

/// All requests of both operators, in the order in which they are sent.
pub fn asks(pages: &[String], cookies: [&String; 2]) -> Vec<Ask> {
    let elsewhere = [
        "/admin/experiments/",
        "/admin/control/workers/",
        "/admin/control/groups/",
    ];
    let older = format!("{}?before=100", pages[pages.len() - 1]);
    let paths: Vec<&str> = pages
        .iter()
        .map(String::as_str)
        .chain([older.as_str()])
        .chain(elsewhere)
        .collect();
    let regions = [
        (pages[0].as_str(), "progress"),
        (pages[1].as_str(), "tasks"),
        (elsewhere[1], "workers"),
    ];
    let mut asks = Vec::new();
    for cookie in cookies {
        asks.extend(paths.iter().map(|path| Ask {
            sort: Sort::Page,
            request: http::request(path, cookie),
        }));
        asks.extend(regions.map(|(path, region)| Ask {
            sort: Sort::Region,
            request: http::region(path, region, cookie),
        }));
    }
    asks.push(Ask {
        sort: Sort::Write,
        request: http::post("/admin/experiments/register", cookies[0], FORM),
    });
    asks
}
