//! Compression by the C library.

use parking_lot::Mutex;
use zstd::zstd_safe::{CCtx, CDict, CParameter, compress_bound};

use super::failed_with;
use crate::error::{Error, Result};

/// What there may be no memory for.
const COMPRESSED: &str = "bytes of a compressed block";

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
    context: CCtx<'static>,
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
            let failed = || Error::out_of_memory(COMPRESSED, raw.len() as u64);
            let mut context = CCtx::try_create().ok_or_else(failed)?;
            context.set_parameter(CParameter::CompressionLevel(level)).map_err(failed_with)?;
            Encoder { context, buf: Vec::new() }
        };
        buf.clear();
        let room = compress_bound(raw.len());
        if buf.try_reserve(room).is_err() {
            return Err(no_memory((context, buf), room));
        }
        // A context is not returned after an error: it would be in an unknown state.
        let done = match dictionary {
            None => context.compress2(&mut buf, raw),
            Some(EncodingDictionary(digested)) => context.compress_using_cdict(&mut buf, raw, digested),
        };
        done.map_err(failed_with)?;
        let mut compressed = Vec::new();
        if compressed.try_reserve_exact(buf.len()).is_err() {
            let len = buf.len();
            return Err(no_memory((context, buf), len));
        }
        compressed.extend_from_slice(&buf);
        self.0.lock().push(Encoder { context, buf });
        Ok(compressed)
    }
}

/// The error takes memory as well: what is held is given back before.
fn no_memory(held: (CCtx<'static>, Vec<u8>), len: usize) -> Error {
    drop(held);
    Error::out_of_memory(COMPRESSED, len as u64)
}
