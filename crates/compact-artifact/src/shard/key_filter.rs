//! Which keys a shard in memory may have: a commit looks each of its keys up in all shards of the tail, most of which do not have it.
//!
//! A Bloom filter of two bits for each key, among 16 to 32: one of 70 keys that are not there is looked up in vain. It is made when a shard of
//! the tail is, and never stored.

use metadata_index::{Index, Result};
use wire::Bytes;
use xxhash_rust::xxh3::xxh3_64;

/// Bits of the filter for each key, before they are rounded up to a power of two.
const BITS_PER_KEY: usize = 16;

/// The keys of the records of a shard, with some that are not.
#[derive(Debug)]
pub(crate) struct KeyFilter {
    /// A power of two of words.
    words: Vec<u64>,
}

/// A key as filters are asked for it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct KeyHash(u64);

impl KeyHash {
    pub(crate) fn new(key: &str) -> Self {
        Self(xxh3_64(key.as_bytes()))
    }

    /// The word of each of its bits, and the bit.
    fn bits(self, words: usize) -> [(usize, u64); 2] {
        [self.0, self.0 >> 32].map(|hash| {
            #[expect(clippy::cast_possible_truncation, reason = "32 bits of it are enough")]
            let word = (hash as u32 >> 6) as usize & (words - 1);
            (word, 1 << (hash & 63))
        })
    }
}

impl KeyFilter {
    /// A filter of the keys in an index.
    pub(crate) fn new<B: Bytes>(index: &Index<B>) -> Result<Self> {
        let mut hashes = Vec::new();
        index.each_key("", None, |_| true, &mut |key, _| {
            hashes.push(KeyHash::new(key));
            true
        })?;
        let words = (hashes.len() * BITS_PER_KEY).div_ceil(64).next_power_of_two();
        let mut filter = Self { words: vec![0; words] };
        for (word, bit) in hashes.iter().flat_map(|hash| hash.bits(words)) {
            filter.words[word] |= bit;
        }
        Ok(filter)
    }

    pub(crate) fn byte_len(&self) -> u64 {
        size_of_val(&*self.words) as u64
    }

    /// Whether a key may be there; if not, it is not.
    pub(crate) fn may_have(&self, hash: KeyHash) -> bool {
        hash.bits(self.words.len()).iter().all(|&(word, bit)| self.words[word] & bit != 0)
    }
}

#[cfg(test)]
mod tests {
    use metadata_index::Builder;
    use serde_json::Map;

    use super::*;

    fn filter(keys: u32) -> KeyFilter {
        let mut builder = Builder::new();
        for row in 0..keys {
            builder.add(row, Some(&format!("key {row}")), &Map::new());
        }
        let mut bytes = Vec::new();
        builder.write(&mut bytes).unwrap();
        KeyFilter::new(&Index::open(bytes, keys).unwrap()).unwrap()
    }

    #[test]
    fn no_key_is_missing_and_few_are_there_that_are_not() {
        for keys in [1, 3, 1_000, 9_000] {
            let filter = filter(keys);
            let may_have = |row: u32| filter.may_have(KeyHash::new(&format!("key {row}")));
            assert!((0..keys).all(may_have));
            let in_vain = (keys..keys + 10_000).filter(|&row| may_have(row)).count();
            assert!(in_vain < 400, "{in_vain} of 10000 beside {keys} keys");
        }
        assert!(!filter(0).may_have(KeyHash::new("key 0")));
    }
}
