//! What was measured, and the table of it.

use super::page::{Cost, Held};
use super::wire::{Count, Kind};
use crate::stats::table;

/// One line of the table.
pub struct Figure {
    name: String,
    text: String,
    /// `None` if it has no ratio.
    value: Option<f64>,
}

/// The lines of one program, in the order of measuring.
#[derive(Default)]
pub struct Figures(Vec<Figure>);

pub fn kb(bytes: u64) -> f64 {
    bytes as f64 / 1e3
}

impl Figures {
    /// A number with this many decimals. The ratio to another program's is printed beside it.
    pub fn number(&mut self, of: &str, what: &str, value: f64, decimals: usize) {
        self.push(of, what, format!("{value:.decimals$}"), Some(value));
    }

    /// What has no ratio.
    pub fn text(&mut self, of: &str, what: &str, text: String) {
        self.push(of, what, text, None);
    }

    fn push(&mut self, of: &str, what: &str, text: String, value: Option<f64>) {
        self.0.push(Figure {
            name: format!("{of}: {what}"),
            text,
            value,
        });
    }

    /// A transfer.
    pub fn transfer(&mut self, of: &str, count: Count) {
        self.number(of, "kB on the wire", kb(count.bytes), 1);
        self.number(of, "requests", count.requests as f64, 0);
    }

    /// An open page.
    pub fn cost(&mut self, of: &str, cost: &Cost) {
        self.transfer(of, cost.wire.total());
        let [parts, stream] = [Kind::Part, Kind::Stream].map(|kind| kb(cost.wire.of(kind).bytes));
        self.text(
            of,
            "of it kB of parts / of the stream",
            format!("{parts:.1} / {stream:.1}"),
        );
        let [busy, scripts, layout] = cost.busy.map(|part| part * 100.0);
        self.number(of, "main thread busy, %", busy, 2);
        self.text(
            of,
            "of it scripts / style and layout, %",
            format!("{scripts:.2} / {layout:.2}"),
        );
        if cost.longest_task_ms > 0.0 {
            self.number(of, "longest task, ms", cost.longest_task_ms, 0);
        } else {
            self.text(of, "longest task, ms", "< 50".to_owned());
        }
        self.text(of, "layout shift", format!("{:.4}", cost.layout_shift));
        let both = |value: fn(Held) -> f64, decimals: usize| {
            let (start, end) = (value(cost.start), value(cost.end));
            format!("{start:.decimals$} / {end:.decimals$}")
        };
        self.text(of, "heap at start / end, MB", both(|held| held.heap_bytes / 1e6, 2));
        self.text(of, "DOM nodes at start / end", both(|held| held.nodes, 0));
    }

    /// Prints the lines, beside those of the program `before` it if there is one.
    pub fn print(&self, before: Option<&Self>) {
        let row = |(index, figure): (usize, &Figure)| {
            let mut row = vec![figure.name.clone()];
            if let Some(before) = before {
                let before = &before.0[index];
                let ratio = figure.value.zip(before.value).filter(|(_, before)| *before > 0.0);
                row.push(before.text.clone());
                row.push(figure.text.clone());
                row.push(ratio.map_or_else(String::new, |(after, before)| format!("{:.2}", after / before)));
            } else {
                row.push(figure.text.clone());
            }
            row
        };
        let rows: Vec<_> = self.0.iter().enumerate().map(row).collect();
        match before {
            Some(_) => table(&["page", "before", "after", "after / before"], &rows),
            None => table(&["page", "measured"], &rows),
        }
    }
}
