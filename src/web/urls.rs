//! A function for every path of the console. No other file spells one.

use crate::protocol::{ExperimentId, GroupId, IdeaId, MemberId, TaskId, VariantId, WorkerId, percent_encode};

/// The start page: redirects to the active experiment.
pub(crate) fn home() -> &'static str {
    "/"
}

/// Deployment overview: every registered experiment.
pub(crate) fn experiments() -> &'static str {
    "/admin/experiments/"
}

/// Where a sign-in link leads and where the token is posted.
pub(crate) fn signin() -> &'static str {
    "/signin"
}

/// A one-time sign-in link.
pub(crate) fn signin_with(token: &str) -> String {
    format!("/signin?token={token}")
}

/// The sign-in page, which leads to `next` afterwards.
pub(crate) fn signin_then(next: &str) -> String {
    if next == "/" {
        signin().to_owned()
    } else {
        format!("/signin?next={}", percent_encode(next))
    }
}

/// Ends the session (POST).
pub(crate) fn signout() -> &'static str {
    "/signout"
}

/// Finds an experiment to switch to.
pub(crate) fn switch() -> &'static str {
    "/switch"
}

/// The same, from a page whose section the switch keeps.
pub(crate) fn switch_from(page_url: &str) -> String {
    format!("{}?next={}", switch(), percent_encode(page_url))
}

/// Records the session's selected experiment (POST).
pub(crate) fn select(experiment: &ExperimentId) -> String {
    format!("/admin/experiments/{experiment}/select")
}

/// Clears the session's selection (POST).
pub(crate) fn clear_selection() -> &'static str {
    "/admin/experiments/clear-selection"
}

/// Registers an experiment (POST).
pub(crate) fn register() -> &'static str {
    "/admin/experiments/register"
}

/// Removes an experiment from the registry.
pub(crate) fn unregister(experiment: &ExperimentId) -> String {
    format!("/admin/experiments/{experiment}/unregister")
}

/// The experiment's overview.
pub(crate) fn overview(experiment: &ExperimentId) -> String {
    format!("/x/{experiment}/")
}

/// The list of tasks.
pub(crate) fn tasks(experiment: &ExperimentId) -> String {
    format!("/x/{experiment}/admin/tasks/")
}

/// One task.
pub(crate) fn task(experiment: &ExperimentId, task: &TaskId) -> String {
    format!("/x/{experiment}/admin/tasks/{}/", percent_encode(task.as_str()))
}

/// The list of variants.
pub(crate) fn variants(experiment: &ExperimentId) -> String {
    format!("/x/{experiment}/admin/variants/")
}

/// One variant.
pub(crate) fn variant(experiment: &ExperimentId, variant: &VariantId) -> String {
    format!("/x/{experiment}/admin/variants/{}/", percent_encode(variant.as_str()))
}

/// The list of ideas.
pub(crate) fn ideas(experiment: &ExperimentId) -> String {
    format!("/x/{experiment}/admin/ideas/")
}

/// One idea.
pub(crate) fn idea(experiment: &ExperimentId, idea: &IdeaId) -> String {
    format!("/x/{experiment}/admin/ideas/{}/", percent_encode(idea.as_str()))
}

/// The event log.
pub(crate) fn events(experiment: &ExperimentId) -> String {
    format!("/x/{experiment}/admin/events/")
}

/// The event stream of an experiment, from the position of a page.
pub(crate) fn live(experiment: &ExperimentId, since: &str) -> String {
    format!("/x/{experiment}/live?since={since}")
}

/// The event stream of deployment pages, from the position of a page. `experiments` is the query of the page of
/// experiments, which says which of them are shown. It is sent with its `?`, so that it is never empty.
pub(crate) fn fleet_live(since: &str, experiments: Option<&str>) -> String {
    let shown = experiments.map(|query| format!("&experiments={}", percent_encode(&format!("?{query}"))));
    format!("/live?since={since}{}", shown.unwrap_or_default())
}

/// Seeds a registered experiment that the task store does not host yet (POST).
pub(crate) fn seed(experiment: &ExperimentId) -> String {
    format!("/x/{experiment}/admin/seed")
}

/// The list of the deployment's workers.
pub(crate) fn workers() -> &'static str {
    "/admin/control/workers/"
}

/// One worker.
pub(crate) fn worker(worker: &WorkerId) -> String {
    format!("/admin/control/workers/{worker}/")
}

/// Replaces a worker's secret (POST).
pub(crate) fn reissue_credential(worker: &WorkerId) -> String {
    format!("/admin/control/workers/{worker}/reissue-credential")
}

/// The list of the deployment's groups.
pub(crate) fn groups() -> &'static str {
    "/admin/control/groups/"
}

/// One group.
pub(crate) fn group(group: &GroupId) -> String {
    format!("/admin/control/groups/{group}/")
}

/// Adds a member to a group (POST).
pub(crate) fn group_members(group: &GroupId) -> String {
    format!("/admin/control/groups/{group}/members")
}

/// Removes a member from a group (POST).
pub(crate) fn remove_group_member(group: &GroupId, member: &MemberId) -> String {
    format!("/admin/control/groups/{group}/members/{member}/remove")
}

/// Deletes a group (POST).
pub(crate) fn delete_group(group: &GroupId) -> String {
    format!("/admin/control/groups/{group}/delete")
}

/// The experiment that a path names, `/x/{E}/…`.
pub(crate) fn experiment_of(path: &str) -> Option<ExperimentId> {
    path.strip_prefix("/x/")?.split('/').next()?.parse().ok()
}
