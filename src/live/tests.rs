//! The lists of snapshots against filtering and sorting all rows.

use std::cmp::Reverse;
use std::sync::Arc;

use proptest::prelude::*;
use serde_json::json;

use super::loaded_config::LoadedConfig;
use super::snapshot::{Entities, Snapshot};
use super::{IdeaOrder, IdeaRow, SortDirection, TaskFilter, TaskOrder, TaskRow, TaskSubject, VariantOrder, VariantRow};
use crate::protocol::*;

const CONFIG: &str = "
parallel_variants: 2
evaluation_schema: {cost: real, score: real, notes: text}
objective: {expr: score, direction: maximize}
";

fn of<T: serde::de::DeserializeOwned>(value: serde_json::Value) -> T {
    serde_json::from_value(value).expect("an entity")
}

fn snapshot_of(entities: Entities) -> Snapshot {
    let id = format!("exp_{:026}", 0);
    let experiment = of(json!({ "experiment_id": id, "state": "running", "created_at": at(0) }));
    let config = LoadedConfig::from_server(ExperimentConfig::from_yaml(CONFIG).expect("a configuration"));
    Snapshot::of(experiment, config, 0, entities, 1)
}

fn empty() -> Entities {
    Entities {
        tasks: Vec::new(),
        ideas: Vec::new(),
        variants: Vec::new(),
    }
}

fn at(second: u8) -> String {
    format!("2026-01-02T03:{:02}:{:02}.000Z", second / 60, second % 60)
}

fn worker(n: u8) -> String {
    format!("wkr_{n:026}")
}

/// A change of an entity. There are so few ids that most changes replace a row.
#[derive(Debug, Clone)]
enum Put {
    Task(Task),
    Idea(Idea),
    Variant(Variant),
}

fn task() -> impl Strategy<Value = Put> {
    let kinds = prop::sample::select(TaskKind::ALL);
    let states = prop::sample::select(TaskState::ALL);
    (0..30_u8, kinds, states, prop::option::of(0..3_u8), 0..6_u8, 0..20_u8).prop_map(
        |(id, kind, state, by, made, changed)| {
            Put::Task(of(json!({
                "task_id": format!("t{id}"), "kind": kind, "state": state, "submitted_by": by.map(worker),
                "payload": { "idea_id": format!("i{}", id % 5), "variant_id": format!("v{}", id % 7) },
                "created_at": at(made), "updated_at": at(changed),
            })))
        },
    )
}

fn idea() -> impl Strategy<Value = Put> {
    let states = prop::sample::select(IdeaState::ALL);
    (0..20_u8, states, 0..4_u8, 0..8_u8).prop_map(|(id, state, priority, made)| {
        Put::Idea(of(json!({
            "idea_id": format!("i{id}"), "experiment_id": format!("exp_{:026}", 0), "slug": "a-slug",
            "priority": f64::from(priority) / 2.0, "parent_commits": ["0".repeat(40)], "artifacts_uri": "data:,x",
            "state": state, "created_at": at(made),
        })))
    })
}

fn variant() -> impl Strategy<Value = Put> {
    let statuses = prop::sample::select(VariantStatus::ALL);
    let measured = (prop::option::of(0..6_u8), prop::option::of(0..4_u8));
    (
        0..25_u8,
        statuses,
        0..8_u8,
        prop::option::of(0..12_u8),
        measured,
        (any::<bool>(), prop::option::of(0..4_u8), any::<bool>()),
    )
        .prop_map(
            |(id, status, begun, done, (score, cost), (integrated, commit, baseline))| {
                let mut evaluation = json!({ "notes": "fine" });
                for (metric, value) in [("score", score), ("cost", cost)] {
                    if let Some(value) = value {
                        evaluation[metric] = value.into();
                    }
                }
                Put::Variant(of(json!({
                    "variant_id": format!("v{id}"), "experiment_id": format!("exp_{:026}", 0), "status": status,
                    "idea_id": format!("i{}", id % 5), "parent_commits": ["0".repeat(40)], "evaluation": evaluation,
                    "kind": baseline.then_some("baseline"), "commit_sha": commit.map(shared_commit),
                    "variant_commit_sha": integrated.then(|| format!("{id:040}")), "started_at": at(begun),
                    "completed_at": done.map(at),
                })))
            },
        )
}

/// One of a few commits that many variants have.
fn shared_commit(n: u8) -> String {
    format!("{n:a>40}")
}

fn puts() -> impl Strategy<Value = Vec<Put>> {
    prop::collection::vec(prop_oneof![task(), idea(), variant()], 0..150)
}

fn put(snapshot: &mut Snapshot, put: &Put) {
    match put {
        Put::Task(task) => snapshot.put_task(task, 1),
        Put::Idea(idea) => snapshot.put_idea(idea, 1),
        Put::Variant(variant) => snapshot.put_variant(variant, 1),
    }
}

fn together(puts: &[Put]) -> Entities {
    let mut entities = empty();
    for put in puts.iter().cloned() {
        match put {
            Put::Task(task) => entities.tasks.push(task),
            Put::Idea(idea) => entities.ideas.push(idea),
            Put::Variant(variant) => entities.variants.push(variant),
        }
    }
    entities
}

const DIRECTIONS: [SortDirection; 2] = [SortDirection::Ascending, SortDirection::Descending];

fn optional<T: Copy>(words: &[T]) -> impl Iterator<Item = Option<T>> {
    std::iter::once(None).chain(words.iter().copied().map(Some))
}

fn assert_tasks(snapshot: &Snapshot) {
    let mut rows: Vec<TaskRow> = snapshot.tasks.rows().map(|row| TaskRow::clone(row)).collect();
    rows.sort_by_key(|row| Reverse((row.created_at, row.id.clone())));
    for kind in optional(TaskKind::ALL) {
        for state in optional(TaskState::ALL) {
            for by in optional(&[0, 1, 2, 9]) {
                let filter = TaskFilter {
                    kind,
                    state,
                    worker: by.map(|by| worker(by).parse().expect("an id")),
                };
                let keeps = |row: &&TaskRow| {
                    kind.is_none_or(|kind| row.kind == kind)
                        && state.is_none_or(|state| row.state == state)
                        && filter.worker.as_ref().is_none_or(|by| row.worker.as_ref() == Some(by))
                };
                let kept: Vec<_> = rows.iter().filter(keeps).cloned().collect();
                assert_eq!(snapshot.count_tasks(&filter), kept.len());
                for direction in DIRECTIONS {
                    assert_order(snapshot, &filter, direction, &kept);
                }
            }
        }
    }
    for kind in TaskKind::ALL {
        for state in TaskState::ALL {
            let counted = rows
                .iter()
                .filter(|row| (row.kind, row.state) == (*kind, *state))
                .count() as u64;
            assert_eq!(snapshot.counts.of(*kind, *state), counted);
        }
    }
    let subject = TaskSubject::Idea("i1".parse().expect("an id"));
    let on: Vec<_> = snapshot.tasks_on(&subject).all();
    assert!(
        on.into_iter()
            .map(|row| &**row)
            .eq(rows.iter().filter(|row| row.subject == subject))
    );
}

/// `kept` are the newest first.
fn assert_order(snapshot: &Snapshot, filter: &TaskFilter, direction: SortDirection, kept: &[TaskRow]) {
    for order in [
        TaskOrder::Created,
        TaskOrder::Updated,
        TaskOrder::Kind,
        TaskOrder::State,
    ] {
        let mut expected = kept.to_vec();
        let ascending = direction == SortDirection::Ascending;
        match order {
            TaskOrder::Created => {}
            TaskOrder::Updated => expected.sort_by_key(|row| Reverse((row.updated_at, row.id.clone()))),
            TaskOrder::Kind if ascending => expected.sort_by_key(|row| row.kind),
            TaskOrder::Kind => expected.sort_by_key(|row| Reverse(row.kind)),
            TaskOrder::State if ascending => expected.sort_by_key(|row| row.state),
            TaskOrder::State => expected.sort_by_key(|row| Reverse(row.state)),
        }
        if ascending && matches!(order, TaskOrder::Created | TaskOrder::Updated) {
            expected.reverse();
        }
        let listed: Vec<_> = snapshot.list_tasks(filter, order, direction).all();
        assert!(
            listed.into_iter().map(|row| &**row).eq(&expected),
            "{filter:?} {order:?} {direction:?}"
        );
    }
}

fn assert_ideas(snapshot: &Snapshot) {
    let mut rows: Vec<IdeaRow> = snapshot.ideas().map(|row| IdeaRow::clone(row)).collect();
    rows.sort_by_key(|row| Reverse((row.created_at, row.id.clone())));
    for state in optional(IdeaState::ALL) {
        for (order, direction) in [IdeaOrder::Created, IdeaOrder::Priority]
            .into_iter()
            .flat_map(|o| DIRECTIONS.map(|d| (o, d)))
        {
            let keeps = |row: &&IdeaRow| state.is_none_or(|state| row.state == state);
            let mut expected: Vec<_> = rows.iter().filter(keeps).collect();
            if order == IdeaOrder::Priority {
                expected.sort_by(|a, b| b.priority.total_cmp(&a.priority));
            }
            if direction == SortDirection::Ascending {
                expected.reverse();
            }
            let listed = snapshot.list_ideas(state, order, direction).all();
            assert_eq!(snapshot.count_ideas(state), expected.len());
            assert!(
                listed.into_iter().map(|row| &**row).eq(expected),
                "{state:?} {order:?} {direction:?}"
            );
        }
    }
}

fn assert_variants(snapshot: &Snapshot) {
    let mut rows: Vec<VariantRow> = snapshot.variants().map(|row| VariantRow::clone(row)).collect();
    rows.sort_by_key(|row| row.id.clone());
    let of_idea: Vec<_> = rows
        .iter()
        .filter(|row| row.idea.as_ref().is_some_and(|idea| idea.as_str() == "i2"))
        .cloned()
        .collect();
    let listed = snapshot.variants_of(&"i2".parse().expect("an id")).all();
    assert!(listed.into_iter().map(|row| &**row).eq(&of_idea));
    assert_eq!(
        snapshot.integrated(),
        rows.iter().filter(|row| row.integrated.is_some()).count()
    );

    for sha in (0..4).map(shared_commit).chain((0..25).map(|id| format!("{id:040}"))) {
        let sha: CommitSha = sha.parse().expect("a commit");
        let made = rows
            .iter()
            .filter(|row| [&row.commit, &row.integrated].contains(&&Some(sha.clone())));
        let maker = made.min_by_key(|row| (row.baseline, row.started_at, row.id.clone()));
        assert_eq!(snapshot.variant_of_commit(&sha).map(|row| &**row), maker, "{sha}");
    }

    rows.sort_by_key(|row| Reverse((row.started_at, row.id.clone())));
    let orders = [
        VariantOrder::Started,
        VariantOrder::Metric("score"),
        VariantOrder::Metric("cost"),
    ];
    for status in optional(VariantStatus::ALL) {
        for (order, direction) in orders.into_iter().flat_map(|o| DIRECTIONS.map(|d| (o, d))) {
            let keeps = |row: &&VariantRow| status.is_none_or(|status| row.status == status);
            let mut expected: Vec<_> = rows.iter().filter(keeps).collect();
            let ascending = direction == SortDirection::Ascending;
            match order {
                VariantOrder::Started if ascending => expected.reverse(),
                VariantOrder::Started => {}
                VariantOrder::Metric(metric) => expected.sort_by(|a, b| match (a.metric(metric), b.metric(metric)) {
                    (Some(x), Some(y)) if ascending => x.total_cmp(&y),
                    (Some(x), Some(y)) => y.total_cmp(&x),
                    (x, y) => y.is_some().cmp(&x.is_some()),
                }),
            }
            let listed = snapshot.list_variants(status, order, direction).all();
            assert_eq!(snapshot.count_variants(status), expected.len());
            assert!(
                listed.into_iter().map(|row| &**row).eq(expected),
                "{status:?} {order:?} {direction:?}"
            );
        }
    }
    assert!(
        snapshot
            .list_variants(None, VariantOrder::Metric("notes"), SortDirection::Ascending)
            .is_empty()
    );
}

fn assert_scores(snapshot: &Snapshot) {
    let scores = snapshot.scores().expect("an objective");
    let counts = |row: &&Arc<VariantRow>| row.status == VariantStatus::Success;
    let score = |row: &Arc<VariantRow>| Some((row.completed_at?, row.id.clone(), row.metric("score")?));
    let mut all: Vec<_> = snapshot.variants().filter(counts).filter_map(score).collect();
    all.sort_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)));
    let mut steps: Vec<(Timestamp, VariantId, f64)> = Vec::new();
    for score in &all {
        if steps.last().is_none_or(|best| score.2 > best.2) {
            steps.push(score.clone());
        }
    }
    let same = |score: &super::Score<'_>| (score.at, score.variant.clone(), score.value);
    assert_eq!(scores.steps(usize::MAX).iter().map(same).collect::<Vec<_>>(), steps);
    assert_eq!(scores.best().as_ref().map(same), steps.last().cloned());
    assert_eq!(scores.last().as_ref().map(same), all.last().cloned());
    assert_eq!((scores.len(), scores.step_count()), (all.len(), steps.len()));
    let drawn = scores.downsampled(1000);
    assert_eq!(drawn.iter().map(|(score, _)| same(score)).collect::<Vec<_>>(), all);
    assert!(
        drawn
            .iter()
            .all(|(score, is_step)| *is_step == steps.contains(&same(score)))
    );
    let mut values: Vec<_> = all.iter().map(|score| score.2).collect();
    values.sort_by(f64::total_cmp);
    let middle = values
        .len()
        .checked_sub(1)
        .map(|last| values[(last as f64 * 0.5).round() as usize]);
    assert_eq!(scores.quantile(0.5), middle);
    let within = 1.0..=3.0;
    assert_eq!(
        scores.count_within(&within),
        values.iter().filter(|value| within.contains(value)).count()
    );
}

fn assert_whole(snapshot: &Snapshot) {
    assert_tasks(snapshot);
    assert_ideas(snapshot);
    assert_variants(snapshot);
    assert_scores(snapshot);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn lists_equal_filtering_and_sorting_all_rows(puts in puts(), cut in 0..150_usize) {
        let (first, then) = puts.split_at(cut.min(puts.len()));
        let mut snapshot = snapshot_of(together(first));
        assert_whole(&snapshot);
        for one in then {
            put(&mut snapshot, one);
        }
        assert_whole(&snapshot);
        // After single changes the weight is about that of one list.
        let at_once = snapshot_of(together(&puts)).weight();
        let weight = snapshot.weight();
        prop_assert!(weight.abs_diff(at_once) * 10 <= at_once, "{} against {}", weight, at_once);
    }
}

#[test]
fn many_evaluations_are_downsampled_and_no_step_is_lost() {
    let mut entities = empty();
    for n in 0..5_000_u32 {
        entities.variants.push(of(json!({
            "variant_id": format!("v{n:05}"), "experiment_id": format!("exp_{:026}", 0), "status": "success",
            "parent_commits": ["0".repeat(40)], "evaluation": { "score": (n * 7_919) % 5_003 }, "started_at": at(0),
            "completed_at": at(u8::try_from(n / 50).expect("short")),
        })));
    }
    let snapshot = snapshot_of(entities);
    let scores = snapshot.scores().expect("an objective");
    let drawn = scores.downsampled(400);
    assert!((350..=401).contains(&drawn.len()), "{}", drawn.len());
    assert_eq!(
        drawn.iter().filter(|(_, is_step)| *is_step).count(),
        scores.step_count()
    );
    assert!(drawn.is_sorted_by_key(|(score, _)| (score.at, score.variant)));
    assert_eq!(
        drawn,
        snapshot.scores().expect("an objective").downsampled(400),
        "the same every time"
    );
    // Each is better than the one before: even the steps are too many to draw.
    let few = scores.steps(3);
    assert_eq!(
        (few.first(), few.last()),
        (scores.steps(usize::MAX).first(), scores.best().as_ref())
    );
    assert!(few.len() <= 4);
}
