//! The document around every page, and the fragment that htmx swaps on navigation.

use maud::{DOCTYPE, Markup, html};

use super::bar::switcher_region;
use super::freshness::{freshness_badge, stream_blocked, stream_lost, stream_shared};
use super::keys_dialog::keys_dialog;
use super::rail::{links, rail};
use super::shell::{OperatorInfo, Shell};
use crate::web::assets::{self, Asset};
use crate::web::urls;

/// Turns every plain link and form below the body into a swap of `<main>`.
const BOOST: &str = "target:#main, swap:'outerHTML show:top showTarget:window'";

/// htmx injects no style sheet (the content security policy forbids it), adds no settling classes, and reconnects the
/// stream soon.
const HTMX: &str = r#"{"includeIndicatorCSS":false,"defaultSettleDelay":0,"defaultTimeout":20000,"sse":{"connectTimeout":5000,"reconnectDelay":400,"reconnectMaxDelay":5000}}"#;

/// The whole document.
pub(crate) fn document(shell: &Shell) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            (head(&shell.full_title()))
            body data-experiment=(shell.experiment_id()) hx-boost:inherited=(BOOST) {
                a class="skip" href="#main" { "Skip to the content" }
                (bar(shell))
                (rail(shell))
                (main(shell, None))
                (stream(shell))
                // The script requests regions through it.
                div id="refresh" hx-swap="none" hx-sync="this:replace" hidden {}
                template id="stream-lost" { (stream_lost()) }
                template id="stream-blocked" { (stream_blocked()) }
                template id="stream-shared" { (stream_shared()) }
                div id="announce" class="sr" role="status" {}
                div id="notices" class="notices" {}
                (keys_dialog(shell.operator.may_read))
            }
        }
    }
}

/// What htmx swaps on navigation: `<main>`, and the parts around it that depend on the page. The stream is replaced
/// only when its URL changes, so navigation within an experiment keeps it open. Where it seems not to change, `<main>`
/// names it in `data-live`: the page that was left may have been a fault's, which follows another stream.
pub(crate) fn fragment(shell: &Shell, stream_changes: bool) -> Markup {
    let live = shell.stream_url.filter(|_| !stream_changes);
    html! {
        title { (shell.full_title()) }
        (main(shell, live))
        hx-partial hx-target="#bar" hx-swap="outerHTML" { (bar(shell)) }
        hx-partial hx-target="#rail" hx-swap="outerHTML" { (rail(shell)) }
        @if stream_changes { hx-partial hx-target="#live" hx-swap="outerHTML" { (stream(shell)) } }
    }
}

/// A document without bar and rail: for signing in, and for faults without a context.
pub(crate) fn bare(title: &str, main: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            (head(&format!("{title} \u{b7} Switchboard")))
            body class="bare" data-experiment="" {
                header class="bare-brand" { (brand()) }
                (bare_main(main))
            }
        }
    }
}

/// The same for htmx, which swaps `<main>` only: bar and rail of the present page stay.
pub(crate) fn bare_fragment(title: &str, main: &Markup) -> Markup {
    html! {
        title { (title) " \u{b7} Switchboard" }
        (bare_main(main))
    }
}

fn bare_main(main: &Markup) -> Markup {
    html! { main id="main" tabindex="-1" data-experiment="" { (main) } }
}

/// The top of a page: its only `h1`, one line of context, and its actions.
pub(crate) fn page_head(title: &str, context: Markup, actions: Markup) -> Markup {
    html! {
        header class="page-head" {
            div {
                h1 { (title) }
                @if !context.0.is_empty() { p class="context" { (context) } }
            }
            @if !actions.0.is_empty() { div class="actions" { (actions) } }
        }
    }
}

fn head(title: &str) -> Markup {
    html! {
        head {
            meta charset="utf-8";
            meta name="viewport" content="width=device-width, initial-scale=1";
            meta name="color-scheme" content="light dark";
            meta name="htmx-config" content=(HTMX);
            title { (title) }
            link rel="icon" type="image/svg+xml" href=(assets::url(Asset::Favicon));
            link rel="stylesheet" href=(assets::url(Asset::Style));
            // Not deferred: htmx starts at DOMContentLoaded, after the two scripts below have registered with it. They
            // run in this order once the document is parsed; modules are always deferred.
            script src=(assets::url(Asset::Htmx)) {}
            script src=(assets::url(Asset::HtmxSse)) defer {}
            script src=(assets::url(Asset::Script)) type="module" {}
        }
    }
}

fn main(shell: &Shell, live: Option<&str>) -> Markup {
    html! { main id="main" tabindex="-1" data-experiment=(shell.experiment_id()) data-page=(shell.page_url) data-live=[live] {
        (shell.main)
    } }
}

fn stream(shell: &Shell) -> Markup {
    html! { div id="live" hx-sse:connect=[shell.stream_url] hx-swap="none" hidden {} }
}

fn brand() -> Markup {
    html! {
        svg class="brand-mark" viewBox="0 0 32 32" aria-hidden="true" focusable="false" {
            rect width="32" height="32" rx="7" {}
            path d="M7 22h5l8-12h5" {}
            circle cx="7.5" cy="10" r="2.5" {}
            circle cx="24.5" cy="22" r="2.5" {}
        }
        span class="brand-name" { "Switchboard" }
    }
}

fn bar(shell: &Shell) -> Markup {
    let home = match shell.experiment {
        Some(entry) => urls::overview(&entry.id),
        None if shell.operator.may_read && shell.switcher.is_some() => urls::experiments().to_owned(),
        None => urls::home().to_owned(),
    };
    html! {
        header id="bar" class="bar" {
            details id="sheet" class="sheet" {
                summary aria-label="Pages" {
                    svg viewBox="0 0 16 16" aria-hidden="true" focusable="false" { path d="M2 4h12M2 8h12M2 12h12" {} }
                }
                nav class="popover" aria-label="Pages" { (links(shell, Markup::default())) }
            }
            a class="brand" href=(home) { (brand()) }
            (switcher_region(shell.experiment, shell.switcher, shell.operator.may_read, shell.page_url))
            @if let Some(freshness) = shell.freshness { (freshness_badge(freshness)) }
            span class="spacer" {}
            button type="button" class="bar-button" data-script data-keys aria-label="Keyboard shortcuts"
                title="Keyboard shortcuts (?)" { "?" }
            (operator_menu(shell.operator))
        }
    }
}

fn operator_menu(operator: &OperatorInfo) -> Markup {
    html! {
        details id="operator" class="menu" {
            summary title={ "Signed in as " (operator.name) } {
                svg viewBox="0 0 16 16" aria-hidden="true" focusable="false" {
                    circle cx="8" cy="5.5" r="2.75" {}
                    path d="M2.75 14a5.25 5.25 0 0 1 10.5 0" {}
                }
                span class="operator-name" { (operator.name) }
            }
            div class="popover" {
                p { "Signed in as " strong { (operator.name) } }
                p class="muted" { (operator.role) }
                form method="post" action=(urls::signout()) hx-boost="false" {
                    button type="submit" class="button" { "Sign out" }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::sections::Section;
    use crate::web::ui::{EntryState, Freshness, SwitchEntry, SwitchList};

    fn operator(may_read: bool) -> OperatorInfo {
        OperatorInfo {
            name: "o\"><script>".to_owned(),
            may_read,
            role: "<script>".to_owned(),
        }
    }

    fn shell<'a>(list: &'a SwitchList, operator: &'a OperatorInfo, main: &'a Markup) -> Shell<'a> {
        Shell {
            title: "Tasks",
            section: Some(Section::Tasks),
            experiment: list.entries.first(),
            switcher: Some(list),
            freshness: Some(&Freshness::Pushed),
            operator,
            page_url: "/x/e/admin/tasks/?kind=<b>",
            stream_url: Some("/x/e/live?since=7"),
            main,
            pending: Some([1, 2, 3]),
        }
    }

    fn list() -> SwitchList {
        let entry = SwitchEntry {
            id: "exp_01jz0000000000000000ab8k3m".parse().expect("an id"),
            name: Some("<i>name</i>".to_owned()),
            state: EntryState::Running,
        };
        SwitchList {
            entries: vec![entry],
            total: 1,
            stale_reason: None,
        }
    }

    #[test]
    fn nothing_in_the_shell_needs_an_unsafe_policy() {
        let (list, operator, main) = (list(), operator(true), html! { h1 { "Tasks" } });
        let page = document(&shell(&list, &operator, &main)).0;
        assert!(!page.contains(" style=") && !page.contains("<style"), "{page}");
        let handler = |rest: &str| {
            rest.split_once('=')
                .is_some_and(|(name, _)| name.bytes().all(|byte| byte.is_ascii_lowercase()))
        };
        assert!(
            !page.split(" on").skip(1).any(handler) && !page.contains("hx-on"),
            "{page}"
        );
        assert_eq!(
            page.matches("<script").count(),
            page.matches("<script src=\"/assets/").count()
        );
        assert!(!page.contains("<i>name") && !page.contains("kind=<b>"), "{page}");
    }

    #[test]
    fn a_fragment_replaces_the_stream_only_when_its_url_changes() {
        let (list, operator, main) = (list(), operator(true), html! { h1 { "Tasks" } });
        let shell = shell(&list, &operator, &main);
        for part in [
            "<title>",
            "<main id=\"main\"",
            "hx-target=\"#bar\"",
            "hx-target=\"#rail\"",
        ] {
            assert_eq!(fragment(&shell, false).0.matches(part).count(), 1, "{part}");
        }
        assert!(!fragment(&shell, false).0.contains("id=\"live\""));
        assert!(fragment(&shell, true).0.contains("hx-target=\"#live\""));
    }

    #[test]
    fn links_to_pages_that_the_operator_may_not_read_are_not_drawn() {
        let (list, main) = (list(), html! { h1 { "Overview" } });
        let page = |may_read| document(&shell(&list, &operator(may_read), &main)).0;
        let links = |page: &str| page.matches("href=\"/admin/").count() + page.matches("/admin/tasks/\"").count();
        assert!(links(&page(true)) > 0 && page(true).contains("Go to tasks"));
        assert_eq!(links(&page(false)), 0, "{}", page(false));
        assert!(!page(false).contains("Go to tasks"));
    }
}
