//! Tables of what came of what: a row an act, a column an operator.

use super::{Ask, fault};
use crate::console::Page;

/// What the cells of the tables stand for: the status and the fault of the page where it ends.
const MEANINGS: &[(&str, &str)] = &[
    ("ok", "200"),
    ("stale", "200 stale"),
    ("doubt", "200 doubted"),
    ("admin", "403 not-an-administrator"),
    ("role?", "503 role-unknown"),
    ("notok", "200 admin-disabled"),
    ("noCP", "404 no-control-plane"),
    ("noexp", "404 no-such-experiment"),
    ("noname", "404 no-such-name"),
    ("nopage", "404 no-such-page"),
    ("nocred", "503 cannot-bootstrap-credential"),
    ("CP?", "503 control-plane-credential"),
    ("CPdown", "503 control-plane-unreachable"),
    ("CPodd", "502 control-plane-refused"),
    ("TSdown", "503 task-store-unreachable"),
    ("TSodd", "502 task-store-refused"),
    ("role!", "502 role-unknown"),
    ("unseed", "409 unseeded"),
    // With words beside the form.
    ("no", "409"),
];

/// Where it ended: the status and the fault's key.
pub fn cell(page: &Page) -> String {
    let key = match page.attributes("#region-unseeded", "id").is_empty() {
        true => fault(page),
        false => "unseeded".to_owned(),
    };
    let is_stale =
        page.status == 200 && key.is_empty() && !page.attributes("[data-freshness=stale]", "class").is_empty();
    // The page is the present, and the list of experiments in the bar is not.
    let is_doubted = page.status == 200 && key.is_empty() && !page.attributes("[data-doubt]", "class").is_empty();
    let key = if is_doubted && !is_stale {
        "doubted".to_owned()
    } else {
        key
    };
    let told = format!("{} {}", page.status, if is_stale { "stale" } else { &key });
    let told = told.trim_end();
    let meaning = MEANINGS.iter().find(|(_, meaning)| *meaning == told);
    meaning.map_or_else(|| told.replace(' ', "_"), |(short, _)| (*short).to_owned())
}

/// A table in the making: rows by name, with a cell a column.
pub struct Table {
    wanted: &'static str,
    heads: usize,
    rows: Vec<(String, Vec<String>)>,
}

impl Table {
    /// One that is to come to the same as another, which begins with so many lines of headings.
    pub fn like(wanted: &'static str, heads: usize) -> Self {
        Self {
            wanted,
            heads,
            rows: Vec::new(),
        }
    }

    /// With htmx and without, it comes to the same.
    pub fn note(&mut self, row: &str, column: usize, ask: Ask, page: &Page) {
        let index = self.rows.iter().position(|(name, _)| name == row).unwrap_or_else(|| {
            self.rows.push((row.to_owned(), Vec::new()));
            self.rows.len() - 1
        });
        let cells = &mut self.rows[index].1;
        let told = cell(page);
        match ask {
            Ask::Plain => {
                assert_eq!(cells.len(), column, "{row}");
                cells.push(told);
            }
            Ask::Htmx => assert_eq!(cells[column], told, "{row} by htmx: {}", page.body),
        }
    }

    pub fn check(&self) {
        let heads: String = self
            .wanted
            .lines()
            .take(self.heads + 1)
            .map(|line| format!("{line}\n"))
            .collect();
        let line = |(name, cells): &(String, Vec<String>)| {
            let cells: Vec<_> = cells.iter().map(|cell| format!("{cell:<6}")).collect();
            format!("{name:<46} {}", cells.join(" ")).trim_end().to_owned()
        };
        let found = heads + &self.rows.iter().map(line).map(|line| line + "\n").collect::<String>();
        assert!(found == self.wanted, "it is{found}");
    }
}
