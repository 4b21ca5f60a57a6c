//! The cost of a page in a large experiment, compared with a small one.

use std::time::{Duration, Instant};

use switchboard::live::Phase;
use switchboard::protocol::ExperimentId;
use tokio::runtime::Runtime;

use crate::archive::{self, worker};
use crate::deployment::{Console, Deployment};
use crate::http;
use crate::load::{self, Requests, Subject};
use crate::stats::ms;
use crate::{Options, Outcome};

const SMALL: usize = 1_000;
/// Rows per page. Small enough that every list has more rows than this in the small experiment too.
const PER: usize = 50;

/// An experiment, its number of tasks, ideas and variants each, and its name in the table.
struct Size {
    id: ExperimentId,
    number: usize,
    name: &'static str,
}

/// A list: its description, its path and query, and the percentage of rows that it contains.
type List = (&'static str, String, usize);

pub fn run(options: &Options) -> Outcome {
    let load = load::runtime()?;
    let deployment = Deployment::start()?;
    let begin = Instant::now();
    let (large, small) = load.block_on(async {
        let admin = deployment.admin()?;
        let large = archive::import(&admin, options.tasks, "1").await?;
        Outcome::Ok((large, archive::import(&admin, SMALL, "2").await?))
    })?;
    println!(
        "- imported {} and {SMALL} tasks, ideas and variants in {:.1} s",
        options.tasks,
        begin.elapsed().as_secs_f64()
    );
    let console = deployment.console()?;
    let sizes = [(large, options.tasks, "large"), (small, SMALL, "small")];
    let [large, small] = sizes.map(|(id, number, name)| Size { id, number, name });
    for size in [&large, &small] {
        let took = list(&load, &console, size)?;
        println!(
            "- {} of each listed, from the start of the mirror to ready, in {}",
            size.number,
            ms(took)
        );
    }
    std::thread::sleep(Duration::from_secs(1));

    let both = |list: &List, warm: bool| {
        [
            subject(&console, &large, list, warm),
            subject(&console, &small, list, warm),
        ]
    };
    let first = (
        "the first page of tasks, from the cache",
        "admin/tasks/?".to_owned(),
        100,
    );
    compare(&first, &load, options, both(&first, true))?;
    for list in lists() {
        for size in [&large, &small] {
            load.block_on(check_last_page(&console, size, &list))?;
        }
        compare(&list, &load, options, both(&list, false))?;
    }
    Ok(())
}

/// Lists that are rendered on each request. An unknown query parameter with a number makes the cache key unique.
fn lists() -> Vec<List> {
    let by = worker(1);
    let tasks = |query: &str| format!("admin/tasks/?{query}");
    let ideas = |query: &str| format!("admin/ideas/?{query}");
    let variants = |query: &str| format!("admin/variants/?{query}");
    vec![
        ("tasks, the first page", tasks(""), 100),
        ("tasks, every page in turn", tasks("page={page}"), 100),
        (
            "tasks by last change, every page",
            tasks("sort=updated&page={page}"),
            100,
        ),
        ("tasks by kind, every page", tasks("sort=kind&page={page}"), 100),
        (
            "tasks by state upwards, every page",
            tasks("sort=state&dir=asc&page={page}"),
            100,
        ),
        (
            "failed tasks (one in ten), every page",
            tasks("state=failed&page={page}"),
            10,
        ),
        (
            "completed evaluations (one in five), every page",
            tasks("kind=evaluation&state=completed&page={page}"),
            20,
        ),
        (
            "tasks of a worker (one in six), every page",
            tasks(&format!("worker={by}&page={{page}}")),
            15,
        ),
        (
            "completed tasks of a worker (one in ten) by last change, every page",
            tasks(&format!("worker={by}&state=completed&sort=updated&page={{page}}")),
            9,
        ),
        ("ideas, every page in turn", ideas("page={page}"), 100),
        (
            "completed ideas (seven in ten) by priority, every page",
            ideas("state=completed&sort=priority&page={page}"),
            70,
        ),
        ("variants, every page in turn", variants("page={page}"), 100),
        ("variants by score, every page", variants("sort=score&page={page}"), 100),
        (
            "successful variants (eight in ten) by cost upwards, every page",
            variants("status=success&sort=cost&dir=asc&page={page}"),
            80,
        ),
        ("the overview, with its chart", "?".to_owned(), 100),
    ]
}

fn compare((what, ..): &List, load: &Runtime, options: &Options, [large, small]: [Subject; 2]) -> Outcome {
    println!("\n{what}\n");
    // The ratio is of rates. Cost is the inverse: a ratio of 0.77 is a cost of 1.3.
    load::versus(load, &large, &small, options.load_time())
}

/// Starts the mirror, as the first view of a page does, and waits until it is ready.
fn list(load: &Runtime, console: &Console, size: &Size) -> Outcome<Duration> {
    let begin = Instant::now();
    let view = load.block_on(async {
        console.knows(&size.id).await;
        console
            .live
            .mirror(&size.id)
            .wait_until_settled(Duration::from_secs(120))
            .await
    });
    match &view.phase {
        Phase::Ready(snapshot) if snapshot.counts.total() == size.number as u64 => Ok(begin.elapsed()),
        Phase::Ready(snapshot) => Err(format!("the mirror holds {} tasks", snapshot.counts.total()).into()),
        _ => Err(format!("the mirror is not ready: {:?}", view.freshness).into()),
    }
}

fn subject(console: &Console, size: &Size, (_, path, share): &List, warm: bool) -> Subject {
    let path = full(size, path);
    let pages = pages(size, *share);
    let cookie = console.cookie.clone();
    let requests = if warm {
        Requests::always(http::request(&path, &cookie))
    } else {
        Requests::numbered(move |number| {
            // 7919 is prime, so the pages are visited in turn with large steps.
            let page = number * 7919 % pages + 1;
            let path = path.replace("{page}", &page.to_string());
            http::request(&format!("{path}&number={number}"), &cookie).into()
        })
    };
    Subject {
        name: size.name,
        address: console.address,
        requests,
    }
}

/// The path of a list in one experiment.
fn full(size: &Size, path: &str) -> String {
    format!("/x/{}/{path}&per={PER}", size.id).replace("?&", "?")
}

/// The number of full pages of a list, less one.
fn pages(size: &Size, share: usize) -> usize {
    (size.number * share / 100 / PER).saturating_sub(1).max(1)
}

/// Checks that the last requested page has all its rows. Then every page has.
///
/// # Errors
/// When it has not.
async fn check_last_page(console: &Console, size: &Size, (what, path, share): &List) -> Outcome {
    let path = full(size, path).replace("{page}", &pages(size, *share).to_string());
    let page = http::get(console.address, &path, &console.cookie).await?.ok(&path)?;
    let rows = page.text().matches("<tr id=").count();
    // The overview has other tables than the lists.
    let is_chart = !path.contains("/admin/") && page.text().contains("class=\"best\"");
    if rows == PER || is_chart {
        return Ok(());
    }
    Err(format!("{what}: {path} holds {rows} rows and not {PER}").into())
}
