//! Where packs are ↔ rows and JSON.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, RecordBatch, StringArray};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::{Result, exec_datafusion_err, plan_datafusion_err};
use datafusion::datasource::listing::ListingTableUrl;
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::datasource::source::DataSourceExec;
use datafusion::physical_plan::ExecutionPlan;
use serde_json::{Value, json};

/// Where an artifact is, and which version of it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Location {
    /// Its URL, which the column `pack` has.
    pub(crate) name: String,
    /// The URL of its store.
    pub(crate) store: String,
    pub(crate) path: String,
    /// The BLAKE3 hash that a pack ends with; `None`: no pack, or not known before it is fetched.
    pub(crate) hash: Option<String>,
}

/// The columns of rows that say where packs are. The marker tells them from rows of others.
pub(crate) fn schema() -> SchemaRef {
    let field = |name: &str, nullable| Field::new(name, DataType::Utf8, nullable);
    let fields = vec![field("pack", false), field("store", false), field("path", false), field("hash", true)];
    Arc::new(Schema::new_with_metadata(fields, [("rows".to_owned(), "locations of packs".to_owned())].into()))
}

/// An operator with a partition for each location; without any, one of no rows.
pub(crate) fn leaf(locations: &[Location]) -> Result<Arc<dyn ExecutionPlan>> {
    let mut partitions = locations
        .iter()
        .map(|location| Ok(vec![to_batch(std::slice::from_ref(location))?]))
        .collect::<Result<Vec<_>>>()?;
    if partitions.is_empty() {
        partitions.push(Vec::new());
    }
    Ok(MemorySourceConfig::try_new_exec(&partitions, schema(), None)?)
}

/// The rows below a search or a scan of packs, partition by partition, if a leaf of a plan has such rows: what an engine divides among machines. `None` for any other.
pub fn pack_partitions(leaf: &Arc<dyn ExecutionPlan>) -> Option<&[Vec<RecordBatch>]> {
    let memory = leaf.downcast_ref::<DataSourceExec>()?.data_source().downcast_ref::<MemorySourceConfig>()?;
    (memory.original_schema() == schema()).then(|| memory.partitions())
}

fn to_batch(locations: &[Location]) -> Result<RecordBatch> {
    let column = |value: &dyn Fn(&Location) -> Option<String>| -> ArrayRef {
        Arc::new(locations.iter().map(value).collect::<StringArray>())
    };
    let columns: Vec<ArrayRef> = vec![
        column(&|location| Some(location.name.clone())),
        column(&|location| Some(location.store.clone())),
        column(&|location| Some(location.path.clone())),
        column(&|location| location.hash.clone()),
    ];
    Ok(RecordBatch::try_new(schema(), columns)?)
}

/// The locations that rows say.
pub(crate) fn from_batch(batch: &RecordBatch) -> Result<Vec<Location>> {
    let column = |at: usize| {
        let column = batch.columns().get(at).and_then(|column| column.as_any().downcast_ref::<StringArray>());
        column.ok_or_else(|| exec_datafusion_err!("PackExec: expected locations of packs"))
    };
    let (names, stores, paths, hashes) = (column(0)?, column(1)?, column(2)?, column(3)?);
    let location = |row: usize| Location {
        name: names.value(row).to_owned(),
        store: stores.value(row).to_owned(),
        path: paths.value(row).to_owned(),
        hash: hashes.is_valid(row).then(|| hashes.value(row).to_owned()),
    };
    Ok((0..batch.num_rows()).map(location).collect())
}

/// A path or a URL. What the engine would take for a pattern of names is an error: part of it would be left out.
pub(crate) fn url_of(location: &str) -> Result<ListingTableUrl> {
    let url = ListingTableUrl::parse(location)?;
    literal(&url)?;
    Ok(url)
}

/// Refuses a location with a pattern of names.
pub(crate) fn literal(url: &ListingTableUrl) -> Result<()> {
    match url.get_glob() {
        None => Ok(()),
        Some(pattern) => Err(plan_datafusion_err!(
            "{url}: {pattern} would be a pattern of names, which a location cannot have; where a folder has `*`, `?` or `[` in its name, expected a URL with `%2A`, `%3F` or `%5B`"
        )),
    }
}

impl Location {
    pub(crate) fn to_json(&self) -> Value {
        json!([self.name, self.store, self.path, self.hash])
    }

    pub(crate) fn from_json(value: &Value) -> Result<Self> {
        let text = |at: usize| value.get(at).and_then(Value::as_str).map(str::to_owned);
        let location = || Some(Self { name: text(0)?, store: text(1)?, path: text(2)?, hash: text(3) });
        location().ok_or_else(|| plan_datafusion_err!("{value}: expected where a pack is"))
    }
}
