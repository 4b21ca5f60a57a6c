//! Banners: messages that a redirect shows on the page that it leads to, by keys in the query. The keys are those of
//! the reference console.
//!
//! A banner depends on the URL and the registry alone, so it is shown wherever the redirect ends. The page's own links
//! drop its keys.

use maud::{Markup, html};

use crate::live::RegistryView;
use crate::protocol::ExperimentId;
use crate::web::fault::STALE_SELECTION;
use crate::web::request::Query;
use crate::web::ui::{Tone, id_text, notice};
use crate::web::urls;

/// The key for a form that was sent for one experiment while another was active.
pub(crate) const SWITCHED_MID_FORM: &str = "switched-mid-form";

/// The banner that a URL asks for. Its claim is checked against the registry, since anybody can make a URL.
pub(crate) fn banner(page_url: &str, registry: &RegistryView) -> Option<Markup> {
    let is_registered = |id: &ExperimentId| registry.rows.get(id).is_some_and(|row| row.entry.is_some());
    outcome(page_url, is_registered).or_else(|| failure(page_url, is_registered))
}

/// The outcome of a write, on the page of experiments.
fn outcome(page_url: &str, is_registered: impl Fn(&ExperimentId) -> bool) -> Option<Markup> {
    let mut query = Query::of(page_url.strip_prefix(urls::experiments())?);
    let mut flag = |name| query.take(name, |word| (word == "ok" || word == "cleared").then_some(()));
    let (registered, unregistered, selected) = (flag("registered"), flag("unregistered"), flag("selected"));
    let id = query.take("exp", |id| id.parse::<ExperimentId>().ok());
    let words = match (registered, unregistered, selected, id) {
        (Some(()), _, _, Some(id)) if is_registered(&id) => html! {
            p {
                "Registered as " a href=(urls::overview(&id)) { (id_text(id.as_str())) }
                ". It can be worked on once its task store hosts it."
            }
        },
        (_, Some(()), _, Some(id)) if !is_registered(&id) => {
            html! { p { "Unregistered: " (id_text(id.as_str())) "." } }
        }
        (_, _, Some(()), _) => html! {
            p { "No experiment is selected any more: bare addresses lead to the deployment's own choice." }
        },
        _ => return None,
    };
    Some(notice(Tone::Info, &words))
}

/// Why a request was redirected here instead of being carried out.
fn failure(page_url: &str, is_registered: impl Fn(&ExperimentId) -> bool) -> Option<Markup> {
    let mut query = Query::of(page_url);
    let key = query.take("error", |key| Some(key.to_owned()))?;
    let mut id = |name| query.take(name, |id| id.parse::<ExperimentId>().ok());
    let words = match key.as_str() {
        STALE_SELECTION => {
            let gone = id("exp").filter(|id| !is_registered(id))?;
            html! {
                p {
                    "The experiment you had selected, " (id_text(gone.as_str()))
                    ", is not registered any more, so the selection was cleared. This is the deployment's own choice."
                }
            }
        }
        SWITCHED_MID_FORM => {
            let (from, to) = (id("from")?, id("to")?);
            html! {
                p {
                    "Nothing was sent. The form was drawn for experiment " (id_text(from.as_str())) ", and "
                    (id_text(to.as_str())) " is active now. Switch back to send it there, or enter it again here."
                }
            }
        }
        _ => return None,
    };
    Some(notice(Tone::Warn, &html! { div data-fault=(key) { (words) } }))
}

/// A URL with the banner for a write to an experiment that succeeded.
pub(crate) fn with_outcome(path: &str, what: &str, id: &str) -> String {
    format!("{path}?{what}=ok&exp={id}")
}

/// A URL with the banner of an error `key`; `pairs` are the experiments that it names.
pub(crate) fn with_banner(path: &str, key: &str, pairs: &[(&str, &ExperimentId)]) -> String {
    let mut query = vec![("error", key)];
    query.extend(pairs.iter().map(|(name, id)| (*name, id.as_str())));
    let join = if path.contains('?') { '&' } else { '?' };
    format!("{path}{join}{}", serde_urlencoded::to_string(query).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::CredentialState;
    use crate::live::{FeedKind, Freshness, Hosting, RegistryRow};

    fn registry(ids: &[&ExperimentId]) -> RegistryView {
        let entry = |id: &&ExperimentId| {
            let entry = serde_json::json!({
                "experiment_id": id, "config_uri": "file:///a", "created_at": "2026-01-02T03:04:05.000Z",
                "last_known_state": "running", "lease": null,
            });
            let entry = serde_json::from_value(entry).expect("an entry");
            let mut row = RegistryRow::unregistered((*id).clone(), Hosting::NotHosted, CredentialState::Stored);
            row.entry = Some(entry);
            ((*id).clone(), std::sync::Arc::new(row))
        };
        RegistryView {
            listed: true,
            rows: ids.iter().map(entry).collect(),
            ..RegistryView::new(Freshness::Live(FeedKind::Push))
        }
    }

    #[test]
    fn only_known_keys_and_true_claims_are_shown_and_nothing_is_echoed() {
        let id: ExperimentId = "exp_00000000000000000000000000".parse().expect("an id");
        let (with, without) = (registry(&[&id]), registry(&[]));
        let path = with_banner("/x/e/?state=pending", STALE_SELECTION, &[("exp", &id)]);
        let shown = banner(&path, &without).expect("a banner").0;
        assert!(
            shown.contains(id.as_str()) && shown.contains("data-fault=\"stale-selection\""),
            "{shown}"
        );
        assert!(banner(&path, &with).is_none(), "it is still there");
        assert!(banner("/x/e/?error=%3Cscript%3E", &without).is_none());
        assert!(banner("/?error=switched-mid-form&from=<b>&to=x", &without).is_none());
        let registered = with_outcome(urls::experiments(), "registered", id.as_str());
        assert!(banner(&registered, &with).is_some() && banner(&registered, &without).is_none());
        let unregistered = with_outcome(urls::experiments(), "unregistered", id.as_str());
        assert!(banner(&unregistered, &without).is_some() && banner(&unregistered, &with).is_none());
        assert!(
            banner(&with_outcome("/x/e/", "registered", id.as_str()), &with).is_none(),
            "shown on the page of experiments only"
        );
    }
}
