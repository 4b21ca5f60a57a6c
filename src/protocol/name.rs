//! Display names (`ch02 §1.7`): what people call an experiment, worker or group. Never an identity.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, de};
use unicode_normalization::is_nfc;

/// A well-formed display name.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize)]
pub struct DisplayName(String);

/// Why a display name is ill-formed; answered as 422 `invalid-name`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Not 1 to 128 code points.
    #[error("a name has 1 to 128 characters")]
    Length,
    /// Leading or trailing white space.
    #[error("a name neither starts nor ends with white space")]
    Padded,
    /// Not in Unicode normalisation form C.
    #[error("a name is in Unicode normalisation form C")]
    NotNormalised,
    /// A control, private-use or unassigned character.
    #[error("a name holds no control or private-use characters")]
    Unprintable,
}

impl DisplayName {
    /// Checks a name.
    ///
    /// # Errors
    /// The first rule of `ch02 §1.7` that the text breaks.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        if !(1..=128).contains(&text.chars().count()) {
            return Err(NameError::Length);
        }
        if text.trim() != text {
            return Err(NameError::Padded);
        }
        if text.chars().any(|c| c.is_control() || is_private_use(c)) {
            return Err(NameError::Unprintable);
        }
        if !is_nfc(text) {
            return Err(NameError::NotNormalised);
        }
        Ok(Self(text.to_owned()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_private_use(c: char) -> bool {
    // Noncharacters (U+FDD0.., U+xFFFE, U+xFFFF) are of category Cn for good.
    matches!(c, '\u{E000}'..='\u{F8FF}' | '\u{F0000}'..='\u{10FFFF}' | '\u{FDD0}'..='\u{FDEF}')
        || (c as u32) & 0xFFFE == 0xFFFE
}

impl fmt::Display for DisplayName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for DisplayName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_rule_has_its_error() {
        assert_eq!(DisplayName::parse(""), Err(NameError::Length));
        assert_eq!(DisplayName::parse(&"a".repeat(129)), Err(NameError::Length));
        assert_eq!(DisplayName::parse(" a"), Err(NameError::Padded));
        assert_eq!(DisplayName::parse("a\u{7}b"), Err(NameError::Unprintable));
        assert_eq!(DisplayName::parse("e\u{301}"), Err(NameError::NotNormalised));
        assert!(DisplayName::parse("Ångström 3").is_ok());
    }
}
