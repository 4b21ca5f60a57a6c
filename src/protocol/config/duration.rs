//! Durations as configurations write them.

use std::time::Duration;

const SECOND: u128 = 1_000_000;
const DAY: u128 = 86_400 * SECOND;
/// In microseconds; orchestrators that read configurations can hold no more.
const LONGEST: u128 = 999_999_999 * DAY;

/// What a duration must look like.
pub(super) const WANTED: &str =
    "must be an ISO 8601 duration such as PT2H or P1DT12H, or a clock form such as 02:00:00";

/// A duration above zero, to the microsecond: ISO 8601 (`P1DT2H`; a year is 365 days and a month 30, as for the
/// reference's orchestrator), a clock form (`01:00:00`), or days and a clock form (`1 day, 01:00:00`).
pub(super) fn parse(text: &str) -> Result<Duration, &'static str> {
    let (negative, unsigned) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    let micros = match unsigned.strip_prefix('P') {
        Some(iso) => iso8601(iso),
        None => days_and_clock(unsigned),
    };
    match micros {
        None => Err(WANTED),
        Some(0) => Err("must be longer than nothing"),
        Some(_) if negative => Err("must be longer than nothing"),
        Some(micros) if micros > LONGEST => Err("must be at most 999999999 days"),
        Some(micros) => {
            let seconds = u64::try_from(micros / SECOND).map_err(|_| WANTED)?;
            Ok(Duration::from_secs(seconds)
                + Duration::from_micros(u64::try_from(micros % SECOND).map_err(|_| WANTED)?))
        }
    }
}

/// What follows the `P`, in microseconds.
fn iso8601(text: &str) -> Option<u128> {
    let mut rest = text;
    let mut in_time = false;
    let mut total: u128 = 0;
    let mut terms = 0;
    while !rest.is_empty() {
        if let (false, Some(time)) = (in_time, rest.strip_prefix('T')) {
            in_time = true;
            rest = time;
            continue;
        }
        let (whole, after) = digits(rest)?;
        let (fraction, after) = fraction(after);
        let unit = after.chars().next()?;
        let size = match (in_time, unit) {
            (false, 'Y') => 365 * DAY,
            (false, 'M') => 30 * DAY,
            (false, 'W') => 7 * DAY,
            (false, 'D') => DAY,
            (true, 'H') => 3600 * SECOND,
            (true, 'M') => 60 * SECOND,
            (true, 'S') => SECOND,
            _ => return None,
        };
        rest = &after[unit.len_utf8()..];
        // Only the last number may have a fraction.
        if fraction.is_some() && !rest.is_empty() {
            return None;
        }
        total = total
            .checked_add(whole.checked_mul(size)?)?
            .checked_add(fraction_of(fraction, size))?;
        terms += 1;
    }
    (terms > 0).then_some(total)
}

/// `[D day[s][,]] [H:MM[:SS[.fraction]]]`, in microseconds.
fn days_and_clock(text: &str) -> Option<u128> {
    let Some((days, clock)) = days(text) else {
        return clock(text);
    };
    let days = days.checked_mul(DAY)?;
    if clock.is_empty() {
        return Some(days);
    }
    let clock = self::clock(clock)?;
    (clock < DAY).then_some(days.checked_add(clock)?)
}

/// The days that a text begins with, and what follows them.
fn days(text: &str) -> Option<(u128, &str)> {
    let (days, rest) = digits(text)?;
    let rest = rest.strip_prefix(' ').unwrap_or(rest);
    let letters = rest.bytes().take_while(u8::is_ascii_alphabetic).count();
    let (unit, rest) = rest.split_at(letters);
    if !["d", "day", "days"]
        .iter()
        .any(|known| unit.eq_ignore_ascii_case(known))
    {
        return None;
    }
    let rest = rest.strip_prefix(',').unwrap_or(rest);
    Some((days, rest.strip_prefix(' ').unwrap_or(rest)))
}

fn clock(text: &str) -> Option<u128> {
    let (hours, rest) = digits(text)?;
    let (minutes, rest) = two_digits(rest.strip_prefix(':')?)?;
    let (seconds, rest) = match rest.strip_prefix(':') {
        Some(rest) => two_digits(rest)?,
        None => (0, rest),
    };
    let (fraction, rest) = fraction(rest);
    let whole = hours.checked_mul(3600)?.checked_add(minutes * 60 + seconds)?;
    let micros = whole.checked_mul(SECOND)?.checked_add(fraction_of(fraction, SECOND))?;
    rest.is_empty().then_some(micros)
}

/// Two digits below 60, and what follows them.
fn two_digits(text: &str) -> Option<(u128, &str)> {
    let two = text.get(..2).filter(|two| two.bytes().all(|b| b.is_ascii_digit()))?;
    let value = two.parse().ok().filter(|value| *value < 60)?;
    Some((value, &text[2..]))
}

fn digits(text: &str) -> Option<(u128, &str)> {
    let (digits, rest) = text.split_at(text.bytes().take_while(u8::is_ascii_digit).count());
    Some((digits.parse().ok()?, rest))
}

/// The digits after a point or comma, and what follows them.
fn fraction(text: &str) -> (Option<&str>, &str) {
    match text.strip_prefix(['.', ',']) {
        Some(rest) => {
            let (digits, rest) = rest.split_at(rest.bytes().take_while(u8::is_ascii_digit).count());
            (Some(digits), rest)
        }
        None => (None, text),
    }
}

/// A fraction of a unit of `size`, in microseconds. Only the first 15 digits count.
fn fraction_of(fraction: Option<&str>, size: u128) -> u128 {
    let digits = fraction.unwrap_or_default();
    let digits = &digits[..digits.len().min(15)];
    let scale = digits.bytes().fold(1, |scale: u128, _| scale * 10);
    let value: u128 = digits.parse().unwrap_or(0);
    (value * size + scale / 2) / scale
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_the_reference_reads_them() {
        for (text, seconds) in [
            ("PT2H", 7200.0),
            ("+PT2H", 7200.0),
            ("PT36H", 129_600.0),
            ("PT2M1H", 3720.0),
            ("P1Y", 365.0 * 86400.0),
            ("P1M", 30.0 * 86400.0),
            ("P1W2D", 9.0 * 86400.0),
            ("P1.5D", 129_600.0),
            ("PT1,5H", 5400.0),
            ("P1DT", 86400.0),
            ("P1DT2H3M4.5S", 93_784.5),
            ("PT0.000001S", 0.000_001),
            ("P999999999D", 999_999_999.0 * 86400.0),
            ("01:00:00", 3600.0),
            ("1:00", 3600.0),
            ("25:00:59.25", 90_059.25),
            ("1 day, 01:00:00", 90_000.0),
            ("2 days", 172_800.0),
            ("1d", 86400.0),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_secs_f64(seconds)), "{text}");
        }
    }

    #[test]
    fn anything_but_a_duration_above_zero_is_refused() {
        let texts = [
            "",
            "P",
            "PT",
            "pt2h",
            "P1D2H",
            "P1H",
            "PT-2H",
            "PT1.5H30M",
            "PT.5S",
            "T1H",
            " PT2H",
            "PT2H ",
            "2 hours",
            "3600",
            "3600.5",
            "0",
            "PT0S",
            "PT0.0000001S",
            "00:00:00",
            "-PT2H",
            "-01:00:00",
            "23:60:00",
            "01:00:60",
            "1 01:00:00",
            "1 days 25:00:00",
            "12:5:00",
            "P9999999999D",
            "P1DT²H",
            "−PT1H",
            "01:é0",
            "1é:00",
            "P99999999999999999999999999999999999999999999D",
            "+",
            "P1",
            "1 da",
        ];
        for text in texts {
            assert!(parse(text).is_err(), "{text}");
        }
        assert_eq!(parse("PT0S"), Err("must be longer than nothing"));
    }
}
