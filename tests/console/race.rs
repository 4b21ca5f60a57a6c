//! Many workers want the same tasks.

use std::collections::BTreeMap;

use switchboard::protocol::*;

use crate::support::{World, join, kind_of};

const WORKERS: usize = 64;
const TASKS: usize = 1_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_of_a_thousand_tasks_goes_to_one_of_sixty_four_workers() {
    let world = World::start().await;
    let lab = world.lab("race").await;
    let tasks: Vec<TaskId> = (0..TASKS).map(|n| format!("t-{n}").parse().expect("an id")).collect();
    for id in &tasks {
        lab.ideation(id.as_str()).await;
    }
    let names: Vec<_> = (0..WORKERS).map(|n| format!("racer {n}")).collect();
    let racers = futures_util::future::join_all(names.iter().map(|name| join(&lab.admin, name))).await;
    // All in the same order, so that each task is wanted by all at about the same time.
    let wanted = &tasks;
    let races = racers.iter().map(|(worker, client)| async move {
        let mut won = Vec::new();
        for task in wanted {
            match client.claim(task, &ClaimRequest::default()).await {
                Ok(claim) => {
                    assert_eq!(&claim.worker_id, worker);
                    won.push(task.clone());
                }
                lost => assert_eq!(kind_of(lost), ErrorType::IllegalTransition),
            }
        }
        (worker.clone(), won)
    });
    let winners = futures_util::future::join_all(races).await;
    let mut holders = BTreeMap::new();
    for (worker, won) in winners {
        for task in won {
            assert_eq!(
                holders.insert(task.to_string(), worker.to_string()),
                None,
                "one holder a task"
            );
        }
    }
    assert_eq!(holders.len(), TASKS, "every task has a holder");
    let stored = lab.admin.tasks().await.expect("a list").items;
    let stored: BTreeMap<_, _> = stored
        .into_iter()
        .filter_map(|task| Some((task.task_id.to_string(), task.claim?.worker_id.to_string())))
        .collect();
    assert_eq!(stored, holders, "the store agrees with who was told");
    let log = lab.admin.events(0, None).await.expect("the log").events;
    let claimed = log.iter().filter(|event| event.kind == "task.claimed");
    let logged: BTreeMap<_, _> = claimed
        .filter_map(|event| {
            Some((
                event.data_str("task_id")?.to_owned(),
                event.data_str("worker_id")?.to_owned(),
            ))
        })
        .collect();
    assert_eq!((log.len(), logged), (2 * TASKS, holders), "and so does the log");
}
