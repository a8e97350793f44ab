//! The rows whose date has come: what expires.

use row_set::{RowSet, RowSetBuilder};
use serde_json::{Map, Value as Json};
use wire::Bytes;

use crate::date::{self, Point};
use crate::error::Result;
use crate::fields::{self, Found, MAX_PATH_LEN};
use crate::index::Index;
use crate::layout::{Tag, decode_point, encode_point, field_key};

/// A point in time: seconds since 1970 UTC, and nanoseconds of the next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment {
    seconds: i64,
    nanos: u32,
}

impl From<std::time::SystemTime> for Moment {
    fn from(time: std::time::SystemTime) -> Self {
        let seconds = |whole: u64| i64::try_from(whole).unwrap_or(i64::MAX);
        match time.duration_since(std::time::UNIX_EPOCH) {
            Ok(since) => Self { seconds: seconds(since.as_secs()), nanos: since.subsec_nanos() },
            Err(e) => {
                let before = e.duration();
                let (whole, nanos) = (seconds(before.as_secs()), before.subsec_nanos());
                match nanos {
                    0 => Self { seconds: -whole, nanos },
                    _ => Self { seconds: -whole - 1, nanos: 1_000_000_000 - nanos },
                }
            }
        }
    }
}

impl Moment {
    /// Seconds since 1970 UTC, rounded down.
    #[must_use]
    pub fn seconds(self) -> i64 {
        self.seconds
    }

    fn point(self) -> Point {
        let digits = format!("{:09}", self.nanos);
        let fraction = digits.trim_end_matches('0').as_bytes().to_vec();
        Point { seconds: self.seconds, is_leap: false, fraction }
    }
}

/// Whether metadata have a date at a path that is not later than `now`.
pub fn has_come(metadata: &Map<String, Json>, path: &str, now: Moment) -> bool {
    let (mut has, now) = (false, now.point());
    fields::visit(metadata, &mut |at, found| {
        if let Found::Scalar { value: Json::String(text), .. } = found
            && at == path
        {
            has |= date::point(text).is_some_and(|date| date <= now);
        }
    });
    has
}

impl<B: Bytes> Index<B> {
    /// The rows that have a date in a field which is not later than `now`, and the second of the first date that is. It reads the keys of
    /// dates that have come, and one more.
    ///
    /// ```
    /// use std::time::{Duration, UNIX_EPOCH};
    ///
    /// use metadata_index::{Builder, Index};
    /// use serde_json::json;
    ///
    /// # fn main() -> metadata_index::Result<()> {
    /// let mut builder = Builder::new();
    /// builder.add(0, None, json!({"until": "1970-01-01T00:01:00Z"}).as_object().unwrap());
    /// builder.add(1, None, json!({"until": "1970-01-02"}).as_object().unwrap());
    /// let mut bytes = Vec::new();
    /// builder.write(&mut bytes)?;
    /// let index = Index::open(bytes, 2)?;
    /// let (come, next) = index.rows_until("until", (UNIX_EPOCH + Duration::from_secs(60)).into())?;
    /// assert_eq!((come.iter().collect::<Vec<_>>(), next), (vec![0], Some(86_400)));
    /// # Ok(()) }
    /// ```
    pub fn rows_until(&self, field: &str, now: Moment) -> Result<(RowSet, Option<i64>)> {
        let (mut come, mut next) = (RowSetBuilder::new(), None);
        if field.len() > MAX_PATH_LEN {
            return Ok((come.build(), next));
        }
        let limit = encode_point(&now.point());
        for in_array in [false, true] {
            let prefix = field_key(field, Tag::Date, in_array, &[]);
            let mut entries = self.table().entries_from(&prefix)?;
            while let Some(entry) = entries.next_entry() {
                let (key, list) = entry?;
                let Some(date) = key.strip_prefix(prefix.as_slice()) else { break };
                if date > limit.as_slice() {
                    let seconds = decode_point(date).map(|point| point.seconds);
                    next = next.into_iter().chain(seconds).min();
                    break;
                }
                list.add_to(&mut come)?;
            }
        }
        Ok((come.build(), next))
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use serde_json::json;

    use super::*;
    use crate::Builder;

    #[test]
    fn dates_of_any_kind_have_come_as_a_filter_says_and_nothing_else_has() {
        let values = [
            json!("1970-01-01T00:00:01Z"),
            json!("1970-01-01T00:00:01.5Z"),
            json!("1970-01-01T01:00:01.000000001+01:00"),
            json!(["1970-01-01T00:00:02Z", "2020-01-01"]),
            json!("1969-12-31T23:59:58.25Z"),
            json!("not a date"),
            json!(0),
            json!(null),
            json!("9999-12-31T23:59:59Z"),
        ];
        let mut builder = Builder::new();
        for (row, value) in (0..).zip(&values) {
            builder.add(row, None, json!({"at": value, "other": "1950-01-01"}).as_object().unwrap());
        }
        let mut bytes = Vec::new();
        builder.write(&mut bytes).unwrap();
        let index = Index::open(bytes, 9).unwrap();
        let until = |time: std::time::SystemTime| {
            let (rows, next) = index.rows_until("at", time.into()).unwrap();
            let by_records = (0..)
                .zip(&values)
                .filter(|(_, value)| has_come(json!({"at": value}).as_object().unwrap(), "at", time.into()));
            let rows: Vec<u32> = rows.iter().collect();
            assert_eq!(by_records.map(|(row, _)| row).collect::<Vec<u32>>(), rows);
            (rows, next)
        };
        assert_eq!(until(UNIX_EPOCH - Duration::from_millis(1_751)), (vec![], Some(-2)));
        assert_eq!(until(UNIX_EPOCH - Duration::from_millis(1_750)), (vec![4], Some(1)));
        assert_eq!(until(UNIX_EPOCH), (vec![4], Some(1)));
        assert_eq!(until(UNIX_EPOCH + Duration::from_secs(1)), (vec![0, 4], Some(1)));
        assert_eq!(until(UNIX_EPOCH + Duration::from_nanos(1_000_000_001)), (vec![0, 2, 4], Some(1)));
        assert_eq!(until(UNIX_EPOCH + Duration::from_millis(1_500)), (vec![0, 1, 2, 4], Some(2)));
        let all = until(UNIX_EPOCH + Duration::from_secs(253_402_300_799));
        assert_eq!(all, (vec![0, 1, 2, 3, 4, 8], None));
        assert_eq!(index.rows_until(&"x".repeat(2_000), UNIX_EPOCH.into()).unwrap().1, None);
    }
}
