//! The page of a fault: title, advice, actions.

use maud::{Markup, html};
use poem::error::{MethodNotAllowedError, NotFoundError, ResponseError};
use poem::http::{StatusCode, Uri, header};
use poem::{IntoResponse, Response};
use tracing::error;

use crate::live::{Topic, UnavailabilityKind};
use crate::web::auth::Operator;
use crate::web::fault::Fault;
use crate::web::request::{Context, HtmxRequest, PageScope, see_other};
use crate::web::respond::{BarRegion, Page, answer, answer_bar_with};
use crate::web::ui::{Region, Tone, bare, bare_fragment, error_page, notice};
use crate::web::urls;

/// The fault of an error from poem itself.
pub(crate) fn of_poem(error: &poem::Error) -> Fault {
    if error.is::<NotFoundError>() {
        Fault::NoSuchPage
    } else if error.is::<MethodNotAllowedError>() {
        Fault::MethodNotAllowed
    } else if error.status().is_client_error() {
        Fault::BadRequest(error.to_string())
    } else {
        Fault::Internal(error.to_string())
    }
}

/// The answer to a fault, in the shape that was asked for.
pub(crate) fn draw(request: &HtmxRequest, uri: &Uri, fault: &Fault, context: Option<&Context>) -> Response {
    if let Fault::Internal(detail) = fault {
        error!(http.path = uri.path(), detail, "the console failed");
    }
    if matches!(fault, Fault::SignedOut) {
        return to_sign_in(request);
    }
    let status = fault.status();
    // The bar and the fault itself are still right; other regions keep their content, and the badge shows its age. The
    // number of pending tasks cannot be known now, which is no reason to reload the page.
    let is_current = |bar_region| bar_region != BarRegion::Pending || !may_recover(fault);
    let is_drawn = |name: &str| BarRegion::named(name).map_or(name == "fault", is_current);
    let all_drawn = match &request.scope {
        PageScope::Region(name) => is_drawn(name),
        PageScope::Regions(known) => known.iter().all(|known| is_drawn(&known.name)),
        PageScope::Document | PageScope::Main { .. } => true,
    };
    match context {
        None if request.scope.is_refresh() => return status.into_response(),
        Some(context) if !all_drawn => return answer_bar_with(context, status, is_current),
        _ => {}
    }
    let words = Words::of(fault);
    if request.is_write && request.is_htmx && is_outage(fault) {
        return beside_the_form(status, &words);
    }
    let may_read = context.is_some_and(|context| context.role.may_read());
    let main = error_page(
        fault.key(),
        status.as_u16(),
        words.title,
        &words.advice,
        &actions(fault, &request.page_url, may_read),
    );
    match context {
        Some(context) => {
            // The region is refetched when a topic changes; when the fault is over, the answer reloads the page.
            let topics: &[Topic] = if may_recover(fault) {
                &[Topic::Freshness, Topic::Experiment, Topic::Registry]
            } else {
                &[]
            };
            let region = Region::new("fault", topics, main);
            let page = Page::new(words.title, None, html! {}, vec![region]).with_status(status);
            answer(context, &page)
        }
        None => {
            let markup = match &request.scope {
                PageScope::Main { .. } => bare_fragment(words.title, &main),
                _ => bare(words.title, &main),
            };
            Response::builder()
                .status(status)
                .content_type("text/html; charset=utf-8")
                .header(header::CACHE_CONTROL, "no-store")
                .body(markup.into_string())
        }
    }
}

/// What was typed stays where it is, and why nothing came of it is said beside it: it can be sent again in a moment.
fn beside_the_form(status: StatusCode, words: &Words) -> Response {
    let said = html! { p { strong { "Nothing was sent. " (words.title) ". " } (words.advice) } };
    let markup = html! {
        hx-partial hx-target="#notices" hx-swap="innerHTML" { (notice(Tone::Bad, &said)) }
    };
    Response::builder()
        .status(status)
        .content_type("text/html; charset=utf-8")
        .header("hx-reswap", "none")
        // Its path is no page's, so it stays out of the address bar.
        .header("hx-push-url", "false")
        .header(header::CACHE_CONTROL, "no-store")
        .body(markup.into_string())
}

fn to_sign_in(request: &HtmxRequest) -> Response {
    let location = urls::signin_then(&request.page_url);
    if request.scope.is_refresh() {
        // A request in the background: the script tells the operator, who may be filling in a form.
        return StatusCode::UNAUTHORIZED.into_response();
    }
    if request.is_htmx {
        return Response::builder()
            .status(StatusCode::UNAUTHORIZED)
            .header("hx-redirect", location)
            .finish();
    }
    see_other(&location)
}

struct Words {
    title: &'static str,
    advice: String,
}

impl Words {
    fn of(fault: &Fault) -> Self {
        let (title, advice) = match fault {
            Fault::SignedOut => ("Signed out", "Sign in to go on.".to_owned()),
            Fault::NotAdministrator(operator) => (
                "For administrators only",
                match operator {
                    Operator::Worker { experiment: Some(id), .. } => format!(
                        "You are signed in as {}, which is not in the group admins of experiment {id}. A member of that group, or a holder of the experiment's admin token, can add you.",
                        operator.label()
                    ),
                    _ => format!(
                        "You are signed in as {}, which is not in this deployment's group admins. An administrator can add you on the page of the deployment's groups, and so can a holder of the control plane's admin token.",
                        operator.label()
                    ),
                },
            ),
            Fault::RoleUnknown(cause) => (
                "Who administers is not known now",
                format!(
                    "This page is for the members of the group admins, and they cannot be looked up: {cause}.{}",
                    match cause.kind {
                        UnavailabilityKind::NoCredential =>
                            " Only the admin token of the control plane can look them up: start this console with --control-plane-admin-token.",
                        _ => "",
                    }
                ),
            ),
            Fault::NoSuchPage => ("No such page", "The address leads nowhere. It may be cut off or mistyped.".to_owned()),
            Fault::NoSuchExperiment(id) => (
                "No such experiment",
                format!("No experiment with the id {} is registered here. It may have been unregistered, or the address is mistyped.", truncated(id)),
            ),
            Fault::NoSuchName(name) => (
                "No experiment of this name",
                format!("No experiment that is registered here is called {}. Names are taken letter for letter.", truncated(name)),
            ),
            Fault::NoExperiments => (
                "No experiment yet",
                "No experiment is registered here. An administrator can register one; this page changes by itself when it is.".to_owned(),
            ),
            Fault::StaleSelection(id) => (
                "The selected experiment is gone",
                format!("Experiment {id} is not registered any more, so it is not selected any more either. Choose another one above."),
            ),
            Fault::NoSuchEntity { kind, id } => {
                ("Not in this experiment", format!("This experiment has no {kind} with the id {}. It may belong to another one.", truncated(id)))
            }
            Fault::NotRegistered { kind, id } => (
                "Not registered",
                format!("The registry of the deployment has no {kind} with the id {}. It may be of another one, or the address is mistyped.", truncated(id)),
            ),
            Fault::NoControlPlane => (
                "No control plane",
                "This console works on one experiment without a control plane, so there is no deployment with workers and groups of its own. Start it with --control-plane-url to have one.".to_owned(),
            ),
            Fault::Unseeded => ("Not seeded yet", "The task store does not host this experiment yet.".to_owned()),
            Fault::NotHostedHere => (
                "Not hosted here",
                "The experiment is registered, and no task store that this console knows hosts it: no address is configured for it, or the server there serves other experiments. Its address belongs into the console's file, below task_store: experiments:.".to_owned(),
            ),
            Fault::ControlPlane(cause) => (
                match cause.kind {
                    UnavailabilityKind::Unreachable | UnavailabilityKind::Failing | UnavailabilityKind::NotYetContacted => "The control plane does not answer",
                    UnavailabilityKind::NoCredential => "The control plane cannot be read",
                    UnavailabilityKind::Refused => "The control plane refuses",
                },
                format!("Which experiments there are is not known: {cause}. {KEEPS_TRYING}"),
            ),
            Fault::TaskStore(cause) => (
                match cause.kind {
                    UnavailabilityKind::Unreachable | UnavailabilityKind::Failing | UnavailabilityKind::NotYetContacted => "The task store does not answer",
                    UnavailabilityKind::NoCredential => "No credential for this experiment",
                    UnavailabilityKind::Refused => "The task store refuses",
                },
                format!("Nothing of this experiment is known yet: {cause}. {KEEPS_TRYING}"),
            ),
            Fault::StillReading(what) => (
                "Still reading",
                format!("The first list of {what} takes longer than usual. This page changes by itself when it has arrived."),
            ),
            Fault::CrossSite => (
                "Refused: the request came from another site",
                "Nothing was changed. Changes are taken only from the console's own pages. If you meant to do this, do it from there.".to_owned(),
            ),
            Fault::TooLarge => (
                "Too large",
                "Nothing was changed. No form of the console is larger than 512 KiB.".to_owned(),
            ),
            Fault::BadRequest(detail) => ("The request makes no sense", format!("Nothing was changed. {detail}")),
            Fault::MethodNotAllowed => ("Not here", "This address does not take that kind of request. Nothing was changed.".to_owned()),
            Fault::Internal(_) => ("The console failed", "This is a fault of the console; its log says more. Nothing is known to be changed.".to_owned()),
        };
        Self { title, advice }
    }
}

const KEEPS_TRYING: &str = "The console keeps trying, and this page changes by itself when it succeeds.";

/// An id, cut to a length that fits a sentence.
fn truncated(id: &str) -> String {
    const SHOWN: usize = 48;
    if id.chars().count() <= SHOWN {
        id.to_owned()
    } else {
        format!("{}…", id.chars().take(SHOWN).collect::<String>())
    }
}

/// Whether the fault is a server's outage.
fn is_outage(fault: &Fault) -> bool {
    match fault {
        Fault::RoleUnknown(cause) | Fault::ControlPlane(cause) | Fault::TaskStore(cause) => cause.kind.is_outage(),
        _ => false,
    }
}

/// Whether the fault may go away by itself.
fn may_recover(fault: &Fault) -> bool {
    if let Fault::RoleUnknown(cause) = fault {
        return cause.kind != UnavailabilityKind::NoCredential;
    }
    matches!(
        fault,
        Fault::ControlPlane(_)
            | Fault::TaskStore(_)
            | Fault::StillReading(_)
            | Fault::NotHostedHere
            | Fault::NoExperiments
    )
}

fn actions(fault: &Fault, page_url: &str, may_read: bool) -> Markup {
    let again = may_recover(fault);
    html! {
        @if again { a class="button button-primary" href=(page_url) { "Try again" } }
        @if may_read { a class="button" href=(urls::experiments()) { "All experiments" } }
        @else { a class="button" href=(urls::home()) { "Start page" } }
    }
}
