//! The faults of a configuration: what is wrong, where, and what is wanted instead.

use std::fmt;
use std::str::Utf8Error;

use super::model::ExperimentConfig;

/// A position in a text. Lines and columns count from 1, columns in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TextPosition {
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigFault {
    /// Of the value, or of the mapping that lacks it; none when there was no text.
    pub position: Option<TextPosition>,
    /// The path of the field, such as `termination_policy.target`; empty when it is the text as a whole.
    pub field: String,
    /// The rest of a sentence that begins with the field.
    pub message: String,
}

impl fmt::Display for ConfigFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(TextPosition { line, column }) = self.position {
            write!(f, "line {line}, column {column}: ")?;
        }
        if !self.field.is_empty() {
            write!(f, "{} ", self.field)?;
        }
        f.write_str(&self.message)
    }
}

/// All faults of a configuration, in the order of its text. Printed, each has a line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct ConfigFaults {
    faults: Vec<ConfigFault>,
    more: usize,
}

impl ConfigFaults {
    pub(super) fn new(faults: Vec<ConfigFault>, more: usize) -> Self {
        Self { faults, more }
    }

    /// The one fault of a text that was read no further.
    pub(super) fn of_text(position: Option<TextPosition>, message: impl Into<String>) -> Self {
        let fault = ConfigFault {
            position,
            field: String::new(),
            message: message.into(),
        };
        Self::new(vec![fault], 0)
    }

    /// Of a text that is too long to be read.
    pub(crate) fn too_long() -> Self {
        let longest = ExperimentConfig::LONGEST;
        Self::of_text(None, format!("a configuration has at most {longest} bytes"))
    }

    /// Of bytes that are not UTF-8.
    pub(crate) fn not_utf8(bytes: &[u8], fault: Utf8Error) -> Self {
        let (text, _) = bytes.split_at(fault.valid_up_to());
        let text = String::from_utf8_lossy(text);
        let last = text.rsplit('\n').next().unwrap_or_default();
        let position = TextPosition {
            line: text.matches('\n').count() + 1,
            column: last.chars().count() + 1,
        };
        Self::of_text(Some(position), "the configuration is not UTF-8 text; save it as UTF-8")
    }

    /// The faults that are reported; at least one.
    pub fn iter(&self) -> impl Iterator<Item = &ConfigFault> {
        self.faults.iter()
    }

    /// How many there are beside those.
    pub fn more(&self) -> usize {
        self.more
    }

    /// All of them in one line, for messages of one line.
    pub fn in_one_line(&self) -> String {
        self.to_string().replace('\n', "; ")
    }
}

impl fmt::Display for ConfigFaults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, fault) in self.faults.iter().enumerate() {
            let start = if i == 0 { "" } else { "\n" };
            write!(f, "{start}{fault}")?;
        }
        match self.more {
            0 => Ok(()),
            more => write!(f, "\nand {more} more"),
        }
    }
}
