//! The shell of every page: document, bar, rail, stream.

use maud::{DOCTYPE, Markup, html};

use super::bar::{SwitchEntry, SwitchList, pending_counts, switcher_region};
use super::freshness::{Freshness, freshness_badge, stream_blocked, stream_lost, stream_shared};
use crate::web::assets::{self, Asset};
use crate::web::auth::audience::Audience;
use crate::web::sections::{Place, Section};
use crate::web::urls;

/// One declaration turns every plain link and form below the body into a swap of `<main>`.
const BOOST: &str = "target:#main, swap:'outerHTML show:top showTarget:window'";

/// No injected style sheet (the policy forbids it), no settling classes, and a stream that comes back soon.
const HTMX: &str = r#"{"includeIndicatorCSS":false,"defaultSettleDelay":0,"defaultTimeout":20000,"sse":{"connectTimeout":5000,"reconnectDelay":400,"reconnectMaxDelay":5000}}"#;

/// Who is signed in, and what they may do.
#[derive(Debug, Clone)]
pub(crate) struct OperatorInfo {
    /// What the bar calls them.
    pub name: String,
    /// Whether they may look where administrators do; what they may not is not shown.
    pub may_read: bool,
    /// The same in words, and why not.
    pub role: String,
}

/// All that surrounds the main region of a page.
#[derive(Debug)]
pub(crate) struct Shell<'a> {
    /// The page's title, without the product's name.
    pub title: &'a str,
    /// The section that it belongs to.
    pub section: Option<Section>,
    /// The active experiment.
    pub experiment: Option<&'a SwitchEntry>,
    /// Every experiment to switch to; none without a registry of them.
    pub switcher: Option<&'a SwitchList>,
    /// How true the page is; absent on pages that follow nothing.
    pub freshness: Option<&'a Freshness>,
    /// Who is signed in.
    pub operator: &'a OperatorInfo,
    /// Canonical path and query of this page.
    pub page_url: &'a str,
    /// The event stream, with the revision the page was drawn from.
    pub stream_url: Option<&'a str>,
    /// The page.
    pub main: &'a Markup,
    /// Pending ideation, execution and evaluation tasks.
    pub pending: Option<[u64; 3]>,
}

impl Shell<'_> {
    fn experiment_id(&self) -> &str {
        self.experiment.map_or("", |entry| entry.id.as_str())
    }

    fn full_title(&self) -> String {
        match self.experiment {
            Some(entry) => format!("{} \u{b7} {} \u{b7} Switchboard", self.title, entry.label()),
            None => format!("{} \u{b7} Switchboard", self.title),
        }
    }
}

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
                template id="stream-lost" { (stream_lost()) }
                template id="stream-blocked" { (stream_blocked()) }
                template id="stream-shared" { (stream_shared()) }
                div id="announce" class="sr" role="status" {}
                div id="notices" class="notices" {}
                (keys(shell.operator.may_read))
            }
        }
    }
}

/// What htmx swaps on navigation: the main region, and the parts around it that depend on the page. The stream is
/// replaced only when it leads elsewhere, so that going from page to page within an experiment keeps it open. Where it
/// seems not to, the page names its own: what was left may have been a fault, which follows another one.
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

/// A page without bar and rail: signing in, and faults that leave nothing to navigate to.
pub(crate) fn bare(title: &str, main: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            (head(&format!("{title} \u{b7} Switchboard")))
            body class="bare" data-experiment="" {
                header class="bare-brand" { (brand()) }
                (main_outside(main))
            }
        }
    }
}

/// The same for htmx, which swaps `<main>`: what stands around it on the page that asked stays.
pub(crate) fn bare_fragment(title: &str, main: &Markup) -> Markup {
    html! {
        title { (title) " \u{b7} Switchboard" }
        (main_outside(main))
    }
}

fn main_outside(main: &Markup) -> Markup {
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
            // Not deferred: htmx then starts at DOMContentLoaded, after the two below have registered with it. They run
            // in this order once the document is parsed; a module is deferred by itself.
            script src=(assets::url(Asset::Htmx)) {}
            script src=(assets::url(Asset::HtmxSse)) defer {}
            @for import in assets::imports() { link rel="modulepreload" href=(import); }
            script src=(assets::url(Asset::Script)) type="module" {}
        }
    }
}

fn main(shell: &Shell, live: Option<&str>) -> Markup {
    html! { main id="main" tabindex="-1" data-experiment=(shell.experiment_id()) data-live=[live] { (shell.main) } }
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
    let home = shell
        .experiment
        .map(|entry| urls::overview(&entry.id))
        .unwrap_or_else(|| {
            if shell.operator.may_read && shell.switcher.is_some() {
                urls::experiments()
            } else {
                urls::home()
            }
            .to_owned()
        });
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
            @if let Some(freshness) = shell.freshness { (freshness_badge(freshness, shell.page_url)) }
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
            summary title={ "OperatorInfo in as " (operator.name) } {
                svg viewBox="0 0 16 16" aria-hidden="true" focusable="false" {
                    circle cx="8" cy="5.5" r="2.75" {}
                    path d="M2.75 14a5.25 5.25 0 0 1 10.5 0" {}
                }
                span class="operator-name" { (operator.name) }
            }
            div class="popover" {
                p { "OperatorInfo in as " strong { (operator.name) } }
                p class="muted" { (operator.role) }
                form method="post" action=(urls::signout()) hx-boost="false" {
                    button type="submit" class="button" { "Sign out" }
                }
            }
        }
    }
}

fn rail(shell: &Shell) -> Markup {
    let pending = shell
        .pending
        .map(|pending| pending_counts(pending, shell.page_url))
        .unwrap_or_default();
    html! { nav id="rail" class="rail" aria-label="Pages" { (links(shell, pending)) } }
}

/// The sections that the operator may use, under their headings.
fn links(shell: &Shell, pending: Markup) -> Markup {
    let shown: Vec<_> = Section::ALL
        .into_iter()
        .filter_map(|section| Some((section, section.info(), href(shell, section)?)))
        .collect();
    html! {
        @for group in shown.chunk_by(|(_, one, _), (_, next, _)| one.heading == next.heading) {
            div class="rail-group" {
                h2 { (group[0].1.heading) }
                ul role="list" {
                    @for (section, info, href) in group {
                        li {
                            a href=(href) data-go=(info.key.unwrap_or_default())
                                aria-current=[(shell.section == Some(*section)).then_some("page")] {
                                (info.label)
                                @if *section == Section::Tasks { (pending) }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// The path of a section from this page; none where there is no such section, or it is not for this operator.
fn href(shell: &Shell, section: Section) -> Option<String> {
    let info = section.info();
    if info.audience == Audience::Administrator && !shell.operator.may_read {
        return None;
    }
    match info.place {
        Place::Experiment { path, .. } => shell.experiment.map(|entry| path(&entry.id)),
        Place::Deployment { path } => shell.switcher.map(|_| path()),
    }
}

fn keys(may_read: bool) -> Markup {
    let switch = [
        (vec!["s".to_owned()], "Switch experiment".to_owned()),
        (
            vec!["Ctrl K".to_owned(), "\u{2318} K".to_owned()],
            "Switch experiment, from anywhere".to_owned(),
        ),
    ];
    let sections = Section::ALL.into_iter().filter_map(|section| {
        let info = section.info();
        let is_shown = may_read || info.audience != Audience::Administrator;
        let article = if section == Section::Overview { "the " } else { "" };
        let does = format!("Go to {article}{}", info.label.to_lowercase());
        is_shown.then_some((vec![format!("g {}", info.key?)], does))
    });
    let help = (vec!["?".to_owned()], "Show these keys".to_owned());
    let keys: Vec<_> = switch.into_iter().chain(sections).chain([help]).collect();
    html! {
        dialog id="keys" class="dialog" aria-labelledby="keys-title" {
            form method="dialog" {
                h2 id="keys-title" { "Keys" }
                dl {
                    @for (keys, does) in &keys {
                        dt { @for (index, key) in keys.iter().enumerate() { @if index > 0 { " or " } kbd { (key) } } }
                        dd { (does) }
                    }
                }
                label class="choice" {
                    input type="checkbox" id="single-keys" aria-describedby="single-keys-hint" checked;
                    "Use the keys that need no Ctrl or \u{2318}"
                }
                p id="single-keys-hint" class="hint" {
                    "Switch them off where dictation or another aid presses them by mistake. This browser remembers it; "
                    "Ctrl K and \u{2318} K always work."
                }
                button type="submit" class="button" { "Close" }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::ui::EntryState;

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
    fn a_fragment_replaces_the_stream_only_when_it_leads_elsewhere() {
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
    fn who_may_not_go_there_is_led_nowhere() {
        let (list, main) = (list(), html! { h1 { "Overview" } });
        let page = |administers| document(&shell(&list, &operator(administers), &main)).0;
        let led = |page: &str| page.matches("href=\"/admin/").count() + page.matches("/admin/tasks/\"").count();
        assert!(led(&page(true)) > 0 && page(true).contains("Go to tasks"));
        assert_eq!(led(&page(false)), 0, "{}", page(false));
        assert!(!page(false).contains("Go to tasks"));
    }
}
