//! Rows → records.

use std::sync::Arc;

use compact_artifact::{Batch, MEANING, Metric, Options, Originals, Record, SpaceOptions};
use datafusion::arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Float32Type, Float64Type, Int64Type, Schema, UInt64Type};
use datafusion::common::{Result, exec_datafusion_err, plan_datafusion_err};
use serde_json::{Map, Value};

use crate::batches::first_value;
use crate::columns::VECTOR;
use crate::external;

/// What becomes of each column.
#[derive(Debug)]
pub(crate) struct Mapping {
    roles: Vec<Role>,
    /// Each space, and its dimension.
    spaces: Vec<(String, SpaceOptions)>,
    /// Whether there are vectors of texts, which the embedder makes anew.
    pub(crate) has_meaning: bool,
}

#[derive(Debug, Clone, PartialEq)]
enum Role {
    Key,
    Text,
    Blob,
    Metadata,
    Vector(String),
    /// A field of the metadata.
    Value(String),
    /// What a table of packs has and no record.
    LeftOut,
}

/// Names of columns, and how vectors are compared.
#[derive(Debug, Clone)]
pub(crate) struct Names {
    pub(crate) key: String,
    pub(crate) text: String,
    pub(crate) blob: String,
    pub(crate) metadata: String,
    /// The column of vectors of the space `vectors`, beside those whose names begin with `vector_`.
    pub(crate) space: Option<String>,
    pub(crate) metric: Metric,
    pub(crate) originals: Originals,
}

impl Default for Names {
    fn default() -> Self {
        let [key, text, blob, metadata] = ["key", "text", "blob", "metadata"].map(str::to_owned);
        Self { key, text, blob, metadata, space: None, metric: Metric::Cosine, originals: Originals::None }
    }
}

impl Mapping {
    pub(crate) fn new(schema: &Schema, names: &Names) -> Result<Self> {
        let mut mapping = Self { roles: Vec::new(), spaces: Vec::new(), has_meaning: false };
        for field in schema.fields() {
            mapping.has_meaning |= is_meaning(field.name());
            let role = role(field.name(), field.data_type(), names)?;
            if let (Role::Vector(space), DataType::FixedSizeList(_, dimension)) = (&role, field.data_type()) {
                let dimension = usize::try_from(*dimension).unwrap_or_default();
                let options = SpaceOptions::new(dimension, names.metric).originals(names.originals);
                mapping.spaces.push((space.clone(), options));
            }
            mapping.roles.push(role);
        }
        let asked = [
            (&names.key, "key"),
            (&names.text, "text"),
            (&names.blob, "blob"),
            (&names.metadata, "metadata"),
        ];
        for (name, option) in asked
            .into_iter()
            .map(|(name, option)| (name.as_str(), option))
            .chain(names.space.as_deref().map(|name| (name, "space")))
        {
            if name != option && schema.column_with_name(name).is_none() {
                return Err(plan_datafusion_err!("option {option}: there is no column {name:?}"));
            }
        }
        if !mapping.roles.iter().any(|role| matches!(role, Role::Text | Role::Blob)) {
            return Err(plan_datafusion_err!(
                "no column of texts; expected one named `text`, or its name in the option `text`"
            ));
        }
        Ok(mapping)
    }

    pub(crate) fn add_spaces(&self, options: Options) -> Options {
        self.spaces.iter().fold(options, |options, (name, space)| options.space(name.clone(), *space))
    }

    pub(crate) fn batch(&self, batch: &RecordBatch) -> Result<Batch> {
        let columns = self.roles.iter().zip(batch.columns()).map(|(role, column)| prepared(role, column));
        let columns = columns.collect::<Result<Vec<_>>>()?;
        (0..batch.num_rows())
            .try_fold(Batch::new(), |records, row| Ok(records.add(self.record(&columns, row)?)))
    }

    fn record(&self, columns: &[ArrayRef], row: usize) -> Result<Record> {
        let valued = || self.roles.iter().zip(columns).filter(|(_, column)| column.is_valid(row));
        let text = valued().find(|(role, _)| **role == Role::Text);
        let blob = valued().find(|(role, _)| **role == Role::Blob);
        let mut record = match (text, blob) {
            (Some((_, text)), None) => Record::text(text.as_string::<i32>().value(row)),
            (None, Some((_, blob))) => Record::blob(blob.as_binary::<i32>().value(row)),
            (None, None) => {
                return Err(exec_datafusion_err!(
                    "row {row}: neither a text nor a blob; expected one of them"
                ));
            }
            (Some(_), Some(_)) => {
                return Err(exec_datafusion_err!("row {row}: a text and a blob; expected one of them"));
            }
        };
        let mut metadata = Map::new();
        for (role, column) in valued() {
            match role {
                Role::Key => record = record.key(column.as_string::<i32>().value(row)),
                Role::Metadata => metadata = object(column.as_string::<i32>().value(row), row)?,
                Role::Vector(space) => {
                    let vector = column.as_fixed_size_list().value(row);
                    record = record.embedding(space, vector.as_primitive::<Float32Type>().values().to_vec());
                }
                Role::Text | Role::Blob | Role::Value(_) | Role::LeftOut => {}
            }
        }
        for (role, column) in valued() {
            let Role::Value(name) = role else { continue };
            if first_value(&metadata, name).is_none() {
                metadata.insert(name.clone(), value(column, row));
            }
        }
        Ok(if metadata.is_empty() { record } else { record.metadata(Value::Object(metadata)) })
    }
}

fn object(text: &str, row: usize) -> Result<Map<String, Value>> {
    match compact_artifact::json::from_slice(text.as_bytes()).map_err(external)? {
        Value::Object(object) => Ok(object),
        _ => Err(exec_datafusion_err!("row {row}: metadata that are no object of JSON")),
    }
}

/// Whether a column has the vectors of texts.
fn is_meaning(name: &str) -> bool {
    name.strip_prefix(VECTOR) == Some(MEANING)
}

fn is_text(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}

fn role(name: &str, data_type: &DataType, names: &Names) -> Result<Role> {
    let is_binary = matches!(data_type, DataType::Binary | DataType::LargeBinary | DataType::BinaryView);
    let role = if name == names.key {
        Role::Key
    } else if name == names.text {
        Role::Text
    } else if name == names.blob {
        Role::Blob
    } else if name == names.metadata {
        Role::Metadata
    } else if is_meaning(name) {
        Role::LeftOut
    } else if names.space.as_deref() == Some(name) {
        Role::Vector("vectors".to_owned())
    } else if let Some(space) = name.strip_prefix(VECTOR) {
        Role::Vector(space.to_owned())
    } else if ["id", "pack"].contains(&name) {
        Role::LeftOut
    } else {
        Role::Value(name.to_owned())
    };
    let is_right = match &role {
        Role::Key | Role::Text | Role::Metadata => is_text(data_type),
        Role::Blob => is_binary,
        Role::Vector(_) => {
            matches!(data_type, DataType::FixedSizeList(item, _) if item.data_type().is_floating())
        }
        Role::Value(_) => {
            is_text(data_type) || data_type.is_integer() || data_type.is_floating() || is_simple(data_type)
        }
        Role::LeftOut => true,
    };
    if is_right || *data_type == DataType::Null {
        return Ok(role);
    }
    Err(plan_datafusion_err!(
        "column {name:?} is {data_type}; expected a text for key, text and metadata, binary for blob, FixedSizeList of floats for vectors, and a bool, number, text, date or timestamp for others"
    ))
}

fn is_simple(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Boolean | DataType::Date32 | DataType::Date64 | DataType::Timestamp(..))
}

/// A column as the type that rows are read of.
fn prepared(role: &Role, column: &ArrayRef) -> Result<ArrayRef> {
    let data_type = column.data_type();
    let to = match role {
        Role::Blob => DataType::Binary,
        Role::Vector(_) => match data_type {
            DataType::FixedSizeList(item, dimension) => {
                let item = item.as_ref().clone().with_data_type(DataType::Float32);
                DataType::FixedSizeList(Arc::new(item), *dimension)
            }
            other => other.clone(),
        },
        Role::Value(_) if *data_type == DataType::UInt64 => DataType::UInt64,
        Role::Value(_) if data_type.is_integer() => DataType::Int64,
        Role::Value(_) if data_type.is_floating() => DataType::Float64,
        Role::Value(_) if *data_type == DataType::Boolean => DataType::Boolean,
        Role::LeftOut => return Ok(column.clone()),
        // Dates and timestamps are texts as RFC 3339 has them.
        Role::Key | Role::Text | Role::Metadata | Role::Value(_) => DataType::Utf8,
    };
    Ok(cast(column, &to)?)
}

fn value(column: &ArrayRef, row: usize) -> Value {
    match column.data_type() {
        DataType::Boolean => column.as_boolean().value(row).into(),
        DataType::Int64 => column.as_primitive::<Int64Type>().value(row).into(),
        DataType::UInt64 => column.as_primitive::<UInt64Type>().value(row).into(),
        DataType::Float64 => column.as_primitive::<Float64Type>().value(row).into(),
        _ => column.as_string::<i32>().value(row).into(),
    }
}
