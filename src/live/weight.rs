//! Estimates of memory, good enough to keep within a budget.

use serde_json::{Map, Value};

/// An allocation of this many bytes, with the header and rounding of common allocators.
pub(super) fn block(bytes: usize) -> usize {
    match bytes {
        0 => 0,
        _ => (bytes + 8).next_multiple_of(16).max(32),
    }
}

/// The allocation of an [`std::sync::Arc`] whose value has this many bytes: two counts and the value.
pub(super) fn shared(bytes: usize) -> usize {
    block(bytes + 2 * size_of::<usize>())
}

/// The text that an id holds.
pub(super) fn id(text: &str) -> usize {
    shared(text.len())
}

/// What a JSON value owns beside the `Value` itself.
pub(super) fn value(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
        Value::String(text) => block(text.len()),
        Value::Array(items) => {
            block(items.capacity() * size_of::<Value>()) + items.iter().map(self::value).sum::<usize>()
        }
        Value::Object(members) => object(members),
    }
}

/// The members of a JSON object.
pub(super) fn object(members: &Map<String, Value>) -> usize {
    // A node of a B-tree has room for eleven members and is rarely full. The first member allocates a whole node.
    const CAPACITY: usize = 11;
    const USED: usize = 8;
    let nodes = match members.len() {
        0 => 0,
        1..=CAPACITY => 1,
        more => more.div_ceil(USED) + more.div_ceil(USED * USED),
    };
    let node = block(CAPACITY * (size_of::<String>() + size_of::<Value>()) + 2 * size_of::<usize>());
    let held = members
        .iter()
        .map(|(name, member)| block(name.capacity()) + value(member));
    nodes * node + held.sum::<usize>()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn small_allocations_round_up_and_empty_values_are_free() {
        assert_eq!((block(0), block(1), block(24), block(25)), (0, 32, 32, 48));
        assert_eq!(value(&json!(null)) + value(&json!(1.5)) + object(&Map::new()), 0);
        assert_eq!(value(&json!("x".repeat(1000))), 1008);
        // A single member allocates a whole node.
        assert!(value(&json!({ "score": 1 })) > 600);
    }

    #[test]
    fn nested_values_are_counted() {
        let text = "x".repeat(10_000);
        let nested = value(&json!({ "a": [{ "b": text }] }));
        assert!((10_000..12_500).contains(&nested), "{nested}");
    }
}
