//! The bytes of codes: two planes of nibbles.
//!
//! A code `u` in [-127, 127] is `16 * (high - 8) + low`, with `high` and `low` in 0..=15. All high nibbles lie in one plane, all low
//! ones in another, each row of a plane in half a byte a dimension. The high plane alone is a code of 4 bits: a walk through a graph,
//! which waits for memory most of the time, compares by that alone, half the bytes. Both together are the int8 code, exactly.
//!
//! In a row, every 32 bytes hold 64 dimensions: the lower half of byte `i` belongs to dimension `i` of them, the upper to `32 + i`.

use crate::prefetch::prefetch_rows;

/// 64 codes: a row of codes is padded with zeros to a multiple.
pub(crate) type Line = [i8; 64];

/// The nibbles of 64 codes in a plane.
pub(crate) type Group = [u8; 32];

/// Codes on a boundary of 64 bytes.
#[derive(Debug, Clone, Copy, bytemuck::Zeroable, bytemuck::Pod)]
#[repr(C, align(64))]
pub(crate) struct Aligned(pub(crate) Line);

/// How many groups of 64 codes a row has.
pub(crate) const fn groups(dimension: usize) -> usize {
    dimension.div_ceil(size_of::<Line>())
}

/// So many rows of parts lie in a panel: four values of each, then the next four of each, and so on. So the sums of their products with a query come to
/// lie beside each other.
pub(crate) const PANEL: usize = 8;

/// Four values of each row of a panel.
pub(crate) type Quads = [[u8; 4]; PANEL];

/// How many groups of four values a line has.
pub(crate) const QUADS: usize = size_of::<Line>() / 4;

/// Panels in some lines: a panel has as many as its rows.
pub(crate) fn panels(lines: &[Aligned]) -> &[Quads] {
    bytemuck::cast_slice(lines)
}

/// Writes a row of parts, whole lines, to its place in the panels.
pub(crate) fn put_in_panel(parts: &[u8], panels: &mut [Aligned], at: usize) {
    let lines = parts.len() / size_of::<Line>();
    let panel: &mut [Quads] = bytemuck::cast_slice_mut(&mut panels[at / PANEL * PANEL * lines..]);
    for (quads, &quad) in panel.iter_mut().zip(parts.as_chunks().0) {
        quads[at % PANEL] = quad;
    }
}

/// The codes of some lines, one after the other.
pub(crate) fn lines(lines: &[Aligned]) -> &[Line] {
    bytemuck::cast_slice(lines)
}

/// The codes of some lines, to be written to.
pub(crate) fn codes_mut(lines: &mut [Aligned]) -> &mut [i8] {
    bytemuck::cast_slice_mut(lines)
}

/// A walk compares vectors of at most so many times 64 dimensions by their whole codes.
const FEW_LINES: usize = 1;

/// Whether a walk compares vectors of so many dimensions by their whole codes, and not by their high nibbles alone.
pub(crate) fn walks_by_whole_codes(dimension: usize) -> bool {
    groups(dimension) <= FEW_LINES
}

/// Rows of nibbles, one after the other; see the top of this file.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plane<'a> {
    groups: &'a [Group],
    /// Groups in a row.
    stride: usize,
}

impl<'a> Plane<'a> {
    /// Rows of `stride` groups each.
    pub(crate) fn new(bytes: &'a [u8], stride: usize) -> Self {
        Self { groups: bytes.as_chunks().0, stride }
    }

    #[inline]
    pub(crate) fn row(self, at: u32) -> &'a [Group] {
        &self.groups[at as usize * self.stride..][..self.stride]
    }

    /// Has some rows fetched.
    #[inline]
    pub(crate) fn prefetch(self, rows: &[u32]) {
        prefetch_rows(self.groups, self.stride, rows);
    }
}

/// The 64 codes of a group.
pub(crate) fn unpack_group(high: &Group, low: &Group) -> Line {
    let mut line = [0; size_of::<Line>()];
    let (first, second) = line.split_at_mut(size_of::<Group>());
    for (((first, second), &high), &low) in first.iter_mut().zip(second).zip(high).zip(low) {
        *first = ((high << 4 | low & 15) ^ 128).cast_signed();
        *second = ((high & 0xF0 | low >> 4) ^ 128).cast_signed();
    }
    line
}

/// Writes codes as nibbles into a row of each plane. What is missing to a whole group counts as zeros.
pub(crate) fn pack(codes: &[i8], [high, low]: [&mut [u8]; 2]) {
    let rows = high.as_chunks_mut::<32>().0.iter_mut().zip(low.as_chunks_mut::<32>().0);
    let mut codes = codes.chunks(size_of::<Line>());
    for (high, low) in rows {
        let mut line = [0; size_of::<Line>()];
        let some = codes.next().unwrap_or_default();
        line[..some.len()].copy_from_slice(some);
        for i in 0..32 {
            let [a, b] = [line[i], line[32 + i]].map(|code| code.cast_unsigned().wrapping_add(128));
            high[i] = a >> 4 | b & 0xF0;
            low[i] = a & 15 | b << 4;
        }
    }
}
