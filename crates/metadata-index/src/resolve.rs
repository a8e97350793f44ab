//! Filter and types of fields → a filter that is checked: what it compares is comparable, and strings that mean dates are dates.

use std::collections::HashMap;

use crate::error::{Error, ErrorKind, Result};
use crate::filter::{Condition, Filter, MAX_COMPARISONS, MAX_DEPTH, Node};
use crate::value::{FilterValue, Scalar, Type, Types};

/// A filter that was checked against the types of the fields that it names; what [`Index::search`](crate::Index::search) takes.
///
/// Strings that are compared with dates are dates in it. It is made once for a query, for all indexes that the query searches: a field may
/// have numbers in one of them only.
///
/// ```
/// use metadata_index::{Builder, ErrorKind, Filter, Index, ResolvedFilter};
/// use serde_json::json;
///
/// # fn main() -> metadata_index::Result<()> {
/// let mut builder = Builder::new();
/// builder.add(0, None, json!({"year": 2026}).as_object().unwrap());
/// let mut bytes = Vec::new();
/// builder.write(&mut bytes)?;
/// let index = Index::open(bytes, 1)?;
/// assert!(ResolvedFilter::new(&Filter::field("year").gte(2020), |field| index.types(field, |_| true)).is_ok());
/// let e = ResolvedFilter::new(&Filter::field("year").gte("2020"), |field| index.types(field, |_| true)).unwrap_err();
/// assert_eq!(e.kind(), ErrorKind::TypeMismatch);
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct ResolvedFilter(Filter);

impl ResolvedFilter {
    /// Checks a filter. `types` gives the types of all values of a field, and is asked once for each; for a field that no record has, none.
    ///
    /// Errors: [`InvalidFilter`](ErrorKind::InvalidFilter) as for [`Filter::check`], [`TypeMismatch`](ErrorKind::TypeMismatch) for a comparison
    /// with a type that the field does not have, and those of `types`.
    pub fn new(filter: &Filter, mut types: impl FnMut(&str) -> Result<Types>) -> Result<Self> {
        Resolver::new(false, &mut types).resolve(filter, 0).map(Self)
    }

    /// [`new`](Self::new) of a filter that must not fail because of what somebody put into a field: a comparison with a type that no value of the field has
    /// matches nothing, negated or not. Where a field has dates and other strings, a string that is a date is compared with the dates alone, and matches nothing where that is negated.
    ///
    /// Errors: [`InvalidFilter`](ErrorKind::InvalidFilter), and those of `types`.
    pub fn lenient(filter: &Filter, mut types: impl FnMut(&str) -> Result<Types>) -> Result<Self> {
        Resolver::new(true, &mut types).resolve(filter, 0).map(Self)
    }

    pub(crate) fn filter(&self) -> &Filter {
        &self.0
    }
}

impl Filter {
    /// Checks what can be checked without an index: numbers are finite, bools are not asked for an order, and the filter is at most 48
    /// levels deep and makes at most 10,000 comparisons.
    ///
    /// Its error has the kind [`InvalidFilter`](ErrorKind::InvalidFilter).
    pub fn check(&self) -> Result<()> {
        ResolvedFilter::new(self, |_| Ok(Types::default())).map(drop)
    }
}

struct Resolver<'a> {
    comparisons: usize,
    /// Whether a field with values of another type is no error.
    is_lenient: bool,
    /// Whether what is resolved stands in an odd number of negations.
    is_negated: bool,
    types: &'a mut dyn FnMut(&str) -> Result<Types>,
    /// What `types` said: it is asked once for each field, since it may look at all values of one.
    known: HashMap<&'a str, Types>,
}

impl<'a> Resolver<'a> {
    fn new(is_lenient: bool, types: &'a mut dyn FnMut(&str) -> Result<Types>) -> Self {
        Self { comparisons: 0, is_lenient, is_negated: false, types, known: HashMap::new() }
    }

    fn types_of(&mut self, field: &'a str) -> Result<Types> {
        if let Some(&known) = self.known.get(field) {
            return Ok(known);
        }
        let found = (self.types)(field)?;
        self.known.insert(field, found);
        Ok(found)
    }

    fn resolve(&mut self, filter: &'a Filter, depth: usize) -> Result<Filter> {
        if depth > MAX_DEPTH {
            return Err(Error::invalid_filter(format_args!("nested deeper than {MAX_DEPTH}")));
        }
        let mut resolve = |filter: &'a Filter| self.resolve(filter, depth + 1);
        Ok(Filter(match &filter.0 {
            Node::And(filters) => Node::And(filters.iter().map(resolve).collect::<Result<_>>()?),
            Node::Or(filters) => Node::Or(filters.iter().map(resolve).collect::<Result<_>>()?),
            Node::Not(filter) => {
                self.is_negated ^= true;
                let resolved = self.resolve(filter, depth + 1);
                self.is_negated ^= true;
                Node::Not(Box::new(resolved?))
            }
            Node::Strict(filter) => return resolve(filter),
            Node::Field(field, condition) => {
                self.comparisons += condition.values().len().max(1);
                if self.comparisons > MAX_COMPARISONS {
                    return Err(Error::invalid_filter(format_args!(
                        "more than {MAX_COMPARISONS} comparisons"
                    )));
                }
                check_condition(field, condition)?;
                let found = self.types_of(field)?;
                match resolve_condition(field, condition, found) {
                    Err(_) if self.is_lenient => resolve_mismatch(field, condition, found, self.is_negated),
                    resolved => Node::Field(field.clone(), resolved?),
                }
            }
        }))
    }
}

/// What stands for a condition that does not fit its field, so that no record matches because of a value that cannot be compared: of a negated one, what lets every record through.
fn resolve_mismatch(field: &str, condition: &Condition, found: Types, is_negated: bool) -> Node {
    if is_negated {
        return Node::And(Vec::new());
    }
    if found.contains(Type::Date)
        && let Condition::Range(bound, FilterValue(Scalar::String(string))) = condition
        && let Ok(date) = FilterValue::datetime(string)
    {
        return Node::Field(field.to_owned(), Condition::Range(*bound, date));
    }
    Node::Or(Vec::new())
}

fn check_condition(field: &str, condition: &Condition) -> Result<()> {
    if !condition.values().iter().all(FilterValue::is_finite) {
        let message = format_args!("the field {field:?} is compared with what is not a finite number");
        return Err(Error::invalid_filter(message));
    }
    match condition {
        Condition::Range(_, value) if value.type_of() == Type::Bool => Err(Error::invalid_filter(
            format_args!("the field {field:?} is asked for more or less than {value}; bools have no order"),
        )),
        _ => Ok(()),
    }
}

/// The types that a condition compares with.
fn compared_types(condition: &Condition) -> Types {
    match condition {
        Condition::Prefix(_) => Types::from(Type::String),
        _ => condition.values().iter().fold(Types::default(), |all, value| all | value.type_of().into()),
    }
}

/// Checks a condition against the types of its field, and makes dates of strings that are compared with dates: see [`Filter`].
fn resolve_condition(field: &str, condition: &Condition, found: Types) -> Result<Condition> {
    let asked = compared_types(condition);
    // A date is a string as well.
    let fits = !(asked & found).is_empty() || asked.contains(Type::String) && found.contains(Type::Date);
    let mismatch = |message: String| Err(Error::new(ErrorKind::TypeMismatch, message));
    if !(asked.is_empty() || found.is_empty() || fits) {
        return mismatch(format!(
            "the field {field:?} has values of type {found}, and is compared with {asked}"
        ));
    }
    let Condition::Range(bound, FilterValue(Scalar::String(string))) = condition else {
        return Ok(condition.clone());
    };
    match (found.contains(Type::Date), found.contains(Type::String), FilterValue::datetime(string)) {
        (false, _, _) | (true, true, Err(_)) => Ok(condition.clone()),
        (true, false, Ok(date)) => Ok(Condition::Range(*bound, date)),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_types_of_a_field_are_asked_for_once_however_often_it_is_compared() {
        let compared = |i: i32| Filter::all([Filter::field("a").eq(i), !Filter::field("b").gte(i)]);
        let filter = Filter::any((0..1_000).map(compared));
        for is_lenient in [false, true] {
            let mut asked = Vec::new();
            let types = |field: &str| {
                asked.push(field.to_owned());
                Ok(Types::from(Type::Number))
            };
            let resolve = if is_lenient { ResolvedFilter::lenient } else { ResolvedFilter::new };
            resolve(&filter, types).unwrap();
            assert_eq!(asked, ["a", "b"]);
        }
    }
}
