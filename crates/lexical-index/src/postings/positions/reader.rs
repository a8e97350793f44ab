//! Reading positions, in packs or not.

use wire::{MAX_VARINT_LEN, bits_at, skip_varints, varint32_at};

use super::layout::{FEW, MAX_WIDTH, PACK_LEN, VARINTS, packed_len};
use crate::bytes::Guarded;

/// Positions of one posting after the other, verified some way ahead.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Positions<'a> {
    bytes: Guarded<'a>,
    /// Where the next varint is, or the next pack.
    at: usize,
    verified: usize,
    pack: Pack,
    /// How many there are behind the pack at hand.
    behind: u64,
    /// Of the posting at hand.
    left: u32,
    last: u32,
}

/// Some of them that lie together; the next of them is number `next`.
#[derive(Debug, Clone, Copy)]
struct Pack {
    next: usize,
    count: usize,
    /// The width of each in bits, and where the first lies; 0 where they are varints.
    width: u8,
    start: usize,
}

const NO_PACK: Pack = Pack { next: 0, count: 0, width: 0, start: 0 };

/// Bytes that are verified ahead.
const AHEAD: usize = 256;

impl<'a> Positions<'a> {
    /// From a place in these bytes on, all of them varints.
    pub(crate) fn of_varints(bytes: Guarded<'a>, at: usize) -> Self {
        Self { pack: Pack { count: usize::MAX, ..NO_PACK }, ..Self::packed(bytes, at, 0) }
    }

    /// So many of them, in packs from a place in these bytes on.
    pub(crate) fn packed(bytes: Guarded<'a>, at: usize, count: u64) -> Self {
        let verified = if bytes.is_guarded() { at } else { usize::MAX };
        Self { bytes, at, verified, pack: NO_PACK, behind: count, left: 0, last: 0 }
    }

    pub(crate) fn none() -> Self {
        Self::packed(Guarded::plain(&[]), 0, 0)
    }

    /// Where in the part the next varint is, or the next pack.
    pub(crate) fn place(&self) -> usize {
        self.bytes.place_of(self.at..self.at).start
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
        if self.pack.next == self.pack.count {
            self.begin_pack()?;
        }
        let Pack { next, width, start, .. } = self.pack;
        self.pack.next += 1;
        if width > 0 {
            let width = usize::from(width);
            let number = bits_at(self.bytes.as_verified(), start * 8 + next * width, width)?;
            return u32::try_from(number).ok();
        }
        self.verify_ahead();
        varint32_at(self.bytes.as_verified(), &mut self.at)
    }

    /// Goes to the next pack. `None`: there is none, or it is none.
    fn begin_pack(&mut self) -> Option<()> {
        let count = usize::try_from(self.behind).map_or(PACK_LEN, |behind| behind.min(PACK_LEN));
        let pack = self.read_pack(count);
        // Behind what is no pack is nothing.
        self.behind = if pack.is_some() { self.behind - count as u64 } else { 0 };
        self.pack = pack.unwrap_or(NO_PACK);
        pack.map(drop)
    }

    fn read_pack(&mut self, count: usize) -> Option<Pack> {
        let varints = Pack { count, ..NO_PACK };
        if count < FEW {
            return (count > 0).then_some(varints);
        }
        let &width = self.bytes.get(self.at..self.at.checked_add(1)?)?.first()?;
        let start = self.at + 1;
        let len = match width {
            VARINTS => 0,
            1..=MAX_WIDTH => packed_len(count, width),
            _ => return None,
        };
        self.at = start.checked_add(len)?;
        self.bytes.get(start..self.at)?;
        Some(if width == VARINTS { varints } else { Pack { width, start, ..varints } })
    }

    /// Passes over so many of them.
    pub(crate) fn pass_over(&mut self, mut count: u64) {
        while count > 0 {
            if self.pack.next == self.pack.count && self.begin_pack().is_none() {
                return;
            }
            let in_pack = count.min((self.pack.count - self.pack.next) as u64);
            let passed = if self.pack.width > 0 { in_pack } else { self.pass_over_varints(in_pack) };
            if passed == 0 {
                return;
            }
            self.pack.next += usize::try_from(passed).unwrap_or(usize::MAX);
            count -= passed;
        }
    }

    /// Passes over up to so many varints; returns how many.
    fn pass_over_varints(&mut self, count: u64) -> u64 {
        if self.at >= self.bytes.len() {
            return 0;
        }
        self.verify_ahead();
        let verified = &self.bytes.as_verified()[self.at..self.bytes.len().min(self.verified)];
        let (passed, positions) = skip_varints(verified, count);
        self.at += passed;
        positions
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
