//! The sections of the console, as data: one row each for the rail, the keyboard shortcuts and switching experiments.
//!
//! A page names its section, and every section says here which parts of its query a switch keeps, so no page can be
//! left out by mistake.

use crate::protocol::ExperimentId;
use crate::web::auth::Audience;
use crate::web::urls;

/// The path of a section's first page.
#[derive(Debug, Clone, Copy)]
pub(crate) enum SectionPath {
    /// A page of each experiment.
    Experiment {
        /// Its path.
        path: fn(&ExperimentId) -> String,
        /// The query parameters that a switch keeps, since they mean the same in every experiment. Worker ids, page
        /// numbers and cursors belong to one experiment.
        kept_query: &'static [&'static str],
    },
    /// A page of the deployment.
    Deployment {
        /// Its path.
        path: fn() -> String,
    },
}

/// The row of a section.
#[derive(Debug)]
pub(crate) struct SectionInfo {
    /// Its heading in the rail.
    pub heading: &'static str,
    /// Its label in the rail.
    pub label: &'static str,
    /// The key after `g` of its keyboard shortcut.
    pub key: Option<&'static str>,
    /// The path of its first page.
    pub path: SectionPath,
    /// Who may use it; the rail shows it to them only.
    pub audience: Audience,
}

/// Makes the sections and their rows from one table: a section cannot be without a row, and no row can be left out.
macro_rules! sections {
    ($($(#[$doc:meta])* $name:ident => $info:expr,)+) => {
        /// A section: an entry of the rail, with all the pages below it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Section { $($(#[$doc])* $name,)+ }

        impl Section {
            /// Every section, in the order of the rail.
            pub const ALL: &[Self] = &[$(Self::$name,)+];

            /// The section's row.
            pub const fn info(self) -> SectionInfo {
                match self { $(Self::$name => $info,)+ }
            }
        }
    };
}

#[rustfmt::skip]
sections! {
    /// The experiment's overview.
    Overview => of_experiment("Work", "Overview", Some("o"), urls::overview, &[], Audience::SignedIn),
    /// Tasks, and one task.
    Tasks => observed("Tasks", "t", urls::tasks, &["kind", "state", "sort", "dir", "per"]),
    /// Ideas, and one idea.
    Ideas => observed("Ideas", "i", urls::ideas, &["state", "sort", "dir", "per"]),
    /// Variants, and one variant.
    Variants => observed("Variants", "v", urls::variants, &["status", "dir", "per"]),
    /// The event log.
    Events => observed("Events", "e", urls::events, &["per"]),
    /// The deployment's experiments.
    Experiments => of_deployment("Experiments", Some("x"), || urls::experiments().to_owned()),
    /// The deployment's workers, and one worker.
    Workers => of_deployment("Workers", None, || urls::workers().to_owned()),
    /// The deployment's groups, and one group.
    Groups => of_deployment("Groups", None, || urls::groups().to_owned()),
}

/// A section under "Observe", for administrators.
const fn observed(
    label: &'static str,
    key: &'static str,
    path: fn(&ExperimentId) -> String,
    kept_query: &'static [&'static str],
) -> SectionInfo {
    of_experiment("Observe", label, Some(key), path, kept_query, Audience::Administrator)
}

const fn of_experiment(
    heading: &'static str,
    label: &'static str,
    key: Option<&'static str>,
    path: fn(&ExperimentId) -> String,
    kept_query: &'static [&'static str],
    audience: Audience,
) -> SectionInfo {
    SectionInfo {
        heading,
        label,
        key,
        path: SectionPath::Experiment { path, kept_query },
        audience,
    }
}

const fn of_deployment(label: &'static str, key: Option<&'static str>, path: fn() -> String) -> SectionInfo {
    SectionInfo {
        heading: "Deployment",
        label,
        key,
        path: SectionPath::Deployment { path },
        audience: Audience::Administrator,
    }
}

/// The URL that a switch leads to: the same section of `target` as that of `from` (a path with its query), with the
/// filters that still apply. Anything that is not a page of an experiment leads to the overview, so a switch never
/// leaves this site.
pub(crate) fn same_section(from: &str, target: &ExperimentId) -> String {
    let overview = urls::overview(target);
    let (path, query) = from.split_once('?').unwrap_or((from, ""));
    let Some(left) = urls::experiment_of(path) else {
        return overview;
    };
    // Every other path begins with the overview's.
    for section in Section::ALL
        .iter()
        .copied()
        .filter(|section| *section != Section::Overview)
    {
        let SectionPath::Experiment {
            path: path_of,
            kept_query,
        } = section.info().path
        else {
            continue;
        };
        let Some(below) = path.strip_prefix(&path_of(&left)) else {
            continue;
        };
        // A page of one entity: the other experiment does not have the entity, but it has the list.
        let query = if below.is_empty() { query } else { "" };
        return with_kept_query(&path_of(target), query, kept_query);
    }
    overview
}

fn with_kept_query(path: &str, query: &str, kept: &[&str]) -> String {
    let pairs = serde_urlencoded::from_str::<Vec<(String, String)>>(query).unwrap_or_default();
    let pairs: Vec<_> = pairs
        .into_iter()
        .filter(|(name, _)| kept.contains(&name.as_str()))
        .collect();
    match serde_urlencoded::to_string(pairs).unwrap_or_default() {
        query if query.is_empty() => path.to_owned(),
        query => format!("{path}?{query}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "exp_00000000000000000000000000";
    const B: &str = "exp_11111111111111111111111111";

    fn switched(rest: &str) -> String {
        let target = B.parse().expect("an experiment id");
        same_section(&format!("/x/{A}/{rest}"), &target)
    }

    #[test]
    fn the_section_and_the_filters_that_apply_are_kept() {
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
    fn a_switch_never_leaves_the_site() {
        let target = B.parse().expect("an experiment id");
        for from in [
            "https://evil.example/",
            "//evil.example/x/",
            "/\\evil",
            "javascript:alert(1)",
            "",
            "/admin/experiments/",
        ] {
            assert_eq!(same_section(from, &target), format!("/x/{B}/"), "{from}");
        }
    }
}
