//! A file as a byte slice: the only unsafe code of this crate, but for its kernels.
//!
//! Only files of models are mapped, which nothing in this project writes to, shortens or replaces in place. What cannot be ruled out is
//! *another* program that does so: see `docs/SAFETY.md`.

#![expect(unsafe_code, reason = "mapping a file is unsafe by nature; this file is the one room for it")]

use std::fs::File;
use std::io;

/// A file that is mapped for reading. Its pages are read when they are touched.
#[derive(Debug)]
pub(crate) struct Map(memmap2::Mmap);

impl AsRef<[u8]> for Map {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

/// Maps all of `file` for reading.
pub(super) fn map(file: &File) -> io::Result<Map> {
    // SAFETY: the map is read-only, and no code of this project writes to a model's file or shortens it (`docs/SAFETY.md` says what that
    // asks of other programs).
    let map = unsafe { memmap2::Mmap::map(file) }?;
    Ok(Map(map))
}
