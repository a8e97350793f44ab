//! How many tokens each text has, exactly: a byte a row, and the few lengths that do not fit one, by row.

use std::ops::Range;

use crate::bm25::LONG;
use crate::bytes::Guarded;
use crate::part::layout::find_long;

/// The lengths of one field, verified by whoever makes a cursor before any is asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lengths<'a> {
    pub(crate) bytes: Guarded<'a>,
    /// Rows whose byte is [`LONG`], ascending, with their lengths.
    pub(crate) long: Guarded<'a>,
}

impl Lengths<'_> {
    /// The length, if it is less than [`LONG`].
    #[inline]
    pub(crate) fn byte(&self, row: u32) -> u8 {
        self.bytes.as_verified().get(row as usize).copied().unwrap_or(LONG)
    }

    #[cold]
    pub(crate) fn long_length(&self, row: u32) -> u32 {
        find_long(self.long.as_verified(), row).unwrap_or(u32::from(LONG))
    }

    /// Where they lie in the part.
    pub(crate) fn places(&self) -> [Range<usize>; 2] {
        [self.bytes.place_of(0..self.bytes.len()), self.long.place_of(0..self.long.len())]
    }

    /// Verifies all lengths.
    pub(crate) fn verify_all(&self) {
        self.bytes.verify(0..self.bytes.len());
        self.verify_long();
    }

    /// Verifies the lengths of these rows.
    pub(crate) fn verify(&self, rows: &[u32]) {
        if !self.bytes.is_guarded() {
            return;
        }
        for &row in rows {
            self.bytes.verify(row as usize..row as usize + 1);
        }
        if rows.iter().any(|&row| self.byte(row) == LONG) {
            self.verify_long();
        }
    }

    fn verify_long(&self) {
        self.long.verify(0..self.long.len());
    }

    pub(crate) fn get(&self, row: u32) -> u32 {
        match self.byte(row) {
            LONG => self.long_length(row),
            byte => u32::from(byte),
        }
    }
}
