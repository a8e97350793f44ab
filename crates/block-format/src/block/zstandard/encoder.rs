//! Compression by the C library.

use parking_lot::Mutex;
use zstd::zstd_safe::{CDict, compress_bound, get_error_name};

use super::failed;
use crate::error::Result;

/// A dictionary, digested to compress with at one level.
pub(in crate::block) struct EncodingDictionary(CDict<'static>);

impl EncodingDictionary {
    /// `None`: there is no memory for it.
    pub(in crate::block) fn new(bytes: &[u8], level: i32) -> Option<Self> {
        CDict::try_create(bytes, level).map(Self)
    }
}

/// Contexts, kept for reuse: as many as threads have used at a time.
#[derive(Default)]
pub(in crate::block) struct Encoders(Mutex<Vec<Encoder>>);

/// A context and the buffer that it compresses into: allocating one for each block costs a tenth of the time, in page
/// faults.
struct Encoder {
    context: zstd::bulk::Compressor<'static>,
    buf: Vec<u8>,
}

impl Encoders {
    /// Heap of the buffers; not of the contexts, which the C library allocates.
    pub(in crate::block) fn buffer_bytes(&self) -> u64 {
        self.0.lock().iter().map(|kept| kept.buf.capacity() as u64).sum()
    }

    pub(in crate::block) fn compress(
        &self,
        level: i32,
        raw: &[u8],
        dictionary: Option<&EncodingDictionary>,
    ) -> Result<Vec<u8>> {
        let kept = self.0.lock().pop();
        let Encoder { mut context, mut buf } = if let Some(kept) = kept {
            kept
        } else {
            let context = zstd::bulk::Compressor::new(level).map_err(failed)?;
            Encoder { context, buf: Vec::new() }
        };
        buf.clear();
        buf.reserve(compress_bound(raw.len()));
        // A context is not returned after an error: it would be in an unknown state.
        match dictionary {
            None => drop(context.compress_to_buffer(raw, &mut buf).map_err(failed)?),
            Some(EncodingDictionary(digested)) => {
                let done = context.context_mut().compress_using_cdict(&mut buf, raw, digested);
                done.map_err(|code| failed(get_error_name(code)))?;
            }
        }
        let compressed = buf.as_slice().to_vec();
        self.0.lock().push(Encoder { context, buf });
        Ok(compressed)
    }
}
