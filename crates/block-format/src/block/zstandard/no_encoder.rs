//! No compression: where the C library is not, artifacts are read.

use crate::error::{Error, ErrorKind, Result};

/// There is none.
pub(in crate::block) enum EncodingDictionary {}

impl EncodingDictionary {
    pub(in crate::block) fn new(_: &[u8], _: i32) -> Option<Self> {
        None
    }
}

/// Refuses to compress.
#[derive(Default)]
pub(in crate::block) struct Encoders;

impl Encoders {
    pub(in crate::block) fn buffer_bytes(&self) -> u64 {
        0
    }

    pub(in crate::block) fn compress(
        &self,
        _: i32,
        _: &[u8],
        _: Option<&EncodingDictionary>,
    ) -> Result<Vec<u8>> {
        let message = "zstd cannot compress in this build; choose no compression";
        Err(Error::new(ErrorKind::Unsupported, message))
    }
}
