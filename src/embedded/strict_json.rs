//! Reading JSON strictly: request bodies, and the lines of archives.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// How deep arrays and objects may nest. A list puts a stored entity one or two levels deeper, and parsers commonly
/// stop at 128: one entity must not make a whole list unreadable.
const MAX_DEPTH: usize = 64;

/// Deserializes a value, and refuses an explicit null for a member that may only be absent (`ch07 §1`).
///
/// # Errors
/// A sentence about the first fault.
pub(super) fn from_value<T: DeserializeOwned + Serialize>(raw: &Value) -> Result<T, String> {
    if !is_shallow(raw, MAX_DEPTH) {
        return Err(format!("it nests deeper than {MAX_DEPTH} levels"));
    }
    let read = T::deserialize(raw).map_err(|error| error.to_string())?;
    let echo = serde_json::to_value(&read).map_err(|error| error.to_string())?;
    match difference("it", raw, &echo) {
        Some(fault) => Err(fault),
        None => Ok(read),
    }
}

/// Whether a value nests at most this deep. The JSON parser has bounded the recursion already.
fn is_shallow(value: &Value, levels: usize) -> bool {
    let inside = |value| levels > 0 && is_shallow(value, levels - 1);
    match value {
        Value::Object(members) => levels > 0 && members.values().all(inside),
        Value::Array(items) => levels > 0 && items.iter().all(inside),
        _ => true,
    }
}

/// The first member that was read as something other than what was sent: a null as an absent member, or an array as an
/// object (serde takes its items for the members in their order).
fn difference(key: &str, sent: &Value, read: &Value) -> Option<String> {
    match (sent, read) {
        (Value::Object(sent), Value::Object(read)) => sent.iter().find_map(|(key, value)| match read.get(key) {
            None => value.is_null().then(|| format!("{key} must not be null: leave it out")),
            Some(read) => difference(key, value, read),
        }),
        (Value::Array(_), Value::Object(_)) => Some(format!("{key} must be an object, not an array")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::protocol::{Extra, ReassignRequest, RegisterWorker};

    #[test]
    fn a_value_that_is_read_as_something_else_is_refused() {
        assert!(from_value::<RegisterWorker>(&json!({ "name": "a" })).is_ok());
        assert!(from_value::<RegisterWorker>(&json!({ "name": null })).is_err());
        for array in [json!([]), json!(["a"]), json!(["a", {}])] {
            assert!(from_value::<RegisterWorker>(&array).is_err(), "{array}");
        }
        let target = json!(["worker", "wkr_00000000000000000000000001"]);
        let request = from_value::<ReassignRequest>(&json!({ "new_target": target, "reason": "r" }));
        assert_eq!(request, Err("new_target must be an object, not an array".to_owned()));
    }

    #[test]
    fn values_that_nest_too_deep_are_refused() {
        let nested = |depth| json!({ "a": (1..depth).fold(json!(1), |inner, _| json!([inner])) });
        assert!(from_value::<Extra>(&nested(MAX_DEPTH)).is_ok());
        assert!(from_value::<Extra>(&nested(MAX_DEPTH + 1)).is_err());
    }
}
