//! One variant: its evaluation compared with its parents', its code, and its tasks.

use maud::{Markup, html};
use poem::{Response, handler};

use crate::client::ClientError;
use crate::live::{Snapshot, TaskSubject, Topic, VariantRow};
use crate::protocol::{Variant, VariantId};
use crate::web::fault::Fault;
use crate::web::parts::commit_change;
use crate::web::parts::entity_links;
use crate::web::request::{Active, path_segment};
use crate::web::respond::{Page, answer};
use crate::web::sections::Section;
use crate::web::ui::{
    Column, Region, Row, RowKind, Table, commit, copyable, crumbs, definitions, empty, halves, id_link, metric_value,
    number, page_head, panel, state_of, table, unavailable, when_dated,
};
use crate::web::urls;

/// `GET /x/{E}/admin/variants/{V}/`
#[handler]
pub(crate) async fn get(active: Active, request: &poem::Request) -> Result<Response, Fault> {
    let snapshot = active.snapshot()?;
    let given = path_segment(request, "variant");
    let row = given
        .parse::<VariantId>()
        .ok()
        .and_then(|id| snapshot.variant(&id).cloned());
    let Some(row) = row else {
        return Err(active.no_such_entity("variant", &given));
    };
    let reader = active.reader()?;
    let detail = active
        .context
        .live()
        .details()
        .variant(&active.mirror, reader, &row.id, row.revision)
        .await;

    let change = commit_change::markup(&active, &row).await;

    let view = View {
        active: &active,
        snapshot: &snapshot,
        row: &row,
    };
    let variants = urls::variants(&active.id);
    let head = html! {
        (crumbs(&[("Variants", variants.as_str())]))
        (page_head(if row.baseline { "Baseline variant" } else { "Variant" }, copyable(row.id.as_str()), html! {}))
    };
    let body = html! {
        (halves(&panel("Evaluation", None, &view.evaluation()), &panel("Facts", None, &view.facts())))
        (halves(&panel("Code", None, &view.code(&detail)), &panel("Tasks", None, &view.tasks())))
        (panel("Commit", None, &change))
    };
    let regions = vec![Region::new(
        "variant",
        &[Topic::Variants, Topic::Tasks, Topic::Ideas, Topic::Experiment],
        body,
    )];
    Ok(answer(
        &active.context,
        &Page::new("Variant", Section::Variants, head, regions),
    ))
}

struct View<'a> {
    active: &'a Active,
    snapshot: &'a Snapshot,
    row: &'a VariantRow,
}

impl View<'_> {
    /// Each metric, and the same metric of each parent that is a variant.
    fn evaluation(&self) -> Markup {
        let Some(evaluation) = &self.row.evaluation else {
            return empty(
                "Not measured",
                html! { "Evaluators measure a variant once it has a commit." },
            );
        };
        let parents = self.parents();
        let mut columns = vec![Column::text("Metric"), Column::number("Value")];
        columns.extend(parents.iter().map(|_| Column::number("Parent")));
        columns.extend(parents.iter().map(|_| Column::number("Change")));
        let objective = self.snapshot.config().and_then(|config| config.objective_metric());
        let rows = evaluation.iter().map(|(name, value)| {
            let mut cells = vec![
                html! { (name) @if Some(name) == objective { " " span class="muted" { "objective" } } },
                html! { (metric_value(value)) },
            ];
            let of = |parent: &VariantRow| parent.metric(name);
            cells.extend(
                parents
                    .iter()
                    .map(|parent| html! { @match of(parent) { Some(v) => { (number(v)) } None => { "–" } } }),
            );
            cells.extend(parents.iter().map(|parent| match (value.as_f64(), of(parent)) {
                (Some(own), Some(theirs)) => html! { (change(own - theirs)) },
                _ => html! { "–" },
            }));
            Row {
                kind: RowKind::Plain,
                id: name.to_owned(),
                cells,
            }
        });
        table(&Table {
            caption: "Evaluation",
            columns,
            rows: rows.collect(),
            empty: html! {},
        })
    }

    fn parents(&self) -> Vec<&VariantRow> {
        let parents = self
            .row
            .parents
            .iter()
            .filter_map(|sha| self.snapshot.variant_of_commit(sha));
        parents
            .filter(|parent| parent.id != self.row.id)
            .map(AsRef::as_ref)
            .collect()
    }

    fn facts(&self) -> Markup {
        let row = self.row;
        let id = &self.active.id;
        let mut facts = vec![("Status", state_of(row.status))];
        if let Some(idea) = &row.idea {
            let slug = self.snapshot.idea(idea).map(|idea| idea.slug.as_str());
            facts.push((
                "Idea",
                html! { (id_link(&urls::idea(id, idea), idea.as_str())) " " (slug.unwrap_or_default()) },
            ));
        }
        if !row.baseline {
            facts.push((
                "Comes from",
                html! { @for sha in &row.parents { div { (entity_links::parent(&self.active.id, self.snapshot, sha)) } } },
            ));
        }
        let people = [("Executed by", &row.executed_by), ("Evaluated by", &row.evaluated_by)];
        facts.extend(
            people
                .into_iter()
                .filter_map(|(role, id)| Some((role, entity_links::worker(self.snapshot, id.as_ref()?)))),
        );
        facts.push(("Started", when_dated(row.started_at)));
        if let Some(at) = row.completed_at {
            facts.push(("Completed", when_dated(at)));
        }
        definitions(&facts)
    }

    fn code(&self, detail: &Result<std::sync::Arc<Variant>, ClientError>) -> Markup {
        let row = self.row;
        let mut facts = Vec::new();
        if let Ok(variant) = detail {
            facts.extend(
                variant
                    .branch
                    .as_ref()
                    .map(|branch| ("Work branch", html! { code { (branch) } })),
            );
            facts.extend(
                variant
                    .description
                    .as_ref()
                    .map(|text| ("Description", html! { (text) })),
            );
            facts.extend(
                variant
                    .executor_artifacts_uri
                    .as_ref()
                    .map(|uri| ("Executor's artifacts", html! { code { (uri) } })),
            );
            facts.extend(
                variant
                    .artifacts_uri
                    .as_ref()
                    .map(|uri| ("Evaluator's artifacts", html! { code { (uri) } })),
            );
        }
        facts.push((
            "Commit",
            row.commit.as_ref().map_or_else(
                || html! { span class="muted" { "none yet" } },
                |sha| commit(sha.as_str()),
            ),
        ));
        if !row.baseline {
            let integrated = row.integrated.as_ref().map(|sha| commit(sha.as_str()));
            facts.push((
                "Integrated as",
                integrated.unwrap_or_else(|| html! { span class="muted" { "not integrated" } }),
            ));
        }
        html! {
            (definitions(&facts))
            @if let Err(error) = detail {
                (unavailable(&html! { p { "Branch and description are kept by the task store only, and it cannot be read now: " (error) "." } }))
            }
        }
    }

    fn tasks(&self) -> Markup {
        let own = TaskSubject::Variant(self.row.id.clone());
        let idea = self.row.idea.clone().map(TaskSubject::Idea);
        let subjects = idea.iter().chain([&own]);
        let mut tasks: Vec<_> = subjects
            .flat_map(|subject| self.snapshot.tasks_on(subject).all())
            .collect();
        tasks.sort_by_key(|task| std::cmp::Reverse((task.created_at, &task.id)));
        html! {
            @if tasks.is_empty() { p class="muted" { "No task works on it." } }
            ul class="outcome" role="list" {
                @for task in tasks {
                    li { (task.kind) " " (id_link(&urls::task(&self.active.id, &task.id), task.id.as_str())) " " (state_of(task.state)) }
                }
            }
        }
    }
}

/// A difference with its sign.
fn change(by: f64) -> String {
    match by {
        by if by > 0.0 => format!("+{}", number(by)),
        by if by < 0.0 => format!("\u{2212}{}", number(-by)),
        _ => "0".to_owned(),
    }
}
