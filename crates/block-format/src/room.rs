//! Memory for buffers that may be large: where there is none, that is an error and no end of the process.

use crate::error::{Error, Result};

/// An empty buffer with room for so many bytes of `what`.
pub(crate) fn with_room(len: usize, what: &str) -> Result<Vec<u8>> {
    let mut buf = Vec::new();
    buf.try_reserve_exact(len).map_err(|_| Error::out_of_memory(what, len as u64))?;
    Ok(buf)
}

/// Room for `more` values behind those of a buffer, which then grows as `push` makes it grow.
pub(crate) fn make_room<T>(buf: &mut Vec<T>, more: usize, what: &str) -> Result<()> {
    let bytes = |count: usize| count.saturating_mul(size_of::<T>()) as u64;
    buf.try_reserve(more).map_err(|_| Error::out_of_memory(what, bytes(buf.len().saturating_add(more))))
}

/// A copy.
pub(crate) fn copied(bytes: &[u8], what: &str) -> Result<Vec<u8>> {
    let mut copy = with_room(bytes.len(), what)?;
    copy.extend_from_slice(bytes);
    Ok(copy)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    #[test]
    fn what_there_is_no_memory_for_is_an_error_that_says_how_much_it_was() {
        let most = isize::MAX as usize;
        let refused = [
            with_room(most, "bytes of a block").map(drop),
            make_room(&mut vec![0u64; 2], most / 8, "bytes of places").map(drop),
        ];
        for e in refused.map(Result::unwrap_err) {
            assert_eq!(e.kind(), ErrorKind::OutOfMemory);
            assert!(e.to_string().starts_with("there is no memory for 92"), "{e}");
        }
        assert_eq!(copied(b"here", "bytes").unwrap(), b"here");
    }
}
