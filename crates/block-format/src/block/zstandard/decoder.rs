//! Decoding by the C library.

use parking_lot::Mutex;
use zstd::zstd_safe::{DCtx, DDict};

use super::failed_with;
use crate::error::{Error, Result};
use crate::room::with_room;

/// What zstd's `ZSTD_DDict` takes beside the dictionary itself: decoding tables of literals, lengths and offsets.
pub(in crate::block) const TABLES_BYTES: usize = 28 << 10;

/// A dictionary with its tables checked.
pub(in crate::block) struct DigestedDictionary(DDict<'static>);

impl DigestedDictionary {
    pub(in crate::block) fn new(bytes: &[u8]) -> Option<Self> {
        DDict::try_create(bytes).map(Self)
    }
}

/// Contexts, kept for reuse: as many as threads have used at a time.
#[derive(Default)]
pub(in crate::block) struct Decoders(Mutex<Vec<DCtx<'static>>>);

impl Decoders {
    /// What a frame stands for, and never more than `raw_len` bytes.
    pub(in crate::block) fn decompress(
        &self,
        stored: &[u8],
        raw_len: usize,
        dictionary: Option<&DigestedDictionary>,
    ) -> Result<Vec<u8>> {
        let kept = self.0.lock().pop();
        let no_memory = || Error::out_of_memory("bytes of a block", raw_len as u64);
        let mut context = kept.or_else(DCtx::try_create).ok_or_else(no_memory)?;
        let mut raw = with_room(raw_len, "bytes of a block")?;
        let done = match dictionary {
            None => context.decompress(&mut raw, stored),
            Some(dictionary) => context.decompress_using_ddict(&mut raw, stored, &dictionary.0),
        };
        done.map_err(failed_with)?;
        self.0.lock().push(context);
        Ok(raw)
    }
}
