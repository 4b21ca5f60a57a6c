//! The only code that names the YAML library, which is frozen upstream.
//!
//! It reads YAML 1.2: `yes`, `on` and `0o17` are what that says they are (text, text, a number), where the reference's
//! reader goes by YAML 1.1. Of one document; tags of one's own are refused.

use serde::de::DeserializeSeed;
use serde_yaml::Deserializer;

use super::fault::{ConfigFaults, TextPosition};
use super::node::{Node, Reader};
use crate::protocol::weight::is_light;

/// In bytes. Some parsers take the square of the length of a text.
pub(super) const LONGEST: usize = 64 * 1024;
/// A text without aliases stays far below.
const HEAVIEST: usize = 32 * LONGEST;

/// The tree of a text, within bounds.
pub(super) fn read(text: &str) -> Result<Node, ConfigFaults> {
    if text.len() > LONGEST {
        return Err(ConfigFaults::too_long());
    }
    if !is_light(Deserializer::from_str(text), HEAVIEST) {
        let words = "the aliases of the configuration stand for too much; write out what they stand for";
        return Err(ConfigFaults::of_text(None, words));
    }
    Reader::default()
        .deserialize(Deserializer::from_str(text))
        .map_err(|error| syntax(&error))
}

/// Where the value or key with this number stands: the text is read again up to there. What an alias stands for is
/// where its anchor is, since it is mended there.
pub(super) fn place(text: &str, at: usize) -> Option<TextPosition> {
    let stopped = Reader::stopping_at(at).deserialize(Deserializer::from_str(text));
    stopped.err().as_ref().and_then(place_of)
}

/// Reads any other YAML, so that the library is named here alone.
///
/// # Errors
/// What is wrong, with its line where the library knows it, and what would have been right.
pub fn from_yaml<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, String> {
    serde_yaml::from_str(text).map_err(|error| error.to_string())
}

fn place_of(error: &serde_yaml::Error) -> Option<TextPosition> {
    error.location().map(|location| TextPosition {
        line: location.line(),
        column: location.column(),
    })
}

fn syntax(error: &serde_yaml::Error) -> ConfigFaults {
    let place = place_of(error);
    let mut words = error.to_string();
    if let Some(TextPosition { line, column }) = place {
        words = words.replacen(&format!(" at line {line} column {column}"), "", 1);
    }
    ConfigFaults::of_text(place, words)
}
