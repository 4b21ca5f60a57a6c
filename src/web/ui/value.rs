//! Values as people read them: ids, times, numbers.

use maud::{Markup, html};
use serde_json::Value;

use crate::protocol::Timestamp;

/// The separator of digit groups: a narrow no-break space.
const THIN: char = '\u{202f}';

/// Stands for an absent value.
pub(crate) const ABSENT: &str = "\u{2013}";

/// Ids up to this many characters are not shortened.
const WHOLE: usize = 18;

/// Characters kept of the end of a longer one.
const TAIL: usize = 6;

/// An id shortened in the middle. A minted id keeps its prefix, which says its kind, and its tail: ids minted together
/// share their head. A caller's own id keeps more of its head, which often has a meaning.
pub(crate) fn short(id: &str) -> String {
    let length = id.chars().count();
    if length <= WHOLE {
        return id.to_owned();
    }
    let minted = length == 30 && id.as_bytes().get(3) == Some(&b'_');
    let head: String = id.chars().take(if minted { 6 } else { 10 }).collect();
    let tail: String = id.chars().skip(length - TAIL).collect();
    format!("{head}\u{2026}{tail}")
}

/// The whole id, for its title; none where nothing of it is cut.
fn whole(id: &str) -> Option<&str> {
    (id.chars().count() > WHOLE).then_some(id)
}

/// A shortened id; a click copies the whole one. Not for use inside links, buttons or summaries.
pub(crate) fn short_id(id: &str) -> Markup {
    html! { button type="button" class="id" title=(id) data-copy=(id) { (short(id)) } }
}

/// A shortened id as text.
pub(crate) fn id_text(id: &str) -> Markup {
    html! { span class="id" title=[whole(id)] { (short(id)) } }
}

/// A shortened id, linked to its page if there is a link.
pub(crate) fn id_maybe_link(href: Option<&str>, id: &str) -> Markup {
    href.map_or_else(|| id_text(id), |href| id_link(href, id))
}

/// A shortened id, linked to its page.
pub(crate) fn id_link(href: &str, id: &str) -> Markup {
    html! { a class="id" href=(href) title=[whole(id)] { (short(id)) } }
}

/// A whole id with a button that copies it, for detail pages.
pub(crate) fn copyable(id: &str) -> Markup {
    html! {
        span class="copyable" {
            code { (id) }
            button type="button" class="copy" data-script data-copy=(id) aria-label={ "Copy " (id) } { "Copy" }
        }
    }
}

/// A commit's first ten digits; a click copies the whole hash.
pub(crate) fn commit(sha: &str) -> Markup {
    let head: String = sha.chars().take(10).collect();
    html! { button type="button" class="id" title=(sha) data-copy=(sha) { (head) } }
}

/// An instant, in UTC and to the second. It is said once: the text is also what programs read (a valid global date and
/// time). The script replaces it with a relative time and updates that.
pub(crate) fn when(at: Timestamp) -> Markup {
    html! { time { (at.instant().strftime("%Y-%m-%d %H:%M:%SZ")) } }
}

/// An instant with its date, exact to the millisecond; the script adds how long ago it was.
pub(crate) fn when_dated(at: Timestamp) -> Markup {
    html! {
        time datetime=(at) data-when="dated" { (at.instant().strftime("%Y-%m-%d %H:%M:%S UTC")) }
    }
}

/// The beginning of a value's markup, for those who take markup apart.
pub(crate) const VALUE: &str = "<span id=\"";

/// A text that changes often, with an id of its own on the page: its changes are sent without what is around it.
pub(crate) fn value(id: &str, class: Option<&str>, text: &str) -> Markup {
    html! { span id=(id) class=[class] { (text) } }
}

/// A measured number: six significant digits, grouped, and in scientific notation only beyond 1e9 or within 1e-9.
pub(crate) fn number(value: f64) -> String {
    if !value.is_finite() {
        return ABSENT.to_owned();
    }
    let size = value.abs();
    if size != 0.0 && !(1e-9..1e9).contains(&size) {
        let text = format!("{value:.5e}");
        return match text.split_once('e') {
            Some((digits, exponent)) => format!("{}e{exponent}", trim_zeros(digits)),
            None => text,
        };
    }
    let places = if size == 0.0 { 0.0 } else { 5.0 - size.log10().floor() };
    fixed(value, places.clamp(0.0, 15.0) as usize)
}

/// A number with at most so many decimals, grouped, without trailing zeros.
pub(crate) fn fixed(value: f64, places: usize) -> String {
    let text = format!("{value:.places$}");
    let text = trim_zeros(&text);
    if text == "-0" {
        return "0".to_owned();
    }
    let (whole, fraction) = match text.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (text, None),
    };
    let mut grouped = group(whole);
    if let Some(fraction) = fraction {
        grouped.push('.');
        grouped.push_str(fraction);
    }
    grouped
}

/// A count, grouped.
pub(crate) fn count(value: u64) -> String {
    group(&value.to_string())
}

/// A value of an evaluation, as text.
pub(crate) fn metric_value(value: &Value) -> String {
    match value {
        Value::Null => ABSENT.to_owned(),
        Value::Number(number_) => match number_.as_u64() {
            Some(whole) => count(whole),
            None => number_.as_f64().map_or_else(|| number_.to_string(), number),
        },
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn trim_zeros(text: &str) -> &str {
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.')
    } else {
        text
    }
}

fn group(whole: &str) -> String {
    let (sign, digits) = match whole.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", whole),
    };
    let mut grouped = sign.to_owned();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(THIN);
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_six_digits_and_no_more() {
        for (value, wanted) in [
            (0.0, "0"),
            (-0.0, "0"),
            (-0.000_000_04, "-0.00000004"),
            (1.0 / 3.0, "0.333333"),
            (0.000_012_345_678, "0.0000123457"),
            (1.5, "1.5"),
            (-12.345_678_9, "-12.3457"),
            (1_234.567_89, "1\u{202f}234.57"),
            (999_999.96, "1\u{202f}000\u{202f}000"),
            (123_456_789.0, "123\u{202f}456\u{202f}789"),
            (1.5e9, "1.5e9"),
            (-2.5e-12, "-2.5e-12"),
            (f64::NAN, "\u{2013}"),
        ] {
            assert_eq!(number(value), wanted, "{value:e}");
        }
    }

    #[test]
    fn counts_are_grouped_by_three() {
        assert_eq!(count(0), "0");
        assert_eq!(count(999), "999");
        assert_eq!(count(1_000), "1\u{202f}000");
        assert_eq!(count(12_345_678), "12\u{202f}345\u{202f}678");
    }

    #[test]
    fn an_id_is_cut_in_the_middle_only_when_long() {
        assert_eq!(short("task-12"), "task-12");
        assert_eq!(short("exp_01jz0000000000000000ab8k3m"), "exp_01\u{2026}ab8k3m");
        assert_eq!(short("swap-two-cities-and-reverse"), "swap-two-c\u{2026}everse");
        assert_eq!(short(&"é".repeat(18)), "é".repeat(18));
    }

    #[test]
    fn metric_values_of_every_type_are_text() {
        use serde_json::json;
        for (value, wanted) in [
            (json!(null), "\u{2013}"),
            (json!(12_000), "12\u{202f}000"),
            (json!(-3), "-3"),
            (json!(0.25), "0.25"),
            (json!("fast"), "fast"),
            (json!([1]), "[1]"),
        ] {
            assert_eq!(metric_value(&value), wanted);
        }
    }
}
