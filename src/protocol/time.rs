//! Timestamps as EDEN writes them (`ch02 §1.2`): UTC, `Z` only, at least milliseconds.

use std::fmt;
use std::str::FromStr;

use super::text::serde_as_text;

/// An instant on the wire. Printed with a fixed three digits of fraction (more only when a caller sent
/// more), because other implementations sort these as strings.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Timestamp(jiff::Timestamp);

impl Timestamp {
    /// The given instant, cut to milliseconds.
    pub fn from_millisecond_floor(instant: jiff::Timestamp) -> Self {
        Self(jiff::Timestamp::from_millisecond(instant.as_millisecond()).unwrap_or(instant))
    }

    /// The instant so many milliseconds after the Unix epoch; out of range it is the epoch itself.
    pub fn from_millisecond(millis: i64) -> Self {
        Self(jiff::Timestamp::from_millisecond(millis).unwrap_or(jiff::Timestamp::UNIX_EPOCH))
    }

    /// Milliseconds since the Unix epoch.
    pub fn as_millisecond(self) -> i64 {
        self.0.as_millisecond()
    }

    /// The instant for arithmetic.
    pub fn instant(self) -> jiff::Timestamp {
        self.0
    }
}

impl From<jiff::Timestamp> for Timestamp {
    fn from(instant: jiff::Timestamp) -> Self {
        Self::from_millisecond_floor(instant)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = self.0.subsec_nanosecond();
        let digits = if nanos % 1_000_000 == 0 {
            3
        } else if nanos % 1_000 == 0 {
            6
        } else {
            9
        };
        write!(f, "{:.digits$}", self.0)
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Timestamp {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const SHAPE: &str = "must be YYYY-MM-DDThh:mm:ss[.fraction]Z";
        let bytes = text.as_bytes();
        let fixed = bytes.len() >= 20
            && bytes[4] == b'-'
            && bytes[7] == b'-'
            && bytes[10] == b'T'
            && bytes[13] == b':'
            && bytes[16] == b':'
            && bytes[..4].iter().all(u8::is_ascii_digit);
        let tail = bytes.get(19..).unwrap_or_default();
        let fraction = match tail {
            [b'Z'] => true,
            [b'.', digits @ .., b'Z'] => !digits.is_empty() && digits.iter().all(u8::is_ascii_digit),
            _ => false,
        };
        if !(fixed && fraction) {
            return Err(SHAPE);
        }
        text.parse()
            .map(Self)
            .map_err(|_| "must be a real instant of the calendar")
    }
}

serde_as_text!(Timestamp);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fraction_keeps_its_width() {
        for text in [
            "2026-01-02T03:04:05.000Z",
            "2026-01-02T03:04:05.120Z",
            "2026-01-02T03:04:05.123456Z",
        ] {
            assert_eq!(text.parse::<Timestamp>().map(|t| t.to_string()).as_deref(), Ok(text));
        }
    }

    #[test]
    fn offsets_and_impossible_days_are_refused() {
        for text in [
            "2026-01-02T03:04:05+00:00",
            "2026-02-30T03:04:05Z",
            "2026-01-02 03:04:05Z",
            "2026-01-02T03:04:05.Z",
        ] {
            assert!(text.parse::<Timestamp>().is_err(), "{text}");
        }
    }
}
