//! Sparse files: whether a file is mostly hole, before all of it is read.
//!
//! A file of a terabyte can take 4 KiB of a disk. Whoever made its lengths and checksums fit would have it hashed for minutes. The files
//! that this crate writes can become sparse only by a copy that leaves blocks of zeros out, and then enough of them stays.

use std::ops::Range;
use std::path::Path;

use crate::error::{Error, Result};
use crate::vfs::VfsFile;

/// The longest run of a sealed file, in bytes, for each byte that is allocated. A part full of zeros still has 4 bytes of checksum for each
/// 4 KiB; a block of at most 2 MiB still has a header, in a page of 4 KiB. Both are below this, with room for footers.
const MAX_LEN_PER_ALLOCATED: u64 = 2048;

/// A shorter range is never refused.
const SMALL: u64 = 1 << 20;

/// The least that a file system allocates.
const PAGE: u64 = 4 << 10;

/// Refuses a range of a file of which too little is allocated to have been written by this crate. Asks the file system no more than once
/// for each 8 MiB of a file without holes.
pub(crate) fn check_allocated(file: &dyn VfsFile, path: &Path, range: Range<u64>) -> Result<()> {
    let len = range.end.saturating_sub(range.start);
    let (mut at, mut allocated) = (range.start, 0u64);
    while len > SMALL.saturating_add(allocated.saturating_mul(MAX_LEN_PER_ALLOCATED)) {
        let found = file.next_data(at).map_err(|e| Error::io(e, "looking for data", path).at_offset(at))?;
        let Some(data) = found.filter(|&data| data < range.end) else {
            let message = format!(
                "of {len} bytes no more than {allocated} are there, the others are holes: nobody wrote this file"
            );
            return Err(Error::damaged(message).at(path).at_offset(range.start));
        };
        let end = (data / PAGE).saturating_add(1).saturating_mul(PAGE);
        allocated = allocated.saturating_add(end - data);
        at = end;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;
    use crate::vfs::MappedBytes;
    use std::io;

    /// A file with one page of data in each `period` bytes.
    #[derive(Debug)]
    struct OnePageIn {
        period: u64,
    }

    impl VfsFile for OnePageIn {
        fn read_at(&self, _: &mut [u8], _: u64) -> io::Result<usize> {
            Err(io::ErrorKind::Unsupported.into())
        }
        fn write_at(&self, _: &[u8], _: u64) -> io::Result<usize> {
            Err(io::ErrorKind::Unsupported.into())
        }
        fn len(&self) -> io::Result<u64> {
            Ok(u64::MAX)
        }
        fn next_data(&self, offset: u64) -> io::Result<Option<u64>> {
            let within = offset % self.period;
            Ok(Some(if within < PAGE { offset } else { offset - within + self.period }))
        }
        fn sync_data(&self) -> io::Result<()> {
            Ok(())
        }
        fn map(&self, _: u64) -> io::Result<Box<dyn MappedBytes>> {
            Err(io::ErrorKind::Unsupported.into())
        }
    }

    #[test]
    fn files_that_are_mostly_hole_are_refused_and_others_are_not() {
        let check = |period: u64, len: u64| {
            check_allocated(&OnePageIn { period }, Path::new("/f"), 0..len).map_err(|e| e.kind())
        };
        for (period, len) in [(PAGE, 1 << 40), (2 << 20, 1 << 36), (1 << 40, SMALL), (4 << 20, 1 << 30)] {
            assert_eq!(check(period, len), Ok(()), "{period} {len}");
        }
        for (period, len) in [(1 << 40, 1 << 40), (64 << 20, 1 << 36)] {
            assert_eq!(check(period, len), Err(ErrorKind::Damaged), "{period} {len}");
        }
    }
}
