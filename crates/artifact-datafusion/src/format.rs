//! `STORED AS CART` in `COPY`.

use std::collections::HashMap;
use std::str::FromStr;
use std::sync::Arc;

use async_trait::async_trait;
use compact_artifact::{Metric, Originals};
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::Session;
use datafusion::common::{GetExt, Result, Statistics, not_impl_err, plan_datafusion_err};
use datafusion::datasource::file_format::file_compression_type::FileCompressionType;
use datafusion::datasource::file_format::{FileFormat, FileFormatFactory};
use datafusion::datasource::physical_plan::{FileScanConfig, FileSinkConfig, FileSource, JsonSource};
use datafusion::datasource::table_schema::TableSchema;
use datafusion::physical_expr::LexRequirement;
use datafusion::physical_plan::ExecutionPlan;
use object_store::{ObjectMeta, ObjectStore};

use crate::packs::Packs;
use crate::records::{Mapping, Names};
use crate::write::{self, WriteExec, WriteOptions};

/// Makes [`CartFormat`]s from the options of a `COPY`.
#[derive(Debug)]
pub(crate) struct CartFormatFactory(pub(crate) Arc<Packs>);

/// How rows become records, in `COPY (…) TO 'folder/' STORED AS CART OPTIONS (…)`.
///
/// The columns `key`, `text`, `blob` and `metadata` (JSON) are what they say; `vector_NAME`, a `FixedSizeList` of numbers, is the vectors of a space; `field_NAME` is a text beside the content; `id` and `pack`, which a table of
/// packs has, are left out, and `vector_meaning` is made anew by the embedder of the options of [`Packs`], without which it is an error; any other is a field of the metadata, unless `metadata` has a value there already. [`artifact_arrow`] has the table of types.
///
/// | option | what | default |
/// |---|---|---|
/// | `key`, `text`, `blob`, `metadata` | the name of that column | as above |
/// | `space` | the column of vectors of the space `vectors` | none |
/// | `metric` | how vectors are compared: `cosine`, `dot`, `l2` | `cosine` |
/// | `originals` | what is kept of vectors: `none`, `f16`, `f32` | `none` |
#[derive(Debug)]
pub struct CartFormat {
    packs: Arc<Packs>,
    names: Names,
}

impl GetExt for CartFormatFactory {
    fn get_ext(&self) -> String {
        "cart".to_owned()
    }
}

impl FileFormatFactory for CartFormatFactory {
    fn create(&self, _: &dyn Session, options: &HashMap<String, String>) -> Result<Arc<dyn FileFormat>> {
        let mut names = Names::default();
        for (option, value) in options {
            let value = value.clone();
            match option.strip_prefix("format.").unwrap_or(option) {
                "key" => names.key = value,
                "text" => names.text = value,
                "blob" => names.blob = value,
                "metadata" => names.metadata = value,
                "space" => names.space = Some(value),
                "metric" => names.metric = parsed::<Metric>("metric", &value)?,
                "originals" => names.originals = parsed::<Originals>("originals", &value)?,
                other => {
                    return Err(plan_datafusion_err!(
                        "no option {other:?}; expected key, text, blob, metadata, space, metric or originals"
                    ));
                }
            }
        }
        Ok(Arc::new(CartFormat { packs: self.0.clone(), names }))
    }

    fn default(&self) -> Arc<dyn FileFormat> {
        Arc::new(CartFormat { packs: self.0.clone(), names: Names::default() })
    }
}

fn parsed<T: FromStr>(option: &str, value: &str) -> Result<T>
where
    T::Err: std::fmt::Display,
{
    value.parse().map_err(|e| plan_datafusion_err!("option {option}: {e}"))
}

#[async_trait]
impl FileFormat for CartFormat {
    fn get_ext(&self) -> String {
        "cart".to_owned()
    }

    fn get_ext_with_compression(&self, _: &FileCompressionType) -> Result<String> {
        Ok(self.get_ext())
    }

    fn compression_type(&self) -> Option<FileCompressionType> {
        None
    }

    async fn infer_schema(
        &self,
        _: &dyn Session,
        _: &Arc<dyn ObjectStore>,
        _: &[ObjectMeta],
    ) -> Result<SchemaRef> {
        not_impl_err!("packs are read by CREATE EXTERNAL TABLE … STORED AS CART, or by CartTable")
    }

    async fn infer_stats(
        &self,
        _: &dyn Session,
        _: &Arc<dyn ObjectStore>,
        schema: SchemaRef,
        _: &ObjectMeta,
    ) -> Result<Statistics> {
        Ok(Statistics::new_unknown(&schema))
    }

    async fn create_physical_plan(
        &self,
        _: &dyn Session,
        _: FileScanConfig,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        not_impl_err!("packs are read by CREATE EXTERNAL TABLE … STORED AS CART, or by CartTable")
    }

    async fn create_writer_physical_plan(
        &self,
        input: Arc<dyn ExecutionPlan>,
        _: &dyn Session,
        config: FileSinkConfig,
        _: Option<LexRequirement>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let [url] = config.table_paths.as_slice() else {
            return not_impl_err!("packs are written to one location");
        };
        if !config.table_partition_cols.is_empty() {
            return not_impl_err!("packs are not PARTITIONED BY columns");
        }
        let mapping = Arc::new(Mapping::new(&config.output_schema, &self.names)?);
        let options = WriteOptions(self.packs.options());
        Ok(Arc::new(WriteExec::new(input, write::target(url)?, options, mapping)))
    }

    /// Of no use: the schema of packs is never inferred here, and so nothing is read.
    fn file_source(&self, schema: TableSchema) -> Arc<dyn FileSource> {
        Arc::new(JsonSource::new(schema))
    }
}
