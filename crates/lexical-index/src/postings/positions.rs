//! Where in a text a term occurs.

use wire::{MAX_VARINT_LEN, skip_varints, varint32_at};

use crate::bytes::Guarded;

/// Positions of one posting after the other, verified some way ahead.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Positions<'a> {
    bytes: Guarded<'a>,
    at: usize,
    verified: usize,
    left: u32,
    last: u32,
}

/// Bytes that are verified ahead.
const AHEAD: usize = 256;

impl<'a> Positions<'a> {
    /// From a place in these bytes on.
    pub(crate) fn new(bytes: Guarded<'a>, at: usize) -> Self {
        Self { bytes, at, verified: if bytes.is_guarded() { at } else { usize::MAX }, left: 0, last: 0 }
    }

    /// Where the next position is.
    pub(crate) fn place(&self) -> usize {
        self.at
    }

    #[inline]
    fn verify_ahead(&mut self) {
        if self.at.saturating_add(MAX_VARINT_LEN) > self.verified {
            self.verified = self.at.saturating_add(AHEAD);
            self.bytes.verify(self.at..self.verified);
        }
    }

    #[inline]
    fn take(&mut self) -> Option<u32> {
        self.verify_ahead();
        varint32_at(self.bytes.as_verified(), &mut self.at)
    }

    /// Passes over so many of them.
    pub(crate) fn pass_over(&mut self, mut count: u64) {
        while count > 0 && self.at < self.bytes.len() {
            self.verify_ahead();
            let verified = &self.bytes.as_verified()[self.at..self.bytes.len().min(self.verified)];
            let (passed, positions) = skip_varints(verified, count);
            (self.at, count) = (self.at + passed, count - positions);
        }
    }

    /// The next so many of them belong together.
    pub(crate) fn begin(mut self, count: u32) -> Self {
        self.left = count;
        self.last = 0;
        self
    }

    /// The next position of the posting.
    pub(crate) fn next(&mut self) -> Option<u32> {
        self.left = self.left.checked_sub(1)?;
        self.last = self.last.checked_add(self.take()?)?;
        Some(self.last)
    }
}
