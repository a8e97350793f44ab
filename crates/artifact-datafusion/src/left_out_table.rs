//! `cart_left_out`: the packs that queries went on without, as a table.

use std::sync::Arc;

use datafusion::arrow::array::{RecordBatch, StringArray};
use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::catalog::{MemTable, TableFunctionArgs, TableFunctionImpl, TableProvider};
use datafusion::common::{Result, plan_datafusion_err};

use crate::left_out::LeftOut;
use crate::packs::Packs;

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
