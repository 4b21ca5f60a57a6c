//! Regions of the bar: the experiment switcher and the number of pending tasks.

use std::time::Duration;

use maud::{Markup, html};

use super::region::{etag, pace, topics};
use super::switcher::{SwitchEntry, SwitchList, current_experiment, switcher};
use super::value::{count, value};
use crate::live::Topic;

/// Nobody reads the bar faster than once a second.
const PACE: Duration = Duration::from_secs(1);

/// The switcher: the current experiment, and a list to choose another from. Region name `switcher`.
pub(crate) fn switcher_region(
    current: Option<&SwitchEntry>,
    list: Option<&SwitchList>,
    may_read: bool,
    page_url: &str,
) -> Markup {
    let body = match list {
        Some(list) => switcher(current, list, may_read, page_url),
        None => html! { div id="switcher" class="only" { (current_experiment(current)) } },
    };
    html! {
        div id="region-switcher" class="switcher-region" data-region="switcher" data-etag=(etag(&body.0))
            data-topics=[topics(&[Topic::Registry, Topic::Experiment])] data-pace=[pace(PACE)] {
            (body)
        }
    }
}

/// The number of pending tasks, and that of each kind (ideation, execution, evaluation) for screen readers and the
/// pointer. Region name `pending`.
pub(crate) fn pending_counts(pending: [u64; 3]) -> Markup {
    let [ideation, execution, evaluation] = pending;
    let parts = format!("Pending: {ideation} ideation, {execution} execution, {evaluation} evaluation");
    let body = html! {
        span aria-hidden="true" { (value("pending-all", None, &count(pending.iter().sum()))) }
        (value("pending-kinds", Some("sr"), &parts))
    };
    html! {
        span id="region-pending" class="pending" data-region="pending" data-topics=[topics(&[Topic::Tasks])]
            data-pace=[pace(PACE)] data-etag=(etag(&body.0)) {
            (body)
        }
    }
}
