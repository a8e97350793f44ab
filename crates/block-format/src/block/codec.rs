//! Compression of payloads, with a bound on what decoding may produce.

use super::dictionary::{Dictionary, Encoder};
use super::layout::CodecId;
use super::zstandard::{Decoders, Encoders};
#[cfg(not(feature = "lz4"))]
use crate::error::ErrorKind;
use crate::error::{Error, Result};
use crate::options::Compression;
use crate::room::copied;
#[cfg(feature = "lz4")]
use crate::room::with_room;

/// What there may be no memory for.
const BLOCK: &str = "bytes of a block";

/// Compresses and decodes payloads. Contexts are kept for reuse, as many as threads have used at a time.
pub(crate) struct Codec {
    compression: Compression,
    encoders: Encoders,
    decoders: Decoders,
}

impl std::fmt::Debug for Codec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Codec").field("compression", &self.compression).finish_non_exhaustive()
    }
}

impl Codec {
    pub(crate) fn new(compression: Compression) -> Self {
        Self { compression, encoders: Encoders::default(), decoders: Decoders::default() }
    }

    /// Heap of the buffers that blocks are compressed into; not of the contexts, which the C library allocates.
    pub(crate) fn buffer_bytes(&self) -> u64 {
        self.encoders.buffer_bytes()
    }

    /// The stored form of `raw`: compressed if that saves at least a tenth, otherwise `raw` itself.
    pub(crate) fn compress(&self, raw: &[u8], dictionary: Option<&Encoder>) -> Result<(CodecId, Vec<u8>)> {
        let (id, compressed) = match (self.compression, dictionary) {
            (Compression::None, _) => return Ok((CodecId::Raw, copied(raw, BLOCK)?)),
            (Compression::Zstd(level), None) => (CodecId::Zstd, self.encoders.compress(level, raw, None)?),
            (Compression::Zstd(level), Some(Encoder(digested))) => {
                (CodecId::ZstdDictionary, self.encoders.compress(level, raw, Some(digested))?)
            }
            #[cfg(feature = "lz4")]
            (Compression::Lz4, _) => (CodecId::Lz4, lz4_flex::block::compress(raw)),
        };
        Ok(if compressed.len() <= raw.len() / 10 * 9 {
            (id, compressed)
        } else {
            (CodecId::Raw, copied(raw, BLOCK)?)
        })
    }

    /// The `raw_len` bytes that `stored` stands for. Never allocates more than `raw_len`, which the caller has bounded.
    pub(crate) fn decompress(
        &self,
        id: CodecId,
        stored: &[u8],
        raw_len: usize,
        dictionary: Option<&Dictionary>,
    ) -> Result<Vec<u8>> {
        let raw = match id {
            CodecId::Raw => copied(stored, BLOCK)?,
            CodecId::Zstd | CodecId::ZstdDictionary => {
                self.decoders.decompress(stored, raw_len, dictionary.map(Dictionary::digested))?
            }
            #[cfg(feature = "lz4")]
            CodecId::Lz4 => {
                let mut raw = with_room(raw_len, BLOCK)?;
                raw.resize(raw_len, 0);
                let len = lz4_flex::block::decompress_into(stored, &mut raw)
                    .map_err(|e| Error::damaged(format!("block payload: {e}")))?;
                raw.truncate(len);
                raw
            }
            #[cfg(not(feature = "lz4"))]
            CodecId::Lz4 => {
                let message = "the block is lz4, and this build leaves out the feature `lz4`";
                return Err(Error::new(ErrorKind::Unsupported, message));
            }
        };
        if raw.len() == raw_len {
            return Ok(raw);
        }
        Err(Error::damaged(format!("block payload: expected {raw_len} raw bytes, found {}", raw.len())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    #[test]
    fn every_codec_returns_the_bytes_it_was_given() {
        let text = b"the same bytes, again and again. ".repeat(100);
        for compression in [Compression::None, Compression::Zstd(1), Compression::Zstd(19), Compression::Lz4]
        {
            let codec = Codec::new(compression);
            let (id, stored) = codec.compress(&text, None).unwrap();
            assert!(compression == Compression::None || stored.len() < text.len() / 5);
            assert_eq!(codec.decompress(id, &stored, text.len(), None).unwrap(), text);
        }
    }

    #[test]
    fn what_does_not_shrink_by_a_tenth_is_stored_raw() {
        let noise = crate::test_noise(10_000);
        let mut almost = noise[..9_500].to_vec();
        almost.extend([0; 500]);
        for raw in [noise, almost, Vec::new()] {
            let stored = Codec::new(Compression::Zstd(3)).compress(&raw, None).unwrap();
            assert!(stored == (CodecId::Raw, raw));
        }
    }

    #[test]
    fn a_zstd_bomb_stops_at_the_length_in_the_header() {
        let bomb = zstd::bulk::compress(&vec![0; 100 << 20], 19).unwrap();
        assert!(bomb.len() < 20_000);
        let error =
            Codec::new(Compression::Zstd(3)).decompress(CodecId::Zstd, &bomb, 1000, None).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Damaged);
        let short = zstd::bulk::compress(&[0; 100], 3).unwrap();
        assert!(Codec::new(Compression::Zstd(3)).decompress(CodecId::Zstd, &short, 1000, None).is_err());
    }
}
