//! What changed between two versions of a region, so that a browser that has the one gets the other for few bytes.
//!
//! Markup is compared, not data, so every region has this without a line of its own. Two kinds of elements are sent alone:
//! rows of tables (`<tr id=…>`) and values (`<span id=…>`, see [`value`](crate::web::ui::value)). If anything else differs
//! the region is sent whole. Text is escaped, so the beginning of a tag is found nowhere else.

use std::collections::HashMap;
use std::fmt::Write as _;

use crate::web::ui::{ROW, VALUE};

/// A row or a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Part<'m> {
    id: &'m str,
    markup: &'m str,
}

/// The markup of a region, taken apart.
struct Parts<'m> {
    /// Everything that is neither a row nor a value, with the id of each value in its place.
    frame: String,
    /// The rows of each `<tbody>`, in order.
    lists: Vec<Vec<Part<'m>>>,
    values: Vec<Part<'m>>,
}

impl<'m> Parts<'m> {
    /// None where a part has no end: then the markup is not a region's.
    fn of(region: &'m str) -> Option<Self> {
        const LIST: &str = "<tbody>";
        let mut parts = Self {
            frame: String::new(),
            lists: Vec::new(),
            values: Vec::new(),
        };
        // The tag of the content is in the region's own tag, and different in each version.
        let (own_tag, mut rest) = region.split_once('>')?;
        let (before, tagged) = own_tag.split_once(" data-etag=\"")?;
        let (_, after) = tagged.split_once('"')?;
        parts.frame.extend([before, after]);
        while let Some(at) = rest.find('<') {
            parts.frame.push_str(&rest[..at]);
            rest = &rest[at..];
            if rest.starts_with(ROW) && !parts.lists.is_empty() {
                let (row, after) = part(rest, ROW, "</tr>")?;
                parts.lists.last_mut()?.push(row);
                rest = after;
            } else if rest.starts_with(VALUE) {
                let (value, after) = part(rest, VALUE, "</span>")?;
                parts.frame.push_str(value.id);
                parts.values.push(value);
                rest = after;
            } else {
                if rest.starts_with(LIST) {
                    parts.lists.push(Vec::new());
                }
                parts.frame.push('<');
                rest = &rest[1..];
            }
        }
        parts.frame.push_str(rest);
        Some(parts)
    }
}

/// The part at the beginning of `markup`, and what follows it.
fn part<'m>(markup: &'m str, begin: &str, end: &str) -> Option<(Part<'m>, &'m str)> {
    let (id, _) = markup[begin.len()..].split_once('"')?;
    let (markup, after) = markup.split_at(markup.find(end)? + end.len());
    Some((Part { id, markup }, after))
}

/// The changes that lead from one version of a region to another:
///
/// - for each list that changed a `<tbody>` in a table of its own, with the number of the list (`data-list`, from 0), the
///   ids of the rows that are gone (`data-gone`), and the rows that are new, changed or moved, in order. A new or moved row
///   says its place in the new list (`data-at`, from 0), counted once the rows that are gone or moved are taken out and the
///   rows before it are in;
/// - the values that changed.
///
/// None where the region is better sent whole.
pub(crate) fn delta(old: &str, new: &str) -> Option<String> {
    let (before, after) = (Parts::of(old)?, Parts::of(new)?);
    if before.frame != after.frame || before.lists.len() != after.lists.len() {
        return None;
    }
    let mut changes = String::new();
    for (at, (before, after)) in before.lists.iter().zip(&after.lists).enumerate() {
        push_list(&mut changes, at, before, after)?;
    }
    // Equal frames have the same values in the same order.
    for (before, after) in before.values.iter().zip(&after.values) {
        if before != after {
            // Its class stays, so only its text is sent.
            let (_, text) = after.markup.split_once('>')?;
            changes.extend([VALUE, after.id, "\">", text]);
        }
    }
    (changes.len() < new.len() / 2).then_some(changes)
}

/// Writes the changes of one list. None where ids are not unique.
fn push_list(changes: &mut String, number: usize, before: &[Part], after: &[Part]) -> Option<()> {
    if before == after {
        return Some(());
    }
    let places = places(after)?;
    let old_places = self::places(before)?;
    let gone: Vec<_> = before
        .iter()
        .map(|row| row.id)
        .filter(|id| !places.contains_key(id))
        .collect();
    let kept: Vec<_> = before.iter().filter_map(|row| places.get(row.id).copied()).collect();
    let in_order = longest_increasing(&kept);
    // Writing to a String cannot fail.
    let _ = write!(changes, "<table><tbody data-list=\"{number}\"");
    if !gone.is_empty() {
        let _ = write!(changes, " data-gone=\"{}\"", gone.join(" "));
    }
    changes.push('>');
    for (place, row) in after.iter().enumerate() {
        let stays = in_order.binary_search(&place).is_ok();
        let is_same = old_places.get(row.id).is_some_and(|old| before[*old] == *row);
        if stays && is_same {
            continue;
        }
        changes.push_str("<tr ");
        if !stays {
            let _ = write!(changes, "data-at=\"{place}\" ");
        }
        changes.push_str(&row.markup["<tr ".len()..]);
    }
    changes.push_str("</tbody></table>");
    Some(())
}

/// The place of each row; none where two have the same id.
fn places<'m>(rows: &[Part<'m>]) -> Option<HashMap<&'m str, usize>> {
    let places: HashMap<_, _> = rows.iter().enumerate().map(|(place, row)| (row.id, place)).collect();
    (places.len() == rows.len()).then_some(places)
}

/// The longest increasing subsequence: the rows that need not move.
fn longest_increasing(places: &[usize]) -> Vec<usize> {
    // The index of the smallest end of a subsequence of each length, and what comes before each index.
    let mut ends: Vec<usize> = Vec::new();
    let mut previous = vec![None; places.len()];
    for (index, place) in places.iter().enumerate() {
        let length = ends.partition_point(|end| places[*end] < *place);
        previous[index] = length.checked_sub(1).map(|shorter| ends[shorter]);
        match ends.get_mut(length) {
            Some(end) => *end = index,
            None => ends.push(index),
        }
    }
    let mut longest: Vec<_> = std::iter::successors(ends.last().copied(), |index| previous[*index])
        .map(|index| places[index])
        .collect();
    longest.reverse();
    longest
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A region with a table of rows, each an id and a text, and with a value.
    fn region(rows: &[(u8, u8)], total: u8) -> String {
        let rows = rows
            .iter()
            .map(|(id, text)| format!("<tr id=\"r-{id}\"><td>{text}</td></tr>"));
        let padding = "<p>more</p>".repeat(400);
        format!(
            "<section id=\"region-a\" data-etag=\"{total:x}\"><span id=\"n\">{total}</span>{padding}<table><thead><tr>\
             <th></th></tr></thead><tbody>{}</tbody></table></section>",
            rows.collect::<String>(),
        )
    }

    /// What the script does with the changes of a list.
    fn applied(old: &[(String, String)], changes: &str) -> Vec<(String, String)> {
        let tag = |text: &str, name: &str| {
            let (_, value) = text.split_once(&format!(" {name}=\""))?;
            value.split('"').next().map(str::to_owned)
        };
        let Some((_, list)) = changes.split_once("<tbody") else {
            return old.to_vec();
        };
        let (own, rows) = list.split_once('>').expect("a tag");
        let gone: Vec<_> = tag(own, "data-gone")
            .unwrap_or_default()
            .split(' ')
            .map(str::to_owned)
            .collect();
        let rows: Vec<_> = rows.split("</tr>").filter(|row| row.starts_with("<tr")).collect();
        let mut list: Vec<_> = old.iter().filter(|(id, _)| !gone.contains(id)).cloned().collect();
        for row in &rows {
            let id = tag(row, "id").expect("an id");
            if tag(row, "data-at").is_some() {
                list.retain(|(other, _)| *other != id);
            }
        }
        for row in rows {
            let (id, text) = (
                tag(row, "id").expect("an id"),
                row.split("<td>").nth(1).expect("a text").replace("</td>", ""),
            );
            match tag(row, "data-at") {
                Some(at) => list.insert(at.parse().expect("a place"), (id, text)),
                None => list.iter_mut().find(|(other, _)| *other == id).expect("a row").1 = text,
            }
        }
        list
    }

    fn rows() -> impl Strategy<Value = Vec<(u8, u8)>> {
        let ids = prop::sample::subsequence((0..24_u8).collect::<Vec<_>>(), 0..16).prop_shuffle();
        ids.prop_flat_map(|ids| ids.into_iter().map(|id| (Just(id), 0..3_u8)).collect::<Vec<_>>())
    }

    proptest! {
        #[test]
        fn the_changes_lead_from_any_list_to_any_other(old in rows(), new in rows()) {
            let changes = delta(&region(&old, 1), &region(&new, 1)).expect("changes");
            let named = |rows: &[(u8, u8)]| rows.iter().map(|(id, text)| (format!("r-{id}"), text.to_string())).collect::<Vec<_>>();
            prop_assert_eq!(applied(&named(&old), &changes), named(&new));
            prop_assert_eq!(changes.is_empty(), old == new);
        }
    }

    #[test]
    fn only_rows_and_values_that_changed_are_sent() {
        let changes = |old: &[(u8, u8)], new: &[(u8, u8)], total| delta(&region(old, 1), &region(new, total));
        let (old, new) = ([(2, 0), (1, 0)], [(3, 0), (2, 1)]);
        assert_eq!(
            changes(&old, &new, 2).as_deref(),
            Some(
                "<table><tbody data-list=\"0\" data-gone=\"r-1\"><tr data-at=\"0\" id=\"r-3\"><td>0</td></tr>\
                 <tr id=\"r-2\"><td>1</td></tr></tbody></table><span id=\"n\">2</span>"
            )
        );
        // One row moves, not all the others.
        assert_eq!(
            changes(&[(1, 0), (2, 0), (3, 0)], &[(3, 0), (1, 0), (2, 0)], 1).as_deref(),
            Some("<table><tbody data-list=\"0\"><tr data-at=\"0\" id=\"r-3\"><td>0</td></tr></tbody></table>")
        );
    }

    #[test]
    fn a_region_that_differs_otherwise_is_sent_whole() {
        let old = region(&[(1, 0)], 1);
        assert_eq!(delta(&old, &old.replace("more", "less")), None);
        assert_eq!(delta(&old, &old.replace("region-a\"", "region-a\" title=\"x\"")), None);
        assert_eq!(
            delta(
                &old,
                &old.replace("<tr id=\"r-1\">", "<tr id=\"r-1\"></tr><tr id=\"r-1\">")
            ),
            None
        );
        let many: Vec<_> = (0..200).map(|id| (id, 0)).collect();
        assert_eq!(
            delta(&region(&[(1, 0)], 1), &region(&many, 1)),
            None,
            "most of it changed"
        );
        assert_eq!(delta(&old, "not a region"), None);
    }
}
