//! Packs that are missing or damaged, where queries go on without them.

use std::error::Error;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use compact_artifact::ErrorKind;
use datafusion::arrow::array::{RecordBatch, StringArray};
use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::catalog::{MemTable, TableFunctionArgs, TableFunctionImpl, TableProvider};
use datafusion::common::{DataFusionError, Result, plan_datafusion_err};

use crate::packs::Packs;

/// How many packs are remembered.
const MAX: usize = 10_000;

/// A pack that queries went on without: see [`Packs::leave_out_unreadable`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    /// Its URL.
    pub pack: String,
    /// What is wrong with it.
    pub reason: String,
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

/// `cart_left_out()`: a table of them.
#[derive(Debug)]
pub(crate) struct LeftOutFunction(pub(crate) Arc<Packs>);

impl TableFunctionImpl for LeftOutFunction {
    fn call_with_args(&self, args: TableFunctionArgs<'_, '_>) -> Result<Arc<dyn TableProvider>> {
        if !args.exprs().is_empty() {
            return Err(plan_datafusion_err!("cart_left_out: expected no arguments"));
        }
        let list = self.0.left_out();
        let schema = ["pack", "reason"].map(|name| Field::new(name, DataType::Utf8, false));
        let schema = Arc::new(Schema::new(schema.to_vec()));
        let column =
            |value: fn(&LeftOut) -> &str| Arc::new(StringArray::from_iter_values(list.iter().map(value)));
        let (packs, reasons) = (column(|left_out| &left_out.pack), column(|left_out| &left_out.reason));
        let batch = RecordBatch::try_new(schema.clone(), vec![packs, reasons])?;
        Ok(Arc::new(MemTable::try_new(schema, vec![vec![batch]])?))
    }
}
