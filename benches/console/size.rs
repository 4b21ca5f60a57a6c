//! The cost of a page in a large experiment against a small one.

use std::time::{Duration, Instant};

use switchboard::live::Phase;
use tokio::runtime::Runtime;

use crate::deployment::{Console, Deployment, Lab};
use crate::http;
use crate::load::{self, Requests, Subject};
use crate::stats::ms;
use crate::{Options, Outcome};

const SMALL: usize = 1_000;
const PER: usize = 100;

/// An experiment, how many tasks it has, and what it is called in the table.
struct Size {
    lab: Lab,
    tasks: usize,
    name: &'static str,
}

pub fn run(options: &Options) -> Outcome {
    let load = load::runtime()?;
    let deployment = Deployment::start()?;
    let begin = Instant::now();
    let (large, small) = load.block_on(async {
        let admin = deployment.admin()?;
        let large = Lab::begin(&admin, "large").await?;
        large.fill(options.tasks).await?;
        let small = Lab::begin(&admin, "small").await?;
        small.fill(SMALL).await?;
        Outcome::Ok((large, small))
    })?;
    println!(
        "- created {} and {SMALL} tasks over the wire in {:.1} s",
        options.tasks,
        begin.elapsed().as_secs_f64()
    );
    let console = deployment.console()?;
    let sizes = [(large, options.tasks, "large"), (small, SMALL, "small")];
    let [large, small] = sizes.map(|(lab, tasks, name)| Size { lab, tasks, name });
    for size in [&large, &small] {
        let took = list(&load, &console, size)?;
        println!(
            "- {} tasks listed, from the start of the mirror to ready, in {}",
            size.tasks,
            ms(took)
        );
    }
    std::thread::sleep(Duration::from_secs(1));

    // A number nobody understands is no part of the page, but it is of its key: nothing comes from the cache.
    let both = |query: &str, warm: bool| {
        [
            subject(&console, &large, query, warm),
            subject(&console, &small, query, warm),
        ]
    };
    compare("the first page, from the cache", &load, options, both("", true))?;
    for (what, query) in [
        ("the first page, drawn each time", ""),
        ("every page in turn, drawn each time", "&page={page}"),
        (
            "every page in turn, by last change, drawn each time",
            "&sort=updated&page={page}",
        ),
        ("claimed tasks (one in five), drawn each time", "&state=claimed"),
        ("submitted tasks (none), drawn each time", "&state=submitted"),
    ] {
        compare(what, &load, options, both(query, false))?;
    }
    Ok(())
}

fn compare(what: &str, load: &Runtime, options: &Options, [large, small]: [Subject; 2]) -> Outcome {
    println!("\n{what}\n");
    // The cost is the inverse of the rate, so a ratio of 0.77 here is a cost of 1.3.
    load::versus(load, &large, &small, options.load_time())
}

/// Starts the mirror as a first view does, and waits until it can answer.
fn list(load: &Runtime, console: &Console, size: &Size) -> Outcome<Duration> {
    let id = &size.lab.id;
    let begin = Instant::now();
    let view = load.block_on(async {
        while !console
            .live
            .registry()
            .settled(Duration::from_secs(10))
            .await
            .rows
            .contains_key(id)
        {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        console.live.mirror(id).settled(Duration::from_secs(120)).await
    });
    match &view.phase {
        Phase::Ready(snapshot) if snapshot.counts.total() == size.tasks as u64 => Ok(begin.elapsed()),
        Phase::Ready(snapshot) => Err(format!("the mirror holds {} tasks", snapshot.counts.total()).into()),
        _ => Err(format!("the mirror is not ready: {:?}", view.freshness).into()),
    }
}

fn subject(console: &Console, size: &Size, query: &str, warm: bool) -> Subject {
    let path = format!("/x/{}/admin/tasks/?per={PER}{query}", size.lab.id);
    let pages = size.tasks.div_ceil(PER);
    let cookie = console.cookie.clone();
    let requests = if warm {
        Requests::always(http::request(&path, &cookie))
    } else {
        Requests::numbered(move |number| {
            // A stride without a common factor with the number of pages visits all of them, far apart.
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
