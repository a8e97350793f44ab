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

/// Damage in the order of files and bytes. Neighbours of one file become one, with the message of the first, unless ids between theirs are not lost.
pub(crate) fn sorted_and_merged(mut damage: Vec<Damage>) -> Vec<Damage> {
    damage.sort_by(|a, b| (&a.path, a.range.start).cmp(&(&b.path, b.range.start)));
    damage.dedup_by(|next, last| last.take_neighbour(next));
    damage
}

impl Damage {
    /// Takes in `next` if it begins where this ends.
    fn take_neighbour(&mut self, next: &Self) -> bool {
        let is_neighbour = self.range.end == next.range.start && self.path == next.path;
        let is_alike = self.kind == next.kind && self.is_derived == next.is_derived;
        let lost = match (self.lost.is_empty(), next.lost.is_empty()) {
            (_, true) => self.lost.clone(),
            (true, false) => next.lost.clone(),
            (false, false) if self.lost.end == next.lost.start => self.lost.start..next.lost.end,
            (false, false) => return false,
        };
        if is_neighbour && is_alike {
            self.range.end = next.range.end;
            self.lost = lost;
        }
        is_neighbour && is_alike
    }
}

/// Ranges of ids in order, those that overlap or touch made one, so that an id is looked up by bisection.
pub(crate) fn merged_ranges(mut ranges: Vec<Range<u64>>) -> Vec<Range<u64>> {
    ranges.retain(|range| !range.is_empty());
    ranges.sort_unstable_by_key(|range| range.start);
    ranges.dedup_by(|next, last| {
        let touches = next.start <= last.end;
        if touches {
            last.end = last.end.max(next.end);
        }
        touches
    });
    ranges
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

#[cfg(test)]
mod tests {
    use super::*;

    fn damage(path: &str, range: Range<u64>, lost: Range<u64>) -> Damage {
        Damage::new(Path::new(path), range, &Error::damaged("checksum"), lost)
    }

    #[test]
    fn neighbours_are_one_damage_unless_ids_between_theirs_are_not_lost() {
        let found = vec![
            damage("b", 30..40, 0..0),
            damage("a", 20..30, 5..7),
            damage("a", 10..20, 2..5),
            damage("a", 30..40, 0..0),
            damage("a", 40..50, 9..10),
            damage("a", 60..70, 10..11),
        ];
        let merged = [
            damage("a", 10..40, 2..7),
            damage("a", 40..50, 9..10),
            damage("a", 60..70, 10..11),
            damage("b", 30..40, 0..0),
        ];
        assert_eq!(sorted_and_merged(found), merged);
    }

    #[test]
    #[expect(clippy::single_range_in_vec_init, reason = "ranges are what it makes")]
    fn ranges_of_ids_are_in_order_and_apart() {
        assert_eq!(merged_ranges(vec![7..9, 3..3, 0..2, 8..12, 2..4]), [0..4, 7..12]);
        assert_eq!(merged_ranges(vec![0..9, 2..3]), [0..9]);
    }
}
