//! Who may pass where. Two middlewares around the whole route table decide, by the path alone, so that a page cannot be
//! forgotten: nothing but signing in, the assets and the health check answers who is not signed in (a monitoring system shows a token of
//! its own for the metrics), and nothing below `/admin` or `/x/{E}/admin` answers who does not administer.

use std::sync::Arc;

use jiff::SignedDuration;
use poem::http::{Method, header};
use poem::session::Session;
use secrecy::ExposeSecret;
use subtle::ConstantTimeEq;

use poem::{Endpoint, FromRequest, IntoResponse, Request, Response, Result};

use super::console::Console;
use super::context::{Context, Followed};
use super::error::{Fault, PageError};
use super::frame::{Frame, Want, experiment_of};
use super::same_origin::comes_from_here;
use super::session::{Operator, SignedIn};
use super::urls;
use crate::live::{Freshness, Unavailability};
use crate::protocol::{WorkerId, percent_decode};

/// What the operator may do, as of this request.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Role {
    /// Everything.
    Administrator,
    /// Work and read; they are not in the group `admins`.
    Other,
    /// Read what was known when they were last known to administer; whether they still do cannot be known.
    Formerly(Unavailability),
    /// Work and read, for as long as it is not known whether they administer.
    Unknown(Unavailability),
}

impl Role {
    /// Whether they may pass the gate, and change what is behind it.
    pub fn administers(&self) -> bool {
        matches!(self, Self::Administrator)
    }

    /// Whether they may look at what is behind the gate.
    pub fn may_look(&self) -> bool {
        matches!(self, Self::Administrator | Self::Formerly(_))
    }

    /// A link, unless it leads where they may not go.
    pub fn link(&self, href: String) -> Option<String> {
        let path = href.split(['?', '#']).next().unwrap_or_default();
        (self.may_look() || !is_gated(path)).then_some(href)
    }
}

/// What is shown of an outage may be this much younger than what is known of who administered.
const LATELY: SignedDuration = SignedDuration::from_secs(60);

impl Console {
    /// What an operator may do now. While the server that tells who administers is known not to answer, nobody waits for
    /// it to fail once more.
    pub async fn role(&self, operator: &Operator) -> Role {
        match (operator, self.live.admins_outage()) {
            (Operator::Link, _) => Role::Administrator,
            (Operator::Worker { .. }, Some(trouble)) => Role::Unknown(trouble),
            (Operator::Worker { id, .. }, None) => match self.live.admins().contains(id).await {
                Ok(true) => Role::Administrator,
                Ok(false) => Role::Other,
                Err(trouble) => Role::Unknown(trouble),
            },
        }
    }

    /// What they may do where nothing is changed.
    ///
    /// Of an outage is shown what was known before it. Whoever administered then may look at that: no decision about the
    /// present is made from old news, and nothing is shown that they could not have seen when it was new.
    pub async fn role_seen(&self, operator: &Operator, path: &str) -> Role {
        match (self.role(operator).await, operator) {
            (Role::Unknown(trouble), Operator::Worker { id, .. }) if self.was_shown_to(id, path) => {
                Role::Formerly(trouble)
            }
            (known, _) => known,
        }
    }

    /// Whether what stands at `path` is of an outage, and from when the worker administered.
    fn was_shown_to(&self, worker: &WorkerId, path: &str) -> bool {
        let freshness = match experiment_of(path) {
            Some(id) => self
                .live
                .existing_mirror(&id)
                .map(|mirror| mirror.view().freshness.clone()),
            None => Some(self.live.registry().view().freshness.clone()),
        };
        match (freshness, self.live.admins().last_known_admin_at(worker)) {
            (Some(Freshness::Stale { since, cause }), Some(at)) if cause.kind.is_outage() => {
                since.instant().duration_since(at.instant()) <= LATELY
            }
            _ => false,
        }
    }
}

/// Middleware for the whole table: whoever is not signed in, or is sent here by another site, gets no further.
pub(crate) async fn signed_in_only<E: Endpoint>(next: Arc<E>, mut request: Request) -> Result<Response> {
    let console = console_of(&request)?;
    if !is_open(request.uri().path()) && !is_scrape(&request, &console) {
        let session = <&Session>::from_request_without_body(&request).await?.clone();
        let signed_in = console.sessions.signed_in(&session).await;
        let signed_in = signed_in.ok_or_else(|| PageError::new(Fault::SignedOut))?;
        refuse_other_sites(&request)?;
        if is_activity(&request) {
            console.sessions.touch(&session, &signed_in);
        }
        request.set_data(signed_in);
    } else {
        refuse_other_sites(&request)?;
    }
    next.call(request).await.map(IntoResponse::into_response)
}

/// Middleware for the whole table, inside [`signed_in_only`], and for whatever draws pages beside it.
pub(crate) async fn administrators_only<E: Endpoint>(next: Arc<E>, mut request: Request) -> Result<Response> {
    if needs_administrator(request.method(), request.uri().path()) {
        let operator = operator_of(&request)?.operator.clone();
        let console = console_of(&request)?;
        let role = match request.method().is_safe() {
            true => console.role_seen(&operator, request.uri().path()).await,
            false => console.role(&operator).await,
        };
        request.set_data(role.clone());
        let fault = match role {
            Role::Administrator | Role::Formerly(_) => None,
            Role::Other => Some(Fault::NotAdministrator(operator)),
            Role::Unknown(trouble) => Some(Fault::RoleUnknown(trouble)),
        };
        if let Some(fault) = fault {
            return Err(refusal(fault, &request).await?.into());
        }
    }
    next.call(request).await.map(IntoResponse::into_response)
}

/// Who is signed in. [`signed_in_only`] found out; where it did not look, nobody is.
pub(crate) fn operator_of(request: &Request) -> Result<&SignedIn, PageError> {
    request.data().ok_or_else(|| PageError::new(Fault::SignedOut))
}

fn console_of(request: &Request) -> Result<Arc<Console>, PageError> {
    let missing = || {
        PageError::new(Fault::Internal(
            "the console is not among the request's data".to_owned(),
        ))
    };
    request.data::<Arc<Console>>().cloned().ok_or_else(missing)
}

fn refuse_other_sites(request: &Request) -> Result<(), PageError> {
    match request.method().is_safe() || comes_from_here(request.headers()) {
        true => Ok(()),
        false => Err(PageError::new(Fault::CrossSite)),
    }
}

/// The page that says no, with the bar around it as it was: of an experiment that is followed anyway, and none is asked
/// for.
async fn refusal(fault: Fault, request: &Request) -> Result<PageError> {
    let mut context = Context::from_request_without_body(request).await?;
    let id = experiment_of(request.uri().path());
    let registered = id.filter(|id| context.registry.rows.contains_key(id));
    context.experiment = registered.and_then(|id| {
        let mirror = context.live().existing_mirror(&id)?;
        let view = mirror.view();
        Some(Followed { mirror, view })
    });
    Ok(PageError::within(fault, context))
}

/// Whether a monitoring system asks, which cannot sign in: it shows the token that it was given for this.
fn is_scrape(request: &Request, console: &Console) -> bool {
    let Some(token) = &console.metrics_token else {
        return false;
    };
    let shown = request
        .header(header::AUTHORIZATION)
        .and_then(|value| value.strip_prefix("Bearer "));
    let is_shown = |shown: &str| bool::from(shown.as_bytes().ct_eq(token.expose_secret().as_bytes()));
    request.uri().path() == "/metrics" && shown.is_some_and(is_shown)
}

/// What answers who is not signed in. It is compared as it came, which is how the table is searched, so that no way of
/// writing leads through here to anywhere else.
fn is_open(path: &str) -> bool {
    matches!(path, "/healthz" | "/signin") || path.starts_with("/assets/")
}

/// Whether a request needs an administrator.
fn needs_administrator(method: &Method, path: &str) -> bool {
    is_gated(path) && !is_selecting(method, path)
}

/// Selecting is for every operator: what they may do there is decided there. Compared as it came.
fn is_selecting(method: &Method, path: &str) -> bool {
    let is_selecting = match path.strip_prefix(urls::experiments()) {
        Some("clear-selection") => true,
        Some(rest) => rest
            .strip_suffix("/select")
            .is_some_and(|id| !id.is_empty() && !id.contains('/')),
        None => false,
    };
    *method == Method::POST && is_selecting
}

/// Whether a path is one of `/admin`, `/x/{E}/admin` or below, in any way of writing it that anything might take for
/// one. Most of these lead nowhere; they are behind the gate all the same.
pub(crate) fn is_gated(path: &str) -> bool {
    if has_admin(path) {
        return true;
    }
    // Each round takes one layer of encoding off, so this ends.
    let mut text = path.as_bytes().to_vec();
    while let Some(decoded) = decode(&text) {
        text = decoded;
        if has_admin(&String::from_utf8_lossy(&text)) {
            return true;
        }
    }
    false
}

/// The text with one layer of percent-encoding taken off; none when there is none.
fn decode(text: &[u8]) -> Option<Vec<u8>> {
    if !text.contains(&b'%') {
        return None;
    }
    let mut decoded = Vec::with_capacity(text.len());
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        let escape = text.get(at..at + 3).and_then(|escape| std::str::from_utf8(escape).ok());
        match escape.filter(|_| *byte == b'%').and_then(percent_decode) {
            Some(plain) => {
                decoded.extend(plain);
                at += 3;
            }
            None => {
                decoded.push(*byte);
                at += 1;
            }
        }
    }
    (decoded.len() < text.len()).then_some(decoded)
}

fn has_admin(path: &str) -> bool {
    let mut segments: Vec<&str> = Vec::new();
    for segment in path.split(['/', '\\']) {
        match segment.trim() {
            "" | "." => {}
            ".." => drop(segments.pop()),
            segment => segments.push(segment.split(';').next().unwrap_or_default()),
        }
    }
    let is = |index: usize, word: &str| {
        segments
            .get(index)
            .is_some_and(|segment| segment.eq_ignore_ascii_case(word))
    };
    // No experiment has this id, and what stands below is a name.
    let by_name = segments.get(1) == Some(&"by-name");
    is(0, "admin") || (is(0, "x") && is(2, "admin") && !by_name)
}

/// Whether the operator did something. What a page asks for by itself, its regions and its stream, goes on when nobody
/// sits before it any more.
pub(crate) fn is_activity(request: &Request) -> bool {
    let is_stream = request
        .header(header::ACCEPT)
        .is_some_and(|accept| accept.contains("text/event-stream"))
        || request.uri().path().ends_with("/live");
    !is_stream && !matches!(Frame::of(request).want, Want::Region(_))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::live::UnavailabilityKind;

    const E: &str = "exp_00000000000000000000000000";

    #[test]
    fn everything_below_is_gated_however_it_is_written() {
        for path in [
            "/admin",
            "/admin/",
            "/admin/tasks/",
            "/admin/nowhere",
            "//admin",
            "/./admin/",
            "/healthz/../admin/",
            "/ADMIN/experiments/",
            "/%61dmin/experiments/",
            "/%2561dmin/",
            "/%252561dmin/",
            "/adm%69n%2Fexperiments/",
            "/admin;a=b/tasks/",
            "\\admin\\tasks",
            "/x/E/admin",
            "/x/E/admin/tasks/",
            "/x/nonsense/admin/",
            "/X/E/Admin/seed",
            "/x//E//admin/",
            "/x/E%2Fadmin/tasks",
            "/x/E/%61%64%6d%69%6e/",
            "/x/E/live/../admin/",
        ] {
            assert!(is_gated(path), "{path}");
        }
        for path in [
            "/",
            "/x/E/",
            "/x/E/live",
            "/live",
            "/signout",
            "/x/admin/",
            "/administration",
            "/x/E/administer/",
            "/x/E/ideator/admin/",
            "/100%",
            "/%zz%",
        ] {
            assert!(!is_gated(path), "{path}");
        }
    }

    #[test]
    fn selecting_is_for_everybody_and_nothing_like_it_is() {
        let open = [
            format!("/admin/experiments/{E}/select"),
            "/admin/experiments/nonsense/select".to_owned(),
            "/admin/experiments/clear-selection".to_owned(),
        ];
        for path in &open {
            assert!(!needs_administrator(&Method::POST, path), "{path}");
            for method in [Method::GET, Method::HEAD, Method::PUT, Method::DELETE, Method::OPTIONS] {
                assert!(needs_administrator(&method, path), "{method} {path}");
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
            assert!(needs_administrator(&Method::POST, path), "{path}");
        }
    }

    #[test]
    fn little_is_open() {
        for path in ["/healthz", "/signin", "/assets/console-1.js"] {
            assert!(is_open(path), "{path}");
        }
        for path in [
            "/",
            "/healthz/",
            "/metrics",
            "/signin/",
            "/assets",
            "/signout",
            "/live",
            "/Signin",
            "/nowhere",
        ] {
            assert!(!is_open(path), "{path}");
        }
    }

    #[test]
    fn links_lead_where_the_role_may_go() {
        let unknown = Role::Unknown(Unavailability {
            kind: UnavailabilityKind::Unreachable,
            message: String::new(),
        });
        let [gated, open] = [
            format!("/x/{E}/admin/tasks/?state=pending"),
            format!("/x/{E}/?a=/admin/"),
        ];
        for role in [Role::Other, unknown] {
            assert_eq!(role.link(gated.clone()), None);
            assert_eq!(role.link(open.clone()), Some(open.clone()));
        }
        assert_eq!(Role::Administrator.link(gated.clone()), Some(gated));
    }

    proptest! {
        #[test]
        fn no_path_is_too_odd(path in ".*") {
            let _ = (is_gated(&path), is_open(&path));
        }

        /// Whatever of it is encoded, and however often.
        #[test]
        fn encoding_hides_nothing(which in prop::collection::vec(0..4_u8, 19)) {
            let encode = |byte: u8, times: u8| (0..times).fold(char::from(byte).to_string(), |text, round| match round {
                0 => format!("%{byte:02x}"),
                _ => text.replace('%', "%25"),
            });
            let path: String = b"/x/E/admin/tasks/t/".iter().zip(&which).map(|(byte, times)| encode(*byte, *times)).collect();
            prop_assert!(is_gated(&path), "{}", path);
        }
    }
}
