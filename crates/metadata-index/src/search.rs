//! A filter → the rows that match it.

use row_set::{RowSet, RowSetBuilder};
use serde_json::{Map, Value as Json};

use crate::date;
use crate::error::Error;
use crate::fields::{self, Found, MAX_PATH_LEN};
use crate::filter::{Bound, Condition, Filter, Node};
use crate::layout::{self, Tag, field_key};
use crate::long_strings::Comparison;
use crate::reader::Table;
use crate::value::FilterValue;

/// One search of an index.
pub(crate) struct Search<'a, E> {
    pub(crate) table: Table<'a>,
    pub(crate) metadata_of: &'a dyn Fn(u32) -> Result<Map<String, Json>, E>,
}

impl<E: From<Error>> Search<'_, E> {
    /// The rows that match a filter.
    pub(crate) fn matches(&self, filter: &Filter) -> Result<RowSet, E> {
        match &filter.0 {
            Node::And(filters) => self.match_all(filters),
            Node::Or(filters) => {
                let mut any = RowSet::new();
                for filter in filters {
                    any |= &self.matches(filter)?;
                }
                Ok(any)
            }
            Node::Not(filter) => {
                let mut others = RowSet::all_below(self.table.rows);
                others -= &self.matches(filter)?;
                Ok(others)
            }
            Node::Strict(filter) => self.matches(filter),
            Node::Field(path, _) if path.len() > MAX_PATH_LEN => Ok(RowSet::new()),
            Node::Field(path, condition) => {
                let mut found = RowSetBuilder::new();
                self.add_matches(path, condition, &mut found)?;
                Ok(found.build())
            }
        }
    }

    fn match_all(&self, filters: &[Filter]) -> Result<RowSet, E> {
        let Some((first, rest)) = filters.split_first() else {
            return Ok(RowSet::all_below(self.table.rows));
        };
        let mut all = self.matches(first)?;
        for filter in rest {
            if all.is_empty() {
                break;
            }
            all &= &self.matches(filter)?;
        }
        Ok(all)
    }

    /// Adds the rows whose field at `path` fulfils a condition.
    fn add_matches(&self, path: &str, condition: &Condition, found: &mut RowSetBuilder) -> Result<(), E> {
        match condition {
            Condition::Exists => self.add_key(&field_key(path, Tag::Exists, false, &[]), found)?,
            Condition::Eq(value) => self.add_equal(path, value, found)?,
            Condition::Contains(value) => self.add_key(&value_key(path, value, true), found)?,
            Condition::In(values) => {
                for value in values {
                    self.add_equal(path, value, found)?;
                }
            }
            Condition::Prefix(prefix) => self.add_strings(path, &Comparison::prefix(prefix), found)?,
            Condition::Range(bound, value) => match value.as_str() {
                Some(string) => self.add_strings(path, &Comparison::range(*bound, string), found)?,
                None => {
                    for in_array in [false, true] {
                        self.add_range(path, *bound, value, in_array, found)?;
                    }
                }
            },
        }
        Ok(())
    }

    /// Adds the rows of one key.
    fn add_key(&self, key: &[u8], found: &mut RowSetBuilder) -> Result<(), Error> {
        self.table.rows_of(key)?.map_or(Ok(()), |rows| rows.add_to(found))
    }

    fn add_equal(&self, path: &str, value: &FilterValue, found: &mut RowSetBuilder) -> Result<(), Error> {
        self.add_key(&value_key(path, value, false), found)?;
        self.add_key(&value_key(path, value, true), found)
    }

    /// Adds the rows with a string at `path` that a comparison matches.
    fn add_strings(
        &self,
        path: &str,
        comparison: &Comparison<'_>,
        found: &mut RowSetBuilder,
    ) -> Result<(), E> {
        let mut undecided = RowSetBuilder::new();
        for (tag, in_array) in Tag::STRINGS.into_iter().flat_map(|tag| [(tag, false), (tag, true)]) {
            let prefix = field_key(path, tag, in_array, &[]);
            let start = field_key(path, tag, in_array, comparison.start());
            let mut entries = self.table.entries_from(&start)?;
            while let Some(entry) = entries.next_entry() {
                let (key, rows) = entry?;
                let Some(string) = key.strip_prefix(prefix.as_slice()) else { break };
                if comparison.is_undecided(string) {
                    rows.add_to(&mut undecided)?;
                } else if comparison.matches(string) {
                    rows.add_to(found)?;
                } else if comparison.is_past(string) {
                    break;
                }
            }
        }
        for row in &undecided.build() {
            if !found.contains(row) && self.has_string(row, path, comparison)? {
                found.insert(row);
            }
        }
        Ok(())
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

    /// Adds the rows with a number or a date at `path` below or above a value.
    fn add_range(
        &self,
        path: &str,
        bound: Bound,
        value: &FilterValue,
        in_array: bool,
        found: &mut RowSetBuilder,
    ) -> Result<(), Error> {
        let prefix = field_key(path, Tag::from(value.type_of()), in_array, &[]);
        let limit = value_key(path, value, in_array);
        match bound {
            Bound::Lt => self.add_while(&prefix, |key| key < limit.as_slice(), found),
            Bound::Lte => self.add_while(&prefix, |key| key <= limit.as_slice(), found),
            Bound::Gte => self.add_while(&limit, |key| key.starts_with(&prefix), found),
            Bound::Gt => {
                let least_greater = [limit.as_slice(), &[0]].concat();
                self.add_while(&least_greater, |key| key.starts_with(&prefix), found)
            }
        }
    }

    /// Adds the rows of all keys from `start` on, up to the first key that does not belong to them.
    fn add_while(
        &self,
        start: &[u8],
        belongs: impl Fn(&[u8]) -> bool,
        found: &mut RowSetBuilder,
    ) -> Result<(), Error> {
        let mut entries = self.table.entries_from(start)?;
        while let Some(entry) = entries.next_entry() {
            let (key, rows) = entry?;
            if !belongs(key) {
                break;
            }
            rows.add_to(found)?;
        }
        Ok(())
    }
}

/// The key of all values that equal this one: of a string that is a date, of all dates of that moment.
fn value_key(path: &str, value: &FilterValue, in_array: bool) -> Vec<u8> {
    match value.as_str().and_then(date::point) {
        Some(point) => field_key(path, Tag::Date, in_array, &layout::encode_point(&point)),
        None => field_key(path, Tag::from(value.type_of()), in_array, &layout::encode_value(value)),
    }
}
