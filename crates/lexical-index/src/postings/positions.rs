//! Where in a text a term occurs.

use wire::varint32_at;

use crate::bytes::Guarded;
use crate::memory::ChainReader;

/// Positions of one posting after the other.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Positions<'a> {
    bytes: Bytes<'a>,
    left: u32,
    last: u32,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Bytes<'a> {
    Sealed(Sealed<'a>),
    Memory(ChainReader<'a>),
}

/// Positions of a part, verified some way ahead.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sealed<'a> {
    bytes: Guarded<'a>,
    at: usize,
    verified: usize,
}

/// Bytes that are verified ahead.
const AHEAD: usize = 256;

impl<'a> Sealed<'a> {
    /// From a place in these bytes on.
    pub(crate) fn new(bytes: Guarded<'a>, at: usize) -> Self {
        Self { bytes, at, verified: if bytes.is_guarded() { at } else { usize::MAX } }
    }

    #[inline]
    fn verify_ahead(&mut self) {
        // The longest integer that is read has 10 bytes.
        if self.at.saturating_add(10) > self.verified {
            self.verified = self.at.saturating_add(AHEAD);
            self.bytes.verify(self.at..self.verified);
        }
    }

    #[inline]
    fn take(&mut self) -> Option<u32> {
        self.verify_ahead();
        varint32_at(self.bytes.as_verified(), &mut self.at)
    }

    /// Passes over so many integers. Each ends with its first byte below 128, so they are counted and not decoded.
    fn pass_over(&mut self, mut count: u64) {
        const UPPER_BITS: u64 = 0x8080_8080_8080_8080;
        while count > 0 && self.at < self.bytes.len() {
            self.verify_ahead();
            let piece = &self.bytes.as_verified()[self.at..self.bytes.len().min(self.verified)];
            let mut passed = 0;
            for eight in piece.as_chunks::<8>().0 {
                let ends = u64::from((!u64::from_le_bytes(*eight) & UPPER_BITS).count_ones());
                if ends >= count {
                    break;
                }
                (count, passed) = (count - ends, passed + 8);
            }
            for &byte in &piece[passed..] {
                passed += 1;
                count -= u64::from(byte < 128);
                if count == 0 {
                    break;
                }
            }
            self.at += passed;
        }
    }
}

impl<'a> Positions<'a> {
    pub(crate) fn new(bytes: Bytes<'a>) -> Self {
        Self { bytes, left: 0, last: 0 }
    }

    /// Passes over so many of them.
    pub(crate) fn pass_over(&mut self, count: u64) {
        match &mut self.bytes {
            Bytes::Sealed(sealed) => sealed.pass_over(count),
            Bytes::Memory(_) => (0..count).map_while(|_| self.take()).for_each(drop),
        }
    }

    /// The next so many of them belong together.
    pub(crate) fn begin(mut self, count: u32) -> Self {
        self.left = count;
        self.last = 0;
        self
    }

    fn take(&mut self) -> Option<u32> {
        match &mut self.bytes {
            Bytes::Sealed(sealed) => sealed.take(),
            Bytes::Memory(chain) => chain.varint().and_then(|value| u32::try_from(value).ok()),
        }
    }

    /// The next position of the posting.
    pub(crate) fn next(&mut self) -> Option<u32> {
        self.left = self.left.checked_sub(1)?;
        self.last = self.last.checked_add(self.take()?)?;
        Some(self.last)
    }
}
