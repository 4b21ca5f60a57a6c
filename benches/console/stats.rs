//! Order statistics, tables, and a description of the machine.

use std::fs;
use std::time::Duration;

/// Durations in ascending order.
pub struct Sorted(Vec<Duration>);

impl Sorted {
    pub fn new(mut durations: Vec<Duration>) -> Self {
        durations.sort_unstable();
        Self(durations)
    }

    /// The `part` quantile (0 to 1), by nearest rank; zero if there are no durations.
    pub fn at(&self, part: f64) -> Duration {
        let rank = (part * self.0.len() as f64).ceil() as usize;
        self.0.get(rank.max(1) - 1).copied().unwrap_or_default()
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn max(&self) -> Duration {
        self.0.last().copied().unwrap_or_default()
    }
}

/// The median; the mean of the two middle values if their number is even.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    match values.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => values[n / 2],
        n => f64::midpoint(values[n / 2 - 1], values[n / 2]),
    }
}

/// Milliseconds with two decimals.
pub fn ms(duration: Duration) -> String {
    format!("{:.2} ms", duration.as_secs_f64() * 1e3)
}

/// Prints a Markdown table with aligned columns.
pub fn table(heads: &[&str], rows: &[Vec<String>]) {
    let width = |column: usize| {
        let cells = rows
            .iter()
            .filter_map(|row| row.get(column))
            .map(|cell| cell.chars().count());
        cells.chain([heads[column].chars().count()]).max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..heads.len()).map(width).collect();
    let line = |cells: &[String]| {
        let cells = cells.iter().zip(&widths).enumerate();
        let cells = cells.map(|(column, (cell, &width))| match column {
            0 => format!("{cell:<width$}"),
            _ => format!("{cell:>width$}"),
        });
        println!("| {} |", cells.collect::<Vec<_>>().join(" | "));
    };
    line(&heads.iter().map(|&head| head.to_owned()).collect::<Vec<_>>());
    line(&widths.iter().map(|&width| "-".repeat(width)).collect::<Vec<_>>());
    rows.iter().for_each(|row| line(row));
}

/// Prints what the numbers depend on, without identifying the machine.
pub fn machine() {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let line = |path: &str| fs::read_to_string(path).unwrap_or_default().trim().to_owned();
    let info = |path: &str, key: &str| {
        let text = line(path);
        let value = text.lines().find_map(|line| line.strip_prefix(key)?.split_once(':'));
        value.map_or_else(|| "unknown".to_owned(), |(_, value)| value.trim().to_owned())
    };
    let build = if cfg!(debug_assertions) {
        "debug: not for comparison"
    } else {
        "release"
    };
    println!("# switchboard {} ({build})\n", env!("CARGO_PKG_VERSION"));
    println!("- cores: {cores}; processor: {}", info("/proc/cpuinfo", "model name"));
    println!(
        "- kernel: {}; memory: {}",
        line("/proc/sys/kernel/osrelease"),
        info("/proc/meminfo", "MemTotal")
    );
    println!("- load average before: {}", line("/proc/loadavg"));
    println!("- everything on loopback; the load has threads of its own beside the servers, on the same cores");
}
