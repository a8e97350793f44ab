//! The bytes of one file, wherever they are: mapped, or read by position.

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::{Error, ErrorKind, Result};
use crate::ranges::RangeReader;
use crate::vfs::{MappedBytes, VfsFile};

/// The first `len` bytes of a file.
#[derive(Debug)]
pub(crate) struct Source {
    path: PathBuf,
    len: u64,
    bytes: Bytes,
}

#[derive(Debug)]
enum Bytes {
    Mapped(Box<dyn MappedBytes>),
    File(Arc<dyn VfsFile>),
}

impl Source {
    /// Reads by position.
    pub(crate) fn file(path: &Path, len: u64, file: Arc<dyn VfsFile>) -> Self {
        Self { path: path.to_owned(), len, bytes: Bytes::File(file) }
    }

    /// Maps a sealed file, or reads it by position where it cannot be mapped (too many maps, file systems without).
    pub(crate) fn sealed(path: &Path, len: u64, file: Arc<dyn VfsFile>, map: bool) -> Self {
        let mapped = if map { file.map(len).ok() } else { None };
        let bytes = match mapped {
            Some(mapped) => Bytes::Mapped(mapped),
            None => Bytes::File(file),
        };
        Self { path: path.to_owned(), len, bytes }
    }

    /// Bytes that are mapped, or in memory.
    pub(crate) fn mapped_from(path: &Path, bytes: Box<dyn MappedBytes>) -> Self {
        let len = (*bytes).as_ref().len() as u64;
        Self { path: path.to_owned(), len, bytes: Bytes::Mapped(bytes) }
    }

    /// The file that is not there.
    pub(crate) fn missing(path: &Path) -> Self {
        Self::mapped_from(path, Box::new(Nothing))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// All bytes, if they are mapped.
    pub(crate) fn mapped(&self) -> Option<&[u8]> {
        match &self.bytes {
            Bytes::Mapped(bytes) => Some((**bytes).as_ref()),
            Bytes::File(_) => None,
        }
    }

    /// The first place at or behind `offset` that is not known to be a hole.
    pub(crate) fn next_data(&self, offset: u64) -> Result<Option<u64>> {
        match &self.bytes {
            Bytes::Mapped(_) => Ok(Some(offset)),
            Bytes::File(file) => file
                .next_data(offset)
                .map_err(|e| Error::io(e, "looking for data", &self.path).at_offset(offset)),
        }
    }

    /// What it is read from by position.
    pub(crate) fn as_file(&self) -> Option<&Arc<dyn VfsFile>> {
        match &self.bytes {
            Bytes::Mapped(_) => None,
            Bytes::File(file) => Some(file),
        }
    }

    /// What reads it by ranges of an object that lies far away, and where it begins there.
    pub(crate) fn by_ranges(&self) -> Option<(&Arc<RangeReader>, u64)> {
        self.as_file()?.by_ranges()
    }

    /// Says of an error of bytes that do not hold, where they were fetched, that fetching them failed: they may hold another time, and what is stored
    /// may be sound. So nobody does without them, or makes anew what they were read for.
    pub(crate) fn not_held(&self, e: Error) -> Error {
        match self.by_ranges() {
            Some((reader, _)) if matches!(e.kind(), ErrorKind::Damaged | ErrorKind::Truncated) => {
                reader.forget();
                e.of_fetched_bytes()
            }
            _ => e,
        }
    }

    /// The same file, read by position once more.
    pub(crate) fn reopened(&self) -> Option<Self> {
        Some(Self::file(&self.path, self.len, self.as_file()?.clone()))
    }

    pub(crate) fn is_file_map(&self) -> bool {
        matches!(&self.bytes, Bytes::Mapped(bytes) if bytes.is_file_map())
    }

    /// The `len` bytes at `offset`; an error beyond the end, before anything is allocated.
    pub(crate) fn read(&self, offset: u64, len: u64) -> Result<Cow<'_, [u8]>> {
        let cut_off = || {
            let message =
                format!("expected bytes up to {}, the file ends at {}", offset.saturating_add(len), self.len);
            Error::new(ErrorKind::Truncated, message).at(&self.path).at_offset(offset)
        };
        let end = offset.checked_add(len).filter(|&end| end <= self.len).ok_or_else(cut_off)?;
        let size = usize::try_from(len).map_err(|_| cut_off())?;
        match &self.bytes {
            Bytes::Mapped(bytes) => {
                let bytes = (**bytes).as_ref();
                // Both fit into usize: the whole file is mapped.
                let range =
                    usize::try_from(offset).unwrap_or(usize::MAX)..usize::try_from(end).unwrap_or(usize::MAX);
                bytes.get(range).map(Cow::Borrowed).ok_or_else(cut_off)
            }
            Bytes::File(file) => {
                // A file that could not be mapped may be longer than memory.
                let mut buf = Vec::new();
                buf.try_reserve_exact(size).map_err(|_| {
                    let out_of_memory = std::io::ErrorKind::OutOfMemory.into();
                    let what = format!("finding memory for {size} bytes");
                    Error::io(out_of_memory, &what, &self.path).at_offset(offset)
                })?;
                buf.resize(size, 0);
                file.read_exact_at(&mut buf, offset).map_err(|e| match e.kind() {
                    std::io::ErrorKind::UnexpectedEof => cut_off(),
                    _ => Error::io(e, "reading", &self.path).at_offset(offset),
                })?;
                Ok(Cow::Owned(buf))
            }
        }
    }
}

#[derive(Debug)]
struct Nothing;

impl AsRef<[u8]> for Nothing {
    fn as_ref(&self) -> &[u8] {
        &[]
    }
}

impl MappedBytes for Nothing {}

/// Reads a file once from front to back in steps of any size, with one call for many small steps.
#[derive(Debug)]
pub(crate) struct Window<'a> {
    source: &'a Source,
    buf: Cow<'a, [u8]>,
    at: u64,
}

/// Enough for a block of any kind, so that a step is at most one call.
const WINDOW: u64 = 256 << 10;

impl<'a> Window<'a> {
    pub(crate) fn new(source: &'a Source) -> Self {
        Self { source, buf: Cow::Borrowed(&[]), at: 0 }
    }

    /// The `len` bytes at `offset`.
    pub(crate) fn read(&mut self, offset: u64, len: u64) -> Result<&[u8]> {
        let within = offset >= self.at && offset + len <= self.at + self.buf.len() as u64;
        if !within {
            let ahead = len.max(WINDOW).min(self.source.len().saturating_sub(offset)).max(len);
            self.buf = self.source.read(offset, ahead)?;
            self.at = offset;
        }
        let start = usize::try_from(offset - self.at).unwrap_or(usize::MAX);
        let len = usize::try_from(len).unwrap_or(usize::MAX);
        Ok(&self.buf[start..start + len])
    }
}

impl Source {
    /// XXH3-128 over the first `len` bytes.
    pub(crate) fn hash(&self, len: u64) -> Result<u128> {
        let mut hash = crate::checksum::Hash128::new();
        let mut window = Window::new(self);
        let mut at = 0;
        while at < len {
            let step = (len - at).min(WINDOW);
            hash.update(window.read(at, step)?);
            at += step;
        }
        Ok(hash.value())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file of any length that reads as zeros, and cannot be mapped.
    #[derive(Debug)]
    struct Zeros;

    impl VfsFile for Zeros {
        fn read_at(&self, buf: &mut [u8], _: u64) -> std::io::Result<usize> {
            buf.fill(0);
            Ok(buf.len())
        }
        fn write_at(&self, _: &[u8], _: u64) -> std::io::Result<usize> {
            Err(std::io::ErrorKind::Unsupported.into())
        }
        fn len(&self) -> std::io::Result<u64> {
            Ok(u64::MAX)
        }
        fn sync_data(&self) -> std::io::Result<()> {
            Ok(())
        }
        fn map(&self, _: u64) -> std::io::Result<Box<dyn MappedBytes>> {
            Err(std::io::ErrorKind::OutOfMemory.into())
        }
    }

    #[test]
    fn bytes_that_do_not_fit_into_memory_are_an_error() {
        let source = Source::sealed(Path::new("/f"), u64::MAX, Arc::new(Zeros), true);
        assert_eq!(source.read(7, 3).unwrap()[..], [0; 3]);
        let short = Source::sealed(Path::new("/f"), 5, Arc::new(Zeros), true);
        let e = short.read(5, 1).unwrap_err();
        assert!(e.to_string().contains("expected bytes up to 6, the file ends at 5"), "{e}");
        for len in [1 << 60, u64::MAX / 2 + 7] {
            let e = source.read(0, len).unwrap_err();
            assert_eq!(e.kind(), ErrorKind::OutOfMemory);
            assert!(e.to_string().contains(&len.to_string()), "{e}");
        }
    }
}
