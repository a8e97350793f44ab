//! Fields to sort by and to count, from the command line and to it.

use compact_artifact::{DateUnit, Facet, FacetCounts, FieldType, MetadataField, Order, Snapshot};

use crate::failure::{Failure, Result};
use crate::output::{Output, count, several, shortened};

/// `year`, `year:asc` or `year:desc`.
pub(super) fn sort_key(text: &str) -> std::result::Result<(String, Order), String> {
    let (field, order) = match text.rsplit_once(':') {
        Some((field, "asc")) => (field, Order::Ascending),
        Some((field, "desc")) => (field, Order::Descending),
        Some((_, other)) => {
            return Err(format!(
                "expected :asc or :desc behind the field, found :{other}; of a field with a colon, {text}:asc"
            ));
        }
        None => (text, Order::Ascending),
    };
    if field.is_empty() { Err("expected a field".to_owned()) } else { Ok((field.to_owned(), order)) }
}

/// `path` or `path:2`.
pub(super) fn group(text: &str) -> std::result::Result<(String, usize), String> {
    let (field, most) = match text.rsplit_once(':') {
        Some((field, most)) => {
            let most = most.parse().ok().filter(|&most| most > 0);
            (
                field,
                most.ok_or_else(|| {
                    format!("expected a number above 0 behind the field; of a field with a colon, {text}:1")
                })?,
            )
        }
        None => (text, 1),
    };
    if field.is_empty() { Err("expected a field".to_owned()) } else { Ok((field.to_owned(), most)) }
}

/// A field whose values are counted.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Counted {
    field: String,
    by: By,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum By {
    Values,
    Width(f64),
    Unit(DateUnit),
}

impl Counted {
    pub(super) fn facet(&self) -> Facet {
        match self.by {
            By::Values => Facet::values(&self.field),
            By::Width(width) => Facet::histogram(&self.field, width),
            By::Unit(unit) => Facet::dates(&self.field, unit),
        }
    }
}

/// `tags`, `price:10` or `published:month`.
pub(super) fn facet(text: &str) -> std::result::Result<Counted, String> {
    let (field, by) = text.rsplit_once(':').unwrap_or((text, ""));
    if field.is_empty() {
        return Err("expected a field".to_owned());
    }
    let by = match by {
        "" => By::Values,
        "year" => By::Unit(DateUnit::Year),
        "month" => By::Unit(DateUnit::Month),
        "day" => By::Unit(DateUnit::Day),
        "hour" => By::Unit(DateUnit::Hour),
        width => match width.parse::<f64>() {
            Ok(width) if width.is_finite() && width > 0.0 => By::Width(width),
            _ => {
                return Err(format!(
                    "expected a number above 0, year, month, day or hour behind the field, found :{width}; of a field with a colon, {text}: counts the values"
                ));
            }
        },
    };
    Ok(Counted { field: field.to_owned(), by })
}

/// Refuses intervals of a field that has values, none of which is a number, and likewise dates.
pub(super) fn check_counted(asked: &[Counted], found: &[FacetCounts], snapshot: &Snapshot) -> Result<()> {
    for (Counted { field, by }, counts) in asked.iter().zip(found) {
        let (what, counted) = match by {
            By::Values => continue,
            By::Width(_) => ("numbers", FieldType::Number),
            By::Unit(_) => ("dates", FieldType::Date),
        };
        if !counts.counts.is_empty() {
            continue;
        }
        let has_others = |known: &MetadataField| known.name == *field && !known.types.contains(&counted);
        if snapshot.metadata_fields()?.iter().any(has_others) {
            return Err(Failure::usage(format_args!(
                "--facet: the values of {field:?} are no {what}; --facet {field} counts them as they are"
            )));
        }
    }
    Ok(())
}

/// Counts as a person reads them.
pub(super) fn publish(counts: &FacetCounts, output: &mut Output) -> Result<()> {
    let more = counts.distinct.saturating_sub(counts.counts.len() as u64);
    let records = several(counts.records, "record");
    let title = output.faint(format_args!("{} (in {records})", shortened(&counts.field, 60)));
    output.line(format_args!("{title}"))?;
    for counted in &counts.counts {
        let value = counted.value.as_str().map_or_else(|| counted.value.to_string(), str::to_owned);
        output.line(format_args!("  {:>9}  {}", count(counted.count), shortened(&value, 60)))?;
    }
    if more > 0 {
        output.line(format_args!("             and {}", several(more, "other value")))?;
    }
    Ok(())
}
