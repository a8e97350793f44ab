//! Errors, as the engine passes them on.

use std::error::Error;
use std::fmt;

use datafusion::common::DataFusionError;

use crate::external;

/// An error that says which pack it is about.
pub(crate) fn about(name: &str, error: impl Into<Box<dyn Error + Send + Sync>>) -> DataFusionError {
    external(error).context(name.to_owned())
}

/// A pack that is not the one that a manifest names.
#[derive(Debug)]
pub(crate) struct Exchanged(pub(crate) String);

impl fmt::Display for Exchanged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for Exchanged {}
