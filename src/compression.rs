//! Content codings (RFC 9110 §8.4): which one a request accepts, and bytes in that coding.
//!
//! Event streams are never compressed, and neither is an answer that holds a secret: the length of a compressed answer
//! says something of its content.

use std::io::Write as _;
use std::sync::OnceLock;

use bytes::Bytes;
use flate2::write::GzEncoder;

/// A body that is smaller gains nothing.
const WORTH_IT: usize = 200;
/// What one answer may cost. Up to the first limit the text is searched for the shortest form, up to the second it is
/// compressed well, up to the third fast; beyond, it is sent as it is. In a release build that is about 5 ms, 10 ms and
/// 60 ms.
const THOROUGH: usize = 2 * 1024;
const WELL: usize = 512 * 1024;
const FAST: usize = 8 * 1024 * 1024;

/// A content coding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coding {
    /// As it is.
    Identity,
    /// `gzip`
    Gzip,
    /// `br`
    Brotli,
}

impl Coding {
    /// The coding to answer a request in that sent this `Accept-Encoding`: the smallest of those that it prefers.
    /// Without the header, and where it refuses everything, the body is sent as it is (RFC 9110 §12.5.3).
    pub fn accepted(accept_encoding: Option<&str>) -> Self {
        let header = accept_encoding.unwrap_or_default();
        let weight = |coding: &str| weight_of(header, coding).or_else(|| weight_of(header, "*"));
        let offered = [(Self::Gzip, "gzip"), (Self::Brotli, "br")];
        let weighted = offered.map(|(coding, name)| (weight(name).unwrap_or(0.0), coding));
        // `max_by` answers the last of equals, which is the smaller one.
        let best = weighted.into_iter().max_by(|(a, _), (b, _)| a.total_cmp(b));
        match best {
            Some((weight, coding)) if weight > 0.0 && weight >= weight_of(header, "identity").unwrap_or(0.0) => coding,
            _ => Self::Identity,
        }
    }

    /// The value of `Content-Encoding`; none for the identity.
    pub fn name(self) -> Option<&'static str> {
        match self {
            Self::Identity => None,
            Self::Gzip => Some("gzip"),
            Self::Brotli => Some("br"),
        }
    }

    /// Compresses a body that is kept. None where that is not worth it, or would cost too much.
    pub fn compress(self, body: &[u8]) -> Option<Bytes> {
        self.compress_at(body, Level::of(body.len()))
    }

    /// Compresses a body that is sent once, fast. None where that is not worth it, or would cost too much.
    pub fn compress_once(self, body: &[u8]) -> Option<Bytes> {
        self.compress_at(body, Level::FAST)
    }

    fn compress_at(self, body: &[u8], level: Level) -> Option<Bytes> {
        if !(WORTH_IT..=FAST).contains(&body.len()) {
            return None;
        }
        let compressed = match self {
            Self::Identity => return None,
            Self::Gzip => gzip(body, level.gzip),
            Self::Brotli => brotli(body, level.brotli),
        }?;
        (compressed.len() < body.len()).then(|| compressed.into())
    }
}

/// The weight of a coding in an `Accept-Encoding`, from 0 to 1; none where it is not named.
fn weight_of(header: &str, coding: &str) -> Option<f64> {
    header.split(',').find_map(|item| {
        let mut parts = item.split(';').map(str::trim);
        let named = parts.next()?.eq_ignore_ascii_case(coding);
        let quality = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
        let weight = quality.map_or(1.0, |quality| quality.parse().unwrap_or(0.0));
        named.then_some(weight)
    })
}

/// How hard to try, in the terms of each coding.
#[derive(Debug, Clone, Copy)]
struct Level {
    /// From 1 to 9.
    gzip: u32,
    /// From 1 to 11.
    brotli: i32,
}

impl Level {
    const FAST: Self = Self { gzip: 1, brotli: 1 };

    /// The level for a body of this many bytes.
    fn of(length: usize) -> Self {
        if length <= THOROUGH {
            Self { gzip: 9, brotli: 11 }
        } else if length <= WELL {
            Self { gzip: 6, brotli: 5 }
        } else {
            Self::FAST
        }
    }
}

fn gzip(body: &[u8], level: u32) -> Option<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 4), flate2::Compression::new(level));
    encoder.write_all(body).ok()?;
    encoder.finish().ok()
}

fn brotli(body: &[u8], quality: i32) -> Option<Vec<u8>> {
    let parameters = brotli::enc::BrotliEncoderParams {
        quality,
        mode: brotli::enc::backward_references::BrotliEncoderMode::BROTLI_MODE_TEXT,
        size_hint: body.len(),
        // The window needs not be larger than the body.
        lgwin: (body.len().max(1024).ilog2() as i32 + 1).min(22),
        ..Default::default()
    };
    let mut compressed = Vec::with_capacity(body.len() / 4);
    brotli::BrotliCompress(&mut &*body, &mut compressed, &parameters).ok()?;
    Some(compressed)
}

/// A body and its compressed forms. Each form is made when it is first asked for, and kept.
#[derive(Debug)]
pub struct Encoded {
    identity: Bytes,
    gzip: OnceLock<Option<Bytes>>,
    brotli: OnceLock<Option<Bytes>>,
}

impl Encoded {
    /// A body of which nothing is compressed yet.
    pub fn new(identity: impl Into<Bytes>) -> Self {
        Self {
            identity: identity.into(),
            gzip: OnceLock::new(),
            brotli: OnceLock::new(),
        }
    }

    /// A body that is sent as it is in any case, because it holds a secret.
    pub fn never(identity: impl Into<Bytes>) -> Self {
        Self {
            identity: identity.into(),
            gzip: OnceLock::from(None),
            brotli: OnceLock::from(None),
        }
    }

    /// The body as it is.
    pub fn identity(&self) -> &Bytes {
        &self.identity
    }

    /// The body in a coding, or as it is where compressing is not worth it.
    pub fn get(&self, coding: Coding) -> (Coding, Bytes) {
        let kept = match coding {
            Coding::Identity => return (coding, self.identity.clone()),
            Coding::Gzip => &self.gzip,
            Coding::Brotli => &self.brotli,
        };
        match kept.get_or_init(|| coding.compress(&self.identity)) {
            Some(compressed) => (coding, compressed.clone()),
            None => (Coding::Identity, self.identity.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_smallest_coding_that_is_preferred_is_chosen() {
        for (header, expected) in [
            (None, Coding::Identity),
            (Some(""), Coding::Identity),
            (Some("gzip, deflate, br, zstd"), Coding::Brotli),
            (Some("gzip"), Coding::Gzip),
            (Some("GZIP;q=0.5"), Coding::Gzip),
            (Some("zstd"), Coding::Identity),
            (Some("*"), Coding::Brotli),
            (Some("*;q=0"), Coding::Identity),
            (Some("br;q=0, *"), Coding::Gzip),
            (Some("br;q=0.1, gzip;q=0.9"), Coding::Gzip),
            (Some("br; q=0.8 , gzip ; q=0.2"), Coding::Brotli),
            (Some("identity, br;q=0.5"), Coding::Identity),
            (Some("br;q=nonsense"), Coding::Identity),
            (Some(",;,q=1,"), Coding::Identity),
        ] {
            assert_eq!(Coding::accepted(header), expected, "{header:?}");
        }
    }

    fn decoded(coding: Coding, bytes: &[u8]) -> Vec<u8> {
        let mut text = Vec::new();
        match coding {
            Coding::Identity => text.extend_from_slice(bytes),
            Coding::Gzip => drop(
                flate2::read::GzDecoder::new(bytes)
                    .read_to_end(&mut text)
                    .expect("gzip"),
            ),
            Coding::Brotli => brotli::BrotliDecompress(&mut &*bytes, &mut text).expect("brotli"),
        }
        text
    }

    #[test]
    fn what_is_too_small_or_too_large_is_sent_as_it_is() {
        for length in [0, WORTH_IT - 1, FAST + 1] {
            assert_eq!(Encoded::new(vec![b'x'; length]).get(Coding::Brotli).0, Coding::Identity);
        }
        for length in [WORTH_IT, THOROUGH, THOROUGH + 1, WELL + 1] {
            for coding in [Coding::Gzip, Coding::Brotli] {
                let body = Encoded::new(vec![b'x'; length]);
                let (used, bytes) = body.get(coding);
                assert_eq!((used, bytes.len() < length / 4), (coding, true));
                assert_eq!(decoded(used, &bytes), *body.identity());
            }
        }
    }

    proptest! {
        #[test]
        fn a_body_reads_back_from_every_coding(words in prop::collection::vec("[a-z<>\"é]{1,12}", 0..400)) {
            let body = Encoded::new(words.join(" "));
            for coding in [Coding::Identity, Coding::Gzip, Coding::Brotli] {
                let (used, bytes) = body.get(coding);
                prop_assert_eq!(&decoded(used, &bytes), body.identity());
                prop_assert!(bytes.len() <= body.identity().len());
            }
        }

        #[test]
        fn any_header_is_read(header in "[a-z*;=, q0-9.]{0,40}") {
            let _ = Coding::accepted(Some(&header));
        }
    }
}
