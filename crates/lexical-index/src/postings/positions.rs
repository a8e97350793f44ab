//! Where in a text a term occurs.

use crate::bytes::Guarded;
use crate::memory::ChainReader;
use crate::wire::take_varint32;

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
    fn take(&mut self) -> Option<u32> {
        // The longest integer that is read has 10 bytes.
        if self.at.saturating_add(10) > self.verified {
            self.verified = self.at.saturating_add(AHEAD);
            self.bytes.verify(self.at..self.verified);
        }
        take_varint32(self.bytes.as_verified(), &mut self.at)
    }
}

impl<'a> Positions<'a> {
    pub(crate) fn new(bytes: Bytes<'a>) -> Self {
        Self { bytes, left: 0, last: 0 }
    }

    /// Passes over so many of them.
    pub(crate) fn pass_over(&mut self, count: u64) {
        for _ in 0..count {
            if self.take().is_none() {
                break;
            }
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
