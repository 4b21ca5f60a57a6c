//! Detail pages and figures: definition lists, panels, numbers that stand alone.

use maud::{Markup, html};

/// Breadcrumbs: the pages above this one, from the top.
pub(crate) fn crumbs(links: &[(&str, &str)]) -> Markup {
    html! {
        nav class="crumbs" aria-label="Up" {
            ol role="list" { @for (label, href) in links { li { a href=(href) { (label) } } } }
        }
    }
}

/// Names and values as a definition list. The caller leaves absent values out or describes them.
pub(crate) fn definitions(entries: &[(&str, Markup)]) -> Markup {
    html! {
        dl class="definitions" {
            @for (name, value) in entries { div { dt { (name) } dd { (value) } } }
        }
    }
}

/// A titled part of a page, with an optional link to the whole list at the right.
pub(crate) fn panel(title: &str, more: Option<(&str, String)>, body: &Markup) -> Markup {
    html! {
        div class="panel" {
            div class="panel-head" {
                h2 { (title) }
                @if let Some((label, href)) = more { a href=(href) { (label) } }
            }
            (body)
        }
    }
}

/// A single number with its label.
#[derive(Debug)]
pub(crate) struct Figure<'a> {
    /// The label.
    pub of: &'a str,
    /// The number, or a word.
    pub value: Markup,
    /// A line below, such as its parts or its time.
    pub note: Markup,
    /// The list that it counts.
    pub href: Option<String>,
}

/// Figures in a row.
pub(crate) fn figures(figures: &[Figure]) -> Markup {
    html! {
        ul class="figures" role="list" {
            @for figure in figures {
                li class="figure" {
                    @match &figure.href {
                        Some(href) => { a class="figure-of" href=(href) { (figure.of) } }
                        None => { span class="figure-of" { (figure.of) } }
                    }
                    strong class="figure-value" { (figure.value) }
                    @if !figure.note.0.is_empty() { div class="figure-note" { (figure.note) } }
                }
            }
        }
    }
}

/// Two parts side by side where there is room, the first the wider one.
pub(crate) fn wide_and_narrow(wide: &Markup, narrow: &Markup) -> Markup {
    html! { div class="columns columns-wide" { div { (wide) } div { (narrow) } } }
}

/// Two parts side by side where there is room.
pub(crate) fn halves(left: &Markup, right: &Markup) -> Markup {
    html! { div class="columns" { div { (left) } div { (right) } } }
}

/// Panels whose tables change all the time: rows have one height and columns one width, whatever they hold, and what does
/// not fit is cut.
pub(crate) fn feed(panels: &Markup) -> Markup {
    html! { div class="feed" { (panels) } }
}
