//! Values of fields among the records that a query matches, counted.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use lexical_index::RowSet;
use metadata_index::{Column, FieldValue, Filter};
use serde_json::Value;

use crate::api::error::{Error, Result};
use crate::api::facet::{Facet, FacetCount, FacetCounts, FacetKind};
use crate::search::intervals::{Begin, Width};
use crate::state::{State, View};

/// A field of a shard, and how many rows have each value of it.
struct Counted<'a> {
    view: &'a View,
    rows: &'a RowSet,
    column: Arc<Column>,
    /// Of the value at place 1 first.
    counts: Vec<u32>,
    /// Rows with any value.
    with_any: u64,
}

/// The values of a field, in their order, and how many records have each.
pub(crate) fn values(state: &State, field: &str, filter: Option<&Filter>) -> Result<Vec<FacetCount>> {
    let rows = match filter {
        Some(filter) => state.matches(filter)?,
        None => state.views.iter().map(View::live_rows).collect(),
    };
    let counted = counted(state, &rows, field, false)?;
    let count =
        |(value, count)| Ok(FacetCount { value: whole_value(state, &counted, field, &value)?, count });
    united(&counted)?.into_iter().map(count).collect()
}

/// What a facet counts among some rows of each shard.
pub(super) fn count(state: &State, rows: &[RowSet], facet: &Facet) -> Result<FacetCounts> {
    let field = &facet.field;
    let counted = counted(state, rows, field, facet.kind != FacetKind::Values)?;
    let (mut counts, distinct) = match facet.kind {
        FacetKind::Values => most_frequent(state, &counted, facet)?,
        FacetKind::Histogram(width) => intervals(&counted, field, width)?,
        FacetKind::Dates(unit) => {
            let of_each = |field: &Counted<'_>| {
                field.in_groups(field.column.date_places(), |at| field.column.period(at, unit))
            };
            let periods = added_up(counted.iter().flat_map(of_each).collect(), Ord::cmp);
            listed(periods, |period| Some(Value::String(period.as_ref()?.to_string())))
        }
    };
    counts.truncate(facet.limit);
    let records = counted.iter().map(|field| field.with_any).sum();
    let (least, greatest) = bounds(&counted, facet.kind)?;
    let whole = |value: &FieldValue| whole_value(state, &counted, field, value);
    Ok(FacetCounts {
        field: field.clone(),
        counts,
        distinct,
        records,
        min: least.as_ref().map(whole).transpose()?,
        max: greatest.as_ref().map(whole).transpose()?,
    })
}

fn counted<'a>(
    state: &'a State,
    rows: &'a [RowSet],
    field: &str,
    as_points: bool,
) -> Result<Vec<Counted<'a>>> {
    let some = state.views.iter().zip(rows).filter(|(_, rows)| !rows.is_empty());
    let count = |(view, rows): (&'a View, &'a RowSet)| {
        let column = view.shard.column(field, as_points)?;
        let (counts, with_any) = column.count(rows);
        Ok(Counted { view, rows, column, counts, with_any })
    };
    some.map(count).collect()
}

/// The values that most records have.
fn most_frequent(state: &State, counted: &[Counted<'_>], facet: &Facet) -> Result<(Vec<FacetCount>, u64)> {
    let values: Vec<(FieldValue, u64)>;
    let distinct;
    if let [only] = counted {
        let mut places: Vec<usize> = (0..only.counts.len()).filter(|&at| only.counts[at] > 0).collect();
        distinct = places.len();
        let order = |at: &usize| (Reverse(only.counts[*at]), *at);
        if facet.limit < places.len() {
            places.select_nth_unstable_by_key(facet.limit, order);
            places.truncate(facet.limit);
        }
        places.sort_unstable_by_key(order);
        let value = |at: usize| {
            Ok(only.view.shard.filters.value_at(&only.column, at + 1)?.map(|v| (v, only.counts[at].into())))
        };
        values = places.into_iter().filter_map(|at| value(at).transpose()).collect::<Result<_>>()?;
    } else {
        let mut all = united(counted)?;
        distinct = all.len();
        all.sort_by_key(|(_, count)| Reverse(*count)); // stable
        all.truncate(facet.limit);
        values = all;
    }
    let count = |(value, count): (FieldValue, u64)| {
        Ok(FacetCount { value: whole_value(state, counted, &facet.field, &value)?, count })
    };
    Ok((values.into_iter().map(count).collect::<Result<_>>()?, distinct as u64))
}

/// The values of all shards, in their order.
fn united(counted: &[Counted<'_>]) -> Result<Vec<(FieldValue, u64)>> {
    let mut values: BTreeMap<FieldValue, u64> = BTreeMap::new();
    for field in counted {
        let mut counts = field.counts.iter();
        field.view.shard.filters.each_value(&field.column, &mut |value| match counts.next() {
            None | Some(0) => {}
            Some(&count) => *values.entry(value).or_default() += u64::from(count),
        })?;
    }
    Ok(values.into_iter().collect())
}

/// Numbers by intervals so wide. Where one of them begins is a number, or an error.
fn intervals(counted: &[Counted<'_>], field: &str, width: f64) -> Result<(Vec<FacetCount>, u64)> {
    let intervals = Width::new(width);
    let of_each = |field: &Counted<'_>| {
        let begin = |at| field.column.number(at).and_then(|(nearest, rest)| intervals.begin(nearest, rest));
        field.in_groups(field.column.number_places(), begin)
    };
    let each: Option<Vec<(Begin, u64)>> =
        counted.iter().flat_map(of_each).map(|(begin, count)| Some((begin?, count))).collect();
    let Some(each) = each else {
        let message = format!(
            "a facet of {field:?}: intervals {width:e} wide begin, for some of the values, beyond what 64-bit numbers reach; expected another width"
        );
        return Err(Error::invalid(message));
    };
    Ok(listed(added_up(each, Begin::compare), Begin::value))
}

impl Counted<'_> {
    /// How many rows have a value of each group, of the values at these places. `group` is that of a value by its number among them, and ascends with it:
    /// the ends of groups are searched for, so that most values are never looked at.
    fn in_groups<T: PartialEq>(&self, places: Range<usize>, group: impl Fn(usize) -> T) -> Vec<(T, u64)> {
        let counts = &self.counts[places.clone()];
        let (mut groups, mut starts) = (Vec::new(), Vec::new());
        let mut at = 0;
        while at < counts.len() {
            let this = group(at);
            let (mut inside, mut step) = (at, 1);
            while inside + step < counts.len() && group(inside + step) == this {
                inside += step;
                step *= 2;
            }
            let mut end = (inside + step).min(counts.len());
            while inside + 1 < end {
                let middle = inside.midpoint(end);
                if group(middle) == this { inside = middle } else { end = middle }
            }
            groups.push((this, counts[at..end].iter().map(|&count| u64::from(count)).sum()));
            starts.push(at);
            at = end;
        }
        // A row counts once, however many of its values are in a group.
        self.column.each_pair(self.rows, &mut |first, second| {
            let group_at = |place| {
                places.contains(&place).then(|| starts.partition_point(|&at| at <= place - places.start))
            };
            if let (Some(first), Some(second)) = (group_at(first), group_at(second))
                && first == second
            {
                groups[first - 1].1 -= 1;
            }
        });
        groups.retain(|&(_, count)| count > 0);
        groups
    }
}

/// Adds up what is counted for the same thing in several shards, in the order of things.
fn added_up<T: PartialEq>(
    mut counts: Vec<(T, u64)>,
    compare: impl Fn(&T, &T) -> std::cmp::Ordering,
) -> Vec<(T, u64)> {
    counts.sort_by(|a, b| compare(&a.0, &b.0));
    let mut all: Vec<(T, u64)> = Vec::with_capacity(counts.len());
    for (thing, count) in counts {
        match all.last_mut() {
            Some((last, sum)) if *last == thing => *sum += count,
            _ => all.push((thing, count)),
        }
    }
    all
}

fn listed<T>(counts: Vec<(T, u64)>, value: impl Fn(&T) -> Option<Value>) -> (Vec<FacetCount>, u64) {
    let distinct = counts.len() as u64;
    let count = |(thing, count): (T, u64)| Some(FacetCount { value: value(&thing)?, count });
    (counts.into_iter().filter_map(count).collect(), distinct)
}

/// The least and the greatest value that a facet of this kind looks at.
fn bounds(counted: &[Counted<'_>], kind: FacetKind) -> Result<(Option<FieldValue>, Option<FieldValue>)> {
    let (mut least, mut greatest): (Option<FieldValue>, Option<FieldValue>) = (None, None);
    for field in counted {
        let mut range: Range<usize> = match kind {
            FacetKind::Values => 0..field.counts.len(),
            FacetKind::Histogram(_) => field.column.number_places(),
            FacetKind::Dates(_) => field.column.date_places(),
        };
        let is_there = |at: &usize| field.counts[*at] > 0;
        let value = |at: usize| field.view.shard.filters.value_at(&field.column, at + 1);
        let Some(first) = range.find(is_there) else { continue };
        let last = range.rfind(is_there).unwrap_or(first);
        let (first, last) = (value(first)?, value(last)?);
        least = first.into_iter().chain(least).min();
        greatest = last.into_iter().chain(greatest).max();
    }
    Ok((least, greatest))
}

/// A value in JSON; of a long string, of which the index has the beginning, as a record has it.
fn whole_value(state: &State, counted: &[Counted<'_>], field: &str, value: &FieldValue) -> Result<Value> {
    if value.is_cut() {
        for found in counted {
            let Some(row) = found.view.shard.filters.first_row(field, value, found.rows)? else { continue };
            let metadata = state.metadata_of(&found.view.shard, row)?;
            if let Some(string) = value.find_in(field, &metadata) {
                return Ok(Value::String(string));
            }
        }
    }
    Ok(value.to_json())
}
