//! The route table: every path of the console, as data.
//!
//! The gate, the bare-path redirects, the list in `docs/routes.md` and the tests all read this table. A route that is not
//! here does not exist, and each row has to say who may use it.

use std::sync::LazyLock;

use poem::endpoint::BoxEndpoint;
use poem::http::Method;
use poem::{Endpoint, EndpointExt, Request, Response, Route, RouteMethod};

use crate::protocol::percent_decode;
use crate::web::assets::Assets;
use crate::web::auth::audience::Audience;
use crate::web::pages;
use crate::web::request::htmx::{HtmxRequest, PageScope};
use crate::web::request::target::Target;
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

/// Every route that is written down, a line each. [`TABLE`] has those that follow from them too.
#[rustfmt::skip]
static ROUTES: &[Row] = &[
    // Bare paths of the role pages lead to the active experiment.
    get("/ideator/*rest", SignedIn, BarePath, || pages::home::get.boxed()),
    post("/ideator/*rest", SignedIn, || pages::home::post.boxed()),
    get("/executor/*rest", SignedIn, BarePath, || pages::home::get.boxed()),
    post("/executor/*rest", SignedIn, || pages::home::post.boxed()),
    get("/evaluator/*rest", SignedIn, BarePath, || pages::home::get.boxed()),
    post("/evaluator/*rest", SignedIn, || pages::home::post.boxed()),
    // Signing in and out.
    get("/signin", Open, Page, || pages::sign_in::get.boxed()),
    post("/signin", Open, || pages::sign_in::post.boxed()),
    post("/signout", SignedIn, || pages::sign_in::sign_out.boxed()).without_context(),
    // One experiment.
    get("/x/:experiment/", SignedIn, Page, || pages::overview::get.boxed()),
    get("/x/:experiment/live", SignedIn, Stream, || stream::experiment.boxed()),
    get("/x/:experiment/admin/tasks/", Administrator, Page, || pages::tasks::get.boxed()),
    get("/x/:experiment/admin/tasks/:task/", Administrator, Page, || pages::task::get.boxed()),
    get("/x/:experiment/admin/ideas/", Administrator, Page, || pages::ideas::get.boxed()),
    get("/x/:experiment/admin/ideas/:idea/", Administrator, Page, || pages::idea::get.boxed()),
    get("/x/:experiment/admin/variants/", Administrator, Page, || pages::variants::get.boxed()),
    get("/x/:experiment/admin/variants/:variant/", Administrator, Page, || pages::variant::get.boxed()),
    get("/x/:experiment/admin/events/", Administrator, Page, || pages::events::get.boxed()),
    get("/x/:experiment/admin/seed", Administrator, Redirect, || pages::seed::get.boxed()),
    post("/x/:experiment/admin/seed", Administrator, || pages::seed::post.boxed()),
    get("/x/by-name/:name", SignedIn, Page, || pages::by_name::get.boxed()),
    // The deployment's experiments. Selecting one is for every operator: what they may do there is decided there.
    get("/live", SignedIn, Stream, || stream::fleet.boxed()),
    get("/admin/experiments/", Administrator, Page, || pages::experiments::get.boxed()),
    post("/admin/experiments/register", Administrator, || pages::experiments::post.boxed()),
    post("/admin/experiments/clear-selection", SignedIn, || pages::select::clear.boxed()),
    post("/admin/experiments/:experiment/select", SignedIn, || pages::select::Select.boxed()),
    get("/admin/experiments/:experiment/unregister", Administrator, Page, || pages::unregister::get.boxed()),
    post("/admin/experiments/:experiment/unregister", Administrator, || pages::unregister::post.boxed()),
    // The deployment's workers and groups.
    get("/admin/control/workers/", Administrator, Page, || pages::workers::get.boxed()),
    post("/admin/control/workers/", Administrator, || pages::workers::post.boxed()),
    get("/admin/control/workers/:worker/", Administrator, Page, || pages::worker::get.boxed()),
    post("/admin/control/workers/:worker/reissue-credential", Administrator, || pages::worker::reissue.boxed()),
    get("/admin/control/groups/", Administrator, Page, || pages::groups::get.boxed()),
    post("/admin/control/groups/", Administrator, || pages::groups::post.boxed()),
    get("/admin/control/groups/:group/", Administrator, Page, || pages::group::get.boxed()),
    post("/admin/control/groups/:group/members", Administrator, || pages::group::add.boxed()),
    post("/admin/control/groups/:group/members/:member/remove", Administrator, || pages::group::remove.boxed()),
    post("/admin/control/groups/:group/delete", Administrator, || pages::group::delete.boxed()),
    // Machinery.
    get("/healthz", Open, Machine, || pages::home::healthz.boxed()),
    get("/metrics", Monitor, Machine, || pages::metrics::get.boxed()),
    get("/assets", Open, Files, || Assets.boxed()),
];

const fn get(pattern: &'static str, audience: Audience, answer: Answer, endpoint: fn() -> BoxEndpoint<'static>) -> Row {
    Row {
        pattern,
        method: Method::GET,
        audience,
        answer,
        needs_context: !matches!(audience, Open | Monitor),
        endpoint,
    }
}

const fn post(pattern: &'static str, audience: Audience, endpoint: fn() -> BoxEndpoint<'static>) -> Row {
    Row {
        pattern,
        method: Method::POST,
        audience,
        answer: Write,
        needs_context: !matches!(audience, Open | Monitor),
        endpoint,
    }
}

/// The whole route table: a bare path for each page of an experiment, then [`ROUTES`].
static TABLE: LazyLock<Vec<Row>> = LazyLock::new(|| {
    let bare_paths = ROUTES.iter().filter(|row| row.answer == Page).filter_map(|row| {
        let pattern = row.pattern.strip_prefix("/x/:experiment")?;
        Some(get(pattern, row.audience, BarePath, || pages::home::get.boxed()))
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

/// Whether a path fits a pattern: byte for byte, nothing decoded, a parameter never empty. poem lets a parameter be empty;
/// such a path is in no row here, so it is answered as unknown before poem sees it.
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
    let rows = TABLE.iter().filter(|row| row.takes(method) && row.fits(path));
    rows.max_by_key(is_literal)
}

/// Who may use a path of which no row takes the method, or that is not in the table.
fn audience_of_unmatched(path: &str) -> Audience {
    match TABLE.iter().any(|row| row.audience == Open && row.fits(path)) {
        true => Open,
        false => Audience::of_unknown_path(path),
    }
}

/// What the table says of a request.
pub(crate) fn target_of(request: &Request) -> Target {
    let path = request.uri().path();
    let row = row_of(request.method(), path);
    let is_region = matches!(HtmxRequest::of(request).scope, PageScope::Region(_));
    let audience = row.map_or_else(|| audience_of_unmatched(path), |row| row.audience);
    Target {
        is_known: row.is_some() || TABLE.iter().any(|row| row.fits(path)),
        needs_context: row.map_or(audience == Administrator, |row| row.needs_context),
        audience,
        is_activity: row.is_some_and(Row::is_activity) && !is_region,
        waits_for_list: row.is_none_or(|row| row.answer != Stream),
        experiment: row
            .filter(|row| row.pattern.starts_with("/x/:experiment/"))
            .and_then(|_| path.split('/').nth(2))
            .map(decoded),
    }
}

/// A segment of a path as text; as it stands where it does not decode to text.
fn decoded(segment: &str) -> String {
    let text = percent_decode(segment).and_then(|bytes| String::from_utf8(bytes).ok());
    text.unwrap_or_else(|| segment.to_owned())
}

/// All routes as one endpoint.
pub(crate) fn endpoint() -> impl Endpoint<Output = Response> {
    let mut route = Route::new();
    let mut patterns: Vec<&str> = Vec::new();
    for row in TABLE.iter() {
        if patterns.contains(&row.pattern) {
            continue;
        }
        patterns.push(row.pattern);
        if row.answer == Files {
            route = route.nest(row.pattern, (row.endpoint)());
            continue;
        }
        let of_pattern = TABLE.iter().filter(|other| other.pattern == row.pattern);
        let methods = of_pattern.fold(RouteMethod::new(), |methods, row| {
            methods.method(row.method.clone(), (row.endpoint)())
        });
        route = route.at(row.pattern, methods);
    }
    route.map_to_response()
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
        let pattern = |path| row_of(&Method::GET, path).map(|row| row.pattern);
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
