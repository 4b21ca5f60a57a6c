//! What operators ask for while the backend is away, and what they should be answered.

use secrecy::ExposeSecret;
use switchboard::client::Client;
use switchboard::protocol::{RegisterGroup, RegisterWorker};

use crate::Outcome;
use crate::deployment::Console;
use crate::http::{self, Answer};

/// What is typed into the form that registers an experiment, and what of it is in the form that comes back.
const WRITTEN: &str = "name=Second+sight&config_uri=file%3A%2F%2F%2Fb.yaml&request_id=1";
const KEPT: &str = "value=\"Second sight\"";

/// What is asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Sort {
    Page,
    /// Part of a page, as an open page refetches it.
    Region,
    /// A form, sent only when its answer can only be a refusal.
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

/// Something that is asked again and again, ready to be sent.
pub struct Ask {
    pub sort: Sort,
    pub request: Vec<u8>,
}

impl Ask {
    /// Whether the answer is what it should be while nothing can be read, and nothing written.
    pub fn is_answered_by(&self, answer: &Answer) -> bool {
        match self.sort {
            Sort::Page => answer.status == 200,
            Sort::Region => answer.status == 200 && !answer.text().contains("<html"),
            Sort::Write => answer.status == 503 && answer.text().contains(KEPT),
        }
    }
}

/// Registers a worker who administers because the deployment's group `admins` says so, and signs it in.
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

/// What both operators ask for in turn.
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
        request: http::post("/admin/experiments/register", cookies[0], WRITTEN),
    });
    asks
}
