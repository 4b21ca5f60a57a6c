//! Requests that are nearly right: every choice is made by the next bytes.

use arbitrary::{Result, Unstructured};
use futures_util::stream;
use poem::http::{HeaderName, HeaderValue, Method, Uri};
use poem::{Body, Request};
use serde_json::Value;
use switchboard::protocol::{EXPERIMENT_HEADER, percent_encode};

use super::body;
use super::world::Cast;

/// Every route of the backend, and the methods it takes.
pub const ROUTES: &[(&str, &[&str])] = &[
    ("/v0/experiments/:experiment", &["GET"]),
    ("/v0/experiments/:experiment/state", &["GET"]),
    ("/v0/experiments/:experiment/config", &["GET"]),
    ("/v0/experiments/:experiment/dispatch_mode", &["GET", "PATCH"]),
    ("/v0/experiments/:experiment/terminate", &["POST"]),
    ("/v0/experiments/:experiment/policy-errors", &["POST"]),
    ("/v0/experiments/:experiment/tasks", &["GET", "POST"]),
    ("/v0/experiments/:experiment/tasks/:task", &["GET"]),
    ("/v0/experiments/:experiment/tasks/:task/submission", &["GET"]),
    ("/v0/experiments/:experiment/tasks/:task/claim", &["POST"]),
    ("/v0/experiments/:experiment/tasks/:task/submit", &["POST"]),
    ("/v0/experiments/:experiment/tasks/:task/accept", &["POST"]),
    ("/v0/experiments/:experiment/tasks/:task/reject", &["POST"]),
    ("/v0/experiments/:experiment/tasks/:task/reclaim", &["POST"]),
    ("/v0/experiments/:experiment/tasks/:task/reassign", &["POST"]),
    ("/v0/experiments/:experiment/ideas", &["GET", "POST"]),
    ("/v0/experiments/:experiment/ideas/:idea", &["GET"]),
    ("/v0/experiments/:experiment/ideas/:idea/mark-ready", &["POST"]),
    ("/v0/experiments/:experiment/variants", &["GET", "POST"]),
    ("/v0/experiments/:experiment/variants/:variant", &["GET"]),
    (
        "/v0/experiments/:experiment/variants/:variant/declare-evaluation-error",
        &["POST"],
    ),
    ("/v0/experiments/:experiment/variants/:variant/integrate", &["POST"]),
    ("/v0/experiments/:experiment/events", &["GET"]),
    ("/v0/experiments/:experiment/events/subscribe", &["GET"]),
    ("/v0/experiments/:experiment/events/stream", &["GET"]),
    ("/v0/experiments/:experiment/artifacts", &["GET", "POST"]),
    ("/v0/experiments/:experiment/checkpoint", &["POST"]),
    ("/v0/experiments/:experiment/whoami", &["GET"]),
    ("/v0/experiments/:experiment/workers", &["GET", "POST"]),
    ("/v0/experiments/:experiment/workers/:worker", &["GET"]),
    (
        "/v0/experiments/:experiment/workers/:worker/reissue-credential",
        &["POST"],
    ),
    ("/v0/experiments/:experiment/groups", &["GET", "POST"]),
    ("/v0/experiments/:experiment/groups/:group", &["GET", "DELETE"]),
    ("/v0/experiments/:experiment/groups/:group/members", &["POST"]),
    ("/v0/experiments/:experiment/groups/:group/members/:member", &["DELETE"]),
    ("/v0/checkpoints/import", &["POST"]),
    ("/v0/control/experiments", &["GET", "POST"]),
    ("/v0/control/experiments/:id", &["GET", "DELETE"]),
    ("/v0/control/experiments/:id/leases", &["POST"]),
    ("/v0/control/leases", &["GET"]),
    ("/v0/control/leases/:id/renew", &["POST"]),
    ("/v0/control/leases/:id/release", &["POST"]),
    ("/v0/control/events", &["GET"]),
    ("/v0/control/whoami", &["GET"]),
    ("/v0/control/workers", &["GET", "POST"]),
    ("/v0/control/workers/:worker", &["GET"]),
    ("/v0/control/workers/:worker/reissue-credential", &["POST"]),
    ("/v0/control/groups", &["GET", "POST"]),
    ("/v0/control/groups/:group", &["GET", "DELETE"]),
    ("/v0/control/groups/:group/members", &["POST"]),
    ("/v0/control/groups/:group/members/:member", &["DELETE"]),
    ("/_switchboard/experiments/:id/seed", &["POST"]),
    (
        "/_reference/experiments/:experiment/tasks/:task/validate-terminal",
        &["GET"],
    ),
    ("/_reference/experiments/:experiment/validate/evaluation", &["POST"]),
    ("/_reference/experiments/:experiment/artifacts/*path", &["GET"]),
    ("/healthz", &["GET"]),
];

const METHODS: [&str; 9] = [
    "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW",
];

/// As they stand in the path. A segment of dots does not get as far as here from most clients, which is no reason
/// to trust it.
const BAD_SEGMENTS: [&str; 18] = [
    "",
    ".",
    "..",
    "%2e%2e",
    "%2E",
    "a%2Fb",
    "..%2f..%2fetc%2fpasswd",
    "%00",
    "a%00b",
    "%FF",
    "%C3%28",
    "%",
    "%zz",
    "%F0%9F%92%A9",
    "*",
    ":task",
    "exp_00000000000000000000000000",
    "wkr_00000000000000000000000000",
];

const QUERY_KEYS: [&str; 13] = [
    "cursor",
    "limit",
    "timeout",
    "kind",
    "state",
    "status",
    "name",
    "holder",
    "uri",
    "as_experiment_id",
    "format_version",
    "unknown",
    "",
];

/// None of them, as a timeout, makes anybody wait: a long poll that waits is not hostile, and would only be slow here.
const QUERY_VALUES: [&str; 22] = [
    "0",
    "-1",
    "-0",
    "18446744073709551615",
    "18446744073709551616",
    "99999999999999999999999",
    "abc",
    "",
    "NaN",
    "inf",
    "-inf",
    "1e300",
    "0.0",
    "%00",
    "%FF",
    "null",
    "pending",
    "starting",
    "here",
    "eden://artifacts/0",
    "..%2f..",
    "0'%20OR%20'1'='1",
];

/// A request before it is sent.
pub struct Attack {
    pub method: &'static str,
    /// Path and query.
    pub target: String,
    pub headers: Vec<(HeaderName, HeaderValue)>,
    pub body: Vec<u8>,
    /// The connection breaks before the body is whole.
    pub is_cut: bool,
}

impl std::fmt::Debug for Attack {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "{} {}", self.method, self.target)?;
        for (name, value) in &self.headers {
            writeln!(f, "{name}: {value:?}")?;
        }
        let start = &self.body[..self.body.len().min(2000)];
        write!(
            f,
            "{} bytes, cut: {}: {}",
            self.body.len(),
            self.is_cut,
            start.escape_ascii()
        )
    }
}

impl Attack {
    /// Makes a request from bytes; when they run out, every further choice is the first.
    pub fn new(u: &mut Unstructured<'_>, cast: &Cast) -> Result<Self> {
        let (route, methods) = u.choose(ROUTES)?;
        let method = if u.ratio(15, 16)? {
            u.choose(methods)?
        } else {
            u.choose(&METHODS)?
        };
        let (path, experiment) = path(u, route, cast)?;
        let target = targeted(path + &query(u)?);
        let mut headers = Vec::new();
        experiment_header(u, &experiment, cast, &mut headers)?;
        authorization(u, cast, &mut headers)?;
        other_headers(u, &mut headers)?;
        let body = body::body(u, route, method, cast, &mut headers)?;
        let is_cut = u.ratio(1, 32)?;
        Ok(Self {
            method,
            target,
            headers,
            body,
            is_cut,
        })
    }

    /// The request as the endpoint gets it.
    pub fn into_request(self) -> Request {
        let chunks = [Ok(self.body), Err(std::io::Error::other("the connection broke"))];
        let chunks = chunks.into_iter().take(if self.is_cut { 2 } else { 1 });
        let uri = Uri::try_from(self.target).expect("a URI, since it was tried");
        let method = Method::from_bytes(self.method.as_bytes()).expect("a method");
        let mut request = Request::builder()
            .method(method)
            .uri(uri)
            .body(Body::from_bytes_stream(stream::iter(chunks)));
        for (name, value) in self.headers {
            request.headers_mut().append(name, value);
        }
        request
    }
}

impl Cast {
    /// A request with nothing wrong about it.
    pub fn plain(&self, method: &'static str, target: &str, by: &str, body: Option<&Value>) -> Attack {
        let mut headers = Vec::new();
        if target.starts_with("/v0/experiments/") {
            header(EXPERIMENT_HEADER, self.experiment.as_bytes(), &mut headers);
        }
        if !by.is_empty() {
            header("authorization", format!("Bearer {by}:x").as_bytes(), &mut headers);
        }
        Attack {
            method,
            target: target.to_owned(),
            headers,
            body: body.map(|body| body.to_string().into_bytes()).unwrap_or_default(),
            is_cut: false,
        }
    }
}

/// Adds a header, unless its value can be none.
pub fn header(name: &'static str, value: &[u8], into: &mut Vec<(HeaderName, HeaderValue)>) {
    if let Ok(value) = HeaderValue::from_bytes(value) {
        into.push((HeaderName::from_static(name), value));
    }
}

/// The path, and the experiment in it as the header should name it.
fn path(u: &mut Unstructured<'_>, route: &str, cast: &Cast) -> Result<(String, String)> {
    let mut path = String::new();
    let mut experiment = String::new();
    let is_deployment = route.starts_with("/v0/control");
    for part in route.split('/').skip(1) {
        let segment = match part {
            ":experiment" => named(u, &[&cast.experiment])?,
            ":id" if route.contains("/leases/") => named(u, &[&cast.lease, "lease-0"])?,
            ":id" => named(u, &[&cast.experiment, &cast.unseeded, "exp_00000000000000000000000000"])?,
            ":task" => named(u, &["task-1", "task-2", "task-3", "task-4", "task-200", "a%2Fb"])?,
            ":idea" => named(u, &["idea-1", "idea-2", "idea-3", "idea-200"])?,
            ":variant" => named(u, &["variant-1", "baseline", "variant-200"])?,
            ":worker" if is_deployment => named(u, &[&cast.deployment_worker, &cast.workers[0]])?,
            ":group" if is_deployment => named(u, &[&cast.deployment_group, &cast.groups[0]])?,
            ":worker" => named(u, &[&cast.workers[0], &cast.workers[1]])?,
            ":group" => named(u, &[&cast.groups[0], &cast.groups[1]])?,
            ":member" => named(u, &[&cast.workers[0], &cast.groups[0], &cast.deployment_worker])?,
            "*path" => named(u, &["notes/one.txt", "..%2fswitchboard.db", "%2fetc%2fpasswd"])?,
            fixed => fixed.to_owned(),
        };
        if part == ":experiment" {
            experiment.clone_from(&segment);
        }
        path.push('/');
        path.push_str(&segment);
    }
    if u.ratio(1, 64)? {
        path.push_str(u.choose(&["/", "//", "/..", "/./x", ";x", "%20"])?);
    }
    Ok((path, experiment))
}

/// One of the right ones, most of the time.
fn named(u: &mut Unstructured<'_>, good: &[&str]) -> Result<String> {
    Ok(match u.int_in_range(0..=15_u8)? {
        0..=13 => (*u.choose(good)?).to_owned(),
        14 => (*u.choose(&BAD_SEGMENTS)?).to_owned(),
        _ if u.ratio(1, 4)? => "a".repeat(usize::from(u.arbitrary::<u16>()?)),
        _ => escaped(u)?,
    })
}

/// Any bytes, so that they fit into a URL.
fn escaped(u: &mut Unstructured<'_>) -> Result<String> {
    let length = u.int_in_range(0..=24_usize)?.min(u.len());
    Ok(u.bytes(length)?.iter().map(|byte| format!("%{byte:02x}")).collect())
}

fn query(u: &mut Unstructured<'_>) -> Result<String> {
    let mut query = String::new();
    for n in 0..u.int_in_range(0..=3_u8)? {
        query.push(if n == 0 { '?' } else { '&' });
        let key = *u.choose(&QUERY_KEYS)?;
        query.push_str(key);
        query.push('=');
        // A number of ours could make a timeout that waits.
        let value = if key != "timeout" && u.ratio(1, 4)? {
            escaped(u)?
        } else {
            (*u.choose(&QUERY_VALUES)?).to_owned()
        };
        query.push_str(&value);
    }
    Ok(query)
}

/// The target, if a URI can be made of it at all.
fn targeted(target: String) -> String {
    match Uri::try_from(target.as_str()) {
        Ok(_) => target,
        Err(_) => format!("/{}", percent_encode(&target[..target.len().min(1000)])),
    }
}

type Headers = Vec<(HeaderName, HeaderValue)>;

fn experiment_header(u: &mut Unstructured<'_>, experiment: &str, cast: &Cast, into: &mut Headers) -> Result<()> {
    let choice = u.int_in_range(0..=15_u8)?;
    if choice != 13 {
        let value = match choice {
            14 => cast.unseeded.as_bytes(),
            15 => b"\xff\xfe",
            _ => experiment.as_bytes(),
        };
        header(EXPERIMENT_HEADER, value, into);
    }
    if choice == 12 {
        header(EXPERIMENT_HEADER, cast.unseeded.as_bytes(), into);
    }
    Ok(())
}

fn authorization(u: &mut Unstructured<'_>, cast: &Cast, into: &mut Headers) -> Result<()> {
    let principal = match u.int_in_range(0..=9_u8)? {
        0..=4 => &cast.workers[0],
        5 => &cast.workers[1],
        6 => &cast.deployment_worker,
        7 => "wkr_7zzzzzzzzzzzzzzzzzzzzzzzzz",
        8 => return Ok(()),
        _ => {
            let junk = [
                b"Bearer ".as_slice(),
                b"Bearer \xff:",
                b"Basic x",
                b"bearer admin:",
                b":",
                b"Bearer wkr_:x",
            ];
            header("authorization", u.choose(&junk)?, into);
            return Ok(());
        }
    };
    header("authorization", format!("Bearer {principal}:x").as_bytes(), into);
    Ok(())
}

fn other_headers(u: &mut Unstructured<'_>, into: &mut Headers) -> Result<()> {
    for _ in 0..u.int_in_range(0..=2_u8)? {
        let name = *u.choose(&[
            "if-none-match",
            "last-event-id",
            "host",
            "content-encoding",
            "content-length",
            "transfer-encoding",
            "expect",
            "x-forwarded-host",
        ])?;
        let value = *u.choose(&[
            b"*".as_slice(),
            b"",
            b"0",
            b"-1",
            b"99999999999999999999",
            b"\xff",
            b"W/\"\", \"a,b\"",
            b"gzip",
            b"chunked",
            b"100-continue",
            b"evil.example:99999/\\",
        ])?;
        header(name, value, into);
    }
    Ok(())
}
