//! The codes of many vectors as two planes of nibbles: in memory, or where an index lies.

use wire::AlignedBytes;

use super::layout::{Group, Line, Plane, unpack_group};
use super::query::QueryCodes;
use crate::kernel::Kernel;

/// The rows of both planes, where they lie.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Planes<'a> {
    pub(crate) high: Plane<'a>,
    pub(crate) low: Plane<'a>,
}

impl Planes<'_> {
    /// The codes of a row.
    pub(crate) fn unpack(self, row: u32, codes: &mut [i8]) {
        let mut groups = self.high.row(row).iter().zip(self.low.row(row));
        let (lines, rest) = codes.as_chunks_mut::<{ size_of::<Line>() }>();
        for (line, (high, low)) in lines.iter_mut().zip(groups.by_ref()) {
            *line = unpack_group(high, low);
        }
        if let Some((high, low)) = groups.next() {
            rest.copy_from_slice(&unpack_group(high, low)[..rest.len()]);
        }
    }
}

/// Both planes in memory.
#[derive(Debug, Clone, Default)]
pub(crate) struct OwnedPlanes {
    high: AlignedBytes,
    low: AlignedBytes,
    groups: usize,
}

impl OwnedPlanes {
    pub(crate) fn new(groups: usize) -> Self {
        Self { high: AlignedBytes::default(), low: AlignedBytes::default(), groups }
    }

    /// Nothing yet, and room for so many rows.
    pub(crate) fn with_room(groups: usize, rows: usize) -> Self {
        let len = rows * groups * size_of::<Group>();
        Self { high: AlignedBytes::with_capacity(len), low: AlignedBytes::with_capacity(len), groups }
    }

    pub(crate) fn as_ref(&self) -> Planes<'_> {
        let plane = |bytes| Plane::new(bytes, self.groups);
        Planes { high: plane(self.high.as_ref()), low: plane(self.low.as_ref()) }
    }

    pub(crate) fn bytes(&self) -> [&[u8]; 2] {
        [self.high.as_ref(), self.low.as_ref()]
    }

    /// Makes room for rows and returns what they are to be written to: the bytes of each plane.
    pub(crate) fn grow(&mut self, rows: usize) -> [&mut [u8]; 2] {
        let len = rows * self.row_len();
        [self.high.grow(len), self.low.grow(len)]
    }

    pub(crate) fn row_len(&self) -> usize {
        self.groups * size_of::<Group>()
    }

    /// Appends rows of another.
    pub(crate) fn push_row(&mut self, from: Planes<'_>, row: u32) {
        let len = self.row_len();
        self.high.grow(len).copy_from_slice(from.high.row(row).as_flattened());
        self.low.grow(len).copy_from_slice(from.low.row(row).as_flattened());
    }

    /// Leaves out all rows but those at some positions, which ascend.
    pub(crate) fn keep(&mut self, positions: &[u32]) {
        let len = self.row_len();
        for plane in [&mut self.high, &mut self.low] {
            for (to, &from) in positions.iter().enumerate() {
                let from = from as usize * len;
                plane.as_mut().copy_within(from..from + len, to * len);
            }
            plane.truncate(positions.len() * len);
        }
    }

    /// Puts the rows in another order: the one at `order[i]` comes to `i`. `order` is a permutation.
    pub(crate) fn permute(&mut self, order: &[u32]) {
        let len = self.row_len();
        permute_rows(self.high.as_mut(), len, order);
        permute_rows(self.low.as_mut(), len, order);
    }
}

/// Permutes rows in place, cycle by cycle.
fn permute_rows(bytes: &mut [u8], row_len: usize, order: &[u32]) {
    let mut done = vec![false; order.len()];
    let mut kept = vec![0; row_len];
    for start in 0..order.len() {
        if done[start] {
            continue;
        }
        kept.copy_from_slice(&bytes[start * row_len..][..row_len]);
        let mut to = start;
        loop {
            done[to] = true;
            let from = order[to] as usize;
            if from == start {
                break;
            }
            bytes.copy_within(from * row_len..(from + 1) * row_len, to * row_len);
            to = from;
        }
        bytes[to * row_len..][..row_len].copy_from_slice(&kept);
    }
}

impl Planes<'_> {
    /// The dot products with some rows, as exactly as the high plane alone tells.
    #[inline]
    pub(crate) fn rough_dots(self, kernel: Kernel, query: QueryCodes<'_>, ids: &[u32], out: &mut [i32]) {
        kernel.dots(query.lines, self.high, ids, out);
        // A low nibble that is not read is 7.5 on average.
        let middle = query.sum.wrapping_mul(128).wrapping_sub(query.sum.wrapping_mul(15) >> 1);
        for dot in out {
            *dot = dot.wrapping_mul(16).wrapping_sub(middle);
        }
    }

    /// The dot products with some rows. `room` is as long as `out`.
    #[inline]
    pub(crate) fn dots(
        self,
        kernel: Kernel,
        query: QueryCodes<'_>,
        ids: &[u32],
        out: &mut [i32],
        room: &mut [i32],
    ) {
        kernel.dots_of_both(query.lines, [self.high, self.low], ids, out, room);
        let excess = query.sum.wrapping_mul(128);
        for dot in out {
            *dot = dot.wrapping_sub(excess);
        }
    }
}
