//! Values of fields among the records that a query matches, counted.

use std::collections::BTreeMap;

use lexical_index::RowSet;
use metadata_index::{FieldValue, Filter};
use serde_json::Value;

use super::matched::live;
use crate::api::error::Result;
use crate::api::facet::{Facet, FacetCount, FacetCounts, FacetKind};
use crate::state::State;

/// The values of a field, in their order, and how many records have each.
pub(crate) fn values(state: &State, field: &str, filter: Option<&Filter>) -> Result<Vec<FacetCount>> {
    let rows = match filter {
        Some(filter) => state.matches(filter)?,
        None => state.views.iter().map(live).collect(),
    };
    let (values, _) = counted(state, &rows, &Facet::values(field))?;
    let count = |(value, count)| Ok(FacetCount { value: whole_value(state, &rows, field, &value)?, count });
    values.into_iter().map(count).collect()
}

pub(super) fn count(state: &State, rows: &[RowSet], facet: &Facet) -> Result<FacetCounts> {
    let (values, records) = counted(state, rows, facet)?;
    let whole = |value: &FieldValue| whole_value(state, rows, &facet.field, value);
    let min = values.first_key_value().map(|(value, _)| whole(value)).transpose()?;
    let max = values.last_key_value().map(|(value, _)| whole(value)).transpose()?;
    let (mut counts, distinct) = match facet.kind {
        FacetKind::Values => {
            let distinct = values.len();
            let mut values: Vec<(FieldValue, u64)> = values.into_iter().collect();
            values.sort_by_key(|(_, count)| std::cmp::Reverse(*count)); // stable
            values.truncate(facet.limit);
            let counted =
                |(value, count): &(FieldValue, u64)| Ok(FacetCount { value: whole(value)?, count: *count });
            (values.iter().map(counted).collect::<Result<Vec<_>>>()?, distinct)
        }
        FacetKind::Histogram(width) => {
            united(values, |value| value.as_f64().and_then(|number| beginning(number, width)))
        }
        FacetKind::Dates(unit) => united(values, |value| value.period(unit).map(Value::String)),
    };
    counts.truncate(facet.limit);
    Ok(FacetCounts { field: facet.field.clone(), counts, distinct: distinct as u64, records, min, max })
}

/// The values that a facet looks at, with their counts; and how many records have the field.
fn counted(state: &State, rows: &[RowSet], facet: &Facet) -> Result<(BTreeMap<FieldValue, u64>, u64)> {
    let as_points = matches!(facet.kind, FacetKind::Dates(_));
    let mut records = 0;
    let mut values: BTreeMap<FieldValue, u64> = BTreeMap::new();
    for (view, rows) in state.views.iter().zip(rows) {
        let index = &view.shard.filters;
        records += index.count_field(&facet.field, rows)?;
        index.count_values(&facet.field, rows, as_points, &mut |value, count| {
            if belongs(&facet.kind, &value) {
                *values.entry(value).or_default() += count;
            }
        })?;
    }
    Ok((values, records))
}

fn belongs(kind: &FacetKind, value: &FieldValue) -> bool {
    match kind {
        FacetKind::Values => true,
        FacetKind::Histogram(_) => value.as_f64().is_some(),
        FacetKind::Dates(_) => value.period(metadata_index::DateUnit::Year).is_some(),
    }
}

/// Where the interval of a number begins.
fn beginning(number: f64, width: f64) -> Option<Value> {
    let start = (number / width).floor() * width;
    #[expect(clippy::cast_possible_truncation, reason = "checked against the range")]
    let whole = (start.fract() == 0.0 && start.abs() < 2.0f64.powi(53)).then_some(start as i64);
    match whole {
        Some(whole) => Some(whole.into()),
        None => serde_json::Number::from_f64(start).map(Value::Number),
    }
}

/// Values in their order, those of one interval as one.
fn united(
    values: BTreeMap<FieldValue, u64>,
    interval: impl Fn(&FieldValue) -> Option<Value>,
) -> (Vec<FacetCount>, usize) {
    let mut counts: Vec<FacetCount> = Vec::new();
    for (value, count) in values {
        let Some(value) = interval(&value) else { continue };
        match counts.last_mut() {
            Some(last) if last.value == value => last.count += count,
            _ => counts.push(FacetCount { value, count }),
        }
    }
    let distinct = counts.len();
    (counts, distinct)
}

/// A value in JSON; of a long string, of which the index has the beginning, as a record has it.
fn whole_value(state: &State, rows: &[RowSet], field: &str, value: &FieldValue) -> Result<Value> {
    if value.is_cut() {
        for (view, rows) in state.views.iter().zip(rows) {
            let Some(row) = view.shard.filters.first_row(field, value, rows)? else { continue };
            let metadata = state.metadata_of(&view.shard, row)?;
            if let Some(string) = value.find_in(field, &metadata) {
                return Ok(Value::String(string));
            }
        }
    }
    Ok(value.to_json())
}
