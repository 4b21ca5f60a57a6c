//! A server that stands before another one and answers in its place when told to: what a faulty EDEN server says.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::TryStreamExt;
use poem::http::{HeaderName, StatusCode};
use poem::{Body, Endpoint, Request, Response, Server};
use serde_json::json;
use switchboard::lifecycle::Tasks;
use tokio::net::TcpListener;

/// What it says in the other's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// A problem document.
    Problem(u16, &'static str),
    /// A page of some proxy on the way.
    Page(u16),
    /// 200, and a body that is no JSON.
    Garbage,
    /// 200, and this as JSON.
    Json(&'static str),
    /// Nothing: the connection is dropped.
    Drop,
    /// Nothing, and the connection stays.
    Silence,
}

/// Whom it answers in the other's place.
type Rule = (Box<dyn Fn(&str, &str) -> bool + Send>, Fault);

#[derive(Clone)]
pub struct Gateway {
    base: String,
    upstream: String,
    rules: Arc<Mutex<Vec<Rule>>>,
    seen: Arc<Mutex<Vec<String>>>,
    http: reqwest::Client,
}

impl Gateway {
    /// Stands before the server at `upstream`.
    pub async fn before(upstream: &str, tasks: &Tasks) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let gateway = Self {
            base: format!("http://{}", listener.local_addr().expect("bound")),
            upstream: upstream.to_owned(),
            rules: Arc::default(),
            seen: Arc::default(),
            http: reqwest::Client::builder().no_proxy().build().expect("an HTTP client"),
        };
        let acceptor = poem::listener::TcpAcceptor::from_tokio(listener).expect("a socket");
        let (server, stopping) = (Server::new_with_acceptor(acceptor), tasks.stopping());
        let routes = Front(gateway.clone());
        tasks.spawn("gateway", async move {
            let serving =
                server.run_with_graceful_shutdown(routes, stopping.cancelled(), Some(std::time::Duration::ZERO));
            let _ = serving.await;
        });
        gateway
    }

    pub fn base(&self) -> &str {
        &self.base
    }

    /// From now on what `applies` to (the path, and the bearer's principal) is answered so. Later rules come first.
    pub fn fail(&self, fault: Fault, applies: impl Fn(&str, &str) -> bool + Send + 'static) {
        lock(&self.rules).insert(0, (Box::new(applies), fault));
    }

    /// Is as if nothing had been.
    pub fn heal(&self) {
        lock(&self.rules).clear();
    }

    /// `METHOD path` of all that was asked since the last time of asking.
    pub fn take_requests(&self) -> Vec<String> {
        std::mem::take(&mut lock(&self.seen))
    }

    async fn answer(&self, request: Request) -> Result<Response, ()> {
        let path = request
            .uri()
            .path_and_query()
            .map_or("/", |path| path.as_str())
            .to_owned();
        let principal = request
            .header("authorization")
            .and_then(|value| value.strip_prefix("Bearer "));
        let principal = principal
            .and_then(|value| value.split(':').next())
            .unwrap_or_default()
            .to_owned();
        lock(&self.seen).push(format!("{} {path}", request.method()));
        let rule = lock(&self.rules)
            .iter()
            .find(|(applies, _)| applies(&path, &principal))
            .map(|(_, fault)| *fault);
        if rule == Some(Fault::Silence) {
            std::future::pending::<()>().await;
        }
        if let Some(fault) = rule {
            return said(fault, &path);
        }
        self.forward(request, &path).await.map_err(drop)
    }

    async fn forward(&self, request: Request, path: &str) -> Result<Response, reqwest::Error> {
        let url = format!("{}{path}", self.upstream);
        let mut out = self.http.request(request.method().clone(), url);
        for (name, value) in request.headers().iter().filter(|(name, _)| !is_hop(name)) {
            out = out.header(name, value);
        }
        let answer = out
            .body(request.into_body().into_vec().await.unwrap_or_default())
            .send()
            .await?;
        let mut response = Response::builder().status(answer.status());
        for (name, value) in answer.headers().iter().filter(|(name, _)| !is_hop(name)) {
            response = response.header(name, value);
        }
        let bytes = answer.bytes_stream().map_err(std::io::Error::other);
        Ok(response.body(Body::from_bytes_stream(bytes)))
    }
}

fn is_hop(name: &HeaderName) -> bool {
    matches!(
        name.as_str(),
        "host" | "connection" | "transfer-encoding" | "content-length"
    )
}

fn said(fault: Fault, path: &str) -> Result<Response, ()> {
    let (status, content_type, body) = match fault {
        Fault::Drop | Fault::Silence => return Err(()),
        Fault::Garbage => (200, "application/json", "<not json".to_owned()),
        Fault::Json(body) => (200, "application/json", body.to_owned()),
        Fault::Page(status) => (status, "text/html", "<h1>Somewhere on the way</h1>".to_owned()),
        Fault::Problem(status, slug) => {
            let problem = json!({
                "type": format!("eden://error/{slug}"), "title": slug, "status": status,
                "detail": "as the test wants it", "instance": path,
            });
            (status, "application/problem+json", problem.to_string())
        }
    };
    let status = StatusCode::from_u16(status).expect("a status");
    Ok(Response::builder().status(status).content_type(content_type).body(body))
}

struct Front(Gateway);

impl Endpoint for Front {
    type Output = Response;

    async fn call(&self, request: Request) -> poem::Result<Response> {
        match self.0.answer(request).await {
            Ok(response) => Ok(response),
            // A body that breaks is the nearest to a dropped connection that a handler can bring about.
            Err(()) => {
                let broken =
                    futures_util::stream::once(async { Err::<bytes::Bytes, _>(std::io::Error::other("dropped")) });
                let promised = Response::builder().header("content-length", 64);
                Ok(promised.body(Body::from_bytes_stream(broken)))
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
