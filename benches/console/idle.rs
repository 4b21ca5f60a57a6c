//! How many requests page views cause at the backend while nothing changes.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::Outcome;
use crate::deployment::{Deployment, Lab};
use crate::http::{self, Connection};
use crate::load;
use crate::stats::table;

/// Number of measured page views.
const VIEWS: usize = 1_000;

pub fn run() -> Outcome {
    let load = load::runtime()?;
    let deployment = Deployment::start()?;
    let lab = load.block_on(async {
        let lab = Lab::begin(&deployment.admin()?, "idle").await?;
        lab.fill(250).await?;
        Outcome::Ok(lab)
    })?;
    let console = deployment.console()?;
    let x = format!("/x/{}", lab.id);
    let paths = [
        format!("{x}/"),
        format!("{x}/admin/tasks/"),
        format!("{x}/admin/tasks/?state=claimed&sort=updated"),
        format!("{x}/admin/tasks/?page=2"),
        format!("{x}/admin/tasks/task-000007/"),
        format!("{x}/admin/ideas/"),
        format!("{x}/admin/variants/"),
        format!("{x}/admin/events/"),
        "/admin/experiments/".to_owned(),
    ];
    let asked = || {
        let asked = &deployment.asked;
        (
            asked.requests.load(Ordering::Relaxed),
            asked.streams.load(Ordering::Relaxed),
        )
    };
    let view = |times: usize| {
        let (paths, console) = (&paths, &console);
        load.block_on(async move {
            let mut connection = Connection::open(console.address).await?;
            for path in paths.iter().cycle().take(times) {
                connection
                    .fetch(&http::request(path, &console.cookie))
                    .await?
                    .ok(path)?;
            }
            Outcome::Ok(())
        })
    };
    let before = asked();
    view(paths.len())?;
    std::thread::sleep(Duration::from_secs(1));
    let first = asked();
    let begin = Instant::now();
    view(VIEWS)?;
    let took = begin.elapsed();
    let after = asked();
    let row = |what: &str, views: usize, from: (u64, u64), to: (u64, u64)| {
        [
            what.to_owned(),
            views.to_string(),
            (to.0 - from.0).to_string(),
            (to.1 - from.1).to_string(),
        ]
        .to_vec()
    };
    table(
        &["page views", "number", "upstream requests", "streams opened"],
        &[
            row("first of each page, lists included", paths.len(), before, first),
            row("while nothing changes", VIEWS, first, after),
        ],
    );
    println!(
        "\n{} kinds of page in turn over {:.2} s; heartbeats come within the streams and are no requests",
        paths.len(),
        took.as_secs_f64()
    );
    Ok(())
}
