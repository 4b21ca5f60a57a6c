//! What things take in memory, near enough to keep within a budget.

use serde_json::{Map, Value};

/// Header and rounding of an allocation of so many bytes, as the usual allocators have it.
pub(super) fn block(bytes: usize) -> usize {
    match bytes {
        0 => 0,
        _ => (bytes + 8).next_multiple_of(16).max(32),
    }
}

/// What stands behind an [`std::sync::Arc`] of so many bytes: two counts and the value.
pub(super) fn shared(bytes: usize) -> usize {
    block(bytes + 2 * size_of::<usize>())
}

/// What an id holds, which is its text.
pub(super) fn id(text: &str) -> usize {
    shared(text.len())
}

/// What a JSON value holds beside its own place.
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

/// What the members of a JSON object take.
pub(super) fn object(members: &Map<String, Value>) -> usize {
    // Nodes of a B-tree have room for eleven and are rarely full; the first is there whole as soon as there is a member.
    const ROOM: usize = 11;
    const USED: usize = 8;
    let nodes = match members.len() {
        0 => 0,
        1..=ROOM => 1,
        more => more.div_ceil(USED) + more.div_ceil(USED * USED),
    };
    let node = block(ROOM * (size_of::<String>() + size_of::<Value>()) + 2 * size_of::<usize>());
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
    fn small_things_cost_more_than_their_bytes_and_nothing_costs_nothing() {
        assert_eq!((block(0), block(1), block(24), block(25)), (0, 32, 32, 48));
        assert_eq!(value(&json!(null)) + value(&json!(1.5)) + object(&Map::new()), 0);
        assert_eq!(value(&json!("x".repeat(1000))), 1008);
        // A single member brings a whole node.
        assert!(value(&json!({ "score": 1 })) > 600);
    }

    #[test]
    fn what_is_nested_is_counted() {
        let text = "x".repeat(10_000);
        let nested = value(&json!({ "a": [{ "b": text }] }));
        assert!((10_000..12_500).contains(&nested), "{nested}");
    }
}
