//! Which chunks of a part hold, as far as this process has compared their checksums.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// A bit for each chunk that holds. What is set once stays: the content of a part does not change.
#[derive(Debug)]
pub(crate) struct VerifiedChunks {
    words: Box<[AtomicU64]>,
    /// Chunks whose bit is not set.
    left: AtomicUsize,
}

const WORD: usize = u64::BITS as usize;

impl VerifiedChunks {
    pub(crate) fn none_of(chunks: usize) -> Self {
        let words = (0..chunks.div_ceil(WORD)).map(|_| AtomicU64::new(0)).collect();
        Self { words, left: AtomicUsize::new(chunks) }
    }

    pub(crate) fn is_complete(&self) -> bool {
        self.left.load(Ordering::Relaxed) == 0
    }

    pub(crate) fn insert(&self, chunk: usize) {
        let bit = 1 << (chunk % WORD);
        if let Some(word) = self.words.get(chunk / WORD)
            && word.fetch_or(bit, Ordering::Relaxed) & bit == 0
        {
            self.left.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Those from `first` to `last` whose bit is not set.
    pub(crate) fn missing(&self, first: usize, last: usize) -> impl Iterator<Item = usize> + '_ {
        (first / WORD..=last / WORD).flat_map(move |at| {
            let mut missing = self.words.get(at).map_or(0, |word| !word.load(Ordering::Relaxed));
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
    fn chunks_are_missing_until_they_are_inserted() {
        let chunks = VerifiedChunks::none_of(150);
        let missing = |first, last| chunks.missing(first, last).collect::<Vec<_>>();
        assert_eq!(missing(62, 65), [62, 63, 64, 65]);
        assert_eq!(missing(0, 149).len(), 150);
        for chunk in (0..150).filter(|&chunk| chunk != 64) {
            chunks.insert(chunk);
            chunks.insert(chunk);
        }
        assert_eq!((missing(0, 149), missing(65, 149), missing(64, 64)), (vec![64], vec![], vec![64]));
        assert!(!chunks.is_complete());
        chunks.insert(64);
        assert!(chunks.is_complete() && missing(0, 149).is_empty());
    }
}
