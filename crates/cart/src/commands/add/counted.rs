//! How long what is read was.

use std::io::Read;

/// Counts what is read through it.
#[derive(Debug)]
pub(super) struct Counted<R> {
    from: R,
    bytes: u64,
}

impl<R> Counted<R> {
    pub(super) fn new(from: R) -> Self {
        Self { from, bytes: 0 }
    }

    /// Read so far.
    pub(super) fn len(&self) -> u64 {
        self.bytes
    }
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.from.read(buffer)?;
        self.bytes += read as u64;
        Ok(read)
    }
}
