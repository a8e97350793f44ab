//! Records in the order of fields.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::sync::Arc;

use block_format::RecordId;
use lexical_index::RowSet;
use metadata_index::{Column, FieldValue};

use crate::api::error::Result;
use crate::api::facet::Order;
use crate::state::{State, View};

/// A field to sort by.
pub(super) type SortKey = (String, Order);

/// What a record is sorted by among those of all shards.
struct Sorted {
    values: Vec<Option<FieldValue>>,
    id: RecordId,
}

/// The first `depth` of some rows of each shard, in the order of fields, records without a field last; equals in the order of their ids.
pub(super) fn first(state: &State, rows: &[RowSet], by: &[SortKey], depth: usize) -> Result<Vec<RecordId>> {
    let mut sorted = Vec::new();
    for (view, rows) in state.views.iter().zip(rows) {
        if !rows.is_empty() {
            add_first(view, rows, by, depth, &mut sorted)?;
        }
    }
    sorted.sort_unstable_by(|a, b| compare(by, a, b));
    Ok(sorted.into_iter().take(depth).map(|record| record.id).collect())
}

/// Some records in the order of fields.
pub(super) fn sort(state: &State, ids: &mut Vec<RecordId>, by: &[SortKey]) -> Result<()> {
    let mut rows = vec![RowSet::new(); state.views.len()];
    for (view, rows) in state.views.iter().zip(&mut rows) {
        rows.extend(
            ids.iter().filter_map(|&id| view.shard.row_of(id)).filter(|&row| !view.dead.contains(row)),
        );
    }
    *ids = first(state, &rows, by, ids.len())?;
    Ok(())
}

fn compare(by: &[SortKey], a: &Sorted, b: &Sorted) -> Ordering {
    for ((_, order), (a, b)) in by.iter().zip(a.values.iter().zip(&b.values)) {
        let decided = match (a, b, order) {
            (Some(a), Some(b), Order::Ascending) => a.cmp(b),
            (Some(a), Some(b), Order::Descending) => b.cmp(a),
            _ => a.is_none().cmp(&b.is_none()),
        };
        if decided.is_ne() {
            return decided;
        }
    }
    a.id.cmp(&b.id)
}

/// Adds the first of a shard.
fn add_first(
    view: &View,
    rows: &RowSet,
    by: &[SortKey],
    depth: usize,
    sorted: &mut Vec<Sorted>,
) -> Result<()> {
    let shard = &view.shard;
    let columns: Vec<Arc<Column>> =
        by.iter().map(|(field, _)| shard.column(field, true)).collect::<Result<_>>()?;
    // Less is earlier.
    let place_in = |at: usize, row: u32| match by[at].1 {
        Order::Ascending => columns[at].least(row).wrapping_sub(1), // none is last
        Order::Descending => match columns[at].greatest(row) {
            0 => u32::MAX,
            place => u32::MAX - 1 - place,
        },
    };
    let ids = shard.ids();
    let mut best: BinaryHeap<(Vec<u32>, RecordId, u32)> = BinaryHeap::new();
    for row in rows {
        let first = place_in(0, row);
        if best.len() >= depth && best.peek().is_some_and(|worst| worst.0[0] < first) {
            continue;
        }
        let Some(id) = ids.id_of(row) else { continue };
        let places = std::iter::once(first).chain((1..by.len()).map(|at| place_in(at, row))).collect();
        best.push((places, id, row));
        if best.len() > depth {
            best.pop();
        }
    }
    for (_, id, row) in best {
        let values = by.iter().zip(&columns).map(|((_, order), column)| {
            let place = if *order == Order::Ascending { column.least(row) } else { column.greatest(row) };
            Ok(shard.filters.value_at(column, place as usize)?)
        });
        sorted.push(Sorted { values: values.collect::<Result<_>>()?, id });
    }
    Ok(())
}
