//! A signed-in list page of 300 rows, compared with the same bytes from memory.

use bytes::Bytes;
use poem::http::{HeaderName, HeaderValue};
use poem::{EndpointExt, Response, Route, handler, web::Data};

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
    let canned = Canned::of(&page)?;
    let memory = deployment.serve(Route::new().at("/*any", from_memory).data(canned))?;
    let request = http::request(&path, &console.cookie);
    let same = load.block_on(http::get(memory, &path, &console.cookie))?;
    let again = load.block_on(http::get(console.address, &path, &console.cookie))?;
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
    let (page, memory) = (subject("tasks page", console.address), subject("from memory", memory));
    load::versus(&load, &page, &memory, options.load_time())
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
