//! Reading JSON strictly, wherever it comes from.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Reads a value of a shape, and refuses an explicit null for a member that may only be absent (`ch07 §1`).
///
/// # Errors
/// The first fault, in words.
pub(super) fn shaped<T: DeserializeOwned + Serialize>(raw: &Value) -> Result<T, String> {
    let shaped = T::deserialize(raw).map_err(|error| error.to_string())?;
    let echo = serde_json::to_value(&shaped).map_err(|error| error.to_string())?;
    match lost_null(raw, &echo) {
        Some(key) => Err(format!("{key} must not be null: leave it out")),
        None => Ok(shaped),
    }
}

/// The first member that is null in what was sent and gone from what was understood.
fn lost_null<'a>(sent: &'a Value, understood: &Value) -> Option<&'a str> {
    match (sent, understood) {
        (Value::Object(sent), Value::Object(understood)) => {
            sent.iter().find_map(|(key, value)| match understood.get(key) {
                None => value.is_null().then_some(key.as_str()),
                Some(understood) => lost_null(value, understood),
            })
        }
        _ => None,
    }
}
