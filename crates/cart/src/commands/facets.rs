//! Fields to sort by and to count, from the command line and to it.

use compact_artifact::{DateUnit, Facet, FacetCounts, Order};

use crate::failure::Result;
use crate::output::{Output, count, several, shortened};

/// `year`, `year:asc` or `year:desc`.
pub(super) fn sort_key(text: &str) -> std::result::Result<(String, Order), String> {
    let (field, order) = match text.rsplit_once(':') {
        Some((field, "asc")) => (field, Order::Ascending),
        Some((field, "desc")) => (field, Order::Descending),
        Some((_, other)) => return Err(format!("expected :asc or :desc behind the field, found :{other}")),
        None => (text, Order::Ascending),
    };
    if field.is_empty() { Err("expected a field".to_owned()) } else { Ok((field.to_owned(), order)) }
}

/// `path` or `path:2`.
pub(super) fn group(text: &str) -> std::result::Result<(String, usize), String> {
    let (field, most) = match text.rsplit_once(':') {
        Some((field, most)) => {
            let most = most.parse().ok().filter(|&most| most > 0);
            (field, most.ok_or("expected a number above 0 behind the field")?)
        }
        None => (text, 1),
    };
    if field.is_empty() { Err("expected a field".to_owned()) } else { Ok((field.to_owned(), most)) }
}

/// `tags`, `price:10` or `published:month`.
pub(super) fn facet(text: &str) -> std::result::Result<Facet, String> {
    let (field, by) = text.rsplit_once(':').unwrap_or((text, ""));
    if field.is_empty() {
        return Err("expected a field".to_owned());
    }
    Ok(match by {
        "" => Facet::values(field),
        "year" => Facet::dates(field, DateUnit::Year),
        "month" => Facet::dates(field, DateUnit::Month),
        "day" => Facet::dates(field, DateUnit::Day),
        "hour" => Facet::dates(field, DateUnit::Hour),
        width => match width.parse::<f64>() {
            Ok(width) if width.is_finite() && width > 0.0 => Facet::histogram(field, width),
            _ => {
                return Err(format!(
                    "expected a number above 0, year, month, day or hour behind the field, found :{width}"
                ));
            }
        },
    })
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
