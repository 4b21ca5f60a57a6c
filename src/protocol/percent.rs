//! Percent-encoding (RFC 3986 §2.1), for ids in paths and for texts in `data:` URIs.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// All but the unreserved characters (RFC 3986 §2.3).
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The text with all but the unreserved characters encoded, so that it stays one segment of a path.
pub fn percent_encode(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
}

/// The bytes that a text stands for; `None` when a percent sign is not followed by two hex digits.
pub fn percent_decode(text: &str) -> Option<Vec<u8>> {
    let is_escape =
        |after: &str| matches!(after.as_bytes(), [a, b, ..] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit());
    text.split('%')
        .skip(1)
        .all(is_escape)
        .then(|| percent_decode_str(text).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_text_stays_one_segment_and_reads_back() {
        for (text, wanted) in [
            ("task-1", "task-1"),
            ("a/b", "a%2Fb"),
            ("../x?y#z", "..%2Fx%3Fy%23z"),
            ("50% é", "50%25%20%C3%A9"),
            (
                "A-Z.a_z~0!$&'()*+,;=:@",
                "A-Z.a_z~0%21%24%26%27%28%29%2A%2B%2C%3B%3D%3A%40",
            ),
        ] {
            assert_eq!(percent_encode(text), wanted);
            assert_eq!(percent_decode(wanted).as_deref(), Some(text.as_bytes()));
        }
        for malformed in ["%4", "%zz", "%%41", "a%"] {
            assert_eq!(percent_decode(malformed), None);
        }
    }
}
