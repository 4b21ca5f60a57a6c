//! Where a switch leads: the same kind of page in the other experiment, with the filters that still apply.

use crate::protocol::ExperimentId;
use crate::web::request::htmx::experiment_of;
use crate::web::urls;

/// The list pages and the parts of their queries that mean the same in every experiment. Worker ids,
/// page numbers and cursors do not: they belong to one experiment.
const KINDS: [(&str, &[&str]); 4] = [
    ("admin/tasks/", &["kind", "state", "sort", "dir", "per"]),
    ("admin/ideas/", &["state", "sort", "dir", "per"]),
    ("admin/variants/", &["status", "dir", "per"]),
    ("admin/events/", &["per"]),
];

/// The page of `target` that is of the same kind as `from`, a path with its query. Whatever is not a page
/// of an experiment leads to the overview, so that nothing outside this site can be led to.
pub(crate) fn same_kind(from: &str, target: &ExperimentId) -> String {
    let overview = urls::overview(target);
    let (path, query) = from.split_once('?').unwrap_or((from, ""));
    let Some(left) = experiment_of(path) else {
        return overview;
    };
    let rest = path.strip_prefix(&urls::overview(&left)).unwrap_or_default();
    let Some((kind, kept)) = KINDS.iter().find(|(kind, _)| rest.starts_with(kind)) else {
        return overview;
    };
    if rest.len() > kind.len() {
        // One entity: the other experiment does not have it, but it has the list.
        return format!("{overview}{kind}");
    }
    let pairs = serde_urlencoded::from_str::<Vec<(String, String)>>(query).unwrap_or_default();
    let pairs: Vec<_> = pairs
        .into_iter()
        .filter(|(name, _)| kept.contains(&name.as_str()))
        .collect();
    let query = serde_urlencoded::to_string(pairs).unwrap_or_default();
    if query.is_empty() {
        format!("{overview}{kind}")
    } else {
        format!("{overview}{kind}?{query}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "exp_00000000000000000000000000";
    const B: &str = "exp_11111111111111111111111111";

    fn switched(rest: &str) -> String {
        let target = B.parse().expect("an experiment id");
        same_kind(&format!("/x/{A}/{rest}"), &target)
    }

    #[test]
    fn the_kind_of_page_and_the_filters_that_apply_are_kept() {
        let b = |rest: &str| format!("/x/{B}/{rest}");
        assert_eq!(switched(""), b(""));
        assert_eq!(
            switched("admin/tasks/?state=pending&worker=wkr_1&page=3"),
            b("admin/tasks/?state=pending")
        );
        assert_eq!(switched("admin/tasks/t%2F1/"), b("admin/tasks/"));
        assert_eq!(
            switched("admin/variants/?status=success"),
            b("admin/variants/?status=success")
        );
        assert_eq!(switched("seed"), b(""));
    }

    #[test]
    fn nothing_leads_off_the_site() {
        let target = B.parse().expect("an experiment id");
        for from in [
            "https://evil.example/",
            "//evil.example/x/",
            "/\\evil",
            "javascript:alert(1)",
            "",
            "/admin/experiments/",
        ] {
            assert_eq!(same_kind(from, &target), format!("/x/{B}/"), "{from}");
        }
    }
}
