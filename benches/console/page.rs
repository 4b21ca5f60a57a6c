//! A signed-in list page of 300 rows, compared with the same bytes from memory.

use std::net::SocketAddr;

use bytes::Bytes;
use poem::http::{HeaderName, HeaderValue};
use poem::{EndpointExt, Response, Route, handler, web::Data};
use tokio::runtime::Runtime;

use crate::deployment::{Deployment, Lab};
use crate::http::{self, Answer};
use crate::load::{self, Requests, Subject};
use crate::{Options, Outcome};

const ROWS: usize = 300;

/// A fixed response, for a handler that does no work.
#[derive(Clone)]
struct Canned {
    headers: Vec<(HeaderName, HeaderValue)>,
    body: Bytes,
}

#[handler]
fn from_memory(Data(canned): Data<&Canned>) -> Response {
    let mut response = Response::builder().body(canned.body.clone());
    for (name, value) in &canned.headers {
        response.headers_mut().insert(name.clone(), value.clone());
    }
    response
}

pub fn run(options: &Options) -> Outcome {
    let load = load::runtime()?;
    let deployment = Deployment::start()?;
    let lab = load.block_on(async {
        let lab = Lab::begin(&deployment.admin()?, "page").await?;
        lab.fill(ROWS + 20).await?;
        Outcome::Ok(lab)
    })?;
    let console = deployment.console()?;
    let path = format!("/x/{}/admin/tasks/?per={ROWS}", lab.id);
    // The first view waits for the first list. By the second view the page is live and does not change.
    load.block_on(http::get(console.address, &path, &console.cookie))?;
    std::thread::sleep(std::time::Duration::from_secs(1));
    let page = load
        .block_on(http::get(console.address, &path, &console.cookie))?
        .ok(&path)?;
    let rows = page.text().matches(" data-task=").count();
    if rows != ROWS {
        return Err(format!("the page holds {rows} rows and not {ROWS}").into());
    }
    let requests = [
        ("as it is", http::request(&path, &console.cookie)),
        ("compressed", http::browser_request(&path, &console.cookie)),
    ];
    for (form, request) in requests {
        println!("Sent {form}:\n");
        compare(&load, &deployment, console.address, request, options)?;
    }
    Ok(())
}

/// Compares the console's answer to a request with the same answer from memory.
fn compare(
    load: &Runtime,
    deployment: &Deployment,
    console: SocketAddr,
    request: Vec<u8>,
    options: &Options,
) -> Outcome {
    let page = load.block_on(http::fetch(console, &request))?;
    let memory = Route::new().at("/*any", from_memory).data(Canned::of(&page)?);
    let memory = deployment.serve(memory)?;
    let same = load.block_on(http::fetch(memory, &request))?;
    let again = load.block_on(http::fetch(console, &request))?;
    if same.body != again.body || comparable(&same) != comparable(&again) {
        return Err("the two subjects do not answer alike".into());
    }
    println!(
        "{ROWS} rows, {} bytes; the same bytes and headers from memory behind the same server\n",
        page.body.len()
    );
    let subject = |name, address| Subject {
        name,
        address,
        requests: Requests::always(request.clone()),
    };
    let (page, memory) = (subject("tasks page", console), subject("from memory", memory));
    load::versus(load, &page, &memory, options.load_time())
}

impl Canned {
    fn of(page: &Answer) -> Outcome<Self> {
        let headers = comparable(page)
            .into_iter()
            .filter(|(name, _)| name != "content-length");
        let headers = headers.map(|(name, value)| Outcome::Ok((name.parse()?, value.parse()?)));
        Ok(Self {
            headers: headers.collect::<Outcome<_>>()?,
            body: page.body.clone().into(),
        })
    }
}

/// All headers except the date, sorted.
fn comparable(answer: &Answer) -> Vec<(String, String)> {
    let headers = answer
        .headers
        .iter()
        .map(|(name, value)| (name.to_lowercase(), value.clone()));
    let mut headers: Vec<_> = headers.filter(|(name, _)| name != "date").collect();
    headers.sort_unstable();
    headers
}
