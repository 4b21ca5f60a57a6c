//! Step lines as SVG path data.

use std::fmt::Write as _;

/// A line through the points that keeps each value until the next point, and the last one until `end`.
pub(super) fn step_line(points: impl Iterator<Item = (f64, f64)>, end: f64) -> String {
    let mut path = String::new();
    for (x, y) in points {
        // Writing to a String cannot fail.
        let _ = match path.is_empty() {
            true => write!(path, "M{x} {y}"),
            false => write!(path, "H{x}V{y}"),
        };
    }
    let _ = write!(path, "H{end}");
    path
}

/// Rounded to a tenth of a pixel.
pub(super) fn tenth(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}
