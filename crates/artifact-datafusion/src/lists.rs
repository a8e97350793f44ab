//! The lists of a query in a pack ↔ rows.

use std::collections::BTreeMap;
use std::sync::Arc;

use compact_artifact::{Query, RecordId, SearchList, SearchListHit, SearchLists};
use datafusion::arrow::array::{
    ArrayRef, AsArray, BooleanArray, Float32Array, RecordBatch, UInt32Array, UInt64Array,
};
use datafusion::arrow::datatypes::{DataType, Field, Float32Type, Schema, SchemaRef, UInt32Type, UInt64Type};
use datafusion::common::{Result, exec_datafusion_err};

use crate::batches::strings;
use crate::error::about;
use crate::packs::Source;

/// A row for each record in each list.
pub(crate) fn schema() -> SchemaRef {
    let field = |name: &str, data_type| Field::new(name, data_type, false);
    Arc::new(Schema::new(vec![
        field("pack", DataType::Utf8),
        field("list", DataType::UInt32),
        field("weight", DataType::Float32),
        field("id", DataType::UInt64),
        field("score", DataType::Float32),
        field("in_tail", DataType::Boolean),
    ]))
}

/// The lists of one pack. A damaged index is an error here: what it would have found may be what others are ranked behind.
pub(crate) fn make(source: &Source, query: &Query) -> Result<RecordBatch> {
    let lists = source.snapshot.search_lists(query).map_err(|e| about(source.name(), e))?;
    if let Some(loss) = lists.losses.first() {
        return Err(exec_datafusion_err!("{}: {loss}", source.name()));
    }
    let rows = || {
        (0u32..)
            .zip(&lists.lists)
            .flat_map(|(at, list)| list.hits.iter().map(move |hit| (at, list.weight, hit)))
    };
    let columns: Vec<ArrayRef> = vec![
        strings(rows().map(|_| Some(source.name()))),
        Arc::new(UInt32Array::from_iter_values(rows().map(|(at, ..)| at))),
        Arc::new(Float32Array::from_iter_values(rows().map(|(_, weight, _)| weight))),
        Arc::new(UInt64Array::from_iter_values(rows().map(|(.., hit)| hit.id.0))),
        Arc::new(Float32Array::from_iter_values(rows().map(|(.., hit)| hit.score))),
        Arc::new(rows().map(|(.., hit)| Some(hit.in_tail)).collect::<BooleanArray>()),
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
            list.hits.push(SearchListHit {
                id: RecordId(ids.value(row)),
                score: scores.value(row),
                in_tail: in_tail.value(row),
            });
        }
    }
    Ok(packs)
}
