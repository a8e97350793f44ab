//! The lists of a query in a pack ↔ rows.

use std::collections::BTreeMap;
use std::sync::Arc;

use artifact_arrow::text_column;
use compact_artifact::{Candidates, Query, RecordId, SearchList, SearchListHit, SearchLists};
use datafusion::arrow::array::builder::{Float32Builder, ListBuilder};
use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Float32Array, RecordBatch, UInt32Array, UInt64Array,
};
use datafusion::arrow::datatypes::{DataType, Field, Float32Type, Schema, SchemaRef, UInt32Type, UInt64Type};
use datafusion::common::{Result, exec_datafusion_err};

use crate::error::about;
use crate::packs::Source;

/// A row for each record in each list, and one for the [`Candidates`] of graphs of vectors, of which only the first two columns and the last three mean something.
pub(crate) fn schema() -> SchemaRef {
    let field = |name: &str, data_type| Field::new(name, data_type, false);
    Arc::new(Schema::new(vec![
        field("pack", DataType::Utf8),
        field("list", DataType::UInt32),
        field("weight", DataType::Float32),
        field("id", DataType::UInt64),
        field("score", DataType::Float32),
        field("in_tail", DataType::Boolean),
        Field::new("width", DataType::UInt64, true),
        Field::new("reach", DataType::Float32, true),
        Field::new("scores", DataType::List(Arc::new(item())), true),
    ]))
}

/// A score of a candidate.
fn item() -> Field {
    Field::new_list_field(DataType::Float32, false)
}

/// The lists of one pack, as they are with all others or, `widely`, alone. A damaged index is an error here: what it would have found may be what others are ranked behind.
pub(crate) fn search(source: &Source, query: &Query, widely: bool) -> Result<SearchLists> {
    let snapshot = &source.snapshot;
    let lists = if widely { snapshot.search_lists_widely(query) } else { snapshot.search_lists(query) };
    let lists = lists.map_err(|e| about(source.name(), e))?;
    match lists.losses.first() {
        Some(loss) => Err(exec_datafusion_err!("{}: {loss}", source.name())),
        None => Ok(lists),
    }
}

/// The lists of one pack as rows.
pub(crate) fn make(source: &Source, query: &Query) -> Result<RecordBatch> {
    let lists = search(source, query, false)?;
    let none = SearchListHit { id: RecordId(0), score: 0.0, in_tail: false };
    let rows = || {
        (0u32..).zip(&lists.lists).flat_map(|(at, list)| {
            let kept = (list.candidates.width > 0).then_some((at, list, &none, Some(&list.candidates)));
            list.hits.iter().map(move |hit| (at, list, hit, None)).chain(kept)
        })
    };
    let mut scores = ListBuilder::new(Float32Builder::new()).with_field(item());
    for (.., kept) in rows() {
        if let Some(kept) = kept {
            scores.values().append_slice(&kept.scores);
        }
        scores.append(kept.is_some());
    }
    let columns: Vec<ArrayRef> = vec![
        text_column(rows().map(|_| Some(source.name()))),
        Arc::new(UInt32Array::from_iter_values(rows().map(|(at, ..)| at))),
        Arc::new(Float32Array::from_iter_values(rows().map(|(_, list, ..)| list.weight))),
        Arc::new(UInt64Array::from_iter_values(rows().map(|(_, _, hit, _)| hit.id.0))),
        Arc::new(Float32Array::from_iter_values(rows().map(|(_, _, hit, _)| hit.score))),
        Arc::new(rows().map(|(_, _, hit, _)| Some(hit.in_tail)).collect::<BooleanArray>()),
        Arc::new(rows().map(|(.., kept)| kept.map(|kept| kept.width as u64)).collect::<UInt64Array>()),
        Arc::new(rows().map(|(.., kept)| kept.and_then(|kept| kept.reach)).collect::<Float32Array>()),
        Arc::new(scores.finish()),
    ];
    Ok(RecordBatch::try_new(schema(), columns)?)
}

/// The lists of each pack, by its name.
pub(crate) fn collect(batches: &[RecordBatch], clauses: usize) -> Result<BTreeMap<String, SearchLists>> {
    let mut packs: BTreeMap<String, SearchLists> = BTreeMap::new();
    for batch in batches {
        let (names, numbers) =
            (batch.column(0).as_string::<i32>(), batch.column(1).as_primitive::<UInt32Type>());
        let weights = batch.column(2).as_primitive::<Float32Type>();
        let ids = batch.column(3).as_primitive::<UInt64Type>();
        let scores = batch.column(4).as_primitive::<Float32Type>();
        let in_tail = batch.column(5).as_boolean();
        let widths = batch.column(6).as_primitive::<UInt64Type>();
        let reaches = batch.column(7).as_primitive::<Float32Type>();
        let kept = batch.column(8).as_list::<i32>();
        // Rows of one pack come together.
        let mut row = 0;
        while row < batch.num_rows() {
            let name = names.value(row);
            let none = || SearchLists {
                lists: vec![SearchList::default(); clauses],
                is_complete: true,
                losses: Vec::new(),
            };
            let pack = packs.entry(name.to_owned()).or_insert_with(none);
            while row < batch.num_rows() && names.value(row) == name {
                let list = pack.lists.get_mut(numbers.value(row) as usize);
                let list =
                    list.ok_or_else(|| exec_datafusion_err!("{name}: a list that the query does not have"))?;
                list.weight = weights.value(row);
                if widths.is_valid(row) {
                    list.candidates = Candidates {
                        width: usize::try_from(widths.value(row)).unwrap_or(usize::MAX),
                        scores: kept.value(row).as_primitive::<Float32Type>().values().to_vec(),
                        reach: reaches.is_valid(row).then(|| reaches.value(row)),
                    };
                } else {
                    let (id, score) = (RecordId(ids.value(row)), scores.value(row));
                    list.hits.push(SearchListHit { id, score, in_tail: in_tail.value(row) });
                }
                row += 1;
            }
        }
    }
    Ok(packs)
}
