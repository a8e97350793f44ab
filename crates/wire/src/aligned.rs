//! Memory on a boundary of 64 bytes.

use std::collections::TryReserveError;
use std::io::{self, Write};

use bytemuck::Zeroable;

/// Sections begin at multiples of it, in bytes: a cache line, so that rows lie across no more lines than they must.
pub const ALIGN: usize = 64;

/// One line of memory.
#[derive(Debug, Clone, Copy, bytemuck::Zeroable, bytemuck::Pod)]
#[repr(C, align(64))]
struct Line([u8; ALIGN]);

/// Bytes in memory that begin on a boundary of [`ALIGN`], as searching an index in place wants them.
///
/// ```
/// use std::io::Write;
///
/// let mut bytes = wire::AlignedBytes::from(&b"what was read "[..]);
/// bytes.write_all(b"somewhere")?;
/// assert_eq!(bytes.as_ref(), b"what was read somewhere");
/// assert!(bytes.as_ref().as_ptr().addr().is_multiple_of(wire::ALIGN));
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct AlignedBytes {
    /// What follows the first `len` bytes is zeros.
    lines: Vec<Line>,
    len: usize,
}

impl AlignedBytes {
    /// Nothing yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { lines: Vec::new(), len: 0 }
    }

    /// Nothing yet, and room for so many bytes.
    #[must_use]
    pub fn with_capacity(len: usize) -> Self {
        Self { lines: Vec::with_capacity(len.div_ceil(ALIGN)), len: 0 }
    }

    /// Nothing yet, and room for so many bytes, or an error if there is no memory for them.
    pub fn try_with_capacity(len: usize) -> Result<Self, TryReserveError> {
        let mut lines = Vec::new();
        lines.try_reserve_exact(len.div_ceil(ALIGN))?;
        Ok(Self { lines, len: 0 })
    }

    /// So many zeros, or an error if there is no memory for them.
    pub fn try_zeroed(len: usize) -> Result<Self, TryReserveError> {
        let (mut lines, count) = (Vec::new(), len.div_ceil(ALIGN));
        lines.try_reserve_exact(count)?;
        lines.resize(count, Line::zeroed());
        Ok(Self { lines, len })
    }

    /// For how many bytes there is room before more memory is asked for.
    pub fn capacity(&self) -> usize {
        self.lines.capacity() * ALIGN
    }

    /// Appends zeros, and returns them to be written to.
    pub fn grow(&mut self, more: usize) -> &mut [u8] {
        let start = self.len;
        self.len += more;
        let lines = self.len.div_ceil(ALIGN);
        if self.lines.capacity() == 0 {
            self.lines = bytemuck::zeroed_vec(lines); // of a system that has zeros, it takes no time
        }
        self.lines.resize(lines, Line::zeroed());
        &mut self.as_mut()[start..]
    }

    /// Keeps only the first `len` bytes, and gives back the memory of the others.
    ///
    /// # Panics
    ///
    /// If there are fewer.
    pub fn truncate(&mut self, len: usize) {
        self.as_mut()[len..].fill(0);
        self.len = len;
        self.lines.truncate(len.div_ceil(ALIGN));
        self.lines.shrink_to_fit();
    }
}

impl AsRef<[u8]> for AlignedBytes {
    fn as_ref(&self) -> &[u8] {
        &bytemuck::cast_slice(&self.lines)[..self.len]
    }
}

impl AsMut<[u8]> for AlignedBytes {
    fn as_mut(&mut self) -> &mut [u8] {
        &mut bytemuck::cast_slice_mut(&mut self.lines)[..self.len]
    }
}

impl From<&[u8]> for AlignedBytes {
    /// Copies bytes that lie anywhere.
    fn from(bytes: &[u8]) -> Self {
        let mut aligned = Self::with_capacity(bytes.len());
        aligned.grow(bytes.len()).copy_from_slice(bytes);
        aligned
    }
}

impl Write for AlignedBytes {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let lines = self.len.saturating_add(bytes.len()).div_ceil(ALIGN);
        self.lines.try_reserve(lines - self.lines.len())?;
        self.grow(bytes.len()).copy_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_grow_and_shrink_on_a_boundary_and_new_ones_are_zeros() {
        let mut bytes = AlignedBytes::from(&[7; 100][..]);
        bytes.truncate(65);
        bytes.grow(2)[1] = 9;
        assert_eq!((bytes.as_ref().len(), &bytes.as_ref()[63..]), (67, &[7, 7, 0, 9][..]));
        assert!(bytes.as_ref().as_ptr().addr().is_multiple_of(ALIGN));
        let zeros = AlignedBytes::try_zeroed(100).unwrap();
        assert_eq!(zeros.as_ref(), [0; 100]);
        assert!(AlignedBytes::try_zeroed(usize::MAX / 2).is_err());
    }
}
