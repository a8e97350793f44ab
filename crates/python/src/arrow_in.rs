//! A table of Arrow → records.

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Float16Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type,
    UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::{DataType, SchemaRef};
use compact_artifact::{Record, Space, json};
use pyo3::prelude::*;
use serde_json::{Map, Value};

use crate::arrow_check::{check, dictionary_key};
use crate::capsule::Stream;
use crate::errors::invalid;

/// What a column is of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Role {
    Text,
    Blob,
    Key,
    /// A struct, or JSON.
    Metadata,
    /// Vectors of the space of this name.
    Embedding(String),
    /// Texts of the field of this name.
    Field(String),
    /// A field of the metadata of this name.
    Value(String),
}

/// A table, all of it in memory.
pub(crate) struct Table {
    roles: Vec<Role>,
    batches: Vec<RecordBatch>,
    /// How many rows there are before each batch.
    starts: Vec<usize>,
    len: usize,
}

impl Table {
    pub(crate) fn read(
        table: &Bound<'_, PyAny>,
        spaces: &[Space],
        fields: &[(String, u32)],
    ) -> PyResult<Self> {
        let py = table.py();
        let mut stream = Stream::import(&table.call_method0("__arrow_c_stream__")?)?;
        let roles = roles(stream.schema(), spaces, fields)?;
        let (mut batches, mut starts, mut len) = (Vec::new(), Vec::new(), 0);
        // A stream of Python, such as a generator of batches, takes the interpreter itself.
        while let Some(batch) = stream.next_batch()? {
            if batch.num_rows() == 0 {
                continue;
            }
            starts.push(len);
            len += batch.num_rows();
            batches.push(batch);
        }
        let table = Self { roles, batches, starts, len };
        py.detach(|| table.check()).map_err(invalid)?;
        Ok(table)
    }

    /// What cannot be read is said before anything is stored.
    fn check(&self) -> Result<(), String> {
        for (batch, start) in self.batches.iter().zip(&self.starts) {
            for (field, column) in batch.schema_ref().fields().iter().zip(batch.columns()) {
                check(column).map_err(|wrong| in_column(start + wrong.row, field.name(), &wrong.what))?;
            }
            self.check_content(batch, *start)?;
        }
        Ok(())
    }

    /// Refuses a row with neither a text nor a blob; in a table without a column for them, one without an embedding.
    fn check_content(&self, batch: &RecordBatch, start: usize) -> Result<(), String> {
        let is_embedding = |role: &Role| matches!(role, Role::Embedding(_));
        let content = self.roles.iter().position(|role| matches!(role, Role::Text | Role::Blob));
        let columns: Vec<usize> = match content {
            Some(column) => vec![column],
            None => (0..self.roles.len()).filter(|&column| is_embedding(&self.roles[column])).collect(),
        };
        let name = |&column: &usize| format!("{:?}", batch.schema_ref().field(column).name());
        for row in 0..batch.num_rows() {
            let mut is_without = true;
            for column in &columns {
                is_without &= is_missing(batch.column(*column), row).map_err(|what| {
                    format!("row {} of the table, column {}: {what}", start + row, name(column))
                })?;
            }
            if is_without {
                let (row, names) = (start + row, columns.iter().map(name).collect::<Vec<_>>().join(" or "));
                return Err(format!(
                    "row {row} of the table: a record without content; expected a value in the column {names}, found null"
                ));
            }
        }
        Ok(())
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// A row as a record.
    pub(crate) fn record(&self, row: usize) -> PyResult<Record> {
        let at = self.starts.partition_point(|&start| start <= row).saturating_sub(1);
        let (batch, inside) = (&self.batches[at], row - self.starts[at]);
        self.record_in(batch, inside).map_err(|Refused(name, what)| invalid(in_column(row, &name, &what)))
    }

    fn record_in(&self, batch: &RecordBatch, row: usize) -> Result<Record, Refused> {
        let schema = batch.schema();
        let mut record = Record::blob([]);
        let (mut metadata, mut rest) = (Map::new(), Vec::new());
        for (number, role) in self.roles.iter().enumerate() {
            let (array, name) = (batch.column(number), schema.field(number).name());
            let refused = |what: String| Refused(name.clone(), what);
            match role {
                _ if is_missing(array, row).map_err(refused)? => {}
                Role::Value(name) => {
                    insert(&mut metadata, name.clone(), value(array, row).map_err(refused)?)
                        .map_err(refused)?;
                }
                Role::Text => record = Record::text(string(array, row).map_err(refused)?),
                Role::Blob => record = Record::blob(bytes(array, row).map_err(refused)?),
                Role::Metadata => match object(array, row).map_err(refused)? {
                    Value::Object(object) => {
                        for (name, value) in object {
                            insert(&mut metadata, name, value).map_err(refused)?;
                        }
                    }
                    other => return Err(refused(format!("expected a JSON object, found {other}"))),
                },
                _ => rest.push((role, array, name)),
            }
        }
        if !metadata.is_empty() {
            record = record.metadata(metadata);
        }
        for (role, array, name) in rest {
            let refused = |what: String| Refused(name.clone(), what);
            record = match role {
                Role::Key => record.key(string(array, row).map_err(refused)?),
                Role::Field(field) => record.field(field, string(array, row).map_err(refused)?),
                Role::Embedding(space) => record.embedding(space, vector(array, row).map_err(refused)?),
                Role::Text | Role::Blob | Role::Metadata | Role::Value(_) => record,
            };
        }
        Ok(record)
    }
}

/// Puts a field into an object that has none of its name.
fn insert(object: &mut Map<String, Value>, name: String, value: Value) -> Result<(), String> {
    if object.contains_key(&name) {
        return Err(format!("the field {name:?} stands twice in one object"));
    }
    object.insert(name, value);
    Ok(())
}

fn in_column(row: usize, name: &str, what: &str) -> String {
    format!("row {row} of the table, column {name:?}: {what}")
}

/// The name of a column, and what is wrong with its value.
struct Refused(String, String);

fn roles(schema: &SchemaRef, spaces: &[Space], fields: &[(String, u32)]) -> PyResult<Vec<Role>> {
    let is_space = |name: &str| spaces.iter().any(|space| space.name() == name);
    let is_field = |name: &str| fields.iter().any(|(field, _)| field == name);
    let role = |name: &str| match name {
        "text" => Role::Text,
        "blob" => Role::Blob,
        "key" => Role::Key,
        "metadata" => Role::Metadata,
        _ if is_space(name) => Role::Embedding(name.to_owned()),
        _ if is_field(name) => Role::Field(name.to_owned()),
        _ => Role::Value(name.to_owned()),
    };
    let roles: Vec<Role> = schema.fields().iter().map(|field| role(field.name())).collect();
    for (at, role) in roles.iter().enumerate() {
        if roles[..at].contains(role) {
            return Err(invalid(format!("an Arrow table with two columns {:?}", schema.field(at).name())));
        }
    }
    if roles.contains(&Role::Text) && roles.contains(&Role::Blob) {
        return Err(invalid("an Arrow table with the columns \"text\" and \"blob\"; expected one of them"));
    }
    let is_content = |role: &Role| matches!(role, Role::Text | Role::Blob | Role::Embedding(_));
    if !roles.iter().any(is_content) {
        let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
        return Err(invalid(format!(
            "an Arrow table with the columns {names:?}; expected one \"text\" or \"blob\", or one with the name of a vector space"
        )));
    }
    Ok(roles)
}

fn string(array: &ArrayRef, row: usize) -> Result<String, String> {
    match array.data_type() {
        DataType::Utf8 => Ok(array.as_string::<i32>().value(row).to_owned()),
        DataType::LargeUtf8 => Ok(array.as_string::<i64>().value(row).to_owned()),
        DataType::Utf8View => Ok(array.as_string_view().value(row).to_owned()),
        DataType::Dictionary(..) => match value(array, row)? {
            Value::String(text) => Ok(text),
            other => Err(format!("expected a string, found {other}")),
        },
        other => Err(format!("expected strings, found {other}")),
    }
}

fn bytes(array: &ArrayRef, row: usize) -> Result<Vec<u8>, String> {
    match array.data_type() {
        DataType::Binary => Ok(array.as_binary::<i32>().value(row).to_vec()),
        DataType::LargeBinary => Ok(array.as_binary::<i64>().value(row).to_vec()),
        DataType::BinaryView => Ok(array.as_binary_view().value(row).to_vec()),
        DataType::FixedSizeBinary(_) => Ok(array.as_fixed_size_binary().value(row).to_vec()),
        other => Err(format!("expected bytes, found {other}")),
    }
}

/// Metadata: a struct, or JSON.
fn object(array: &ArrayRef, row: usize) -> Result<Value, String> {
    match array.data_type() {
        DataType::Struct(_) => value(array, row),
        _ => json::from_str(&string(array, row)?).map_err(|e| e.to_string()),
    }
}

/// The values of a list.
fn items(array: &ArrayRef, row: usize) -> Option<ArrayRef> {
    Some(match array.data_type() {
        DataType::List(_) => array.as_list::<i32>().value(row),
        DataType::LargeList(_) => array.as_list::<i64>().value(row),
        DataType::FixedSizeList(..) => array.as_fixed_size_list().value(row),
        _ => return None,
    })
}

fn vector(array: &ArrayRef, row: usize) -> Result<Vec<f32>, String> {
    let expected =
        || format!("expected lists of float32, float64, float16, int8 or uint8, found {}", array.data_type());
    let values = items(array, row).ok_or_else(expected)?;
    if values.null_count() > 0 {
        return Err("a vector with a missing value".to_owned());
    }
    Ok(match values.data_type() {
        DataType::Float32 => values.as_primitive::<Float32Type>().values().to_vec(),
        #[expect(
            clippy::cast_possible_truncation,
            reason = "what is too large becomes infinite, and is refused then"
        )]
        DataType::Float64 => {
            values.as_primitive::<Float64Type>().values().iter().map(|&value| value as f32).collect()
        }
        DataType::Float16 => {
            values.as_primitive::<Float16Type>().values().iter().map(|value| value.to_f32()).collect()
        }
        DataType::Int8 => {
            values.as_primitive::<Int8Type>().values().iter().map(|&value| f32::from(value)).collect()
        }
        DataType::UInt8 => {
            values.as_primitive::<UInt8Type>().values().iter().map(|&value| f32::from(value)).collect()
        }
        _ => return Err(expected()),
    })
}

/// Whether a column has no value in a row.
fn is_missing(array: &ArrayRef, row: usize) -> Result<bool, String> {
    Ok(match array.data_type() {
        DataType::Null => true,
        DataType::Dictionary(..) if !array.is_null(row) => {
            let dictionary = array.as_any_dictionary();
            dictionary.values().is_null(key_of(dictionary.keys(), row)?)
        }
        _ => array.is_null(row),
    })
}

/// A value of a column as JSON.
fn value(array: &ArrayRef, row: usize) -> Result<Value, String> {
    if array.is_null(row) {
        return Ok(Value::Null);
    }
    macro_rules! number {
        ($kind:ty) => {
            array.as_primitive::<$kind>().value(row).into()
        };
    }
    Ok(match array.data_type() {
        DataType::Null => Value::Null,
        DataType::Boolean => array.as_boolean().value(row).into(),
        DataType::Int8 => number!(Int8Type),
        DataType::Int16 => number!(Int16Type),
        DataType::Int32 => number!(Int32Type),
        DataType::Int64 => number!(Int64Type),
        DataType::UInt8 => number!(UInt8Type),
        DataType::UInt16 => number!(UInt16Type),
        DataType::UInt32 => number!(UInt32Type),
        DataType::UInt64 => number!(UInt64Type),
        DataType::Float32 => float(f64::from(array.as_primitive::<Float32Type>().value(row)))?,
        DataType::Float64 => float(array.as_primitive::<Float64Type>().value(row))?,
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => string(array, row)?.into(),
        DataType::List(_) | DataType::LargeList(_) | DataType::FixedSizeList(..) => {
            let items = items(array, row).ok_or_else(|| "a list that is none".to_owned())?;
            (0..items.len()).map(|at| value(&items, at)).collect::<Result<_, _>>()?
        }
        DataType::Struct(fields) => {
            let mut object = Map::new();
            for (column, field) in array.as_struct().columns().iter().zip(fields) {
                insert(&mut object, field.name().clone(), value(column, row)?)?;
            }
            Value::Object(object)
        }
        DataType::Dictionary(..) => {
            let dictionary = array.as_any_dictionary();
            value(dictionary.values(), key_of(dictionary.keys(), row)?)?
        }
        other => return Err(format!("expected what JSON has, found {other}; cast it to strings or numbers")),
    })
}

fn key_of(keys: &dyn Array, row: usize) -> Result<usize, String> {
    dictionary_key(keys, row).ok_or_else(|| "a key of a dictionary that is none".to_owned())
}

fn float(value: f64) -> Result<Value, String> {
    serde_json::Number::from_f64(value)
        .map(Value::Number)
        .ok_or_else(|| format!("expected numbers that are finite, as JSON has them, found {value}"))
}
