//! A filter → the rows that match it.

use roaring::RoaringBitmap;
use serde_json::{Map, Value as Json};

use crate::error::Error;
use crate::fields::{self, Found, MAX_PATH_LEN};
use crate::filter::{Bound, Condition, Filter, Node};
use crate::layout::{self, Tag, field_key};
use crate::long_strings::Comparison;
use crate::reader::{Rows, Table};
use crate::value::FilterValue;

/// One search of an index.
pub(crate) struct Search<'a, E> {
    pub(crate) table: Table<'a>,
    /// Rows of the index: those that a filter matches are below.
    pub(crate) rows: u32,
    pub(crate) metadata_of: &'a dyn Fn(u32) -> Result<Map<String, Json>, E>,
}

impl<E: From<Error>> Search<'_, E> {
    /// The rows that match a filter.
    pub(crate) fn matches(&self, filter: &Filter) -> Result<RoaringBitmap, E> {
        let mut found = match &filter.0 {
            Node::And(filters) => self.all_match(filters)?,
            Node::Or(filters) => filters
                .iter()
                .try_fold(RoaringBitmap::new(), |any, filter| Ok::<_, E>(any | self.matches(filter)?))?,
            Node::Not(filter) => self.every_row() - self.matches(filter)?,
            Node::Field(path, _) if path.len() > MAX_PATH_LEN => RoaringBitmap::new(),
            Node::Field(path, condition) => self.fulfil(path, condition)?,
        };
        found.remove_range(self.rows..);
        Ok(found)
    }

    fn every_row(&self) -> RoaringBitmap {
        (0..self.rows).collect()
    }

    fn all_match(&self, filters: &[Filter]) -> Result<RoaringBitmap, E> {
        let Some((first, rest)) = filters.split_first() else { return Ok(self.every_row()) };
        let mut all = self.matches(first)?;
        for filter in rest {
            if all.is_empty() {
                break;
            }
            all &= self.matches(filter)?;
        }
        Ok(all)
    }

    /// The rows whose field at `path` fulfils a condition.
    fn fulfil(&self, path: &str, condition: &Condition) -> Result<RoaringBitmap, E> {
        let either = |value: &FilterValue| {
            Ok::<_, Error>(self.equal(path, value, false)? | self.equal(path, value, true)?)
        };
        Ok(match condition {
            Condition::Exists => self.table.rows_of(&field_key(path, Tag::Exists, false, &[]))?,
            Condition::Eq(value) => either(value)?,
            Condition::Contains(value) => self.equal(path, value, true)?,
            Condition::In(values) => values
                .iter()
                .try_fold(RoaringBitmap::new(), |any, value| Ok::<_, Error>(any | either(value)?))?,
            Condition::Prefix(prefix) => self.strings(path, &Comparison::prefix(prefix))?,
            Condition::Range(bound, value) => match value.as_str() {
                Some(string) => self.strings(path, &Comparison::range(*bound, string))?,
                None => self.range(path, *bound, value, false)? | self.range(path, *bound, value, true)?,
            },
        })
    }

    fn equal(&self, path: &str, value: &FilterValue, in_array: bool) -> Result<RoaringBitmap, Error> {
        let key = field_key(path, Tag::of_equal(value), in_array, &layout::encode_value(value));
        self.table.rows_of(&key)
    }

    /// The rows with a string at `path` that a comparison matches.
    fn strings(&self, path: &str, comparison: &Comparison<'_>) -> Result<RoaringBitmap, E> {
        let (mut found, mut undecided) = (RoaringBitmap::new(), RoaringBitmap::new());
        for (tag, in_array) in Tag::STRINGS.into_iter().flat_map(|tag| [(tag, false), (tag, true)]) {
            let prefix = field_key(path, tag, in_array, &[]);
            let start = field_key(path, tag, in_array, comparison.start());
            let mut entries = self.table.entries_from(&start)?;
            while let Some(entry) = entries.next_entry() {
                let (key, rows) = entry?;
                let Some(string) = key.strip_prefix(prefix.as_slice()) else { break };
                if comparison.is_undecided(string) {
                    undecided |= rows.decode()?;
                } else if comparison.matches(string) {
                    match rows {
                        Rows::One(row) => drop(found.insert(row)),
                        many @ Rows::Many(_) => found |= many.decode()?,
                    }
                } else if comparison.is_past(string) {
                    break;
                }
            }
        }
        undecided.remove_range(self.rows..);
        for row in undecided - &found {
            if self.has_string(row, path, comparison)? {
                found.insert(row);
            }
        }
        Ok(found)
    }

    /// Whether the metadata of a row have a string at `path` that a comparison matches.
    fn has_string(&self, row: u32, path: &str, comparison: &Comparison<'_>) -> Result<bool, E> {
        let metadata = (self.metadata_of)(row)?;
        let mut has = false;
        fields::visit(&metadata, &mut |at, found| {
            if let Found::Scalar { value: Json::String(string), .. } = found
                && at == path
            {
                has |= comparison.matches(string.as_bytes());
            }
        });
        Ok(has)
    }

    /// The rows with a number or a date at `path` below or above a value.
    fn range(
        &self,
        path: &str,
        bound: Bound,
        value: &FilterValue,
        in_array: bool,
    ) -> Result<RoaringBitmap, Error> {
        let tag = Tag::from(value.type_of());
        let prefix = field_key(path, tag, in_array, &[]);
        let limit = field_key(path, tag, in_array, &layout::encode_value(value));
        match bound {
            Bound::Lt => self.rows_while(&prefix, |key| key < limit.as_slice()),
            Bound::Lte => self.rows_while(&prefix, |key| key <= limit.as_slice()),
            Bound::Gte => self.rows_while(&limit, |key| key.starts_with(&prefix)),
            Bound::Gt => {
                let least_greater = [limit.as_slice(), &[0]].concat();
                self.rows_while(&least_greater, |key| key.starts_with(&prefix))
            }
        }
    }

    /// The rows of all keys from `start` on, up to the first key that does not belong to them.
    fn rows_while(&self, start: &[u8], belongs: impl Fn(&[u8]) -> bool) -> Result<RoaringBitmap, Error> {
        let mut entries = self.table.entries_from(start)?;
        let (mut single, mut found) = (Vec::new(), RoaringBitmap::new());
        while let Some(entry) = entries.next_entry() {
            let (key, rows) = entry?;
            if !belongs(key) {
                break;
            }
            match rows {
                Rows::One(row) => single.push(row),
                many @ Rows::Many(_) => found |= many.decode()?,
            }
        }
        found.extend(single);
        Ok(found)
    }
}
