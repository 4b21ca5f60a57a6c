//! The bar of every page: the switcher, the freshness badge, the number of pending tasks.

use crate::live::{FeedKind, Freshness, Topic};
use crate::protocol::{TaskKind, TaskState};
use crate::web::auth::Role;
use crate::web::request::{Context, Followed};
use crate::web::respond::page::Page;
use crate::web::respond::switch_list::{switch_entry, switch_list};
use crate::web::stream::position::StreamPosition;
use crate::web::ui::{
    self, Shell, SwitchEntry, SwitchList, freshness_badge, pending_counts, region, staleness, switcher_region,
};
use crate::web::urls;

use maud::Markup;

/// A region of the bar. Every page has it, and it is drawn from the context alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BarRegion {
    /// The list of experiments to switch to.
    Switcher,
    /// The freshness badge.
    Freshness,
    /// The notice above a page whose data is stale.
    Staleness,
    /// The number of pending tasks.
    Pending,
}

impl BarRegion {
    /// The region of the bar with this name.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "switcher" => Some(Self::Switcher),
            "freshness" => Some(Self::Freshness),
            "staleness" => Some(Self::Staleness),
            "pending" => Some(Self::Pending),
            _ => None,
        }
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Switcher => "switcher",
            Self::Freshness => "freshness",
            Self::Staleness => "staleness",
            Self::Pending => "pending",
        }
    }

    /// The topics that change it.
    pub fn topics(self) -> &'static [Topic] {
        match self {
            Self::Pending => &[Topic::Tasks],
            Self::Switcher | Self::Freshness | Self::Staleness => {
                &[Topic::Registry, Topic::Experiment, Topic::Freshness]
            }
        }
    }
}

/// The bar of one answer.
pub(crate) struct Bar<'a> {
    context: &'a Context,
    /// The experiments to switch between.
    pub list: SwitchList,
    /// The experiment of the page.
    current: Option<SwitchEntry>,
    stream_url: String,
    /// Pending ideation, execution and evaluation tasks.
    pub pending: Option<[u64; 3]>,
    /// The badge.
    pub freshness: ui::Freshness,
    operator: ui::OperatorInfo,
}

impl<'a> Bar<'a> {
    pub fn of(context: &'a Context) -> Self {
        let id = context.experiment.as_ref().map(|followed| followed.mirror.experiment());
        let current = id
            .and_then(|id| context.registry.rows.get(id))
            .map(|row| switch_entry(row));
        let registry = context.registry.revision;
        let (stream_url, pending) = match &context.experiment {
            Some(Followed { mirror, view }) => {
                let since = StreamPosition {
                    epoch: mirror.epoch(),
                    revision: view.revisions.current(),
                    registry,
                };
                let pending = view.snapshot().map(|snapshot| {
                    [TaskKind::Ideation, TaskKind::Execution, TaskKind::Evaluation]
                        .map(|kind| snapshot.counts.of(kind, TaskState::Pending))
                });
                (urls::live(mirror.experiment(), &since.to_string()), pending)
            }
            None => {
                let since = StreamPosition {
                    epoch: context.live().epoch(),
                    revision: context.fleet,
                    registry,
                };
                (
                    urls::fleet_live(&since.to_string(), listed(&context.htmx.page_url)),
                    None,
                )
            }
        };
        Self {
            context,
            list: switch_list(context),
            current,
            stream_url,
            pending,
            freshness: badge(context.freshness()),
            operator: operator_info(context),
        }
    }

    /// The shell around a page.
    pub fn shell<'s>(&'s self, page: &'s Page, main: &'s Markup) -> Shell<'s> {
        Shell {
            title: &page.title,
            section: page.section,
            experiment: self.current(),
            switcher: self.switch_list(),
            freshness: Some(&self.freshness),
            operator: &self.operator,
            page_url: &self.context.htmx.page_url,
            stream_url: Some(&self.stream_url),
            main,
            pending: self.pending,
        }
    }

    /// One region of the bar; none for pending tasks that are not known.
    pub fn region(&self, bar_region: BarRegion) -> Option<Markup> {
        match bar_region {
            BarRegion::Switcher => Some(switcher_region(
                self.current(),
                self.switch_list(),
                self.context.role.may_read(),
                &self.context.htmx.page_url,
            )),
            BarRegion::Freshness => Some(freshness_badge(&self.freshness)),
            BarRegion::Staleness => Some(region(&staleness(&self.freshness))),
            BarRegion::Pending => self.pending.map(pending_counts),
        }
    }

    /// The experiments to switch between; none without a control plane.
    pub fn switch_list(&self) -> Option<&SwitchList> {
        let several = self.context.console.stores.has_control_plane();
        several.then_some(&self.list)
    }

    /// The experiment of the page.
    pub fn current(&self) -> Option<&SwitchEntry> {
        self.current.as_ref()
    }
}

/// The query of the page of experiments, if that is the page.
fn listed(page_url: &str) -> Option<&str> {
    let (path, query) = page_url.split_once('?').unwrap_or((page_url, ""));
    (path == urls::experiments()).then_some(query)
}

fn operator_info(context: &Context) -> ui::OperatorInfo {
    ui::OperatorInfo {
        name: context.operator().label(),
        may_read: context.role.may_read(),
        role: match &context.role {
            Role::Administrator => "Administrator".to_owned(),
            Role::Operator => "No administrator: not in the group admins".to_owned(),
            Role::LastKnownAdministrator(cause) => {
                format!("Administrator before the outage, and reading only: {cause}")
            }
            Role::Unknown(cause) => format!("No administrator for now: {cause}"),
        },
    }
}

/// Freshness in the form that `ui` draws.
pub(crate) fn badge(freshness: Freshness) -> ui::Freshness {
    match freshness {
        Freshness::CatchingUp => ui::Freshness::CatchingUp,
        Freshness::Live(FeedKind::Push) => ui::Freshness::Pushed,
        Freshness::Live(FeedKind::LongPoll) => ui::Freshness::LongPolled,
        Freshness::Polling { every } => ui::Freshness::Polling { every },
        Freshness::Stale { since, cause } => ui::Freshness::Stale {
            since,
            reason: cause.message,
        },
    }
}
