//! The page that shows a secret, once.

use maud::{Markup, html};
use poem::Response;
use secrecy::{ExposeSecret, SecretString};

use crate::protocol::{Worker, WorkerId};
use crate::web::respond::Page;
use crate::web::roster::links::worker_link;
use crate::web::roster::request::RosterRequest;
use crate::web::sections::Section;
use crate::web::ui::{Tone, copyable, crumbs, notice, page_head, panel, short};
use crate::web::urls;

/// A new secret, and the worker that it belongs to.
pub(crate) struct Secret {
    pub worker: WorkerId,
    pub name: Option<String>,
    pub secret: SecretString,
    /// Whether it replaces an older one.
    pub reissued: bool,
    /// Other workers of the same name.
    pub namesakes: Vec<Worker>,
}

/// The page with the secret. It is in this body only: it is not stored or cached, no URL leads to it, and no region
/// refetches it.
pub(crate) fn secret_page(roster: &RosterRequest, page_url: String, secret: &Secret) -> Response {
    let id = &secret.worker;
    let workers = urls::workers();
    let title = match secret.reissued {
        true => "New secret issued",
        false => "Worker registered",
    };
    let name = secret.name.clone().unwrap_or_else(|| short(id.as_str()));
    let head = html! {
        (crumbs(&[("Workers", workers)]))
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
        (panel("How it is used", None, &uses(id)))
        (namesakes(secret))
        div class="actions" {
            a class="button" href=(urls::worker(id)) { "To the worker" }
            a class="button" href=(workers) { "All workers" }
        }
    };
    answer_uncached(roster, page_url, Page::new(title, Section::Workers, head, vec![]))
}

fn uses(id: &WorkerId) -> Markup {
    html! {
        ul class="uses" {
            li { "To sign in to this console: give the credential above, the id, a colon and the secret." }
            li { "By a program: as " code { "Authorization: Bearer <id>:<secret>" } ", to the registry of the deployment only." }
            li { "In a file: the secret alone as " code { (id) ".token" } ", readable by its owner only." }
        }
    }
}

fn namesakes(secret: &Secret) -> Markup {
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
                        (worker_link(worker))
                    }
                    @if more > 0 { " and " (more) " more" }
                    "."
                }
            }))
        }
    }
}

/// The answer to a repeated submission whose secret was shown before.
pub(crate) fn already_shown(roster: &RosterRequest, page_url: String, id: &str) -> Response {
    let title = "Shown once already";
    let workers = urls::workers();
    let head = html! {
        (crumbs(&[("Workers", workers)]))
        (page_head(title, copyable(id), html! {}))
        (notice(Tone::Info, &html! {
            p { "This form was sent before, and nothing was done now. A secret was made for worker " (short(id)) " then, and shown once; it is not kept." }
            p { "If you did not see it, issue a new one from the worker's page." }
        }))
        div class="actions" {
            a class="button button-primary" href={ (urls::workers()) (id) "/" } { "To the worker" }
            a class="button" href=(workers) { "All workers" }
        }
    };
    answer_uncached(roster, page_url, Page::new(title, Section::Workers, head, vec![]))
}

fn answer_uncached(roster: &RosterRequest, page_url: String, mut page: Page) -> Response {
    page.holds_secret = true;
    roster.answer_write(page_url, page)
}
