//! A server that does not push: the requests of ten open pages while nothing changes, and when they are notified of a
//! change.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::deployment::{Deployment, Lab};
use crate::fanout::{everyone, follow};
use crate::http;
use crate::stats::{Sorted, ms, table};
use crate::{Options, Outcome, load};

const PAGES: usize = 10;
/// The length of the period without changes.
const QUIET: Duration = Duration::from_secs(30);

pub fn run(options: &Options) -> Outcome {
    let load = load::runtime()?;
    let deployment = Deployment::without_push()?;
    let console = deployment.console()?;
    load.block_on(async {
        let lab = Lab::begin(&deployment.admin()?, "polled").await?;
        lab.fill(100).await?;
        let overview = format!("/x/{}/", lab.id);
        let page = http::get(console.address, &overview, &console.cookie)
            .await?
            .ok(&overview)?;
        let fresh = page.header("switchboard-freshness").unwrap_or_default().to_owned();
        let request: Arc<[u8]> = http::stream_of(&page.text(), &console.cookie)?.into();
        let (told, mut tell) = mpsc::unbounded_channel();
        let mut streams = JoinSet::new();
        for number in 0..PAGES {
            streams.spawn(follow(number, console.address, request.clone(), told.clone()));
        }
        everyone(&mut tell, PAGES).await?;
        tokio::time::sleep(Duration::from_secs(2)).await;

        deployment.asked.take();
        tokio::time::sleep(QUIET).await;
        println!(
            "Asked in {} s by {PAGES} open pages while nothing changes:\n",
            QUIET.as_secs()
        );
        let asked = deployment.asked.take().into_iter();
        let rows: Vec<_> = asked
            .map(|(path, number)| vec![path.replace(lab.id.as_str(), "{E}"), number.to_string()])
            .collect();
        table(&["request", "number"], &rows);

        let (mut firsts, mut lasts) = (Vec::new(), Vec::new());
        while tell.try_recv().is_ok() {}
        for event in 0..options.events {
            lab.create(&format!("event-{event:06}")).await?;
            let acknowledged = Instant::now();
            let told = everyone(&mut tell, PAGES).await?;
            let since = |at: &Instant| at.saturating_duration_since(acknowledged);
            firsts.extend(told.iter().min().map(since));
            lasts.extend(told.iter().max().map(since));
            tokio::time::sleep(Duration::from_millis(150 + (event as u64 * 37) % 100)).await;
        }
        println!("\nA change, while the page says `{fresh}`:\n");
        let row = |what: &str, times: Vec<Duration>| {
            let times = Sorted::new(times);
            vec![what.to_owned(), ms(times.at(0.5)), ms(times.at(0.99)), ms(times.max())]
        };
        table(
            &["from the acknowledged commit to", "p50", "p99", "max"],
            &[row("the first page told", firsts), row("the last page told", lasts)],
        );
        println!("\n{PAGES} pages, {} events", options.events);
        Ok(())
    })
}
