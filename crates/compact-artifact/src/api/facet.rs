//! What a search counts beside its hits, and what hits are sorted by.

use metadata_index::DateUnit;
use serde::Serialize;
use serde_json::Value;

/// The direction of `Query::order_by`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum Order {
    /// The least first.
    #[default]
    Ascending,
    /// The greatest first.
    Descending,
}

/// Values of a field among the records that a query matches, counted: for `Query::facet`.
///
/// ```
/// # #[cfg(feature = "facets")]
/// # fn main() -> compact_artifact::Result<()> {
/// use compact_artifact::{CompactArtifact, Facet, Query, Record};
/// use serde_json::json;
///
/// # let temp = tempfile::tempdir()?;
/// # let artifact = CompactArtifact::create(temp.path().join("a"))?;
/// for (text, year, tags) in [("a whale", 1851, json!(["sea"])), ("a crab", 1987, json!(["sea", "food"])), ("a cat", 1987, json!([]))] {
///     artifact.add(Record::text(text).metadata(json!({"year": year, "tags": tags})))?;
/// }
/// let found = artifact.search(&Query::new().facet(Facet::values("tags")).facet(Facet::histogram("year", 100.0)))?;
/// assert_eq!(found.facets[0].counts.iter().map(|c| (c.value.clone(), c.count)).collect::<Vec<_>>(), [(json!("sea"), 2), (json!("food"), 1)]);
/// assert_eq!(found.facets[1].counts.iter().map(|c| (c.value.clone(), c.count)).collect::<Vec<_>>(), [(json!(1800), 1), (json!(1900), 2)]);
/// assert_eq!(found.facets[1].min, Some(json!(1851)));
/// # Ok(()) }
/// # #[cfg(not(feature = "facets"))]
/// # fn main() {}
/// ```
#[derive(Debug, Clone, PartialEq)]
#[must_use = "a facet counts nothing until a query has it"]
pub struct Facet {
    pub(crate) field: String,
    pub(crate) kind: FacetKind,
    pub(crate) limit: usize,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum FacetKind {
    Values,
    Histogram(f64),
    Dates(DateUnit),
}

impl Facet {
    /// How many values are returned unless [`limit`](Self::limit) says otherwise.
    const LIMIT: usize = 10;

    /// The values that most records have, the most frequent first, and those of one frequency in their order. A record counts once for each of the
    /// values that it has in an array. Dates are told apart by their text, and are in the order of it.
    pub fn values(field: impl Into<String>) -> Self {
        Self { field: field.into(), kind: FacetKind::Values, limit: Self::LIMIT }
    }

    /// Numbers in intervals `width` wide, a multiple of which each begins with; those with no number are left out. In the order of numbers. A record counts
    /// once for each of the intervals that its numbers are in. An error where such a multiple is beyond 64-bit floating point.
    pub fn histogram(field: impl Into<String>, width: f64) -> Self {
        Self { field: field.into(), kind: FacetKind::Histogram(width), limit: usize::MAX }
    }

    /// Dates by year, month, day or hour in UTC; those with no date are left out. In the order of time. A record counts once for each of the periods that
    /// its dates are in.
    pub fn dates(field: impl Into<String>, unit: DateUnit) -> Self {
        Self { field: field.into(), kind: FacetKind::Dates(unit), limit: usize::MAX }
    }

    /// The most counts that are returned: the first of them. Otherwise it is 10 of [`values`](Self::values), and all of the others.
    pub fn limit(mut self, limit: usize) -> Self {
        self.limit = limit;
        self
    }
}

/// What a [`Facet`] counted.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct FacetCounts {
    /// The field.
    pub field: String,
    /// Values, or where intervals begin, and how many records have them.
    pub counts: Vec<FacetCount>,
    /// How many there are in all: more than `counts` if those were limited.
    pub distinct: u64,
    /// Records that have any value in the field.
    pub records: u64,
    /// The least value of those that the facet looks at: bools before numbers before strings before dates.
    pub min: Option<Value>,
    /// The greatest.
    pub max: Option<Value>,
}

/// A value and how many records have it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct FacetCount {
    /// The value; of an interval, where it begins: a number, or a year, month, day or hour as text.
    pub value: Value,
    /// Records that have it.
    pub count: u64,
}

/// How many records a query matches.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Total {
    /// How many.
    pub records: u64,
    /// Otherwise there may be more: the deadline passed, something is damaged, or a word with `*` or `~` stood for more terms than are looked for.
    pub is_exact: bool,
}
