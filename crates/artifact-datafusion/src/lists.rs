//! The lists of a query in a pack ↔ rows.

use std::collections::BTreeMap;
use std::sync::Arc;

use compact_artifact::{Candidates, Query, RecordId, SearchList, SearchListHit, SearchLists};
use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Float32Array, RecordBatch, UInt32Array, UInt64Array,
};
use datafusion::arrow::datatypes::{DataType, Field, Float32Type, Schema, SchemaRef, UInt32Type, UInt64Type};
use datafusion::common::{Result, exec_datafusion_err};

use crate::batches::strings;
use crate::error::about;
use crate::external;
use crate::packs::Source;

/// A row for each record in each list, and one for what was kept of graphs of vectors, of which only the first two columns and the last mean something.
pub(crate) fn schema() -> SchemaRef {
    let field = |name: &str, data_type| Field::new(name, data_type, false);
    Arc::new(Schema::new(vec![
        field("pack", DataType::Utf8),
        field("list", DataType::UInt32),
        field("weight", DataType::Float32),
        field("id", DataType::UInt64),
        field("score", DataType::Float32),
        field("in_tail", DataType::Boolean),
        Field::new("candidates", DataType::Utf8, true),
    ]))
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
    let candidates = |kept: Option<&Candidates>| kept.map(serde_json::to_string).transpose();
    let candidates = rows().map(|(.., kept)| candidates(kept)).collect::<std::result::Result<Vec<_>, _>>();
    let columns: Vec<ArrayRef> = vec![
        strings(rows().map(|_| Some(source.name()))),
        Arc::new(UInt32Array::from_iter_values(rows().map(|(at, ..)| at))),
        Arc::new(Float32Array::from_iter_values(rows().map(|(_, list, ..)| list.weight))),
        Arc::new(UInt64Array::from_iter_values(rows().map(|(_, _, hit, _)| hit.id.0))),
        Arc::new(Float32Array::from_iter_values(rows().map(|(_, _, hit, _)| hit.score))),
        Arc::new(rows().map(|(_, _, hit, _)| Some(hit.in_tail)).collect::<BooleanArray>()),
        strings(candidates.map_err(external)?.into_iter()),
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
        let candidates = batch.column(6).as_string::<i32>();
        for row in 0..batch.num_rows() {
            let name = names.value(row);
            if !packs.contains_key(name) {
                let lists = vec![SearchList::default(); clauses];
                packs.insert(name.to_owned(), SearchLists { lists, is_complete: true, losses: Vec::new() });
            }
            let list = packs.get_mut(name).and_then(|pack| pack.lists.get_mut(numbers.value(row) as usize));
            let list =
                list.ok_or_else(|| exec_datafusion_err!("{name}: a list that the query does not have"))?;
            list.weight = weights.value(row);
            if candidates.is_valid(row) {
                list.candidates = serde_json::from_str(candidates.value(row)).map_err(external)?;
                continue;
            }
            list.hits.push(SearchListHit {
                id: RecordId(ids.value(row)),
                score: scores.value(row),
                in_tail: in_tail.value(row),
            });
        }
    }
    Ok(packs)
}
