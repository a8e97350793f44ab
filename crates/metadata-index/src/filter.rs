//! Filters: conditions on the metadata of records, and how they are built.
//!
//! A [`Filter`] is a tree of `and`, `or` and `not` over conditions on fields. `filter_json` reads and writes it as JSON, `resolve` checks it
//! against the types that the fields have, and `search` finds the rows.

use std::collections::BTreeSet;

use crate::json;
use crate::value::FilterValue;

/// A condition on the metadata of records.
///
/// A **field** is a path into the JSON object, the names on it joined by dots: `author.name`. Of an array, each element counts. A field that is
/// `null` does not exist. Values are of four types: bool, number (integers and floating point are compared exactly with each other), string (compared by all
/// of their bytes), and date. A **date** is a string that is an RFC 3339 timestamp, `2026-04-12T08:30:00+02:00`, or a day, `2026-04-12`, which
/// is its midnight in UTC. [`FilterValue::datetime`], in JSON `{"$date": "2026-04-12"}`, compares dates as points in time.
///
/// - [`eq`](Field::eq), [`is_in`](Field::is_in): the value, or some element of an array, equals. [`ne`](Field::ne) and
///   [`not_in`](Field::not_in) are their opposites, and so also match records without the field. A string that is a date equals every date of the same
///   moment, however that is written.
/// - [`lt`](Field::lt), [`lte`](Field::lte), [`gt`](Field::gt), [`gte`](Field::gte): numbers, strings or dates, each with their own type. Where
///   all strings of a field are dates, a plain string that is a date is compared as a point in time, and any other string is an error.
///   Where a field has dates and other strings, a plain string that is a date is an error, which asks for a `$date`; any other
///   is compared with all strings, dates among them.
/// - [`prefix`](Field::prefix): strings that begin with a prefix. [`contains`](Field::contains): arrays with an element that equals.
/// - [`exists`](Field::exists), [`missing`](Field::missing); [`and`](Filter::and), [`or`](Filter::or), `!`.
///
/// A comparison with a type that no value of the field has is an error of kind [`TypeMismatch`](crate::ErrorKind::TypeMismatch), so that a slip
/// does not look like an empty answer. A field that no record has is no error, unless the filter is [`strict`](Filter::strict).
///
/// The same as JSON, with the names of `MongoDB`'s operators:
///
/// ```
/// use metadata_index::Filter;
///
/// # fn main() -> metadata_index::Result<()> {
/// let built = Filter::field("year").gte(2020).and(!Filter::field("tags").contains("draft"));
/// let parsed: Filter = r#"{"$and": [{"year": {"$gte": 2020}}, {"$not": {"tags": {"$contains": "draft"}}}]}"#.parse()?;
/// assert_eq!(built, parsed);
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, PartialEq)]
#[must_use]
pub struct Filter(pub(crate) Node);

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Node {
    And(Vec<Filter>),
    Or(Vec<Filter>),
    Not(Box<Filter>),
    /// Every field in it has to be known.
    Strict(Box<Filter>),
    Field(String, Condition),
}

/// What is asked of a field.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Condition {
    Exists,
    Eq(FilterValue),
    In(Vec<FilterValue>),
    Contains(FilterValue),
    Range(Bound, FilterValue),
    Prefix(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bound {
    Lt,
    Lte,
    Gt,
    Gte,
}

/// A field by its path, from which its methods make a [`Filter`].
///
/// ```
/// use metadata_index::Filter;
///
/// let nouns = Filter::field("pos").eq("noun");
/// let by_known_authors = Filter::field("author.name").exists();
/// # let _ = nouns.and(by_known_authors);
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct Field(String);

/// How deep a filter may be nested. As JSON, a level is an object and an array, and at the innermost there are four more, as in
/// `{"at": {"$in": [{"$date": "2026-01-31"}]}}`.
pub(crate) const MAX_DEPTH: usize = (json::MAX_DEPTH - 4) / 2;
/// How many comparisons a filter may make.
pub(crate) const MAX_COMPARISONS: usize = 10_000;

impl Filter {
    /// A field, by its path.
    pub fn field(path: impl Into<String>) -> Field {
        Field(path.into())
    }

    /// Records that match all of these filters; without any filter, every record.
    pub fn all(filters: impl IntoIterator<Item = Self>) -> Self {
        Self(Node::And(filters.into_iter().collect()))
    }

    /// Records that match any of these filters; without any filter, no record.
    pub fn any(filters: impl IntoIterator<Item = Self>) -> Self {
        Self(Node::Or(filters.into_iter().collect()))
    }

    /// Records that match both filters.
    pub fn and(self, other: Self) -> Self {
        match self.0 {
            Node::And(mut all) => {
                all.push(other);
                Self(Node::And(all))
            }
            node => Self::all([Self(node), other]),
        }
    }

    /// Records that match at least one of both filters.
    pub fn or(self, other: Self) -> Self {
        match self.0 {
            Node::Or(mut any) => {
                any.push(other);
                Self(Node::Or(any))
            }
            node => Self::any([Self(node), other]),
        }
    }
}

impl Filter {
    /// The same filter, in which a field that no record has is an error for whoever knows all records, and not an empty answer; in JSON `{"$strict": filter}`. This
    /// crate gives the fields, by [`strict_fields`](Self::strict_fields).
    pub fn strict(self) -> Self {
        Self(Node::Strict(Box::new(self)))
    }

    /// The fields that it names.
    ///
    /// ```
    /// use metadata_index::Filter;
    ///
    /// let filter = Filter::field("year").gte(2020).and(!Filter::field("tags").eq("draft").strict());
    /// assert_eq!(filter.fields().into_iter().collect::<Vec<_>>(), ["tags", "year"]);
    /// assert_eq!(filter.strict_fields().into_iter().collect::<Vec<_>>(), ["tags"]);
    /// ```
    #[must_use]
    pub fn fields(&self) -> BTreeSet<&str> {
        let mut fields = BTreeSet::new();
        self.add_fields(true, &mut fields);
        fields
    }

    /// The fields that have to be known: those in the parts of it that are [`strict`](Self::strict).
    #[must_use]
    pub fn strict_fields(&self) -> BTreeSet<&str> {
        let mut fields = BTreeSet::new();
        self.add_fields(false, &mut fields);
        fields
    }

    fn add_fields<'f>(&'f self, is_counted: bool, fields: &mut BTreeSet<&'f str>) {
        match &self.0 {
            Node::And(filters) | Node::Or(filters) => {
                for filter in filters {
                    filter.add_fields(is_counted, fields);
                }
            }
            Node::Not(filter) => filter.add_fields(is_counted, fields),
            Node::Strict(filter) => filter.add_fields(true, fields),
            Node::Field(field, _) if is_counted => drop(fields.insert(field)),
            Node::Field(..) => {}
        }
    }
}

impl std::ops::Not for Filter {
    type Output = Self;

    /// Records that do not match the filter.
    fn not(self) -> Self {
        Self(Node::Not(Box::new(self)))
    }
}

impl Field {
    pub(crate) fn with(self, condition: Condition) -> Filter {
        Filter(Node::Field(self.0, condition))
    }

    /// The value, or an element of an array, is this one.
    pub fn eq(self, value: impl Into<FilterValue>) -> Filter {
        self.with(Condition::Eq(value.into()))
    }

    /// Not [`eq`](Self::eq).
    pub fn ne(self, value: impl Into<FilterValue>) -> Filter {
        !self.eq(value)
    }

    /// Less than.
    pub fn lt(self, value: impl Into<FilterValue>) -> Filter {
        self.with(Condition::Range(Bound::Lt, value.into()))
    }

    /// Less than, or equal.
    pub fn lte(self, value: impl Into<FilterValue>) -> Filter {
        self.with(Condition::Range(Bound::Lte, value.into()))
    }

    /// Greater than.
    pub fn gt(self, value: impl Into<FilterValue>) -> Filter {
        self.with(Condition::Range(Bound::Gt, value.into()))
    }

    /// Greater than, or equal.
    pub fn gte(self, value: impl Into<FilterValue>) -> Filter {
        self.with(Condition::Range(Bound::Gte, value.into()))
    }

    /// The value, or an element of an array, is one of these.
    pub fn is_in<V: Into<FilterValue>>(self, values: impl IntoIterator<Item = V>) -> Filter {
        self.with(Condition::In(values.into_iter().map(Into::into).collect()))
    }

    /// Not [`is_in`](Self::is_in).
    pub fn not_in<V: Into<FilterValue>>(self, values: impl IntoIterator<Item = V>) -> Filter {
        !self.is_in(values)
    }

    /// The field exists: it is there, and not `null`.
    pub fn exists(self) -> Filter {
        self.with(Condition::Exists)
    }

    /// Not [`exists`](Self::exists).
    pub fn missing(self) -> Filter {
        !self.exists()
    }

    /// A string that begins with `prefix`.
    pub fn prefix(self, prefix: impl Into<String>) -> Filter {
        self.with(Condition::Prefix(prefix.into()))
    }

    /// An array with an element that equals this value.
    pub fn contains(self, value: impl Into<FilterValue>) -> Filter {
        self.with(Condition::Contains(value.into()))
    }
}

impl Condition {
    pub(crate) fn values(&self) -> &[FilterValue] {
        match self {
            Self::Eq(value) | Self::Contains(value) | Self::Range(_, value) => std::slice::from_ref(value),
            Self::In(values) => values,
            Self::Exists | Self::Prefix(_) => &[],
        }
    }
}
