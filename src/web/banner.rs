//! What a redirect has to say on the page it leads to: the keys of the reference (`D-RES-2`), in the query.
//!
//! A banner is a function of the address alone, so that it is shown wherever the redirect ends, to whoever it ends at.
//! Links of the page do not carry it on.

use maud::{Markup, html};

use super::query::Query;
use super::ui::{Tone, id_text, notice};
use super::urls;
use crate::protocol::ExperimentId;

/// The selection names an experiment that is gone.
pub(crate) const STALE_SELECTION: &str = "stale-selection";
/// A form of one experiment was sent while another was active.
pub(crate) const SWITCHED_MID_FORM: &str = "switched-mid-form";

/// The banners that an address asks for.
pub(crate) fn banner(here: &str) -> Option<Markup> {
    outcome(here).or_else(|| trouble(here))
}

/// What a write came to.
fn outcome(here: &str) -> Option<Markup> {
    let mut query = Query::of(here);
    let mut told = |name| query.take(name, |word| (word == "ok" || word == "cleared").then_some(()));
    let (registered, unregistered, selected) = (told("registered"), told("unregistered"), told("selected"));
    let id = query.take("exp", |id| id.parse::<ExperimentId>().ok());
    let words = match (registered, unregistered, selected) {
        (Some(()), ..) => html! {
            p {
                "Registered"
                @if let Some(id) = &id { " as " a href=(urls::overview(id)) { (id_text(id.as_str())) } }
                ". It can be worked on once its task store hosts it."
            }
        },
        (_, Some(()), _) => html! {
            p { "Unregistered" @if let Some(id) = &id { ": " (id_text(id.as_str())) } "." }
        },
        (_, _, Some(())) => html! {
            p { "No experiment is selected any more: bare addresses lead to the deployment's own choice." }
        },
        _ => return None,
    };
    Some(notice(Tone::Info, &words))
}

/// What went wrong on the way here.
fn trouble(here: &str) -> Option<Markup> {
    let mut query = Query::of(here);
    let key = query.take("error", |key| Some(key.to_owned()))?;
    let mut id = |name| query.take(name, |id| id.parse::<ExperimentId>().ok());
    let words = match key.as_str() {
        STALE_SELECTION => {
            let gone = id("exp");
            html! {
                p {
                    "The experiment you had selected"
                    @if let Some(gone) = gone { ", " (id_text(gone.as_str())) "," }
                    " is not registered any more, so the selection was cleared. This is the deployment's own choice."
                }
            }
        }
        SWITCHED_MID_FORM => {
            let (from, to) = (id("from"), id("to"));
            html! {
                p {
                    "Nothing was sent. The form was drawn for experiment "
                    @match from { Some(from) => (id_text(from.as_str())), None => "of another time" }
                    ", and "
                    @match to { Some(to) => (id_text(to.as_str())), None => "another" }
                    " is active now. Switch back to send it there, or enter it again here."
                }
            }
        }
        _ => return None,
    };
    Some(notice(Tone::Warn, &html! { div data-fault=(key) { (words) } }))
}

/// An address that tells what a write to an experiment came to.
pub(crate) fn with_outcome(path: &str, what: &str, id: &ExperimentId) -> String {
    format!("{path}?{what}=ok&exp={id}")
}

/// An address that shows a banner: `pairs` are what it tells of.
pub(crate) fn with_banner(path: &str, key: &str, pairs: &[(&str, &ExperimentId)]) -> String {
    let mut told = vec![("error", key)];
    told.extend(pairs.iter().map(|(name, id)| (*name, id.as_str())));
    let join = if path.contains('?') { '&' } else { '?' };
    format!("{path}{join}{}", serde_urlencoded::to_string(told).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_known_keys_are_shown_and_nothing_is_echoed() {
        let id: ExperimentId = "exp_00000000000000000000000000".parse().expect("an id");
        let path = with_banner("/x/e/?state=pending", STALE_SELECTION, &[("exp", &id)]);
        let shown = banner(&path).expect("a banner").0;
        assert!(
            shown.contains(id.as_str()) && shown.contains("data-fault=\"stale-selection\""),
            "{shown}"
        );
        assert!(banner("/x/e/?error=%3Cscript%3E").is_none());
        let odd = banner("/?error=switched-mid-form&from=<b>&to=x").expect("a banner").0;
        assert!(!odd.contains("<b>"), "{odd}");
    }
}
