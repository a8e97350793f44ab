//! Which pieces of some bytes were verified.

use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

const WORD: usize = u64::BITS as usize;

/// The numbers of the pieces that were verified: chunks of a file, pages of a map, rows of a table. What is in it stays in it, since the
/// bytes do not change; threads share it without a lock. Who finds a piece in it sees all that was written before it was added: also its bytes, where they
/// came only then.
///
/// ```
/// let verified = wire::VerifiedSet::new(150);
/// verified.insert(63);
/// assert!(verified.contains(63) && !verified.contains_all(63..=64));
/// assert_eq!(verified.missing(62..=65).collect::<Vec<_>>(), [62, 64, 65]);
/// ```
#[derive(Debug, Default)]
pub struct VerifiedSet {
    words: Box<[AtomicU64]>,
    /// Pieces that are not in it.
    missing: AtomicUsize,
}

impl VerifiedSet {
    /// None of so many pieces.
    #[must_use]
    pub fn new(pieces: usize) -> Self {
        let words = (0..pieces.div_ceil(WORD)).map(|_| AtomicU64::new(0)).collect();
        Self { words, missing: AtomicUsize::new(pieces) }
    }

    /// Whether all pieces were verified.
    #[inline]
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.missing.load(Ordering::Acquire) == 0
    }

    /// Whether a piece was verified; those that there are not never are.
    #[inline]
    #[must_use]
    pub fn contains(&self, piece: usize) -> bool {
        self.words
            .get(piece / WORD)
            .is_some_and(|word| word.load(Ordering::Acquire) >> (piece % WORD) & 1 == 1)
    }

    /// Whether some pieces, at least one, were all verified.
    #[must_use]
    pub fn contains_all(&self, pieces: RangeInclusive<usize>) -> bool {
        self.missing(pieces).next().is_none()
    }

    /// Adds a piece.
    pub fn insert(&self, piece: usize) {
        let bit = 1 << (piece % WORD);
        if let Some(word) = self.words.get(piece / WORD)
            && word.fetch_or(bit, Ordering::Release) & bit == 0
        {
            self.missing.fetch_sub(1, Ordering::AcqRel);
        }
    }

    /// Those of some pieces that were not verified, ascending.
    pub fn missing(&self, pieces: RangeInclusive<usize>) -> impl Iterator<Item = usize> + '_ {
        let (first, last) = pieces.into_inner();
        (first / WORD..=last / WORD).flat_map(move |at| {
            let mut missing = self.words.get(at).map_or(u64::MAX, |word| !word.load(Ordering::Acquire));
            if at == first / WORD {
                missing &= u64::MAX << (first % WORD);
            }
            if at == last / WORD {
                missing &= u64::MAX >> (WORD - 1 - last % WORD);
            }
            std::iter::from_fn(move || {
                let bit = (missing != 0).then(|| missing.trailing_zeros() as usize)?;
                missing &= missing - 1;
                Some(at * WORD + bit)
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_missing_until_they_are_inserted() {
        let verified = VerifiedSet::new(150);
        let missing = |first, last| verified.missing(first..=last).collect::<Vec<_>>();
        assert_eq!(missing(62, 65), [62, 63, 64, 65]);
        assert_eq!(missing(0, 149).len(), 150);
        for piece in (0..150).filter(|&piece| piece != 64) {
            verified.insert(piece);
            verified.insert(piece);
        }
        assert_eq!((missing(0, 149), missing(65, 149), missing(64, 64)), (vec![64], vec![], vec![64]));
        assert!(verified.contains_all(65..=149) && !verified.contains_all(60..=64));
        assert!(!verified.is_complete() && !verified.contains(64) && verified.contains(65));
        verified.insert(64);
        assert!(verified.is_complete() && missing(0, 149).is_empty());
        verified.insert(10_000);
        assert!(!verified.contains(10_000) && !verified.contains_all(149..=200), "there is no such piece");
    }
}
