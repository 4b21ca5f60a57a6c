//! The page that shows a secret, once.

use maud::{Markup, html};
use poem::Response;
use poem::http::{HeaderValue, header};
use secrecy::{ExposeSecret, SecretString};

use crate::protocol::{Worker, WorkerId};
use crate::web::respond::render::Page;
use crate::web::roster::desk::Desk;
use crate::web::roster::parts::worker_link;
use crate::web::ui::{Nav, Tone, copyable, crumbs, notice, page_head, panel, short};

/// A secret, and whose it is.
pub(crate) struct Secret {
    pub worker: WorkerId,
    pub name: Option<String>,
    pub secret: SecretString,
    /// Whether it took the place of an older one.
    pub reissued: bool,
    /// Other workers of the same name.
    pub namesakes: Vec<Worker>,
}

/// The secret in the body, and nowhere else: no store keeps it, no address names it, no region asks for it again.
pub(crate) fn token_page(desk: &Desk, secret: &Secret) -> Response {
    let id = &secret.worker;
    let workers = desk.place.workers();
    let title = match secret.reissued {
        true => "New secret issued",
        false => "Worker registered",
    };
    let name = secret.name.clone().unwrap_or_else(|| short(id.as_str()));
    let head = html! {
        (crumbs(&[("Workers", workers.as_str())]))
        (page_head(title, html! { (name) " " (copyable(id.as_str())) }, html! {}))
        (notice(Tone::Warn, &html! {
            p { strong { "This is the only time the secret is shown." } " Keep it now; afterwards it can only be replaced." }
        }))
        div class="secret" {
            code id="credential" translate="no" { (id) ":" span id="secret" { (secret.secret.expose_secret()) } }
            div class="actions" data-script {
                button type="button" class="button button-primary" data-copy-from="credential" { "Copy the credential" }
                button type="button" class="button" data-copy-from="secret" { "Copy the secret alone" }
            }
        }
        (panel("How it is used", None, &uses(desk, id)))
        (namesakes(desk, secret))
        div class="actions" {
            a class="button" href=(desk.place.worker(id)) { "To the worker" }
            a class="button" href=(workers) { "All workers" }
        }
    };
    unstored(desk, Page::new(title, Nav::Workers, head, vec![]))
}

fn uses(desk: &Desk, id: &WorkerId) -> Markup {
    html! {
        ul class="uses" {
            li { "To sign in to this console: give the credential above, the id, a colon and the secret." }
            li { "By a program: as " code { "Authorization: Bearer <id>:<secret>" } ", to the registry of " (desk.place.whole()) " only." }
            li { "In a file: the secret alone as " code { (id) ".token" } ", readable by its owner only." }
        }
    }
}

fn namesakes(desk: &Desk, secret: &Secret) -> Markup {
    let others: Vec<_> = secret
        .namesakes
        .iter()
        .filter(|worker| worker.worker_id != secret.worker)
        .collect();
    let more = others.len().saturating_sub(3);
    html! {
        @if !others.is_empty() {
            (notice(Tone::Warn, &html! {
                p {
                    "The name was taken already, which is allowed: names need not be unique, ids are. So called too: "
                    @for (at, worker) in others.iter().take(3).enumerate() {
                        @if at > 0 { ", " }
                        (worker_link(&desk.place, worker))
                    }
                    @if more > 0 { " and " (more) " more" }
                    "."
                }
            }))
        }
    }
}

/// The answer to a form that was sent again after its secret was shown.
pub(crate) fn already_shown(desk: &Desk, id: &WorkerId) -> Response {
    let title = "Shown once already";
    let workers = desk.place.workers();
    let head = html! {
        (crumbs(&[("Workers", workers.as_str())]))
        (page_head(title, copyable(id.as_str()), html! {}))
        (notice(Tone::Info, &html! {
            p { "This form was sent before, and nothing was done now. A secret was made for worker " (short(id.as_str())) " then, and shown once; it is not kept." }
            p { "If you did not see it, issue a new one from the worker's page." }
        }))
        div class="actions" {
            a class="button button-primary" href=(desk.place.worker(id)) { "To the worker" }
            a class="button" href=(workers) { "All workers" }
        }
    };
    unstored(desk, Page::new(title, Nav::Workers, head, vec![]))
}

fn unstored(desk: &Desk, page: Page) -> Response {
    let mut response = desk.answer_write(page);
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
