//! What a posting adds to a score.

use crate::bm25::{LONG, Saturation, units};
use crate::lengths::Lengths;

/// What turns a posting into a part of a score.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Weigh<'a> {
    pub(crate) weight: u32,
    pub(crate) saturation: &'a Saturation,
    pub(crate) lengths: Lengths<'a>,
}

impl Weigh<'_> {
    #[inline]
    pub(crate) fn units(&self, row: u32, freq: u32) -> u32 {
        let saturation = self.saturation.get(freq, self.lengths.byte(row), || self.lengths.long_length(row));
        units(self.weight, saturation)
    }

    /// Of postings of frequency 1; so many that they deserve a path of their own.
    #[inline]
    pub(super) fn units_once(&self, row: u32) -> u32 {
        match self.lengths.byte(row) {
            LONG => self.units(row, 1),
            len => units(self.weight, self.saturation.once()[usize::from(len)]),
        }
    }
}
