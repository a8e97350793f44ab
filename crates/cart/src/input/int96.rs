//! Timestamps of 96 bits in Parquet, of Spark and Impala. In nanoseconds of 64 bits, as which they are read otherwise, they begin again at the years 1677 and 2262.

use std::sync::Arc;

use arrow_schema::{DataType, FieldRef, Fields, Schema, SchemaRef, TimeUnit};
use parquet::basic::Type;
use parquet::schema::types::{ColumnDescPtr, SchemaDescriptor};

/// The schema with microseconds in the place of nanoseconds for such timestamps, if there are any.
pub(super) fn with_microseconds(schema: &Schema, parquet: &SchemaDescriptor) -> Option<SchemaRef> {
    let columns = parquet.columns();
    columns.iter().any(|column| column.physical_type() == Type::INT96).then(|| {
        let fields = fields(schema.fields(), &mut columns.iter());
        Arc::new(Schema::new_with_metadata(fields, schema.metadata().clone()))
    })
}

/// `columns` are those of the fields and of what follows, in that order.
fn fields<'c>(fields: &Fields, columns: &mut impl Iterator<Item = &'c ColumnDescPtr>) -> Fields {
    fields.iter().map(|inner| field(inner, columns)).collect()
}

fn field<'c>(read: &FieldRef, columns: &mut impl Iterator<Item = &'c ColumnDescPtr>) -> FieldRef {
    let data_type = match read.data_type() {
        DataType::Struct(inner) => DataType::Struct(fields(inner, columns)),
        DataType::List(item) => DataType::List(field(item, columns)),
        DataType::LargeList(item) => DataType::LargeList(field(item, columns)),
        DataType::FixedSizeList(item, len) => DataType::FixedSizeList(field(item, columns), *len),
        DataType::Map(entries, is_sorted) => DataType::Map(field(entries, columns), *is_sorted),
        column => match columns.next().map(|column| column.physical_type()) {
            Some(Type::INT96) => DataType::Timestamp(TimeUnit::Microsecond, None),
            _ => column.clone(),
        },
    };
    Arc::new(read.as_ref().clone().with_data_type(data_type))
}
