//! Reading JSON strictly, wherever it comes from.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// How deep arrays and objects may nest. Lists put what is kept one or two levels deeper, and readers commonly stop at
/// 128: one entity must not make a whole list unreadable.
const DEEPEST: usize = 64;

/// Reads a value of a shape, and refuses an explicit null for a member that may only be absent (`ch07 §1`).
///
/// # Errors
/// The first fault, in words.
pub(super) fn shaped<T: DeserializeOwned + Serialize>(raw: &Value) -> Result<T, String> {
    if !is_shallow(raw, DEEPEST) {
        return Err(format!("it nests deeper than {DEEPEST} levels"));
    }
    let shaped = T::deserialize(raw).map_err(|error| error.to_string())?;
    let echo = serde_json::to_value(&shaped).map_err(|error| error.to_string())?;
    match misread("it", raw, &echo) {
        Some(fault) => Err(fault),
        None => Ok(shaped),
    }
}

/// The recursion is bounded by the JSON parser's own.
fn is_shallow(value: &Value, levels: usize) -> bool {
    let inside = |value| levels > 0 && is_shallow(value, levels - 1);
    match value {
        Value::Object(members) => levels > 0 && members.values().all(inside),
        Value::Array(items) => levels > 0 && items.iter().all(inside),
        _ => true,
    }
}

/// The first member that was understood as something other than what was sent: a null as an absence, or an array as
/// an object, whose members it would name by their order.
fn misread(key: &str, sent: &Value, understood: &Value) -> Option<String> {
    match (sent, understood) {
        (Value::Object(sent), Value::Object(understood)) => {
            sent.iter().find_map(|(key, value)| match understood.get(key) {
                None => value.is_null().then(|| format!("{key} must not be null: leave it out")),
                Some(understood) => misread(key, value, understood),
            })
        }
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
    fn what_was_sent_is_what_is_understood() {
        assert!(shaped::<RegisterWorker>(&json!({ "name": "a" })).is_ok());
        assert!(shaped::<RegisterWorker>(&json!({ "name": null })).is_err());
        for array in [json!([]), json!(["a"]), json!(["a", {}])] {
            assert!(shaped::<RegisterWorker>(&array).is_err(), "{array}");
        }
        let target = json!(["worker", "wkr_00000000000000000000000001"]);
        let request = shaped::<ReassignRequest>(&json!({ "new_target": target, "reason": "r" }));
        assert_eq!(request, Err("new_target must be an object, not an array".to_owned()));
    }

    #[test]
    fn nesting_has_an_end() {
        let nested = |depth| json!({ "a": (1..depth).fold(json!(1), |inner, _| json!([inner])) });
        assert!(shaped::<Extra>(&nested(DEEPEST)).is_ok());
        assert!(shaped::<Extra>(&nested(DEEPEST + 1)).is_err());
    }
}
