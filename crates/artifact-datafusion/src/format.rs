//! `STORED AS CART` in `COPY`.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::Session;
use datafusion::common::{GetExt, Result, Statistics, not_impl_err};
use datafusion::datasource::file_format::file_compression_type::FileCompressionType;
use datafusion::datasource::file_format::{FileFormat, FileFormatFactory};
use datafusion::datasource::physical_plan::{FileScanConfig, FileSinkConfig, FileSource, JsonSource};
use datafusion::datasource::table_schema::TableSchema;
use datafusion::physical_expr::LexRequirement;
use datafusion::physical_plan::ExecutionPlan;
use object_store::{ObjectMeta, ObjectStore};

use crate::make_exec::MakeExec;
use crate::packs::Packs;
use crate::records::Names;
use crate::target::Target;
use crate::write::WriteExec;

/// Makes [`CartFormat`]s from the options of a `COPY`.
#[derive(Debug)]
pub(crate) struct CartFormatFactory {
    pub(crate) packs: Arc<Packs>,
    /// Those that came with a plan; others come when a format is made.
    pub(crate) options: HashMap<String, String>,
}

/// How rows become records, in `COPY (…) TO 'folder/' STORED AS CART OPTIONS (…)`.
///
/// The columns `key`, `text`, `blob` and `metadata` (JSON) are what they say; `vector_NAME`, a `FixedSizeList` of numbers, is the vectors of a space; `field_NAME` is a text beside the content; `id` and `pack`, which a table of
/// packs has, are left out unless an option names them, and `vector_meaning` is made anew by the embedder of the options of [`Packs`], without which it is an error; any other is a field of the metadata, in the place of the value that `metadata` has there; null leaves that as it is. [`artifact_arrow`] has the table of types.
///
/// | option | what | default |
/// |---|---|---|
/// | `key`, `text`, `blob`, `metadata` | the name of that column | as above |
/// | `space` | the column of vectors of the space `vectors` | none |
/// | `metric` | how vectors are compared: `cosine`, `dot`, `l2` | `cosine` |
/// | `originals` | what is kept of vectors: `none`, `residual`, `f16`, `f32` | `residual` |
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
        let mut all = self.options.clone();
        all.extend(options.clone());
        Ok(Arc::new(CartFormat { packs: self.packs.clone(), names: Names::from_options(&all)? }))
    }

    fn default(&self) -> Arc<dyn FileFormat> {
        Arc::new(CartFormat { packs: self.packs.clone(), names: Names::default() })
    }
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
        let target = Target::new(url)?;
        let packs = MakeExec::new(input, target.clone(), self.packs.options(), self.names.clone())?;
        Ok(Arc::new(WriteExec::over(packs, target)))
    }

    /// Of no use: the schema of packs is never inferred here, and so nothing is read.
    fn file_source(&self, schema: TableSchema) -> Arc<dyn FileSource> {
        Arc::new(JsonSource::new(schema))
    }
}
