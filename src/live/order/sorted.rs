//! A persistent sorted sequence with positions.

use std::cmp::Ordering;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use super::row::Order;

/// The most rows in a chunk. A change copies one chunk and the list of chunks, so both should be short.
const MAX_CHUNK: usize = 256;

/// Rows in one order. A clone shares everything; a later change copies only the chunk that it changes.
pub(in crate::live) struct Sorted<T> {
    order: Arc<dyn Order<T>>,
    chunks: Arc<Vec<Chunk<T>>>,
    len: usize,
}

/// Neighbouring rows; never empty.
struct Chunk<T> {
    /// The number of rows. It is kept here so that finding a position reads no rows.
    len: usize,
    rows: Arc<Vec<Arc<T>>>,
}

impl<T> Clone for Chunk<T> {
    fn clone(&self) -> Self {
        Self {
            len: self.len,
            rows: self.rows.clone(),
        }
    }
}

impl<T> Clone for Sorted<T> {
    fn clone(&self) -> Self {
        Self {
            order: self.order.clone(),
            chunks: self.chunks.clone(),
            len: self.len,
        }
    }
}

impl<T> fmt::Debug for Sorted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sorted").field("len", &self.len).finish_non_exhaustive()
    }
}

impl<T> Chunk<T> {
    fn new(rows: Vec<Arc<T>>) -> Self {
        Self {
            len: rows.len(),
            rows: Arc::new(rows),
        }
    }

    /// Changes the rows. They are copied first if another snapshot holds them too.
    fn change<R>(&mut self, change: impl FnOnce(&mut Vec<Arc<T>>) -> R) -> R {
        let rows = Arc::make_mut(&mut self.rows);
        let done = change(rows);
        self.len = rows.len();
        done
    }
}

impl<T> Sorted<T> {
    /// An empty sequence.
    pub fn new(order: Arc<dyn Order<T>>) -> Self {
        Self::of(order, &[])
    }

    /// A sequence of rows in any order, no two of them equal. They are sorted in place.
    pub fn sorting(order: Arc<dyn Order<T>>, rows: &mut [Arc<T>]) -> Self {
        rows.sort_by(|a, b| order.compare(a, b));
        Self::of(order, rows)
    }

    /// A sequence of rows that are already in order, no two of them equal.
    pub fn of(order: Arc<dyn Order<T>>, rows: &[Arc<T>]) -> Self {
        Self {
            order,
            chunks: Arc::new(rows.chunks(MAX_CHUNK).map(|rows| Chunk::new(rows.to_vec())).collect()),
            len: rows.len(),
        }
    }

    /// The order that it is sorted by.
    pub fn order(&self) -> &dyn Order<T> {
        &*self.order
    }

    /// The number of rows.
    pub fn len(&self) -> usize {
        self.len
    }

    /// The row at a position.
    pub fn get(&self, position: usize) -> Option<&Arc<T>> {
        let (chunk, within) = self.locate(position);
        self.chunks.get(chunk)?.rows.get(within)
    }

    /// The rows at some positions. Positions past the end are left out.
    pub fn range(&self, positions: Range<usize>) -> impl DoubleEndedIterator<Item = &Arc<T>> {
        let to = positions.end.min(self.len);
        let from = positions.start.min(to);
        let (first, begin) = self.locate(from);
        let (last, end) = self.locate(to);
        let chunks = self.chunks.get(first..self.chunks.len().min(last + 1));
        let chunks = chunks.unwrap_or_default().iter().enumerate();
        chunks.flat_map(move |(n, chunk)| {
            let from = if n == 0 { begin } else { 0 };
            let to = if first + n == last { end } else { chunk.len };
            chunk.rows.get(from..to).unwrap_or_default()
        })
    }

    /// Every row.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Arc<T>> {
        self.range(0..self.len)
    }

    /// The first position whose row is not `before`. The rows that are `before` must all come first.
    pub fn partition(&self, before: impl Fn(&T) -> bool) -> usize {
        let (chunk, within) = self.seek(before);
        let until = self.chunks.iter().take(chunk).map(|chunk| chunk.len).sum::<usize>();
        until + within
    }

    /// The positions of the rows for which `compare` answers equal.
    pub fn span(&self, compare: impl Fn(&T) -> Ordering) -> Range<usize> {
        self.partition(|row| compare(row).is_lt())..self.partition(|row| compare(row).is_le())
    }

    /// Inserts a row at its position, and returns the equal row that it replaced.
    pub fn insert(&mut self, row: Arc<T>) -> Option<Arc<T>> {
        let order = self.order.clone();
        let (found, _) = self.seek(|held| order.compare(held, &row).is_lt());
        let chunks = Arc::make_mut(&mut self.chunks);
        let last = chunks.len().saturating_sub(1);
        let at = found.min(last);
        let Some(chunk) = chunks.get_mut(at) else {
            chunks.push(Chunk::new(vec![row]));
            self.len = 1;
            return None;
        };
        match chunk.rows.binary_search_by(|held| order.compare(held, &row)) {
            Ok(within) => {
                return chunk.change(|rows| rows.get_mut(within).map(|held| std::mem::replace(held, row)));
            }
            Err(within) if chunk.len < MAX_CHUNK => chunk.change(|rows| rows.insert(within, row)),
            // A sequence that grows at its end leaves full chunks behind.
            Err(MAX_CHUNK) if at == last => chunks.push(Chunk::new(vec![row])),
            Err(within) => {
                let upper = chunk.change(|rows| {
                    let mut upper = rows.split_off(MAX_CHUNK / 2);
                    match within.checked_sub(MAX_CHUNK / 2) {
                        Some(within) => upper.insert(within, row),
                        None => rows.insert(within, row),
                    }
                    upper
                });
                chunks.insert(at + 1, Chunk::new(upper));
            }
        }
        self.len += 1;
        None
    }

    /// Removes the row that is equal to `row`.
    pub fn remove(&mut self, row: &T) -> Option<Arc<T>> {
        let order = self.order.clone();
        let (at, within) = self.seek(|held| order.compare(held, row).is_lt());
        let found = self.chunks.get(at)?.rows.get(within)?;
        if order.compare(found, row).is_ne() {
            return None;
        }
        let chunks = Arc::make_mut(&mut self.chunks);
        let chunk = chunks.get_mut(at)?;
        let removed = chunk.change(|rows| rows.remove(within));
        self.len -= 1;
        if chunk.len == 0 {
            chunks.remove(at);
        } else if chunk.len < MAX_CHUNK / 4 {
            merge(chunks, at);
        }
        Some(removed)
    }

    /// Memory beside the rows themselves, in bytes.
    pub fn weight(&self) -> usize {
        // Chunks that grew in order are full; the others are two thirds full on average.
        let entries = self.len * size_of::<Arc<T>>() * 5 / 4;
        let overhead = size_of::<Chunk<T>>() + size_of::<Vec<Arc<T>>>() + 48;
        entries + (self.chunks.len() + 1) * overhead
    }

    /// The chunk and the index in it of the first row that is not `before`. If every row is, the chunk is the one after
    /// the last.
    fn seek(&self, before: impl Fn(&T) -> bool) -> (usize, usize) {
        let ends_before = |chunk: &Chunk<T>| chunk.rows.last().is_some_and(|row| before(row));
        let at = self.chunks.partition_point(ends_before);
        let rows = self.chunks.get(at).map(|chunk| &chunk.rows);
        (at, rows.map_or(0, |rows| rows.partition_point(|row| before(row))))
    }

    /// The chunk and the index in it of a position. Adding up the lengths reads a few adjacent kilobytes, even for a
    /// hundred thousand rows.
    fn locate(&self, position: usize) -> (usize, usize) {
        let mut left = position;
        for (at, chunk) in self.chunks.iter().enumerate() {
            if left < chunk.len {
                return (at, left);
            }
            left -= chunk.len;
        }
        (self.chunks.len(), left)
    }
}

/// Merges a chunk that has become short with a neighbour, if both fit in one chunk with room to grow.
fn merge<T>(chunks: &mut Vec<Chunk<T>>, at: usize) {
    let fits = |left: usize| match chunks.get(left..left + 2) {
        Some([a, b]) => a.len + b.len <= MAX_CHUNK / 4 * 3,
        _ => false,
    };
    let Some(left) = [at.checked_sub(1), Some(at)]
        .into_iter()
        .flatten()
        .find(|left| fits(*left))
    else {
        return;
    };
    let right = chunks.remove(left + 1);
    if let Some(left) = chunks.get_mut(left) {
        left.change(|rows| rows.extend(right.rows.iter().cloned()));
    }
}
