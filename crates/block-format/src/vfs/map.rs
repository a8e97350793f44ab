//! A file as a byte slice, and memory in which bytes appear that were fetched: unsafe code of this crate.
//!
//! Only sealed files are mapped. The store never writes to them, never truncates them and never reuses their names,
//! and a removed file keeps its bytes as long as it is mapped. What the store cannot rule out is *another* program
//! that shortens or rewrites the file: see `docs/SAFETY.md`, and `Options::memory_mapping` for reading without maps.

#![expect(unsafe_code, reason = "mapping a file is unsafe by nature; this file is the one room for it")]

use std::fs::File;
use std::io;

use parking_lot::Mutex;
use wire::VerifiedSet;

use super::MappedBytes;

#[derive(Debug)]
struct Map(memmap2::Mmap);

impl AsRef<[u8]> for Map {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl MappedBytes for Map {
    fn is_file_map(&self) -> bool {
        true
    }
}

/// Maps the first `len` bytes of `file` for reading.
pub(super) fn map(file: &File, len: u64) -> io::Result<Box<dyn MappedBytes>> {
    let len = usize::try_from(len).map_err(|_| io::Error::from(io::ErrorKind::FileTooLarge))?;
    // SAFETY: the map is read-only, and its length was checked against the file by the caller. The file is sealed:
    // no code of this crate writes to it or shortens it again (`docs/SAFETY.md` says what that asks of other programs).
    let map = unsafe { memmap2::MmapOptions::new().len(len).map(file) }?;
    Ok(Box::new(Map(map)))
}

/// Memory for content whose pieces come one by one: zeros where none has come yet, of which the system gives only what is written to.
///
/// Pieces have a fixed length, but for the last. Each is written once and stays as it is.
#[derive(Debug)]
pub(crate) struct Sparse {
    map: memmap2::MmapRaw,
    len: usize,
    piece_len: usize,
    written: VerifiedSet,
    writing: Mutex<()>,
}

impl Sparse {
    /// Nothing yet of `len` bytes in pieces of `piece_len`.
    pub(crate) fn new(len: u64, piece_len: usize) -> io::Result<Self> {
        let len = usize::try_from(len).map_err(|_| io::Error::from(io::ErrorKind::FileTooLarge))?;
        let map = memmap2::MmapOptions::new().len(len.max(1)).no_reserve_swap().map_anon()?;
        let written = VerifiedSet::new(len.div_ceil(piece_len));
        Ok(Self { map: map.into(), len, piece_len, written, writing: Mutex::new(()) })
    }

    /// How many pieces there are.
    pub(crate) fn pieces(&self) -> usize {
        self.len.div_ceil(self.piece_len)
    }

    /// A piece, if it has come.
    pub(crate) fn piece(&self, number: usize) -> Option<&[u8]> {
        let start = number.checked_mul(self.piece_len)?;
        let end = start.saturating_add(self.piece_len).min(self.len);
        if self.written.contains(number) { self.as_ref().get(start..end) } else { None }
    }

    /// Puts a piece where it belongs, and says whether it was not there before: what is there stays. One of another length than the piece has is left out.
    pub(crate) fn put(&self, number: usize, bytes: &[u8]) -> bool {
        let Some(start) = number.checked_mul(self.piece_len).filter(|&start| start < self.len) else {
            return false;
        };
        let _one_at_a_time = self.writing.lock();
        if bytes.len() != self.piece_len.min(self.len - start) || self.written.contains(number) {
            return false;
        }
        // SAFETY: the place lies within the map, as was just checked, and `bytes` somewhere else: nobody has a unique reference to the map. Nobody else
        // writes here, since the lock is held and each piece is written once; and nobody reads this piece before it is in `written`.
        unsafe {
            self.map.as_mut_ptr().wrapping_add(start).copy_from_nonoverlapping(bytes.as_ptr(), bytes.len());
        }
        self.written.insert(number);
        true
    }
}

impl AsRef<[u8]> for Sparse {
    /// All of it. A piece that has not come may change under the slice, once: whoever reads it asks for it first.
    fn as_ref(&self) -> &[u8] {
        // SAFETY: the map has so many bytes, all of them initialised, and lives as long as `self`. Pieces that have come do not change; the others are
        // looked at by nobody (`docs/SAFETY.md`).
        unsafe { std::slice::from_raw_parts(self.map.as_ptr(), self.len) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_piece_comes_once_and_stays() {
        let sparse = Sparse::new(10, 4).unwrap();
        assert!(sparse.piece(1).is_none());
        assert!(!sparse.put(2, b"long") && !sparse.put(3, b"") && !sparse.put(usize::MAX, b"more"));
        assert!(sparse.put(2, b"ab") && sparse.put(0, b"cdef"));
        assert!(!sparse.put(0, b"ghij"), "it has come");
        assert_eq!((sparse.piece(0), sparse.piece(2)), (Some(&b"cdef"[..]), Some(&b"ab"[..])));
        assert_eq!(sparse.as_ref(), b"cdef\0\0\0\0ab");
        assert_eq!(Sparse::new(0, 4).unwrap().as_ref(), b"");
    }
}
