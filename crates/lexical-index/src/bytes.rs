//! Bytes of a part that are verified before they are used.

use std::fmt;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use wire::{Bytes, NotVerified, VerifiedSet};

use crate::error::{Error, Result};

/// Bytes are verified by pieces of this length as a power of two: in tests by less, so that every place that forgets to ask is seen.
const PIECE_SHIFT: u32 = if cfg!(test) { 4 } else { 12 };

/// No piece of so many bytes.
pub(crate) fn nothing_verified(len: usize) -> VerifiedSet {
    VerifiedSet::new((len >> PIECE_SHIFT) + 1)
}

/// What verifies bytes for one search.
///
/// Bytes that do not hold are kept as a fault, and the search goes on over whatever they are, which it can stand; then
/// [`finish`](Self::finish) fails, and nothing of what was found is used. So the loops over postings have no errors to hand on.
#[derive(Clone)]
pub(crate) struct Guard<'a> {
    bytes: &'a dyn Bytes,
    verified: &'a VerifiedSet,
    fault: OnceLock<Arc<NotVerified>>,
}

impl fmt::Debug for Guard<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard").field("fault", &self.fault).finish_non_exhaustive()
    }
}

impl<'a> Guard<'a> {
    pub(crate) fn new(bytes: &'a dyn Bytes, verified: &'a VerifiedSet) -> Self {
        Self { bytes, verified, fault: OnceLock::new() }
    }

    /// The first bytes that did not hold, if there were any.
    pub(crate) fn finish(&self) -> Result<()> {
        self.fault.get().map_or(Ok(()), |fault| Err(Error::not_verified(fault)))
    }

    /// Whether it is worth saying what will be needed.
    pub(crate) fn is_far(&self) -> bool {
        self.bytes.is_far()
    }

    /// Says that ranges will be used soon.
    pub(crate) fn will_need(&self, ranges: &[Range<usize>]) {
        self.bytes.will_need(ranges);
    }

    #[inline]
    fn verify(&self, range: Range<usize>) {
        let (first, last) = (range.start >> PIECE_SHIFT, (range.end - 1) >> PIECE_SHIFT);
        if last - first > 1 || !self.verified.contains(first) || !self.verified.contains(last) {
            self.verify_pieces(first, last);
        }
    }

    #[cold]
    #[inline(never)]
    fn verify_pieces(&self, first: usize, last: usize) {
        if self.verified.contains_all(first..=last) {
            return;
        }
        let end = ((last + 1) << PIECE_SHIFT).min(self.bytes.as_ref().len());
        match self.bytes.check(first << PIECE_SHIFT..end) {
            Ok(()) => (first..=last).for_each(|piece| self.verified.insert(piece)),
            Err(error) => drop(self.fault.set(Arc::new(error))), // the first one is told
        }
    }
}

/// Some bytes of a part, which are verified before they are used.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Guarded<'a> {
    bytes: &'a [u8],
    /// Where they begin.
    start: usize,
    guard: Option<&'a Guard<'a>>,
}

impl<'a> Guarded<'a> {
    /// Bytes that need no verifying.
    pub(crate) fn plain(bytes: &'a [u8]) -> Self {
        Self { bytes, start: 0, guard: None }
    }

    pub(crate) fn new(bytes: &'a [u8], guard: Option<&'a Guard<'a>>) -> Self {
        Self { bytes, start: 0, guard }
    }

    /// Some of them, not verified yet.
    pub(crate) fn slice(self, range: Range<usize>) -> Option<Self> {
        let bytes = self.bytes.get(range.clone())?;
        Some(Self { bytes, start: self.start + range.start, guard: self.guard })
    }

    /// Those from `start` on, not verified yet.
    pub(crate) fn slice_from(self, start: usize) -> Option<Self> {
        self.slice(start..self.bytes.len())
    }

    #[inline]
    pub(crate) fn len(self) -> usize {
        self.bytes.len()
    }

    pub(crate) fn is_guarded(self) -> bool {
        self.guard.is_some()
    }

    /// Verifies a range, as far as there are so many bytes.
    #[inline]
    pub(crate) fn verify(self, range: Range<usize>) {
        if let Some(guard) = self.guard {
            let end = range.end.min(self.bytes.len());
            if range.start < end {
                guard.verify(self.start + range.start..self.start + end);
            }
        }
    }

    /// Where a range of them lies in the part, as far as there are so many bytes.
    pub(crate) fn place_of(self, range: Range<usize>) -> Range<usize> {
        let end = range.end.min(self.bytes.len());
        self.start + range.start.min(end)..self.start + end
    }

    /// A range of them, verified.
    #[inline]
    pub(crate) fn get(self, range: Range<usize>) -> Option<&'a [u8]> {
        self.verify(range.clone());
        self.bytes.get(range)
    }

    /// The first `len` of them or, if they are fewer, all, verified.
    #[inline]
    pub(crate) fn first(self, len: usize) -> &'a [u8] {
        self.verify(0..len);
        &self.bytes[..len.min(self.bytes.len())]
    }

    /// All of them, of which the caller uses what it had verified.
    #[inline]
    pub(crate) fn as_verified(self) -> &'a [u8] {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    /// Bytes that note what was asked for.
    struct Noting(Vec<u8>, Mutex<Vec<Range<usize>>>);

    impl AsRef<[u8]> for Noting {
        fn as_ref(&self) -> &[u8] {
            &self.0
        }
    }

    impl Bytes for Noting {
        fn check(&self, range: Range<usize>) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
            self.1.lock().unwrap().push(range.clone());
            if range.contains(&100) { Err("100 is damaged".into()) } else { Ok(()) }
        }

        fn is_verified(&self) -> bool {
            false
        }
    }

    #[test]
    fn a_piece_is_asked_for_until_it_holds() {
        let bytes = Noting(vec![0; 2000], Mutex::default());
        let verified = nothing_verified(2000);
        let guard = Guard::new(&bytes, &verified);
        let all = Guarded::new(bytes.as_ref(), Some(&guard));
        let some = all.slice(8..1_990).unwrap();
        let asked = || {
            let asked = std::mem::take(&mut *bytes.1.lock().unwrap());
            asked.into_iter().map(|range| (range.start, range.end)).collect::<Vec<_>>()
        };
        some.verify(0..8);
        assert_eq!(asked(), [(0, 16)]);
        some.verify(0..9);
        assert_eq!(asked(), [(0, 32)]);
        some.verify(1_200..5_000);
        assert_eq!(asked(), [(1_200, 2_000)]);
        all.verify(0..32);
        some.verify(1_200..1_900);
        assert!(asked().is_empty());
        guard.finish().unwrap();
        for _ in 0..2 {
            assert_eq!(all.get(99..101), Some(&[0; 2][..]));
            assert_eq!(asked(), [(96, 112)]);
        }
        assert_eq!(guard.finish().unwrap_err().to_string(), "100 is damaged");
    }
}
