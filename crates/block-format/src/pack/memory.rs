//! A pack in memory, as a map that begins where its indexes need it to.

use std::fmt;

use crate::error::{Error, Result};
use crate::vfs::MappedBytes;

/// Bytes in memory as a map.
pub(super) struct InMemory<B>(pub(super) B);

impl<B> fmt::Debug for InMemory<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InMemory")
    }
}

impl<B: AsRef<[u8]>> AsRef<[u8]> for InMemory<B> {
    fn as_ref(&self) -> &[u8] {
        self.0.as_ref()
    }
}

impl<B: AsRef<[u8]> + Send + Sync> MappedBytes for InMemory<B> {}

/// A copy that begins on a multiple of 64 in memory.
pub(super) struct Aligned {
    buf: Vec<u8>,
    start: usize,
}

/// Indexes in a pack are used where they lie: their vectors begin on such multiples.
pub(super) const MEMORY_ALIGN: usize = 64;

impl Aligned {
    /// Fails where there is no memory for so many bytes.
    pub(super) fn copy(bytes: &[u8]) -> Result<Self> {
        let len = bytes.len().saturating_add(MEMORY_ALIGN);
        let mut buf = Vec::new();
        buf.try_reserve_exact(len).map_err(|_| Error::out_of_memory("bytes of a pack", len as u64))?;
        buf.resize(len, 0);
        let start = buf.as_ptr().align_offset(MEMORY_ALIGN).min(MEMORY_ALIGN);
        buf[start..start + bytes.len()].copy_from_slice(bytes);
        Ok(Self { buf, start })
    }
}

impl AsRef<[u8]> for Aligned {
    fn as_ref(&self) -> &[u8] {
        &self.buf[self.start..self.start + self.buf.len() - MEMORY_ALIGN]
    }
}

pub(super) fn is_aligned(bytes: &[u8]) -> bool {
    bytes.as_ptr().addr().is_multiple_of(MEMORY_ALIGN)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    #[test]
    fn a_copy_is_aligned_and_the_same_bytes() {
        let bytes = crate::test_noise(1000);
        for start in 0..3 {
            let copy = Aligned::copy(&bytes[start..]).unwrap();
            assert!(is_aligned(copy.as_ref()));
            assert_eq!(copy.as_ref(), &bytes[start..]);
        }
        assert_eq!(Error::out_of_memory("bytes of a pack", 1).kind(), ErrorKind::OutOfMemory);
    }
}
