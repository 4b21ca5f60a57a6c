//! The route table: every path of the console, as data.
//!
//! The gate, the bare-path redirects, the list in `docs/routes.md` and the tests all read this table. A route that is not
//! here does not exist, and each row has to say who may use it.

use std::sync::LazyLock;

use poem::http::Method;
use poem::{Endpoint, Request, Response, Route, RouteMethod};

use crate::protocol::percent_decode;
use crate::web::assets::Assets;
use crate::web::auth::Audience;
use crate::web::pages;
use crate::web::request::{HtmxRequest, Target};
use crate::web::stream;

use Answer::{BarePath, Files, Machine, Page, Redirect, Stream, Write};
use Audience::{Administrator, Monitor, Open, SignedIn};

/// What a route answers with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// A page, or a part of one.
    Page,
    /// A redirect to the same page of the active experiment.
    BarePath,
    /// A redirect to another page.
    Redirect,
    /// What became of a form.
    Write,
    /// A stream of events.
    Stream,
    /// Something for programs.
    Machine,
    /// Files; the pattern is the beginning of their paths.
    Files,
}

/// A row of the route table.
#[derive(Clone)]
struct Row {
    /// As poem's: `:name` stands for one segment, `*name` for the rest.
    pattern: &'static str,
    method: Method,
    audience: Audience,
    answer: Answer,
    /// Whether the handler needs the request's context.
    needs_context: bool,
    handler: fn(RouteMethod) -> RouteMethod,
}

/// A row as data, for tests and documents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteInfo {
    /// As poem's: `:name` stands for one segment, `*name` for the rest.
    pub pattern: &'static str,
    /// `GET` or `POST`.
    pub method: Method,
    /// Who may use it, in one or two words.
    pub audience: &'static str,
    /// What it answers with.
    pub answer: Answer,
    /// Whether a request for it shows that the operator did something.
    pub is_activity: bool,
}

/// Every route that is written down, a line each. [`TABLE`] has those that follow from them too.
#[rustfmt::skip]
static ROUTES: &[Row] = &[
    // Bare paths of the role pages lead to the active experiment.
    get("/ideator/*rest", SignedIn, BarePath, |on| on.get(pages::home::get)),
    post("/ideator/*rest", SignedIn, |on| on.post(pages::home::post)),
    get("/executor/*rest", SignedIn, BarePath, |on| on.get(pages::home::get)),
    post("/executor/*rest", SignedIn, |on| on.post(pages::home::post)),
    get("/evaluator/*rest", SignedIn, BarePath, |on| on.get(pages::home::get)),
    post("/evaluator/*rest", SignedIn, |on| on.post(pages::home::post)),
    // Signing in and out.
    get("/signin", Open, Page, |on| on.get(pages::sign_in::get)),
    post("/signin", Open, |on| on.post(pages::sign_in::post)),
    post("/signout", SignedIn, |on| on.post(pages::sign_in::sign_out)).without_context(),
    // One experiment.
    get("/x/:experiment/", SignedIn, Page, |on| on.get(pages::overview::get)),
    get("/x/:experiment/live", SignedIn, Stream, |on| on.get(stream::experiment)),
    get("/x/:experiment/admin/tasks/", Administrator, Page, |on| on.get(pages::tasks::get)),
    get("/x/:experiment/admin/tasks/:task/", Administrator, Page, |on| on.get(pages::task::get)),
    get("/x/:experiment/admin/ideas/", Administrator, Page, |on| on.get(pages::ideas::get)),
    get("/x/:experiment/admin/ideas/:idea/", Administrator, Page, |on| on.get(pages::idea::get)),
    get("/x/:experiment/admin/variants/", Administrator, Page, |on| on.get(pages::variants::get)),
    get("/x/:experiment/admin/variants/:variant/", Administrator, Page, |on| on.get(pages::variant::get)),
    get("/x/:experiment/admin/events/", Administrator, Page, |on| on.get(pages::events::get)),
    get("/x/:experiment/admin/seed", Administrator, Redirect, |on| on.get(pages::seed::get)),
    post("/x/:experiment/admin/seed", Administrator, |on| on.post(pages::seed::post)),
    get("/x/by-name/:name", SignedIn, Page, |on| on.get(pages::by_name::get)),
    // The deployment's experiments. Selecting one is for every operator: what they may do there is decided there.
    get("/live", SignedIn, Stream, |on| on.get(stream::fleet)),
    get("/switch", SignedIn, Page, |on| on.get(pages::switch::get)),
    get("/admin/experiments/", Administrator, Page, |on| on.get(pages::experiments::get)),
    post("/admin/experiments/register", Administrator, |on| on.post(pages::experiments::post)),
    post("/admin/experiments/clear-selection", SignedIn, |on| on.post(pages::select::clear)),
    post("/admin/experiments/:experiment/select", SignedIn, |on| on.post(pages::select::Select)),
    get("/admin/experiments/:experiment/unregister", Administrator, Page, |on| on.get(pages::unregister::get)),
    post("/admin/experiments/:experiment/unregister", Administrator, |on| on.post(pages::unregister::post)),
    // The deployment's workers and groups.
    get("/admin/control/workers/", Administrator, Page, |on| on.get(pages::workers::get)),
    post("/admin/control/workers/", Administrator, |on| on.post(pages::workers::post)),
    get("/admin/control/workers/:worker/", Administrator, Page, |on| on.get(pages::worker::get)),
    post("/admin/control/workers/:worker/reissue-credential", Administrator, |on| on.post(pages::worker::reissue)),
    get("/admin/control/groups/", Administrator, Page, |on| on.get(pages::groups::get)),
    post("/admin/control/groups/", Administrator, |on| on.post(pages::groups::post)),
    get("/admin/control/groups/:group/", Administrator, Page, |on| on.get(pages::group::get)),
    post("/admin/control/groups/:group/members", Administrator, |on| on.post(pages::group::add)),
    post("/admin/control/groups/:group/members/:member/remove", Administrator, |on| on.post(pages::group::remove)),
    post("/admin/control/groups/:group/delete", Administrator, |on| on.post(pages::group::delete)),
    // Machinery.
    get("/healthz", Open, Machine, |on| on.get(pages::home::healthz)),
    get("/metrics", Monitor, Machine, |on| on.get(pages::metrics::get)),
    get("/assets", Open, Files, |on| on),
];

const fn get(
    pattern: &'static str,
    audience: Audience,
    answer: Answer,
    handler: fn(RouteMethod) -> RouteMethod,
) -> Row {
    Row {
        pattern,
        method: Method::GET,
        audience,
        answer,
        needs_context: !matches!(audience, Open | Monitor),
        handler,
    }
}

const fn post(pattern: &'static str, audience: Audience, handler: fn(RouteMethod) -> RouteMethod) -> Row {
    Row {
        pattern,
        method: Method::POST,
        audience,
        answer: Write,
        needs_context: !matches!(audience, Open | Monitor),
        handler,
    }
}

/// The whole route table: a bare path for each page of an experiment, then [`ROUTES`].
static TABLE: LazyLock<Vec<Row>> = LazyLock::new(|| {
    let bare_paths = ROUTES.iter().filter(|row| row.answer == Page).filter_map(|row| {
        let pattern = row.pattern.strip_prefix("/x/:experiment")?;
        Some(get(pattern, row.audience, BarePath, |on| on.get(pages::home::get)))
    });
    bare_paths.chain(ROUTES.iter().cloned()).collect()
});

impl Row {
    /// The same row for a handler that needs no context, and so waits for no server.
    const fn without_context(mut self) -> Self {
        self.needs_context = false;
        self
    }

    /// Whether a request for it shows that the operator did something. A page's stream and what programs ask for go on
    /// when nobody sits in front of it.
    fn is_activity(&self) -> bool {
        self.audience >= SignedIn && matches!(self.answer, Page | BarePath | Redirect | Write)
    }

    /// Whether a path, by its segments, is one of this row's: byte for byte, nothing decoded, a parameter never empty. poem
    /// lets a parameter be empty; such a path is in no row here, so it is answered as unknown before poem sees it.
    fn fits(&self, path: &[&str]) -> bool {
        let is_tail = self.answer == Files || self.pattern.contains('*');
        let mut segments = path.iter();
        for name in self.pattern.split('/') {
            match segments.next() {
                Some(_) if name.starts_with('*') => return true,
                Some(segment) if name == *segment => {}
                Some(segment) if name.starts_with(':') && !segment.is_empty() => {}
                _ => return false,
            }
        }
        match segments.next() {
            None => self.answer != Files,
            Some(_) => is_tail,
        }
    }

    /// Whether it answers a method. HEAD counts as GET.
    fn takes(&self, method: &Method) -> bool {
        self.method == *method || (self.method == Method::GET && *method == Method::HEAD)
    }
}

/// The row that a request is for. Where several patterns fit, the one whose first differing segment is literal.
fn row_of(method: &Method, path: &[&str]) -> Option<&'static Row> {
    let rows = TABLE.iter().filter(|row| row.takes(method) && row.fits(path));
    // A parameter sorts before every letter of a literal segment, and so does a tail.
    rows.max_by_key(|row| row.pattern.replace([':', '*'], "\0"))
}

/// Who may use a path of which no row takes the method, or that is not in the table.
fn audience_of_unmatched(path: &str, segments: &[&str]) -> Audience {
    match TABLE.iter().any(|row| row.audience == Open && row.fits(segments)) {
        true => Open,
        false => Audience::of_unknown_path(path),
    }
}

/// What the table says of a request.
pub(crate) fn target_of(request: &Request) -> Target {
    let path = request.uri().path();
    let segments: Vec<_> = path.split('/').collect();
    let row = row_of(request.method(), &segments);
    let htmx = HtmxRequest::of(request);
    let audience = row.map_or_else(|| audience_of_unmatched(path, &segments), |row| row.audience);
    Target {
        is_known: row.is_some() || TABLE.iter().any(|row| row.fits(&segments)),
        needs_context: row.map_or(audience == Administrator, |row| row.needs_context),
        audience,
        is_activity: row.is_some_and(Row::is_activity) && !htmx.scope.is_refresh(),
        waits_for_list: row.is_none_or(|row| row.answer != Stream),
        experiment: row
            .filter(|row| row.pattern.starts_with("/x/:experiment/"))
            .map(|_| decoded(segments[2])),
        htmx,
    }
}

/// A segment of a path as text; as it stands where it does not decode to text.
fn decoded(segment: &str) -> String {
    let text = percent_decode(segment).and_then(|bytes| String::from_utf8(bytes).ok());
    text.unwrap_or_else(|| segment.to_owned())
}

/// All routes as one endpoint.
pub(crate) fn endpoint() -> impl Endpoint<Output = Response> {
    let mut patterns: Vec<_> = TABLE
        .iter()
        .filter(|row| row.answer != Files)
        .map(|row| row.pattern)
        .collect();
    patterns.sort_unstable();
    patterns.dedup();
    let routes = patterns.into_iter().fold(Route::new(), |routes, pattern| {
        let rows = TABLE.iter().filter(|row| row.pattern == pattern);
        routes.at(pattern, rows.fold(RouteMethod::new(), |on, row| (row.handler)(on)))
    });
    routes.nest("/assets", Assets)
}

/// The table as data.
pub fn routes() -> impl Iterator<Item = RouteInfo> {
    TABLE.iter().map(|row| RouteInfo {
        pattern: row.pattern,
        method: row.method.clone(),
        audience: row.audience.word(),
        answer: row.answer,
        is_activity: row.is_activity(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::auth::audience::is_admin_path;

    fn audience(method: Method, path: &str) -> Audience {
        let request = Request::builder().method(method).uri(path.parse().expect("a path"));
        target_of(&request.finish()).audience
    }

    #[test]
    fn what_stands_below_admin_is_for_administrators_except_selecting() {
        let selecting = [
            "/admin/experiments/clear-selection",
            "/admin/experiments/:experiment/select",
        ];
        for row in TABLE.iter() {
            let is_admin = row.audience == Administrator;
            let expected = is_admin_path(row.pattern) && !selecting.contains(&row.pattern);
            assert_eq!(is_admin, expected, "{} {}", row.method, row.pattern);
        }
    }

    #[test]
    fn selecting_is_for_every_operator_and_nothing_like_it_is() {
        const E: &str = "exp_00000000000000000000000000";
        let selecting = [
            format!("/admin/experiments/{E}/select"),
            "/admin/experiments/nonsense/select".to_owned(),
            "/admin/experiments/clear-selection".to_owned(),
        ];
        for path in &selecting {
            assert_eq!(audience(Method::POST, path), SignedIn, "{path}");
            for method in [Method::GET, Method::HEAD, Method::PUT, Method::DELETE, Method::OPTIONS] {
                assert_eq!(audience(method.clone(), path), Administrator, "{method} {path}");
            }
        }
        for path in [
            "/admin/experiments/select",
            "/admin/experiments//select",
            "/admin/experiments/a/b/select",
            "/admin/experiments/a/select/",
            "/admin/experiments/a/unregister",
            "/admin/experiments/clear-selection/",
            "/admin/experiments/CLEAR-SELECTION",
            "/Admin/experiments/a/select",
            "/admin/control/workers/a/select",
            "/x/E/admin/experiments/a/select",
        ] {
            assert_eq!(audience(Method::POST, path), Administrator, "{path}");
        }
    }

    #[test]
    fn few_paths_are_open() {
        for path in ["/healthz", "/signin", "/assets/console-1.js"] {
            assert_eq!(audience(Method::GET, path), Open, "{path}");
        }
        for path in [
            "/",
            "/healthz/",
            "/signin/",
            "/assets",
            "/signout",
            "/live",
            "/Signin",
            "/nowhere",
        ] {
            assert_eq!(audience(Method::GET, path), SignedIn, "{path}");
        }
        assert_eq!(audience(Method::GET, "/metrics"), Monitor);
    }

    #[test]
    fn a_literal_segment_goes_before_a_parameter() {
        let pattern = |path: &str| {
            let segments: Vec<_> = str::split(path, '/').collect();
            row_of(&Method::GET, &segments).map(|row| row.pattern)
        };
        assert_eq!(pattern("/x/by-name/live"), Some("/x/by-name/:name"));
        assert_eq!(pattern("/x/E/live"), Some("/x/:experiment/live"));
        assert_eq!(pattern("/ideator/"), Some("/ideator/*rest"));
        assert_eq!(pattern("/ideator"), None);
        assert_eq!(pattern("/admin/tasks/t/"), Some("/admin/tasks/:task/"));
        for path in ["/x//", "/x//live", "/x//admin/tasks/", "/admin/tasks//"] {
            assert_eq!(pattern(path), None, "{path}");
        }
    }
}
