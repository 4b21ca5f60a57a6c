//! Tables: columns that sort, and rows with stable ids.

use maud::{Markup, html};

use super::region::etag;

/// The order a column is sorted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// Smallest first.
    Ascending,
    /// Largest first.
    Descending,
}

/// The sort link of a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sort {
    /// The page sorted by this column; in reverse order where it is already.
    pub href: String,
    /// The order in force, where the page is sorted by this column.
    pub current: Option<Order>,
}

/// The head of a column.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Column<'a> {
    /// Its name.
    pub head: &'a str,
    /// Right-aligned, with tabular figures.
    pub numeric: bool,
    /// Hidden on a narrow screen.
    pub minor: bool,
    /// How to sort by it.
    pub sort: Option<Sort>,
}

impl<'a> Column<'a> {
    /// A column of text.
    pub(crate) fn text(head: &'a str) -> Self {
        Self {
            head,
            ..Self::default()
        }
    }

    /// A column of numbers.
    pub(crate) fn number(head: &'a str) -> Self {
        Self {
            head,
            numeric: true,
            ..Self::default()
        }
    }

    /// The same, hidden on a narrow screen.
    pub(crate) fn minor(self) -> Self {
        Self { minor: true, ..self }
    }

    /// The same, with a sort link.
    pub(crate) fn sorted(self, sort: Sort) -> Self {
        Self {
            sort: Some(sort),
            ..self
        }
    }

    /// The class of its cells, where the sheet has no rule for its place.
    fn class(&self, place: usize) -> Option<&'static str> {
        match (self.numeric, self.minor) {
            _ if place < PLACED => None,
            (false, false) => None,
            (true, false) => Some("num"),
            (false, true) => Some("minor"),
            (true, true) => Some("num minor"),
        }
    }
}

/// The columns that the sheet has a rule for by their place. In the columns after them each cell has a class.
const PLACED: usize = 16;

/// The classes of a table that say which of its columns are numeric (`n2`) and which are minor (`m4`), counted from 1,
/// so that no cell has to repeat it.
fn classes(columns: &[Column]) -> Option<String> {
    let placed = columns.iter().zip(1..=PLACED);
    let named = placed.flat_map(|(column, at)| {
        let numeric = column.numeric.then(|| format!("n{at}"));
        numeric.into_iter().chain(column.minor.then(|| format!("m{at}")))
    });
    let classes = named.collect::<Vec<_>>().join(" ");
    (!classes.is_empty()).then_some(classes)
}

/// The entity of a row; decides its `data-` attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RowKind {
    /// `data-task`
    Task,
    /// `data-variant`
    Variant,
    /// `data-idea`
    Idea,
    /// `data-event`
    Event,
    /// `data-experiment-row`
    Experiment,
    /// No entity.
    Plain,
}

impl RowKind {
    /// Labels for one and for several new rows, which the script holds back until they are asked for; none for kinds
    /// that are not held back.
    fn new_row_labels(self) -> Option<[&'static str; 2]> {
        match self {
            Self::Task => Some(["new task", "new tasks"]),
            Self::Variant => Some(["new variant", "new variants"]),
            Self::Idea => Some(["new idea", "new ideas"]),
            Self::Event => Some(["new event", "new events"]),
            Self::Experiment | Self::Plain => None,
        }
    }

    fn prefix(self) -> &'static str {
        match self {
            Self::Task => "task",
            Self::Variant => "variant",
            Self::Idea => "idea",
            Self::Event => "event",
            Self::Experiment => "experiment",
            Self::Plain => "row",
        }
    }
}

/// One row.
#[derive(Debug)]
pub(crate) struct Row {
    /// The kind of its entity.
    pub kind: RowKind,
    /// The entity's id, as on the wire.
    pub id: String,
    /// One cell per column.
    pub cells: Vec<Markup>,
}

impl Row {
    /// The element's id: stable, and unique for any characters in the entity's id, so that a morph finds the row again.
    fn element_id(&self) -> String {
        let plain = self
            .id
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
        if plain {
            format!("{}-{}", self.kind.prefix(), self.id)
        } else {
            format!("{}.{}", self.kind.prefix(), etag(&self.id))
        }
    }

    fn named(&self, kind: RowKind) -> Option<&str> {
        (self.kind == kind).then_some(self.id.as_str())
    }
}

/// The beginning of a row's markup, for those who take markup apart.
pub(crate) const ROW: &str = "<tr id=\"";

/// A table.
#[derive(Debug)]
pub(crate) struct Table<'a> {
    /// The caption for screen readers.
    pub caption: &'a str,
    /// The columns.
    pub columns: Vec<Column<'a>>,
    /// The rows.
    pub rows: Vec<Row>,
    /// Shown instead of a table without rows.
    pub empty: Markup,
}

/// The table, or its empty state.
pub(crate) fn table(table: &Table) -> Markup {
    let Some(first) = table.rows.first() else {
        return html! { (table.empty) };
    };
    html! {
        @if let Some([one, many]) = first.kind.new_row_labels() {
            div class="held" data-held data-one=(one) data-many=(many) hidden {
                button type="button" class="button" data-show-held { span data-held-count {} " \u{2014} show" }
            }
        }
        div class="table-wrap" role="region" aria-label=(table.caption) tabindex="0" {
            table class=[classes(&table.columns)] {
                caption class="sr" { (table.caption) }
                thead { tr { @for (place, column) in table.columns.iter().enumerate() { (head_cell(column, place)) } } }
                tbody {
                    @for row in &table.rows {
                        tr id=(row.element_id()) data-task=[row.named(RowKind::Task)]
                            data-variant=[row.named(RowKind::Variant)] data-idea=[row.named(RowKind::Idea)]
                            data-event=[row.named(RowKind::Event)]
                            data-experiment-row=[row.named(RowKind::Experiment)] {
                            @for (place, cell) in row.cells.iter().enumerate() {
                                td class=[table.columns.get(place).and_then(|column| column.class(place))] { (cell) }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn head_cell(column: &Column, place: usize) -> Markup {
    let Some(sort) = &column.sort else {
        return html! { th scope="col" class=[column.class(place)] { (column.head) } };
    };
    let (order, arrow) = match sort.current {
        Some(Order::Ascending) => (Some("ascending"), "\u{2191}"),
        Some(Order::Descending) => (Some("descending"), "\u{2193}"),
        None => (None, ""),
    };
    html! {
        th scope="col" class=[column.class(place)] aria-sort=[order] {
            a href=(sort.href) { (column.head) span class="sort" aria-hidden="true" { (arrow) } }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_ids_are_unique_for_any_characters() {
        let id = |id: &str| {
            Row {
                kind: RowKind::Task,
                id: id.to_owned(),
                cells: Vec::new(),
            }
            .element_id()
        };
        assert_eq!(id("eval-1"), "task-eval-1");
        assert_ne!(id("a b"), id("a_b"));
        assert_ne!(id("a b"), id("a/b"));
        assert!(!id("a \"b\"").contains(' '));
    }
}
