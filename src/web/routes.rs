//! The route table: every path of the console, as data.
//!
//! The gate, the bare-path redirects, the list in `docs/routes.md` and the tests all read this table. A route that is not
//! here does not exist, and each row has to say who may use it.

use poem::endpoint::BoxEndpoint;
use poem::http::Method;
use poem::{Endpoint, EndpointExt, Request, Response, Route, RouteMethod};

use crate::protocol::percent_decode;
use crate::web::assets::Assets;
use crate::web::auth::audience::Audience;
use crate::web::pages::{
    by_name, events, experiments, group, groups, home, idea, ideas, metrics, overview, seed, select, sign_in, task,
    tasks, unregister, variant, variants, worker, workers,
};
use crate::web::request::htmx::{HtmxRequest, PageScope};
use crate::web::request::target::Target;
use crate::web::stream;

/// What a route answers with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// A page, or a part of one.
    Page,
    /// A redirect to the same page of the active experiment.
    BarePath,
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
pub(crate) struct Row {
    /// As poem's: `:name` stands for one segment, `*name` for the rest.
    pub pattern: &'static str,
    pub method: Method,
    pub audience: Audience,
    pub answer: Answer,
    endpoint: fn() -> BoxEndpoint<'static>,
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

use Answer::{BarePath, Files, Machine, Page, Stream, Write};
use Audience::{Administrator, Monitor, Open, SignedIn};

/// Every route, a line each.
#[rustfmt::skip]
pub(crate) static ROUTES: &[Row] = &[
    // Bare paths lead to the active experiment.
    get("/", SignedIn, BarePath, || home::get.boxed()),
    get("/admin/tasks/", Administrator, BarePath, || home::get.boxed()),
    get("/admin/ideas/", Administrator, BarePath, || home::get.boxed()),
    get("/admin/variants/", Administrator, BarePath, || home::get.boxed()),
    get("/admin/events/", Administrator, BarePath, || home::get.boxed()),
    get("/admin/tasks/:task/", Administrator, BarePath, || home::get.boxed()),
    get("/admin/ideas/:idea/", Administrator, BarePath, || home::get.boxed()),
    get("/admin/variants/:variant/", Administrator, BarePath, || home::get.boxed()),
    get("/ideator/*rest", SignedIn, BarePath, || home::get.boxed()),
    post("/ideator/*rest", SignedIn, || home::post.boxed()),
    get("/executor/*rest", SignedIn, BarePath, || home::get.boxed()),
    post("/executor/*rest", SignedIn, || home::post.boxed()),
    get("/evaluator/*rest", SignedIn, BarePath, || home::get.boxed()),
    post("/evaluator/*rest", SignedIn, || home::post.boxed()),
    // Signing in and out.
    get("/signin", Open, Page, || sign_in::get.boxed()),
    post("/signin", Open, || sign_in::post.boxed()),
    post("/signout", SignedIn, || sign_in::sign_out.boxed()),
    // One experiment.
    get("/x/:experiment/", SignedIn, Page, || overview::get.boxed()),
    get("/x/:experiment/live", SignedIn, Stream, || stream::experiment.boxed()),
    get("/x/:experiment/admin/tasks/", Administrator, Page, || tasks::get.boxed()),
    get("/x/:experiment/admin/tasks/:task/", Administrator, Page, || task::get.boxed()),
    get("/x/:experiment/admin/ideas/", Administrator, Page, || ideas::get.boxed()),
    get("/x/:experiment/admin/ideas/:idea/", Administrator, Page, || idea::get.boxed()),
    get("/x/:experiment/admin/variants/", Administrator, Page, || variants::get.boxed()),
    get("/x/:experiment/admin/variants/:variant/", Administrator, Page, || variant::get.boxed()),
    get("/x/:experiment/admin/events/", Administrator, Page, || events::get.boxed()),
    get("/x/:experiment/admin/seed", Administrator, BarePath, || seed::get.boxed()),
    post("/x/:experiment/admin/seed", Administrator, || seed::post.boxed()),
    get("/x/by-name/:name", SignedIn, Page, || by_name::get.boxed()),
    // The deployment's experiments. Selecting one is for every operator: what they may do there is decided there.
    get("/live", SignedIn, Stream, || stream::fleet.boxed()),
    get("/admin/experiments/", Administrator, Page, || experiments::get.boxed()),
    post("/admin/experiments/register", Administrator, || experiments::post.boxed()),
    post("/admin/experiments/clear-selection", SignedIn, || select::clear.boxed()),
    post("/admin/experiments/:experiment/select", SignedIn, || select::Select.boxed()),
    get("/admin/experiments/:experiment/unregister", Administrator, Page, || unregister::get.boxed()),
    post("/admin/experiments/:experiment/unregister", Administrator, || unregister::post.boxed()),
    // The deployment's workers and groups.
    get("/admin/control/workers/", Administrator, Page, || workers::get.boxed()),
    post("/admin/control/workers/", Administrator, || workers::post.boxed()),
    get("/admin/control/workers/:worker/", Administrator, Page, || worker::get.boxed()),
    post("/admin/control/workers/:worker/reissue-credential", Administrator, || worker::reissue.boxed()),
    get("/admin/control/groups/", Administrator, Page, || groups::get.boxed()),
    post("/admin/control/groups/", Administrator, || groups::post.boxed()),
    get("/admin/control/groups/:group/", Administrator, Page, || group::get.boxed()),
    post("/admin/control/groups/:group/members", Administrator, || group::add.boxed()),
    post("/admin/control/groups/:group/members/:member/remove", Administrator, || group::remove.boxed()),
    post("/admin/control/groups/:group/delete", Administrator, || group::delete.boxed()),
    // Machinery.
    get("/healthz", Open, Machine, || home::healthz.boxed()),
    get("/metrics", Monitor, Machine, || metrics::get.boxed()),
    get("/assets", Open, Files, || Assets.boxed()),
];

const fn get(pattern: &'static str, audience: Audience, answer: Answer, endpoint: fn() -> BoxEndpoint<'static>) -> Row {
    Row {
        pattern,
        method: Method::GET,
        audience,
        answer,
        endpoint,
    }
}

const fn post(pattern: &'static str, audience: Audience, endpoint: fn() -> BoxEndpoint<'static>) -> Row {
    Row {
        pattern,
        method: Method::POST,
        audience,
        answer: Write,
        endpoint,
    }
}

impl Row {
    /// Whether a request for it shows that the operator did something. A page's stream and what programs ask for go on
    /// when nobody sits in front of it.
    fn is_activity(&self) -> bool {
        matches!(self.answer, Page | BarePath | Write)
    }

    /// Whether a path is one of this row's.
    fn fits(&self, path: &str) -> bool {
        match self.answer {
            Files => path
                .strip_prefix(self.pattern)
                .is_some_and(|file| file.starts_with('/')),
            _ => matches(self.pattern, path),
        }
    }

    /// Whether it answers a method. HEAD counts as GET.
    fn takes(&self, method: &Method) -> bool {
        self.method == *method || (self.method == Method::GET && *method == Method::HEAD)
    }
}

/// Whether a path fits a pattern, as poem compares them: byte for byte, nothing decoded, a parameter never empty.
fn matches(pattern: &str, path: &str) -> bool {
    let (mut pattern, mut path) = (pattern.split('/'), path.split('/'));
    loop {
        match (pattern.next(), path.next()) {
            (None, None) => return true,
            (Some(rest), Some(_)) if rest.starts_with('*') => return true,
            (Some(name), Some(segment)) if name.starts_with(':') => {
                if segment.is_empty() {
                    return false;
                }
            }
            (Some(name), Some(segment)) if name == segment => {}
            _ => return false,
        }
    }
}

/// The row that a request is for. Where several patterns fit, the one whose first differing segment is literal.
fn row_of(method: &Method, path: &str) -> Option<&'static Row> {
    let is_literal = |row: &&Row| -> Vec<bool> {
        let segments = row.pattern.split('/');
        segments.map(|segment| !segment.starts_with([':', '*'])).collect()
    };
    let rows = ROUTES.iter().filter(|row| row.takes(method) && row.fits(path));
    rows.max_by_key(is_literal)
}

/// Who may use a path of which no row takes the method, or that is not in the table.
fn audience_of_unmatched(path: &str) -> Audience {
    match ROUTES.iter().any(|row| row.audience == Open && row.fits(path)) {
        true => Open,
        false => Audience::of_unknown_path(path),
    }
}

/// What the table says of a request.
pub(crate) fn target_of(request: &Request) -> Target {
    let path = request.uri().path();
    let row = row_of(request.method(), path);
    let is_region = matches!(HtmxRequest::of(request).scope, PageScope::Region(_));
    Target {
        audience: row.map_or_else(|| audience_of_unmatched(path), |row| row.audience),
        is_activity: row.is_some_and(Row::is_activity) && !is_region,
        waits_for_list: row.is_none_or(|row| row.answer != Stream),
        experiment: row
            .filter(|row| row.pattern.starts_with("/x/:experiment/"))
            .and_then(|_| path.split('/').nth(2))
            .map(|id| String::from_utf8(percent_decode(id).unwrap_or_default()).unwrap_or_default()),
    }
}

/// All routes as one endpoint.
pub(crate) fn endpoint() -> impl Endpoint<Output = Response> {
    let mut route = Route::new();
    let mut patterns: Vec<&str> = Vec::new();
    for row in ROUTES {
        if patterns.contains(&row.pattern) {
            continue;
        }
        patterns.push(row.pattern);
        if row.answer == Files {
            route = route.nest(row.pattern, (row.endpoint)());
            continue;
        }
        let of_pattern = ROUTES.iter().filter(|other| other.pattern == row.pattern);
        let methods = of_pattern.fold(RouteMethod::new(), |methods, row| {
            methods.method(row.method.clone(), (row.endpoint)())
        });
        route = route.at(row.pattern, methods);
    }
    route.map_to_response()
}

/// The table as data.
pub fn routes() -> impl Iterator<Item = RouteInfo> {
    ROUTES.iter().map(|row| RouteInfo {
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
        for row in ROUTES {
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
        let pattern = |path| row_of(&Method::GET, path).map(|row| row.pattern);
        assert_eq!(pattern("/x/by-name/live"), Some("/x/by-name/:name"));
        assert_eq!(pattern("/x/E/live"), Some("/x/:experiment/live"));
        assert_eq!(pattern("/ideator/"), Some("/ideator/*rest"));
        assert_eq!(pattern("/ideator"), None);
        assert_eq!(pattern("/x//"), None);
    }
}
