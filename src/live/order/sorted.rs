//! A persistent sorted sequence with positions.

use std::cmp::Ordering;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use super::Order;

/// Rows of a chunk at most. A change copies one chunk and the list of chunks, so both should be short.
const CHUNK: usize = 256;

/// Rows in one order. A clone shares everything, and a change to it copies what it changes and leaves the clone alone.
pub(in crate::live) struct Sorted<T> {
    order: Arc<dyn Order<T>>,
    chunks: Arc<Vec<Chunk<T>>>,
    len: usize,
}

/// Some neighbours, never none.
struct Chunk<T> {
    /// The number of rows, here so that a position is found without looking at any of them.
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

    /// Changes the rows, which are copied first where another picture holds them too.
    fn change<R>(&mut self, change: impl FnOnce(&mut Vec<Arc<T>>) -> R) -> R {
        let rows = Arc::make_mut(&mut self.rows);
        let done = change(rows);
        self.len = rows.len();
        done
    }
}

impl<T> Sorted<T> {
    /// No rows yet.
    pub fn new(order: Arc<dyn Order<T>>) -> Self {
        Self::of(order, &[])
    }

    /// Rows that are in order already, no two of them equal.
    pub fn of(order: Arc<dyn Order<T>>, rows: &[Arc<T>]) -> Self {
        Self {
            order,
            chunks: Arc::new(rows.chunks(CHUNK).map(|rows| Chunk::new(rows.to_vec())).collect()),
            len: rows.len(),
        }
    }

    /// What it is in order of.
    pub fn order(&self) -> &dyn Order<T> {
        &*self.order
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// The row at a position.
    pub fn get(&self, position: usize) -> Option<&Arc<T>> {
        let (chunk, within) = self.locate(position);
        self.chunks.get(chunk)?.rows.get(within)
    }

    /// The rows at some positions, as far as they exist.
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

    /// The first position whose row is not `before`; those that are must all come first.
    pub fn partition(&self, before: impl Fn(&T) -> bool) -> usize {
        let (chunk, within) = self.seek(before);
        let until = self.chunks.iter().take(chunk).map(|chunk| chunk.len).sum::<usize>();
        until + within
    }

    /// The positions of the rows that `place` says are neither before nor after what is looked for.
    pub fn span(&self, place: impl Fn(&T) -> Ordering) -> Range<usize> {
        self.partition(|row| place(row).is_lt())..self.partition(|row| place(row).is_le())
    }

    /// Puts a row in its place, and returns the one that stood there.
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
            Err(within) if chunk.len < CHUNK => chunk.change(|rows| rows.insert(within, row)),
            // What grows at its end leaves full chunks behind.
            Err(CHUNK) if at == last => chunks.push(Chunk::new(vec![row])),
            Err(within) => {
                let upper = chunk.change(|rows| {
                    let mut upper = rows.split_off(CHUNK / 2);
                    match within.checked_sub(CHUNK / 2) {
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

    /// Takes out the row that stands where `row` does.
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
        } else if chunk.len < CHUNK / 4 {
            join(chunks, at);
        }
        Some(removed)
    }

    /// What it takes in memory beside the rows themselves, in bytes.
    pub fn weight(&self) -> usize {
        // Chunks are full where they grew in order, and two thirds full on average where they did not.
        let entries = self.len * size_of::<Arc<T>>() * 5 / 4;
        let overhead = size_of::<Chunk<T>>() + size_of::<Vec<Arc<T>>>() + 48;
        entries + (self.chunks.len() + 1) * overhead
    }

    /// The chunk and the place in it of the first row that is not `before`. A row that is after all others has its place
    /// in the chunk after the last.
    fn seek(&self, before: impl Fn(&T) -> bool) -> (usize, usize) {
        let ends_before = |chunk: &Chunk<T>| chunk.rows.last().is_some_and(|row| before(row));
        let at = self.chunks.partition_point(ends_before);
        let rows = self.chunks.get(at).map(|chunk| &chunk.rows);
        (at, rows.map_or(0, |rows| rows.partition_point(|row| before(row))))
    }

    /// The chunk and the place in it of a position. Adding up the lengths reads a few kilobytes in a row, even in a
    /// sequence of a hundred thousand.
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

/// Joins a chunk that has become short with a neighbour, if both fit in one with room to grow.
fn join<T>(chunks: &mut Vec<Chunk<T>>, at: usize) {
    let fits = |left: usize| match chunks.get(left..left + 2) {
        Some([a, b]) => a.len + b.len <= CHUNK / 4 * 3,
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
