//! Packs that are missing or damaged, where queries go on without them.

use std::error::Error;
use std::sync::{Mutex, PoisonError};

use compact_artifact::ErrorKind;
use datafusion::common::{DataFusionError, Result};

use crate::error::Exchanged;

/// How many packs are remembered.
const MAX: usize = 10_000;

/// A pack that queries went on without: see [`Packs::leave_out_unreadable`](crate::Packs::leave_out_unreadable).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    /// Its URL.
    pub pack: String,
    /// What is wrong with it.
    pub reason: String,
}

/// Packs that were left out, each once.
#[derive(Debug, Default)]
pub(crate) struct List(Mutex<Vec<LeftOut>>);

impl List {
    pub(crate) fn all(&self) -> Vec<LeftOut> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The error, unless it says that a pack is missing or damaged: then that is remembered. Refused credentials, or a network that is down, are no reason to leave out anything.
    pub(crate) fn take(&self, pack: &str, error: DataFusionError) -> Result<()> {
        if !is_unreadable(&error) {
            return Err(error);
        }
        let mut list = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        list.retain(|left_out| left_out.pack != pack);
        if list.len() == MAX {
            list.remove(0);
        }
        list.push(LeftOut { pack: pack.to_owned(), reason: error.to_string() });
        Ok(())
    }

    /// A pack that was read is none of them.
    pub(crate) fn was_read(&self, pack: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|left_out| left_out.pack != pack);
    }
}

fn is_unreadable(error: &DataFusionError) -> bool {
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<compact_artifact::Error>() {
            use ErrorKind::{Damaged, Foreign, NotAnArtifact, NotFound};
            return matches!(error.kind(), Damaged | Foreign | NotAnArtifact | NotFound);
        }
        if let Some(error) = error.downcast_ref::<object_store::Error>() {
            return matches!(error, object_store::Error::NotFound { .. });
        }
        if error.is::<Exchanged>() {
            return true;
        }
        cause = error.source();
    }
    false
}
