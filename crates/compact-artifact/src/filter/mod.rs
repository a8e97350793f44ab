//! Filters over metadata: what they are, and how they are built.

mod index;
mod json;
mod table;
#[cfg(test)]
mod tests;
mod value;

use crate::error::{Error, ErrorKind, Result};

pub(crate) use index::{FilterBuilder, FilterIndex, check_metadata, merge};
pub use value::Value;
pub(crate) use value::{Type, Types};

/// Which records: a condition on their metadata.
///
/// A **field** is a path into the JSON object, its steps joined by dots: `author.name`. Of an array each element counts. `null` counts as not
/// there. Values are of four types: bool, number (integers and floating point are compared exactly with each other), string (compared by their
/// bytes; in ranges by the first 1,000), and moment: a string that is an RFC 3339 timestamp with an offset is both a string and a
/// moment, and [`Value::datetime`] compares with the moment.
///
/// - [`eq`](Field::eq), [`is_in`](Field::is_in): the value, or some element of an array, equals. [`ne`](Field::ne) and
///   [`not_in`](Field::not_in) are their opposites, and so also let through records without the field.
/// - [`lt`](Field::lt), [`lte`](Field::lte), [`gt`](Field::gt), [`gte`](Field::gte): numbers, strings or moments of the same type.
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

/// How deep a filter may be nested.
pub(crate) const MAX_DEPTH: usize = 64;
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

    /// Whether the filter can be at all: values are numbers, ranges are of what has an order, and it is not too large.
    pub fn check(&self) -> Result<()> {
        self.check_types(|_| Ok(Types::default()))
    }

    /// Checks the filter, and that every comparison is with a type that the field has, if it has any.
    pub(crate) fn check_types(&self, mut types: impl FnMut(&str) -> Result<Types>) -> Result<()> {
        let mut leaves = 0;
        self.check_from(0, &mut leaves, &mut types)
    }

    fn check_from(
        &self,
        depth: usize,
        leaves: &mut usize,
        types: &mut dyn FnMut(&str) -> Result<Types>,
    ) -> Result<()> {
        if depth > MAX_DEPTH {
            return Err(invalid(format!("nested deeper than {MAX_DEPTH}")));
        }
        match &self.0 {
            Node::And(filters) | Node::Or(filters) => {
                filters.iter().try_for_each(|filter| filter.check_from(depth + 1, leaves, types))
            }
            Node::Not(filter) => filter.check_from(depth + 1, leaves, types),
            Node::Leaf(field, test) => {
                *leaves += test.values().len().max(1);
                if *leaves > MAX_LEAVES {
                    return Err(invalid(format!("more than {MAX_LEAVES} comparisons")));
                }
                test.check(field)?;
                let (asked, found) = (test.types(), types(field)?);
                if asked.is_empty() || found.is_empty() || !(asked & found).is_empty() {
                    return Ok(());
                }
                let message =
                    format!("the field {field:?} has values of type {found}, and is compared with {asked}");
                Err(Error::new(ErrorKind::TypeMismatch, message))
            }
        }
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
            Self::Prefix(_) => Types::from(Type::String),
            _ => self.values().iter().fold(Types::default(), |all, value| all | value.kind().into()),
        }
    }

    fn check(&self, field: &str) -> Result<()> {
        if self.values().iter().any(Value::is_nan) {
            return Err(invalid(format!("the field {field:?} is compared with what is not a number")));
        }
        match self {
            Self::Range(_, value) if value.kind() == Type::Bool => Err(invalid(format!(
                "the field {field:?} is asked for more or less than {value}; bools have no order"
            ))),
            Self::Prefix(prefix) if prefix.len() > value::MAX_COMPARED => {
                let limit = value::MAX_COMPARED;
                Err(invalid(format!(
                    "a prefix of {} bytes for the field {field:?}; expected at most {limit}",
                    prefix.len()
                )))
            }
            _ => Ok(()),
        }
    }
}

pub(crate) fn invalid(message: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::InvalidFilter, format!("filter: {message}"))
}
