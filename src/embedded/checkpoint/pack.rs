//! A look at a pack before it is unpacked. A few bytes can stand for an object of any size, and whoever unpacks it
//! makes room first; so what every object says of its size is held to a limit, and to what is really there.

use std::io::{BufRead, Read};

use flate2::{Decompress, FlushDecompress, Status};

/// No object may be larger; a few of them are in memory at once while a pack is unpacked.
pub(super) const LARGEST_OBJECT: u64 = 128 * 1024 * 1024;
/// All objects of a pack together, unpacked, are at most so many times as large as the bundle ...
const RATIO: u64 = 100;
/// ... and this much more, in bytes, since a small history of one large file is mostly deltas.
pub(super) const FLOOR: u64 = 16 * 1024 * 1024 * 1024;
const MOST_OBJECTS: u32 = 5_000_000;

const OFS_DELTA: u8 = 6;
const REF_DELTA: u8 = 7;

/// Reads the pack of a bundle of this many bytes to its end.
///
/// # Errors
/// Why it should not be unpacked, in words.
pub(super) fn survey(pack: &mut impl BufRead, bundle: u64) -> Result<(), String> {
    let limit = FLOOR.saturating_add(bundle.saturating_mul(RATIO));
    let mut head = [0; 12];
    pack.read_exact(&mut head).map_err(|_| "the pack has no beginning")?;
    let [b'P', b'A', b'C', b'K', 0, 0, 0, 2 | 3, a, b, c, d] = head else {
        return Err("the pack has no beginning".to_owned());
    };
    let count = u32::from_be_bytes([a, b, c, d]);
    if count > MOST_OBJECTS {
        return Err(format!("the pack has more than {MOST_OBJECTS} objects"));
    }
    let mut whole = 0_u64;
    let mut inflate = Decompress::new(true);
    for _ in 0..count {
        let (kind, size) = object_header(pack)?;
        fits(size, whole, limit)?;
        match kind {
            OFS_DELTA => while byte(pack)? & 0x80 != 0 {},
            REF_DELTA => {
                let mut base = [0; 20];
                pack.read_exact(&mut base).map_err(|_| CUT)?;
            }
            1..=4 => {}
            _ => return Err("the pack has an object of an unknown kind".to_owned()),
        }
        let begin = inflated(pack, &mut inflate, size)?;
        let becomes = match kind {
            OFS_DELTA | REF_DELTA => delta_result(&begin).ok_or("the pack has a delta without a size")?,
            _ => size,
        };
        whole = whole.saturating_add(size.max(becomes));
        fits(becomes, whole, limit)?;
    }
    Ok(())
}

fn fits(object: u64, whole: u64, limit: u64) -> Result<(), String> {
    if object > LARGEST_OBJECT || whole > limit {
        return Err(format!(
            "the pack unpacks to more than {LARGEST_OBJECT} bytes an object, or {limit} in all"
        ));
    }
    Ok(())
}

const CUT: &str = "the pack ends in the middle of an object";

fn byte(pack: &mut impl Read) -> Result<u8, String> {
    let mut byte = [0];
    pack.read_exact(&mut byte).map_err(|_| CUT)?;
    Ok(byte[0])
}

/// Three bits of kind, and a size whose first four bits come first.
fn object_header(pack: &mut impl Read) -> Result<(u8, u64), String> {
    let first = byte(pack)?;
    let (mut size, mut shift, mut more) = (u64::from(first & 0x0f), 4, first & 0x80 != 0);
    while more {
        let next = byte(pack)?;
        size |= wide(next, shift).ok_or("the pack has an object of an impossible size")?;
        shift += 7;
        more = next & 0x80 != 0;
    }
    Ok(((first >> 4) & 7, size))
}

fn wide(byte: u8, shift: u32) -> Option<u64> {
    let bits = u64::from(byte & 0x7f);
    (shift < 57).then(|| bits << shift)
}

/// A delta begins with the size of what it builds on and of what it makes.
fn delta_result(begin: &[u8]) -> Option<u64> {
    let mut bytes = begin.iter();
    let mut number = || {
        let (mut value, mut shift) = (0, 0);
        loop {
            let byte = *bytes.next()?;
            value |= wide(byte, shift)?;
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

/// Reads one deflated object, which must be of `size` bytes, and returns its beginning.
fn inflated(pack: &mut impl BufRead, inflate: &mut Decompress, size: u64) -> Result<Vec<u8>, String> {
    let mut begin = Vec::with_capacity(32);
    let mut out = vec![0; 32 * 1024];
    inflate.reset(true);
    loop {
        let input = pack.fill_buf().map_err(|error| error.to_string())?;
        let (before_in, before_out, is_end) = (inflate.total_in(), inflate.total_out(), input.is_empty());
        let status = inflate.decompress(input, &mut out, FlushDecompress::None);
        let status = status.map_err(|_| "the pack has an object that cannot be inflated")?;
        let used = inflate.total_in() - before_in;
        let made = usize::try_from(inflate.total_out() - before_out).unwrap_or_default();
        if begin.len() < 20 {
            begin.extend(out.iter().take(made.min(20)));
        }
        pack.consume(usize::try_from(used).unwrap_or_default());
        if inflate.total_out() > size {
            return Err("the pack has an object larger than it says".to_owned());
        }
        match status {
            Status::StreamEnd if inflate.total_out() == size => return Ok(begin),
            Status::StreamEnd => return Err("the pack has an object smaller than it says".to_owned()),
            _ if used == 0 && made == 0 && is_end => return Err(CUT.to_owned()),
            _ => {}
        }
    }
}
