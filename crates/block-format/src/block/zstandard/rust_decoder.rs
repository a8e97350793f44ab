//! Decoding in Rust, by `ruzstd`: for targets without the C library, and for tests that both decode the same.

use std::io::Read;

use parking_lot::Mutex;
use ruzstd::decoding::{BlockDecodingStrategy, Dictionary, FrameDecoder};

use super::failed;
use crate::error::{Error, Result};

/// What the tables of a dictionary take beside its bytes.
pub(in crate::block) const TABLES_BYTES: usize = 28 << 10;

/// The largest window that a frame may ask for, if its block is not larger: what every decoder is expected to take (RFC 8878, 3.1.1.1.2).
const MAX_WINDOW: u64 = 8 << 20;

/// A dictionary with its tables checked, and decoders that have it.
pub(in crate::block) struct DigestedDictionary {
    bytes: Vec<u8>,
    decoders: Mutex<Vec<FrameDecoder>>,
}

impl DigestedDictionary {
    /// `None` for tables that cannot be used. A dictionary of nothing is none.
    pub(in crate::block) fn new(bytes: &[u8]) -> Option<Self> {
        let dictionary = Self { bytes: bytes.to_vec(), decoders: Mutex::default() };
        if !bytes.is_empty() {
            let decoder = dictionary.decoder()?;
            dictionary.decoders.lock().push(decoder);
        }
        Some(dictionary)
    }

    fn decoder(&self) -> Option<FrameDecoder> {
        let mut decoder = FrameDecoder::new();
        decoder.add_dict(Dictionary::decode_dict(&self.bytes).ok()?).ok()?;
        Some(decoder)
    }
}

/// Decoders without a dictionary, kept for reuse.
#[derive(Default)]
pub(in crate::block) struct Decoders(Mutex<Vec<FrameDecoder>>);

impl Decoders {
    /// What a frame stands for, and never more than `raw_len` bytes.
    pub(in crate::block) fn decompress(
        &self,
        stored: &[u8],
        raw_len: usize,
        dictionary: Option<&DigestedDictionary>,
    ) -> Result<Vec<u8>> {
        let dictionary = dictionary.filter(|dictionary| !dictionary.bytes.is_empty());
        let pool = dictionary.map_or(&self.0, |dictionary| &dictionary.decoders);
        let kept = pool.lock().pop();
        let mut decoder = match (kept, dictionary) {
            (Some(kept), _) => kept,
            (None, None) => FrameDecoder::new(),
            (None, Some(dictionary)) => {
                dictionary.decoder().ok_or_else(|| failed("the dictionary cannot be used"))?
            }
        };
        let raw = decode(&mut decoder, stored, raw_len, dictionary.is_some())?;
        pool.lock().push(decoder);
        Ok(raw)
    }
}

fn decode(
    decoder: &mut FrameDecoder,
    stored: &[u8],
    raw_len: usize,
    has_dictionary: bool,
) -> Result<Vec<u8>> {
    let mut rest = stored;
    decoder.set_max_window_size(MAX_WINDOW.max(raw_len as u64));
    decoder.init(&mut rest).map_err(failed)?;
    if has_dictionary {
        // Ours have no number that frames could name.
        decoder.force_dict(0).map_err(failed)?;
    }
    // One block more than allowed at the most: 128 KiB.
    decoder.decode_blocks(&mut rest, BlockDecodingStrategy::UptoBytes(raw_len + 1)).map_err(failed)?;
    if !decoder.is_finished() || decoder.can_collect() > raw_len || !rest.is_empty() {
        let message = format!("block payload: more than {raw_len} raw bytes, or bytes behind them");
        return Err(Error::damaged(message));
    }
    let mut raw = Vec::with_capacity(raw_len);
    decoder.read_to_end(&mut raw).map_err(failed)?;
    Ok(raw)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts() -> Vec<Vec<u8>> {
        let line = |i: u32| {
            format!("the {i}th line of {} lines, or {:x}\n", i.wrapping_mul(2_654_435_761) % 1000, i * i)
        };
        let lines = |n: u32| (0..n).map(line).collect::<String>().into_bytes();
        let mut texts: Vec<Vec<u8>> = [0, 1, 2, 10, 100, 1000, 30_000].map(lines).to_vec();
        texts.extend([1, 1000, 70_000].map(crate::test_noise));
        texts.push(vec![7; 300_000]);
        texts
    }

    #[test]
    fn both_decoders_give_the_same_bytes() {
        let decoders = Decoders::default();
        for (number, text) in texts().iter().enumerate() {
            for level in [-5, 1, 3, 7, 12, 19] {
                let stored = zstd::bulk::compress(text, level).unwrap();
                let decoded = decoders.decompress(&stored, text.len(), None).unwrap();
                assert!(decoded == *text, "text {number} at level {level}");
                if !text.is_empty() {
                    assert!(decoders.decompress(&stored, text.len() - 1, None).is_err(), "text {number}");
                }
                let mut longer = stored.clone();
                longer.push(0);
                assert!(decoders.decompress(&longer, text.len(), None).is_err(), "text {number}");
            }
        }
    }

    #[cfg(feature = "dictionaries")]
    #[test]
    fn both_decoders_give_the_same_bytes_with_a_dictionary() {
        let texts = texts();
        let trained = crate::block::dictionary::train(&texts[6], 16 << 10).unwrap();
        let digested = DigestedDictionary::new(&trained).unwrap();
        let (decoders, encoders) = (Decoders::default(), super::super::Encoders::default());
        for level in [1, 3, 7, 19] {
            let encoding = super::super::EncodingDictionary::new(&trained, level).unwrap();
            for (number, text) in texts.iter().enumerate() {
                let stored = encoders.compress(level, text, Some(&encoding)).unwrap();
                let decoded = decoders.decompress(&stored, text.len(), Some(&digested)).unwrap();
                assert!(decoded == *text, "text {number} at level {level}");
            }
        }
    }

    #[test]
    fn damaged_frames_are_errors_or_no_longer_than_allowed() {
        let decoders = Decoders::default();
        let text = &texts()[5];
        let stored = zstd::bulk::compress(text, 3).unwrap();
        for bit in 0..stored.len() * 8 {
            let mut damaged = stored.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            if let Ok(decoded) = decoders.decompress(&damaged, text.len(), None) {
                assert!(decoded.len() <= text.len());
            }
        }
        for len in 0..stored.len() {
            assert!(decoders.decompress(&stored[..len], text.len(), None).is_err());
        }
        assert!(decoders.decompress(&stored, text.len(), None).unwrap() == *text, "the decoder is as new");
    }
}
