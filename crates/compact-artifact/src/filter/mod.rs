//! Filters over metadata: what they are, and how they are built.

mod date;
mod index;
mod json;
mod strings;
mod table;
#[cfg(test)]
mod tests;
mod value;

use crate::api::error::{Error, ErrorKind, Result};

pub use index::check_metadata;
pub(crate) use index::{FilterBuilder, FilterIndex, merge};
pub use value::Value;
pub(crate) use value::{Type, Types};

/// Which records: a condition on their metadata.
///
/// A **field** is a path into the JSON object, its steps joined by dots: `author.name`. Of an array each element counts. `null` counts as not
/// there. Values are of four types: bool, number (integers and floating point are compared exactly with each other), string (compared by all
/// of their bytes), and date. A **date** is a string that is an RFC 3339 timestamp, `2026-04-12T08:30:00+02:00`, or a day, `2026-04-12`, which
/// is its midnight in UTC. [`Value::datetime`], in JSON `{"$date": "2026-04-12"}`, compares dates as points in time.
///
/// - [`eq`](Field::eq), [`is_in`](Field::is_in): the value, or some element of an array, equals. [`ne`](Field::ne) and
///   [`not_in`](Field::not_in) are their opposites, and so also let through records without the field.
/// - [`lt`](Field::lt), [`lte`](Field::lte), [`gt`](Field::gt), [`gte`](Field::gte): numbers, strings or dates, each with their own type. A
///   plain string and a field whose strings are all dates: if the string is a date as well, time is compared, otherwise it is an error. A
///   plain string that is a date, and a field with dates and other strings: an error, which asks for a `$date`.
/// - [`prefix`](Field::prefix): strings that begin so. [`contains`](Field::contains): arrays with such an element.
/// - [`exists`](Field::exists), [`missing`](Field::missing); [`and`](Filter::and), [`or`](Filter::or), `!`.
///
/// A comparison with a type that none of the field's values in the artifact has is an error of kind
/// [`TypeMismatch`](ErrorKind::TypeMismatch), so that a slip does not look like an empty answer; a field that no record has is no error.
///
/// The same as JSON, with the names that `MongoDB` gave to them:
///
/// ```
/// use compact_artifact::Filter;
///
/// # fn main() -> compact_artifact::Result<()> {
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
    Leaf(String, Test),
}

/// What a field is asked.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Test {
    Exists,
    Eq(Value),
    In(Vec<Value>),
    Contains(Value),
    Range(Bound, Value),
    Prefix(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bound {
    Lt,
    Lte,
    Gt,
    Gte,
}

/// A field, to be compared with something.
#[derive(Debug, Clone)]
#[must_use]
pub struct Field(String);

/// How deep a filter may be nested. As JSON, a level is an object and an array, and at the innermost there are four more, as in
/// `{"at": {"$in": [{"$date": "2026-01-31"}]}}`.
pub(crate) const MAX_DEPTH: usize = (crate::json::MAX_DEPTH - 4) / 2;
/// How many comparisons it may make.
pub(crate) const MAX_LEAVES: usize = 10_000;

impl Filter {
    /// A field, by its path.
    pub fn field(path: impl Into<String>) -> Field {
        Field(path.into())
    }

    /// Records that all of these let through; with none, every record.
    pub fn all(filters: impl IntoIterator<Item = Self>) -> Self {
        Self(Node::And(filters.into_iter().collect()))
    }

    /// Records that any of these lets through; with none, no record.
    pub fn any(filters: impl IntoIterator<Item = Self>) -> Self {
        Self(Node::Or(filters.into_iter().collect()))
    }

    /// Records that both let through.
    pub fn and(self, other: Self) -> Self {
        match self.0 {
            Node::And(mut all) => {
                all.push(other);
                Self(Node::And(all))
            }
            node => Self::all([Self(node), other]),
        }
    }

    /// Records that one of both lets through.
    pub fn or(self, other: Self) -> Self {
        match self.0 {
            Node::Or(mut any) => {
                any.push(other);
                Self(Node::Or(any))
            }
            node => Self::any([Self(node), other]),
        }
    }

    /// Whether the filter can be at all: numbers are finite, ranges are of what has an order, and it is not too large.
    pub fn check(&self) -> Result<()> {
        self.resolve(|_| Ok(Types::default())).map(drop)
    }

    /// Checks the filter, and that every comparison is with a type that the field has, if it has any. Returns it with plain strings that are
    /// compared with dates as dates.
    pub(crate) fn resolve(&self, mut types: impl FnMut(&str) -> Result<Types>) -> Result<Self> {
        let mut leaves = 0;
        self.resolve_from(0, &mut leaves, &mut types)
    }

    fn resolve_from(
        &self,
        depth: usize,
        leaves: &mut usize,
        types: &mut dyn FnMut(&str) -> Result<Types>,
    ) -> Result<Self> {
        if depth > MAX_DEPTH {
            return Err(invalid(format!("nested deeper than {MAX_DEPTH}")));
        }
        let mut resolve = |filter: &Self| filter.resolve_from(depth + 1, leaves, types);
        Ok(Self(match &self.0 {
            Node::And(filters) => Node::And(filters.iter().map(resolve).collect::<Result<_>>()?),
            Node::Or(filters) => Node::Or(filters.iter().map(resolve).collect::<Result<_>>()?),
            Node::Not(filter) => Node::Not(Box::new(resolve(filter)?)),
            Node::Leaf(field, test) => {
                *leaves += test.values().len().max(1);
                if *leaves > MAX_LEAVES {
                    return Err(invalid(format!("more than {MAX_LEAVES} comparisons")));
                }
                test.check(field)?;
                Node::Leaf(field.clone(), test.resolve(field, types(field)?)?)
            }
        }))
    }
}

impl std::ops::Not for Filter {
    type Output = Self;

    /// Records that the filter does not let through.
    fn not(self) -> Self {
        Self(Node::Not(Box::new(self)))
    }
}

impl Field {
    fn with(self, test: Test) -> Filter {
        Filter(Node::Leaf(self.0, test))
    }

    /// The value, or an element of an array, is this one.
    pub fn eq(self, value: impl Into<Value>) -> Filter {
        self.with(Test::Eq(value.into()))
    }

    /// Not [`eq`](Self::eq).
    pub fn ne(self, value: impl Into<Value>) -> Filter {
        !self.eq(value)
    }

    /// Less than.
    pub fn lt(self, value: impl Into<Value>) -> Filter {
        self.with(Test::Range(Bound::Lt, value.into()))
    }

    /// Less than, or equal.
    pub fn lte(self, value: impl Into<Value>) -> Filter {
        self.with(Test::Range(Bound::Lte, value.into()))
    }

    /// Greater than.
    pub fn gt(self, value: impl Into<Value>) -> Filter {
        self.with(Test::Range(Bound::Gt, value.into()))
    }

    /// Greater than, or equal.
    pub fn gte(self, value: impl Into<Value>) -> Filter {
        self.with(Test::Range(Bound::Gte, value.into()))
    }

    /// The value, or an element of an array, is one of these.
    pub fn is_in<V: Into<Value>>(self, values: impl IntoIterator<Item = V>) -> Filter {
        self.with(Test::In(values.into_iter().map(Into::into).collect()))
    }

    /// Not [`is_in`](Self::is_in).
    pub fn not_in<V: Into<Value>>(self, values: impl IntoIterator<Item = V>) -> Filter {
        !self.is_in(values)
    }

    /// There is a value.
    pub fn exists(self) -> Filter {
        self.with(Test::Exists)
    }

    /// There is none.
    pub fn missing(self) -> Filter {
        !self.exists()
    }

    /// A string that begins so.
    pub fn prefix(self, prefix: impl Into<String>) -> Filter {
        self.with(Test::Prefix(prefix.into()))
    }

    /// An array with this element.
    pub fn contains(self, value: impl Into<Value>) -> Filter {
        self.with(Test::Contains(value.into()))
    }
}

impl Test {
    pub(crate) fn values(&self) -> &[Value] {
        match self {
            Self::Eq(value) | Self::Contains(value) | Self::Range(_, value) => std::slice::from_ref(value),
            Self::In(values) => values,
            Self::Exists | Self::Prefix(_) => &[],
        }
    }

    /// The types that it compares with.
    fn types(&self) -> Types {
        match self {
            Self::Prefix(_) => Types::from(Type::Text),
            _ => self.values().iter().fold(Types::default(), |all, value| all | value.kind().into()),
        }
    }

    fn check(&self, field: &str) -> Result<()> {
        if !self.values().iter().all(Value::is_finite) {
            return Err(invalid(format!("the field {field:?} is compared with what is not a finite number")));
        }
        match self {
            Self::Range(_, value) if value.kind() == Type::Bool => Err(invalid(format!(
                "the field {field:?} is asked for more or less than {value}; bools have no order"
            ))),
            _ => Ok(()),
        }
    }

    /// What is compared when the field has values of these types: see [`Filter`].
    fn resolve(&self, field: &str, found: Types) -> Result<Self> {
        let asked = self.types();
        // A date is a string as well.
        let fits = !(asked & found).is_empty() || asked.has(Type::Text) && found.has(Type::Date);
        let mismatch = |message: String| Err(Error::new(ErrorKind::TypeMismatch, message));
        if !(asked.is_empty() || found.is_empty() || fits) {
            return mismatch(format!(
                "the field {field:?} has values of type {found}, and is compared with {asked}"
            ));
        }
        let Self::Range(bound, Value(value::Scalar::String(string))) = self else { return Ok(self.clone()) };
        match (found.has(Type::Date), found.has(Type::Text), Value::datetime(string)) {
            (false, _, _) | (true, true, Err(_)) => Ok(self.clone()),
            (true, false, Ok(date)) => Ok(Self::Range(*bound, date)),
            (true, false, Err(_)) => mismatch(format!(
                "the field {field:?} has dates, and is compared with the string {string:?}; expected a date, as in \
                 {{\"$date\": \"2026-01-31T12:00:00Z\"}}"
            )),
            (true, true, Ok(_)) => mismatch(format!(
                "the field {field:?} has dates and other strings, and is compared with {string:?}, which may be both; compare dates with \
                 {{\"$date\": {string:?}}}"
            )),
        }
    }
}

pub(crate) fn invalid(message: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::InvalidFilter, format!("filter: {message}"))
}
