//! The time from the start of the program to the first page.

use std::time::{Duration, Instant};

use crate::binary::Binary;
use crate::deployment::Lab;
use crate::http::{self, sign_in};
use crate::stats::{Sorted, ms, table};
use crate::{Options, Outcome, load};

pub fn run(options: &Options) -> Outcome {
    let load = load::runtime()?;
    let home = tempfile::tempdir()?;
    let binary = Binary::start(home.path(), false)?;
    let lab = load.block_on(async {
        let lab = Lab::begin(&binary.admin()?, "start").await?;
        lab.fill(1_000).await?;
        Outcome::Ok(lab)
    })?;
    binary.stop()?;

    let overview = format!("/x/{}/", lab.id);
    let (mut printed, mut answered) = (Vec::new(), Vec::new());
    for _ in 0..options.starts {
        let begin = Instant::now();
        let binary = Binary::start(home.path(), false)?;
        printed.push(begin.elapsed());
        load.block_on(async {
            let cookie = sign_in(binary.console, &binary.sign_in).await?;
            let page = http::get(binary.console, &overview, &cookie).await?.ok(&overview)?;
            if !page.text().contains("data-region=") {
                return Err("the overview has no regions".into());
            }
            answered.push(begin.elapsed());
            Outcome::Ok(())
        })?;
        binary.stop()?;
    }
    let row = |what: &str, times: Vec<Duration>| {
        let times = Sorted::new(times);
        vec![what.to_owned(), ms(times.at(0.0)), ms(times.at(0.5)), ms(times.max())]
    };
    table(
        &["from the start of the process to", "min", "median", "max"],
        &[
            row("the sign-in link printed", printed),
            row("the overview received", answered),
        ],
    );
    println!(
        "\n{} starts on a data directory with one experiment of 1000 tasks",
        options.starts
    );
    Ok(())
}
