//! Checks a pack before it is unpacked. A few bytes can stand for an object of any size, and libgit2 allocates that
//! size first. So the size that each object states is limited, and compared with its real size.

use std::io::{BufRead, Read};

use flate2::{Decompress, FlushDecompress, Status};

/// The most bytes of an object. A few objects are in memory at once while a pack is unpacked.
pub(super) const MAX_OBJECT: u64 = 128 * 1024 * 1024;
/// All objects of a pack together may unpack to this many times the size of the bundle ...
const MAX_RATIO: u64 = 100;
/// ... and this many bytes more, since a small history of one large file is mostly deltas.
pub(super) const ALLOWANCE: u64 = 16 * 1024 * 1024 * 1024;
const MAX_OBJECTS: u32 = 5_000_000;

const OFS_DELTA: u8 = 6;
const REF_DELTA: u8 = 7;

/// Reads a whole pack. `bundle_size` is the size of the bundle in bytes.
///
/// # Errors
/// A sentence about why the pack should not be unpacked.
pub(super) fn check_sizes(pack: &mut impl BufRead, bundle_size: u64) -> Result<(), String> {
    let limit = ALLOWANCE.saturating_add(bundle_size.saturating_mul(MAX_RATIO));
    let mut head = [0; 12];
    pack.read_exact(&mut head).map_err(|_| "the pack has no beginning")?;
    let [b'P', b'A', b'C', b'K', 0, 0, 0, 2 | 3, a, b, c, d] = head else {
        return Err("the pack has no beginning".to_owned());
    };
    let count = u32::from_be_bytes([a, b, c, d]);
    if count > MAX_OBJECTS {
        return Err(format!("the pack has more than {MAX_OBJECTS} objects"));
    }
    let mut total = 0_u64;
    let mut inflate = Decompress::new(true);
    for _ in 0..count {
        let (kind, size) = object_header(pack)?;
        check_limits(size, total, limit)?;
        match kind {
            OFS_DELTA => while byte(pack)? & 0x80 != 0 {},
            REF_DELTA => {
                let mut base = [0; 20];
                pack.read_exact(&mut base).map_err(|_| TRUNCATED)?;
            }
            1..=4 => {}
            _ => return Err("the pack has an object of an unknown kind".to_owned()),
        }
        let begin = inflate_object(pack, &mut inflate, size)?;
        let unpacked = match kind {
            OFS_DELTA | REF_DELTA => delta_size(&begin).ok_or("the pack has a delta without a size")?,
            _ => size,
        };
        total = total.saturating_add(size.max(unpacked));
        check_limits(unpacked, total, limit)?;
    }
    Ok(())
}

fn check_limits(object: u64, total: u64, limit: u64) -> Result<(), String> {
    if object > MAX_OBJECT || total > limit {
        return Err(format!(
            "the pack unpacks to more than {MAX_OBJECT} bytes an object, or {limit} in all"
        ));
    }
    Ok(())
}

const TRUNCATED: &str = "the pack ends in the middle of an object";

fn byte(pack: &mut impl Read) -> Result<u8, String> {
    let mut byte = [0];
    pack.read_exact(&mut byte).map_err(|_| TRUNCATED)?;
    Ok(byte[0])
}

/// The kind of an object and its size. The first byte holds three bits of the kind and the lowest four of the size.
fn object_header(pack: &mut impl Read) -> Result<(u8, u64), String> {
    let first = byte(pack)?;
    let (mut size, mut shift, mut more) = (u64::from(first & 0x0f), 4, first & 0x80 != 0);
    while more {
        let next = byte(pack)?;
        size |= size_bits(next, shift).ok_or("the pack has an object of an impossible size")?;
        shift += 7;
        more = next & 0x80 != 0;
    }
    Ok(((first >> 4) & 7, size))
}

fn size_bits(byte: u8, shift: u32) -> Option<u64> {
    let bits = u64::from(byte & 0x7f);
    (shift < 57).then(|| bits << shift)
}

/// The larger of the two sizes that a delta begins with: that of its base, and that of its result.
fn delta_size(begin: &[u8]) -> Option<u64> {
    let mut bytes = begin.iter();
    let mut number = || {
        let (mut value, mut shift) = (0, 0);
        loop {
            let byte = *bytes.next()?;
            value |= size_bits(byte, shift)?;
            shift += 7;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
    };
    let base: u64 = number()?;
    let result = number()?;
    Some(base.max(result))
}

/// Reads one deflated object, which must have `size` bytes, and returns its first bytes.
fn inflate_object(pack: &mut impl BufRead, inflate: &mut Decompress, size: u64) -> Result<Vec<u8>, String> {
    let mut begin = Vec::with_capacity(32);
    let mut out = vec![0; 32 * 1024];
    inflate.reset(true);
    loop {
        let input = pack.fill_buf().map_err(|error| error.to_string())?;
        let (before_in, before_out, is_input_end) = (inflate.total_in(), inflate.total_out(), input.is_empty());
        let status = inflate.decompress(input, &mut out, FlushDecompress::None);
        let status = status.map_err(|_| "the pack has an object that cannot be inflated")?;
        let used = inflate.total_in() - before_in;
        let produced = usize::try_from(inflate.total_out() - before_out).unwrap_or_default();
        if begin.len() < 20 {
            begin.extend(out.iter().take(produced.min(20)));
        }
        pack.consume(usize::try_from(used).unwrap_or_default());
        if inflate.total_out() > size {
            return Err("the pack has an object larger than it says".to_owned());
        }
        match status {
            Status::StreamEnd if inflate.total_out() == size => return Ok(begin),
            Status::StreamEnd => return Err("the pack has an object smaller than it says".to_owned()),
            _ if used == 0 && produced == 0 && is_input_end => return Err(TRUNCATED.to_owned()),
            _ => {}
        }
    }
}
