//! All that came out of a deployment, searched for secrets in every way of writing them.

use std::sync::Mutex;

use switchboard::protocol::{percent_decode, percent_encode};

use crate::console::Page;

/// What came out, by where.
#[derive(Default)]
pub struct Net(Mutex<Vec<(String, String)>>);

impl Net {
    pub fn keep(&self, place: &str, text: String) {
        self.0.lock().expect("whole").push((place.to_owned(), text));
    }

    /// All of an answer; its cookies are also kept as they were before they were encoded.
    pub fn page(&self, place: &str, page: &Page) {
        let headers: String = page
            .headers
            .iter()
            .map(|(name, value)| format!("{name}: {value:?}\n"))
            .collect();
        self.keep(place, decoded(&headers));
        self.keep(place, headers + &page.body);
    }

    /// Where any of the secrets is, in any writing.
    pub fn holes(&self, secrets: &[String], may_show: impl Fn(&str, &str) -> bool) -> Vec<String> {
        let kept = self.0.lock().expect("whole");
        assert!(kept.len() > 100, "too little was kept: {}", kept.len());
        let mut holes = Vec::new();
        for secret in secrets {
            for writing in writings(secret) {
                for (place, text) in kept
                    .iter()
                    .filter(|(place, text)| text.contains(&writing) && !may_show(place, secret))
                {
                    let at = text.find(&writing).expect("it is there");
                    let around: String = text[..at]
                        .chars()
                        .rev()
                        .take(160)
                        .collect::<Vec<_>>()
                        .into_iter()
                        .rev()
                        .collect();
                    holes.push(format!("{place}: {around}[{writing}]"));
                }
            }
        }
        holes
    }
}

fn decoded(text: &str) -> String {
    let bytes = percent_decode(text).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A secret as it is, in a URL, as a list of bytes, and inside base64 wherever it begins.
fn writings(secret: &str) -> Vec<String> {
    let bytes: Vec<_> = secret.bytes().map(|byte| byte.to_string()).collect();
    let mut writings = vec![secret.to_owned(), percent_encode(secret), bytes.join(", ")];
    for before in 0..3 {
        let text = base64(&[vec![b'x'; before], secret.as_bytes().to_vec()].concat());
        // What is written of bytes that stand beside it differs.
        writings.push(text[4..text.len() - 4].to_owned());
    }
    writings.sort();
    writings.dedup();
    writings
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let group = |group: &[u8]| {
        let bits = group
            .iter()
            .chain([&0, &0])
            .take(3)
            .fold(0_usize, |bits, byte| bits << 8 | usize::from(*byte));
        [18, 12, 6, 0].map(|shift| char::from(DIGITS[bits >> shift & 63]))
    };
    bytes.chunks(3).flat_map(group).collect()
}

#[test]
fn a_secret_is_found_however_it_is_written() {
    let writings = writings("a canary: wkr_1:se/cret+");
    let found = |text: &str| writings.iter().any(|writing| text.contains(writing));
    assert!(found("x a canary: wkr_1:se/cret+ y") && found("q=a%20canary%3A%20wkr_1%3Ase%2Fcret%2B"));
    // user:a canary: wkr_1:se/cret+
    assert!(found("Basic dXNlcjphIGNhbmFyeTogd2tyXzE6c2UvY3JldCs="));
    assert!(found(
        "[97, 32, 99, 97, 110, 97, 114, 121, 58, 32, 119, 107, 114, 95, 49, 58, 115, 101, 47, 99, 114, 101, 116, 43]"
    ));
    assert!(!found("a canary"));
}
