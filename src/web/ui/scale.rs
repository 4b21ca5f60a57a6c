//! Scales of a plot: readable ticks for values and times.

use super::value::{fixed, number};

/// A value axis with its ticks.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ValueAxis {
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
    /// Four to six round values between the ends.
    pub ticks: Vec<f64>,
    places: usize,
}

impl ValueAxis {
    /// The axis that covers both values, with a margin. Its step is the finest of 1, 2, 2.5 or 5 times a power of ten
    /// that needs no more than six ticks. Where fewer than four ticks fall inside, the nearer end is moved out to the
    /// next tick, so that the values keep most of the height.
    pub(super) fn covering(low: f64, high: f64) -> Self {
        let (low, high) = if high - low > f64::EPSILON * 8.0 * (low.abs() + high.abs()) {
            let room = (high - low) * 0.03;
            (low - room, high + room)
        } else {
            // A flat line gets room on both sides.
            let room = if low == 0.0 { 1.0 } else { low.abs() * 0.05 };
            (low - room, low + room)
        };
        let start = ((high - low) / 10.0).log10().floor() as i32;
        let steps = (start..=start + 3).flat_map(|exponent| [1.0, 2.0, 2.5, 5.0].map(|digit| (digit, exponent)));
        for (digit, exponent) in steps {
            let step = digit * 10f64.powi(exponent);
            let (mut first, mut last) = ((low / step).ceil(), (high / step).floor());
            if last - first > 5.0 {
                continue;
            }
            while last - first < 3.0 {
                if low / step - (first - 1.0) <= last + 1.0 - high / step {
                    first -= 1.0;
                } else {
                    last += 1.0;
                }
            }
            let beyond = if digit == 2.5 { 1 } else { 0 };
            return Self {
                low: low.min(first * step),
                high: high.max(last * step),
                ticks: (0..=(last - first) as u32)
                    .map(|n| (first + f64::from(n)) * step)
                    .collect(),
                places: (beyond - exponent).max(0) as usize,
            };
        }
        // Unreachable for finite input: a step of at least the range leaves at most two ticks inside.
        Self {
            low,
            high,
            ticks: vec![low, high],
            places: 6,
        }
    }

    /// The text of a tick: as many decimals as the step needs.
    pub(super) fn label(&self, tick: f64) -> String {
        let size = self.low.abs().max(self.high.abs());
        if self.places > 8 || size >= 1e9 {
            // The top tick may be a rounding error away from zero.
            let tick = if tick.abs() < (self.high - self.low) * 1e-9 {
                0.0
            } else {
                tick
            };
            number(tick)
        } else {
            fixed(tick, self.places)
        }
    }
}

/// Steps of a time axis in milliseconds. Each is at most about twice the one before.
const STEPS: [i64; 32] = {
    const S: i64 = 1_000;
    const M: i64 = 60 * S;
    const H: i64 = 60 * M;
    const D: i64 = 24 * H;
    [
        S,
        2 * S,
        3 * S,
        5 * S,
        10 * S,
        15 * S,
        20 * S,
        30 * S,
        M,
        2 * M,
        3 * M,
        5 * M,
        10 * M,
        15 * M,
        20 * M,
        30 * M,
        H,
        2 * H,
        3 * H,
        4 * H,
        6 * H,
        8 * H,
        12 * H,
        D,
        2 * D,
        3 * D,
        5 * D,
        7 * D,
        14 * D,
        28 * D,
        56 * D,
        112 * D,
    ]
};

/// Round instants between two, at most six, with the `strftime` pattern that tells them apart. Milliseconds since
/// the epoch, UTC.
pub(super) fn time_ticks(from: i64, to: i64) -> (Vec<i64>, &'static str) {
    let span = (to - from).max(0);
    let step = STEPS
        .into_iter()
        .find(|step| to.div_euclid(*step) - (from - 1).div_euclid(*step) <= 6)
        .unwrap_or(span.max(1));
    let first = (from - 1).div_euclid(step) + 1;
    let ticks = (first..).map(|n| n * step).take_while(|tick| *tick <= to).collect();
    let pattern = if step < 60_000 {
        "%H:%M:%S"
    } else if step < 86_400_000 && span < 86_400_000 {
        "%H:%M"
    } else if step < 86_400_000 {
        "%m-%d %H:%M"
    } else {
        "%m-%d"
    };
    (ticks, pattern)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn value_axes_cover_the_values_with_four_to_six_round_ticks() {
        let mut size = 1e-7;
        while size < 1e12 {
            for (low, high) in [
                (0.0, 1.0),
                (0.13, 0.87),
                (-0.4, 0.9),
                (0.991, 0.999),
                (-7.0, -3.0),
                (1.0, 1.0),
            ] {
                let (low, high) = (low * size, high * size);
                let axis = ValueAxis::covering(low, high);
                assert!(
                    (4..=6).contains(&axis.ticks.len()),
                    "{low:e}..{high:e}: {:?}",
                    axis.ticks
                );
                let slack = (high - low) * 1e-6;
                assert!(
                    axis.low <= low + slack && axis.high >= high - slack,
                    "{low:e}..{high:e}: {axis:?}"
                );
                let labels: Vec<_> = axis.ticks.iter().map(|tick| axis.label(*tick)).collect();
                let mut distinct = labels.clone();
                distinct.dedup();
                assert_eq!(distinct, labels, "{low:e}..{high:e}");
            }
            size *= 7.3;
        }
    }

    #[test]
    fn tick_labels_are_short() {
        let labels = |low, high| {
            let axis = ValueAxis::covering(low, high);
            axis.ticks.iter().map(|tick| axis.label(*tick)).collect::<Vec<_>>()
        };
        assert_eq!(labels(0.13, 0.87), ["0.2", "0.4", "0.6", "0.8"]);
        assert_eq!(labels(-3.0, 11.0), ["-2.5", "0", "2.5", "5", "7.5", "10"]);
        assert_eq!(
            labels(1200.0, 6100.0),
            [
                "2\u{202f}000",
                "3\u{202f}000",
                "4\u{202f}000",
                "5\u{202f}000",
                "6\u{202f}000"
            ]
        );
        assert_eq!(labels(0.9911, 0.9989), ["0.992", "0.994", "0.996", "0.998"]);
    }

    #[test]
    fn time_ticks_are_round_and_few() {
        let day = 86_400_000;
        let from = 1_767_323_045_123;
        for span in [
            5_000,
            61_000,
            600_000,
            3_600_000,
            7 * 3_600_000,
            day,
            9 * day,
            400 * day,
        ] {
            let (ticks, _) = time_ticks(from, from + span);
            assert!((2..=6).contains(&ticks.len()), "{span}: {}", ticks.len());
            assert!(
                ticks
                    .iter()
                    .all(|tick| (from..=from + span).contains(tick) && tick % 1_000 == 0)
            );
        }
        assert_eq!(time_ticks(from, from).1, "%H:%M:%S");
        assert_eq!(time_ticks(from, from + 3_600_000).1, "%H:%M");
    }
}
