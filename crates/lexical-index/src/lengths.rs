//! How many tokens each text has, exactly: a byte a row, and the few lengths that do not fit one, by row.

use wire::try_u32_at;

use crate::bm25::LONG;
use crate::bytes::Guarded;

/// Bytes of a row and its length.
pub(crate) const LONG_LEN: usize = 8;

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
    pub(crate) fn of_long(&self, row: u32) -> u32 {
        find_long(self.long.as_verified(), row).unwrap_or(u32::from(LONG))
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

    pub(crate) fn of(&self, row: u32) -> u32 {
        match self.byte(row) {
            LONG => self.of_long(row),
            byte => u32::from(byte),
        }
    }
}

fn find_long(bytes: &[u8], row: u32) -> Option<u32> {
    let (mut from, mut to) = (0, bytes.len() / LONG_LEN);
    while from < to {
        let middle = from.midpoint(to);
        match try_u32_at(bytes, middle * LONG_LEN)?.cmp(&row) {
            std::cmp::Ordering::Equal => return try_u32_at(bytes, middle * LONG_LEN + 4),
            std::cmp::Ordering::Less => from = middle + 1,
            std::cmp::Ordering::Greater => to = middle,
        }
    }
    None
}
