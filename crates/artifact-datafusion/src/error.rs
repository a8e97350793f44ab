//! Errors, as the engine passes them on.

use datafusion::common::DataFusionError;

use crate::external;

/// An error that says which pack it is about.
pub(crate) fn about(
    name: &str,
    error: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> DataFusionError {
    external(error).context(name.to_owned())
}
