//! The options of a `COPY` in its format, where they are not lost.

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::config::ConfigOptions;
use datafusion::datasource::file_format::{file_type_to_format, format_as_file_type};
use datafusion::logical_expr::{LogicalPlan, dml::CopyTo};

use datafusion::optimizer::AnalyzerRule;

use crate::format::CartFormatFactory;

/// For sessions that send logical plans to other processes: the messages of the engine have the format of a `COPY`, and not the `OPTIONS` beside it. This rule puts them into the format.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct KeepCopyOptions;

impl AnalyzerRule for KeepCopyOptions {
    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        let LogicalPlan::Copy(copy) = &plan else { return Ok(plan) };
        let Ok(format) = file_type_to_format(&copy.file_type) else { return Ok(plan) };
        let Some(format) = format.downcast_ref::<CartFormatFactory>() else { return Ok(plan) };
        let mut options = format.options.clone();
        options.extend(copy.options.clone());
        let format = Arc::new(CartFormatFactory { packs: format.packs.clone(), options });
        Ok(LogicalPlan::Copy(CopyTo::new(
            copy.input.clone(),
            copy.output_url.clone(),
            copy.partition_by.clone(),
            format_as_file_type(format),
            copy.options.clone(),
        )))
    }

    fn name(&self) -> &'static str {
        "keep_copy_options"
    }
}
