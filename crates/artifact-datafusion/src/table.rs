//! Artifacts as a table of records.

use std::sync::Arc;

use artifact_arrow::Columns;
use async_trait::async_trait;
use compact_artifact::Filter;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::{Session, TableProvider, TableProviderFactory};
use datafusion::common::stats::Precision;
use datafusion::common::{Result, Statistics, plan_datafusion_err};
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::logical_expr::{CreateExternalTable, Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use serde_json::{Value, json};

use crate::columns;
use crate::filter;
use crate::location::Location;
use crate::pack_exec::{PackExec, Work};
use crate::packs::{Packs, Source, Sources};

/// The records of an artifact, a pack, or a folder of packs, as they were when it was opened. What [expires](compact_artifact::Options::expires_at) afterwards stays in it for this process; other processes that run parts of a plan read packs without it.
///
/// Columns: `id` (unique in its pack), `key`, `text`, `blob`, `metadata` (JSON), `pack` (its URL); `vector_NAME` for each vector space; `field_NAME` for each field of texts beside the content; and each field of the metadata in which no record
/// has several values and all have one type. Those are `Boolean`, `Int64`, `Float64` where all numbers fit, or `Utf8`, dates included; a field whose name is taken, or begins with `field_` or `vector_`, has no column.
///
/// | condition on such a field | by the index |
/// |---|---|
/// | `= <> < <= > >= BETWEEN IN`, with a literal | numbers; strings, unless the literal is a date |
/// | `= <> IN`, the field alone | bools |
/// | `LIKE 'x%'` | strings |
/// | `IS NULL`, `IS NOT NULL` | all but dates |
/// | `AND`, `OR`, `NOT` of those | as in SQL: what is `NULL` is neither true nor false |
/// | dates; `NaN` and 0 beside `Float64`; any other | no: DataFusion looks at each record |
#[derive(Debug)]
pub struct CartTable {
    packs: Arc<Packs>,
    locations: Vec<Location>,
    /// Those that are open.
    sources: Arc<Sources>,
    columns: Columns,
    /// How many records there are; `None` where some may expire before another process reads them.
    records: Option<u64>,
}

impl CartTable {
    /// Opens what is at a location: a path, or a URL whose store is registered with the session.
    pub async fn open(packs: &Arc<Packs>, location: &str, runtime: &RuntimeEnv) -> Result<Self> {
        let sources = packs.open_all(location, runtime).await?;
        let (sources, columns) =
            crate::on_a_thread(move || columns::of_sources(&sources).map(|columns| (sources, columns)))
                .await??;
        Ok(Self {
            packs: packs.clone(),
            locations: sources.iter().map(|source| source.location.clone()).collect(),
            records: sources.iter().map(Source::lasting_records).sum(),
            sources: Arc::new(sources.into_iter().map(|source| (source.name().to_owned(), source)).collect()),
            columns,
        })
    }

    pub(crate) fn to_json(&self) -> Value {
        let locations: Value = self.locations.iter().map(Location::to_json).collect();
        json!({"locations": locations, "columns": columns::to_json(&self.columns), "records": self.records})
    }

    pub(crate) fn from_json(value: &Value, packs: Arc<Packs>) -> Result<Self> {
        let locations = value["locations"].as_array().map(Vec::as_slice).unwrap_or_default();
        Ok(Self {
            packs,
            locations: locations.iter().map(Location::from_json).collect::<Result<_>>()?,
            sources: Arc::default(),
            columns: columns::from_json(&value["columns"])?,
            records: value["records"].as_u64(),
        })
    }

    fn filter(&self, condition: &Expr) -> Option<Filter> {
        filter::translate(condition, &self.columns)
    }
}

#[async_trait]
impl TableProvider for CartTable {
    fn schema(&self) -> SchemaRef {
        self.columns.schema.clone()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        let supports = |filter: &&Expr| match self.filter(filter) {
            Some(_) => TableProviderFilterPushDown::Exact,
            None => TableProviderFilterPushDown::Unsupported,
        };
        Ok(filters.iter().map(supports).collect())
    }

    async fn scan(
        &self,
        _: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let translated = |condition: &Expr| {
            self.filter(condition).ok_or_else(|| plan_datafusion_err!("{condition}: no filter of the index"))
        };
        let filters = filters.iter().map(translated).collect::<Result<Vec<_>>>()?;
        let filter = (!filters.is_empty()).then(|| Filter::all(filters));
        let columns = Arc::new(columns::project(&self.columns, projection)?);
        let work = Work::Scan { columns, filter, limit };
        PackExec::over(self.packs.clone(), &self.locations, self.sources.clone(), work, self.records)
    }

    fn statistics(&self) -> Option<Statistics> {
        let mut statistics = Statistics::new_unknown(&self.columns.schema);
        let records = self.records.and_then(|records| usize::try_from(records).ok());
        statistics.num_rows = records.map_or(Precision::Absent, Precision::Exact);
        Some(statistics)
    }
}

/// `CREATE EXTERNAL TABLE name STORED AS CART LOCATION '…'`.
#[derive(Debug)]
pub(crate) struct CartTableFactory(pub(crate) Arc<Packs>);

#[async_trait]
impl TableProviderFactory for CartTableFactory {
    async fn create(
        &self,
        state: &dyn Session,
        command: &CreateExternalTable,
    ) -> Result<Arc<dyn TableProvider>> {
        let unused = [
            ("columns", !command.schema.fields().is_empty()),
            ("PARTITIONED BY", !command.table_partition_cols.is_empty()),
            ("WITH ORDER", !command.order_exprs.is_empty()),
            ("OPTIONS", !command.options.is_empty()),
        ];
        if let Some((what, _)) = unused.iter().find(|(_, is_there)| *is_there) {
            return Err(plan_datafusion_err!("{}: a table of packs takes no {what}", command.name));
        }
        let [location] = command.locations.as_slice() else {
            return Err(plan_datafusion_err!("{}: a table of packs has one location", command.name));
        };
        Ok(Arc::new(CartTable::open(&self.0, location, state.runtime_env()).await?))
    }
}
