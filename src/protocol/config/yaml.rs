//! The only code that names the YAML library, which is frozen upstream.
//!
//! It reads one document of YAML 1.2, where `yes` and `on` are texts and `0o17` is a number; the reference's reader
//! follows YAML 1.1. Custom tags are refused.

use serde::de::DeserializeSeed;
use serde_yaml::Deserializer;

use super::fault::{ConfigFaults, TextPosition};
use super::model::ExperimentConfig;
use super::node::{Node, TreeReader};
use crate::protocol::expansion::expands_within;

/// What a text may expand to. A text without aliases stays far below.
const MOST_EXPANDED: usize = 32 * ExperimentConfig::LONGEST;

/// The tree of a text, within bounds.
pub(super) fn read(text: &str) -> Result<Node, ConfigFaults> {
    if text.len() > ExperimentConfig::LONGEST {
        return Err(ConfigFaults::too_long());
    }
    if !expands_within(Deserializer::from_str(text), MOST_EXPANDED) {
        let message = "the aliases of the configuration stand for too much; write out what they stand for";
        return Err(ConfigFaults::of_text(None, message));
    }
    TreeReader::default()
        .deserialize(Deserializer::from_str(text))
        .map_err(|error| syntax(&error))
}

/// The position of the value or key with this number: the text is read again up to there. The position of an aliased
/// value is that of its anchor, where the author has to correct it.
pub(super) fn position(text: &str, at: usize) -> Option<TextPosition> {
    let stopped = TreeReader::stopping_at(at).deserialize(Deserializer::from_str(text));
    stopped.err().as_ref().and_then(position_of)
}

/// Reads any other YAML, so that only this file names the library.
///
/// # Errors
/// What is wrong, with its line where the library knows it, and what would have been right.
pub fn from_yaml<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, String> {
    serde_yaml::from_str(text).map_err(|error| error.to_string())
}

fn position_of(error: &serde_yaml::Error) -> Option<TextPosition> {
    error.location().map(|location| TextPosition {
        line: location.line(),
        column: location.column(),
    })
}

fn syntax(error: &serde_yaml::Error) -> ConfigFaults {
    let position = position_of(error);
    let mut message = error.to_string();
    if let Some(TextPosition { line, column }) = position {
        message = message.replacen(&format!(" at line {line} column {column}"), "", 1);
    }
    ConfigFaults::of_text(position, message)
}
