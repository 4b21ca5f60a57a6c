//! Resident memory of the program while the demo runs.

use std::time::Duration;

use crate::binary::Binary;
use crate::http::{self, sign_in};
use crate::stats::table;
use crate::{Options, Outcome, load};

pub fn run(options: &Options) -> Outcome {
    let load = load::runtime()?;
    let home = tempfile::tempdir()?;
    let binary = Binary::start(home.path(), true)?;
    let cookie = load.block_on(sign_in(binary.console, &binary.sign_in))?;
    let mut rows = Vec::new();
    for minute in 0..=options.minutes {
        if minute > 0 {
            std::thread::sleep(Duration::from_secs(60));
        }
        // View every experiment, so that each stays mirrored.
        let (experiments, variants, events) = load.block_on(view_all(&binary, &cookie))?;
        rows.push(vec![
            minute.to_string(),
            binary.rss()?.to_string(),
            experiments.to_string(),
            variants.to_string(),
            events.to_string(),
        ]);
    }
    table(&["minute", "RSS in KiB", "experiments", "variants", "events"], &rows);
    Ok(())
}

/// Views every experiment. Returns the numbers of experiments, variants and events in the backend.
async fn view_all(binary: &Binary, cookie: &str) -> Outcome<(usize, usize, u64)> {
    let admin = binary.admin()?;
    let entries = admin.control().experiments().await?;
    let (mut experiments, mut variants, mut events) = (0, 0, 0);
    for entry in entries {
        let experiment = admin.experiment(&entry.experiment_id);
        // The status is not checked: one experiment is registered but not seeded.
        http::get(binary.console, &format!("/x/{}/", entry.experiment_id), cookie).await?;
        let Ok(listed) = experiment.variants().await else {
            continue;
        };
        experiments += 1;
        variants += listed.items.len();
        events += listed.cursor.unwrap_or_default();
    }
    Ok((experiments, variants, events))
}
