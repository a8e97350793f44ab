//! Reads the [portable format](https://github.com/RoaringBitmap/RoaringFormatSpec) of Roaring bitmaps.
//!
//! A cookie, then two bytes of key and two of cardinality for each container, perhaps offsets, then the containers: 65,536 rows each, as
//! sorted numbers, as runs, or as a bitmap, whose words are copied as they are.

use std::fmt;

use crate::bitmap::RowSet;
use crate::builder::RowSetBuilder;

/// Without runs: the number of containers follows in four bytes.
const COOKIE_NO_RUNS: u32 = 12_346;
/// In the low half of the cookie; the high half is the number of containers - 1, and a bit for each says whether it has runs.
const COOKIE_RUNS: u32 = 12_347;
/// Bitmaps with runs and fewer containers have no offsets.
const OFFSETS_FROM: usize = 4;
/// Containers of more rows are bitmaps.
const MAX_SORTED: usize = 4_096;
/// Bytes of a container that is a bitmap.
const BITMAP_LEN: usize = 8_192;
/// Rows of a container.
const CONTAINER_ROWS: u32 = 1 << 16;

/// The bytes are not a Roaring bitmap in the portable format, or it has rows that cannot be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotARoaringBitmap;

impl fmt::Display for NotARoaringBitmap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a Roaring bitmap in the portable format, or one of rows beyond the limit")
    }
}

impl std::error::Error for NotARoaringBitmap {}

impl RowSet {
    /// The rows of a serialized Roaring bitmap in the [portable format](https://github.com/RoaringBitmap/RoaringFormatSpec). What follows
    /// it in `bytes` is ignored.
    ///
    /// Fails if `bytes` are something else, or if a row is not below `limit`: so that no more than `limit / 8` bytes are allocated,
    /// whatever the bytes are.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let roaring: roaring::RoaringBitmap = [3, 70_000].into_iter().collect();
    /// let mut bytes = Vec::new();
    /// roaring.serialize_into(&mut bytes)?;
    /// let set = row_set::RowSet::from_roaring(&bytes, 100_000)?;
    /// assert_eq!(set.iter().collect::<Vec<_>>(), [3, 70_000]);
    /// # Ok(()) }
    /// ```
    pub fn from_roaring(bytes: &[u8], limit: u32) -> Result<Self, NotARoaringBitmap> {
        let mut builder = RowSetBuilder::new();
        builder.insert_roaring(bytes, limit)?;
        Ok(builder.build())
    }
}

impl RowSetBuilder {
    /// Adds the rows of a serialized Roaring bitmap; see [`RowSet::from_roaring`]. If it fails, some of them may have been added.
    pub fn insert_roaring(&mut self, bytes: &[u8], limit: u32) -> Result<(), NotARoaringBitmap> {
        read(bytes, limit, self).ok_or(NotARoaringBitmap)
    }
}

fn read(bytes: &[u8], limit: u32, set: &mut RowSetBuilder) -> Option<()> {
    let mut rest = Rest(bytes);
    let cookie = rest.u32()?;
    let (count, runs) = if cookie == COOKIE_NO_RUNS {
        (rest.u32()? as usize, None)
    } else if cookie & 0xFFFF == COOKIE_RUNS {
        let count = (cookie >> 16) as usize + 1;
        (count, Some(rest.take(count.div_ceil(8))?))
    } else {
        return None;
    };
    let containers = rest.take(count.checked_mul(4)?)?.as_chunks::<4>().0;
    if runs.is_none() || count >= OFFSETS_FROM {
        rest.take(count * 4)?;
    }
    let mut next_key = 0;
    for (at, &[k0, k1, c0, c1]) in containers.iter().enumerate() {
        let (key, len) =
            (u32::from(u16::from_le_bytes([k0, k1])), usize::from(u16::from_le_bytes([c0, c1])) + 1);
        if key < next_key {
            return None;
        }
        next_key = key + 1;
        // The rows of the container that are below the limit.
        let first = key * CONTAINER_ROWS;
        let room = limit.checked_sub(first).filter(|&room| room > 0)?.min(CONTAINER_ROWS);
        if runs.is_some_and(|runs| runs[at / 8] >> (at % 8) & 1 == 1) {
            let count = rest.u16()?;
            set.insert_runs(first, room, rest.take(usize::from(count) * 4)?)?;
        } else if len <= MAX_SORTED {
            set.insert_sorted(first, room, rest.take(len * 2)?)?;
        } else {
            set.insert_words(first, room, rest.take(BITMAP_LEN)?)?;
        }
    }
    Some(())
}

// A container each: the rows in its bytes count from `first`, and are below `room`.
impl RowSetBuilder {
    /// Starts and lengths.
    fn insert_runs(&mut self, first: u32, room: u32, bytes: &[u8]) -> Option<()> {
        for &[s0, s1, m0, m1] in bytes.as_chunks::<4>().0 {
            let start = u32::from(u16::from_le_bytes([s0, s1]));
            let end = Some(start + u32::from(u16::from_le_bytes([m0, m1]))).filter(|&end| end < room)?;
            let words = self.words_between(first + start, first + end);
            let last = words.len() - 1;
            let (from, to) = (u64::MAX << (start % 64), u64::MAX >> (63 - end % 64));
            if last == 0 {
                words[0] |= from & to;
            } else {
                words[0] |= from;
                words[1..last].fill(u64::MAX);
                words[last] |= to;
            }
        }
        Some(())
    }

    /// Numbers.
    fn insert_sorted(&mut self, first: u32, room: u32, bytes: &[u8]) -> Option<()> {
        let rows = bytes.as_chunks::<2>().0.iter().map(|&row| u16::from_le_bytes(row));
        // The last one, unless they are not sorted.
        let last = rows.clone().max().map(u32::from).filter(|&last| last < room)?;
        let words = self.words_between(first, first + last);
        rows.for_each(|row| words[usize::from(row / 64)] |= 1 << (row % 64));
        Some(())
    }

    /// A bitmap.
    fn insert_words(&mut self, first: u32, room: u32, bytes: &[u8]) -> Option<()> {
        let all = bytes.as_chunks::<8>().0;
        let used = all.iter().rposition(|word| *word != [0; 8]).map_or(0, |last| last + 1);
        let Some(last) = all[..used].last() else { return Some(()) };
        let last = u32::from(u16::try_from(used - 1).ok()?) * 64 + u64::from_le_bytes(*last).ilog2();
        let last = Some(last).filter(|&last| last < room)?;
        for (word, &bits) in self.words_between(first, first + last).iter_mut().zip(all) {
            *word |= u64::from_le_bytes(bits);
        }
        Some(())
    }
}

/// What is left of the bytes.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    fn u16(&mut self) -> Option<u16> {
        self.take(2)?.first_chunk().copied().map(u16::from_le_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.take(4)?.first_chunk().copied().map(u32::from_le_bytes)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use roaring::RoaringBitmap;

    use super::*;

    fn serialized(rows: &RoaringBitmap) -> Vec<u8> {
        let mut bytes = Vec::new();
        rows.serialize_into(&mut bytes).unwrap();
        bytes
    }

    /// Sparse, dense and runs, in several containers.
    fn rows() -> impl Strategy<Value = RoaringBitmap> {
        let sparse = prop::collection::vec(0..400_000u32, 0..300);
        let dense = prop::collection::vec((0..400_000u32, 0..30_000u32, 1..9usize), 0..6);
        (sparse, dense).prop_map(|(sparse, dense)| {
            let dense = dense.into_iter().flat_map(|(from, len, step)| (from..from + len).step_by(step));
            sparse.into_iter().chain(dense).collect()
        })
    }

    proptest! {
        #[test]
        fn a_roaring_bitmap_is_read_as_its_rows(rows in rows(), optimized in any::<bool>()) {
            let mut rows = rows;
            if optimized {
                rows.optimize();
            }
            let mut bytes = serialized(&rows);
            let expected: RowSet = rows.iter().collect();
            let limit = rows.max().map_or(0, |last| last + 1);
            prop_assert_eq!(RowSet::from_roaring(&bytes[..bytes.len() / 2], limit), Err(NotARoaringBitmap));
            if limit > 0 {
                prop_assert_eq!(RowSet::from_roaring(&bytes, limit - 1), Err(NotARoaringBitmap));
            }
            bytes.extend([1, 2, 3]);
            let mut builder = RowSetBuilder::new();
            for row in [5, 500_000] {
                builder.insert(row);
            }
            prop_assert_eq!(builder.insert_roaring(&bytes, limit), Ok(()));
            let more = builder.build();
            let all: RowSet = expected.iter().chain([5, 500_000]).collect();
            prop_assert_eq!((more.len(), more), (all.len(), all));
            prop_assert_eq!(RowSet::from_roaring(&bytes, limit), Ok(expected));
        }

        #[test]
        fn any_bytes_are_read_or_refused(
            cookie in prop_oneof![Just(COOKIE_NO_RUNS), (0..4u32).prop_map(|count| count << 16 | COOKIE_RUNS), any::<u32>()],
            bytes in prop::collection::vec(prop_oneof![0..4u8, any::<u8>()], 0..200),
        ) {
            let mut all = cookie.to_le_bytes().to_vec();
            all.extend(bytes);
            if let Ok(set) = RowSet::from_roaring(&all, 1 << 20) {
                prop_assert_eq!(set.iter().count(), set.len());
            }
        }
    }
}
