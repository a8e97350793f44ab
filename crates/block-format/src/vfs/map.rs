//! A file as a byte slice: the only unsafe code of this crate.
//!
//! Only sealed files are mapped. The store never writes to them, never truncates them and never reuses their names,
//! and a removed file keeps its bytes as long as it is mapped. What the store cannot rule out is *another* program
//! that shortens or rewrites the file: see `docs/SAFETY.md`, and `Options::memory_mapping` for reading without maps.

#![expect(unsafe_code, reason = "mapping a file is unsafe by nature; this file is the one room for it")]

use std::fs::File;
use std::io;

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
