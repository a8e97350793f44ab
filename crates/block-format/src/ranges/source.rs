//! Where ranges come from, and how many came.

use std::fmt::Debug;
use std::io;
use std::ops::Range;

/// An object that is read by ranges: a pack in object storage, behind HTTP, in another process.
///
/// ```
/// use std::io;
/// use std::ops::Range;
///
/// use block_format::RangeSource;
///
/// #[derive(Debug)]
/// struct Downloaded(Vec<u8>);
///
/// impl RangeSource for Downloaded {
///     fn len(&self) -> u64 {
///         self.0.len() as u64
///     }
///
///     fn read(&self, ranges: &[Range<u64>]) -> io::Result<Vec<Vec<u8>>> {
///         let bytes = |range: &Range<u64>| self.0.get(range.start as usize..range.end as usize);
///         ranges.iter().map(|range| Ok(bytes(range).ok_or(io::ErrorKind::UnexpectedEof)?.to_vec())).collect()
///     }
/// }
/// ```
#[expect(clippy::len_without_is_empty, reason = "a length in bytes, not a collection")]
pub trait RangeSource: Debug + Send + Sync {
    /// Length of the object in bytes.
    fn len(&self) -> u64;

    /// The bytes of some ranges, of each in the order asked for. They ascend, do not touch each other, and none is empty; they are best read side by side, each
    /// in a request of its own. Called from any thread, and by several at once.
    ///
    /// Fails if one of them cannot be read, and if the object is another one than when [`len`](Self::len) was found out, where the storage can tell (by an
    /// `ETag`): bytes of another pack are refused by their checksums, too. What fails is not asked for again by itself: a source that should try
    /// again does so.
    fn read(&self, ranges: &[Range<u64>]) -> io::Result<Vec<Vec<u8>>>;
}

/// What was read by ranges since a pack was opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RangeStatistics {
    /// Ranges that were asked for, also those that failed.
    pub requests: u64,
    /// How often ranges were asked for together: what a query waits for is about this times the time of a request.
    pub rounds: u64,
    /// Bytes that came.
    pub bytes: u64,
    /// Bytes in memory: the content of parts, each verified, and pages that were read last.
    pub kept_bytes: u64,
    /// Bytes that may be kept.
    pub limit_bytes: u64,
    /// Length of the object.
    pub object_bytes: u64,
}
