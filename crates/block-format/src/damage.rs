//! A place that is not what was written there: which file, which bytes of it, which records may be lost.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

use crate::error::{Error, ErrorKind};
use crate::id::RecordId;

/// A place that is not what was written there.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Damage {
    /// The damaged file.
    pub path: PathBuf,
    /// The bytes of the file that cannot be trusted, as offsets.
    pub range: Range<u64>,
    /// The sort of damage.
    pub kind: ErrorKind,
    /// A sentence: what was expected, what was found.
    pub message: String,
    /// Ids of which some may be lost with these bytes; empty where none are.
    pub lost: Range<RecordId>,
    /// Nothing is lost: the file is a part whose content its owner can make again, after [`Edit::drop_part`](crate::Edit::drop_part), or a
    /// list of deleted ids, of which there is a second copy; the next edit writes it anew.
    pub is_derived: bool,
}

impl Damage {
    pub(crate) fn new(path: &Path, range: Range<u64>, error: &Error, lost: Range<u64>) -> Self {
        Self {
            path: path.to_owned(),
            range,
            kind: error.kind(),
            message: error.message().to_owned(),
            lost: RecordId(lost.start)..RecordId(lost.end),
            is_derived: false,
        }
    }
}

/// Bytes first, since that is where a person looks: `segment-…: bytes 4096 to 5000: … (records 3 to 7)`.
impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Range { start, end } = self.range;
        write!(f, "{}: bytes {start} to {end}: {}", self.path.display(), self.message)?;
        if self.lost.start < self.lost.end {
            write!(f, " (records {} to {})", self.lost.start, self.lost.end.0 - 1)?;
        }
        Ok(())
    }
}
