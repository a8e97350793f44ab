//! What the records of one segment have in common, as a zstd dictionary: trained from a sample, digested to decode and to compress.

use super::layout::MAX_DICTIONARY_LEN;
use super::zstandard::{DigestedDictionary, EncodingDictionary, TABLES_BYTES};
use crate::error::{Error, Result};
use crate::room::with_room;

/// A dictionary, digested to decode with.
pub(crate) struct Dictionary {
    digested: DigestedDictionary,
    len: usize,
}

impl std::fmt::Debug for Dictionary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Dictionary").field("len", &self.len).finish_non_exhaustive()
    }
}

impl Dictionary {
    /// Digests a dictionary in the format of zstd: its tables are checked.
    pub(crate) fn new(bytes: &[u8]) -> Result<Self> {
        if bytes.len() > MAX_DICTIONARY_LEN as usize {
            return Err(Error::damaged(format!(
                "dictionary: expected at most {MAX_DICTIONARY_LEN} bytes, found {}",
                bytes.len()
            )));
        }
        // zstd says no more than that it could not: where there is memory for it, it was the bytes.
        let digested = DigestedDictionary::new(bytes).ok_or_else(|| {
            let room = with_room(bytes.len() + TABLES_BYTES, "bytes of a dictionary");
            room.err().unwrap_or_else(|| Error::damaged("dictionary: zstd cannot use its tables"))
        })?;
        Ok(Self { digested, len: bytes.len() })
    }

    pub(super) fn digested(&self) -> &DigestedDictionary {
        &self.digested
    }

    /// Heap: zstd's copy of the bytes, and its tables.
    pub(crate) fn heap_bytes(&self) -> u64 {
        (self.len + TABLES_BYTES) as u64
    }
}

/// A dictionary, digested to compress with at one level.
pub(crate) struct Encoder(pub(super) EncodingDictionary);

impl Encoder {
    pub(crate) fn new(dictionary: &[u8], level: i32) -> Result<Self> {
        let digested = EncodingDictionary::new(dictionary, level);
        digested
            .map(Self)
            .ok_or_else(|| Error::out_of_memory("bytes of a dictionary", dictionary.len() as u64))
    }
}

impl std::fmt::Debug for Encoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Encoder")
    }
}

/// Bytes of a sample for training: a piece of what is compressed.
#[cfg(feature = "dictionaries")]
const SAMPLE_LEN: usize = 4 << 10;

/// A dictionary of at most `len` bytes made from `samples`, by zstd's fastCover: the same samples give the same bytes. `None`: they have
/// too little in common for one.
#[cfg(feature = "dictionaries")]
pub(crate) fn train(samples: &[u8], len: usize) -> Option<Vec<u8>> {
    let lens: Vec<usize> = samples.chunks(SAMPLE_LEN).map(<[u8]>::len).collect();
    let mut bytes = zstd::dict::from_continuous(samples, &lens, len).ok()?;
    // Without a number: each block would repeat it, and a segment has one dictionary only.
    bytes.get_mut(4..8)?.fill(0);
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dictionary_of_any_bytes_is_an_error_or_can_be_used() {
        let magic = [0x37, 0xA4, 0x30, 0xEC];
        for len in 4..300 {
            let bytes: Vec<u8> = magic.into_iter().chain(crate::test_noise(len)).collect();
            assert!(Dictionary::new(&bytes).is_err(), "{len}: no tables");
        }
        assert!(Dictionary::new(&vec![0; MAX_DICTIONARY_LEN as usize + 1]).is_err());
        assert!(Dictionary::new(&[]).is_ok(), "only content, and none of it");
    }

    #[cfg(feature = "dictionaries")]
    #[test]
    fn the_same_samples_give_the_same_dictionary() {
        let samples: Vec<u8> =
            (0..3000u32).flat_map(|i| format!("the {i}th of all words, ").into_bytes()).collect();
        let trained = || train(&samples, 2000).unwrap();
        assert!(trained() == trained() && trained().len() <= 2000);
        assert!(train(b"too little", 2000).is_none());
    }
}
