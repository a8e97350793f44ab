//! Rows → records.

use arrow_array::cast::AsArray;
use arrow_array::{Array, RecordBatch};
use arrow_schema::{DataType, Schema};
use compact_artifact::{Record, json};
use serde_json::{Map, Value};

use crate::columns::{FIELD, VECTOR};
use crate::error::{Error, Result, column};
use crate::values;

/// Which columns are what.
#[derive(Debug, Clone)]
pub struct Names {
    /// The column of keys. By default `key`.
    pub key: String,
    /// The column of texts. By default `text`.
    pub text: String,
    /// The column of blobs. By default `blob`.
    pub blob: String,
    /// The column of metadata, as JSON, a struct or a map. By default `metadata`.
    pub metadata: String,
    /// Columns of vectors and their spaces, beside those whose names begin with `vector_`.
    pub vectors: Vec<(String, String)>,
    /// Columns of texts beside the content, which are fields of that name, beside those whose names begin with `field_`.
    pub fields: Vec<String>,
    /// Columns that are nothing of a record, unless one of the names above is theirs.
    pub left_out: Vec<String>,
}

impl Default for Names {
    fn default() -> Self {
        let [key, text, blob, metadata] = ["key", "text", "blob", "metadata"].map(str::to_owned);
        Self { key, text, blob, metadata, vectors: Vec::new(), fields: Vec::new(), left_out: Vec::new() }
    }
}

/// What becomes of each column of a schema.
#[derive(Debug, Clone)]
pub struct RowReader {
    columns: Vec<(String, Role)>,
    spaces: Vec<(String, Option<usize>)>,
    fields: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Role {
    Key,
    Text,
    Blob,
    Metadata,
    Vector(String),
    Field(String),
    Value,
    LeftOut,
}

/// A record of a row.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Its key.
    pub key: Option<String>,
    /// The text or the blob.
    pub content: RowContent,
    /// The metadata.
    pub metadata: Map<String, Value>,
    /// Vectors by space.
    pub vectors: Vec<(String, Vec<f32>)>,
    /// Texts by field.
    pub fields: Vec<(String, String)>,
}

/// The content of a record.
#[derive(Debug, Clone, PartialEq)]
pub enum RowContent {
    /// A text.
    Text(String),
    /// Bytes.
    Blob(Vec<u8>),
}

impl RowReader {
    /// Decides by names and types what each column is.
    pub fn new(schema: &Schema, names: &Names) -> Result<Self> {
        let mut reader = Self { columns: Vec::new(), spaces: Vec::new(), fields: Vec::new() };
        for field in schema.fields() {
            let (name, data_type) = (field.name(), field.data_type());
            let role = names.role(name);
            if role != Role::LeftOut && reader.columns.iter().any(|(known, _)| known == name) {
                return Err(column(name, "there are two of that name"));
            }
            if *data_type != DataType::Null {
                check(name, &role, data_type)?;
            }
            match &role {
                Role::Vector(space) => {
                    if reader.spaces.iter().any(|(known, _)| known == space) {
                        return Err(column(name, format!("there is another column for the space {space:?}")));
                    }
                    reader.spaces.push((space.clone(), dimension(data_type)));
                }
                Role::Field(field) if reader.fields.contains(field) => {
                    return Err(column(name, format!("there is another column for the field {field:?}")));
                }
                Role::Field(field) => reader.fields.push(field.clone()),
                _ => {}
            }
            reader.columns.push((name.clone(), role));
        }
        if !reader.columns.iter().any(|(_, role)| matches!(role, Role::Text | Role::Blob)) {
            let there = schema.fields().iter().take(20).map(|field| field.name().as_str());
            let there = there.collect::<Vec<_>>().join(", ");
            return Err(column(&names.text, format!("no column of texts or blobs; there are {there}")));
        }
        Ok(reader)
    }

    /// Spaces that have a column, and how many dimensions it says they have.
    pub fn spaces(&self) -> &[(String, Option<usize>)] {
        &self.spaces
    }

    /// Fields of texts that have a column.
    pub fn fields(&self) -> &[String] {
        &self.fields
    }

    /// A row of a batch. `before` are the rows before the batch, for errors, which count from 0.
    pub fn row(&self, batch: &RecordBatch, row: usize, before: u64) -> Result<Row> {
        let number = before + row as u64;
        let (mut key, mut content, mut object) = (None, None, Map::new());
        let (mut vectors, mut fields, mut others) = (Vec::new(), Vec::new(), Vec::new());
        for ((name, role), array) in self.columns.iter().zip(batch.columns()) {
            let place = if *role == Role::LeftOut { None } else { values::place(array, row) };
            let Some((array, row)) = place else { continue };
            let refused = |message: String| Error::Row { row: number, column: Some(name.clone()), message };
            match role {
                Role::Key => key = Some(text(array, row).map_err(refused)?),
                Role::Text | Role::Blob if content.is_some() => {
                    return Err(Error::Row {
                        row: number,
                        column: None,
                        message: "a text and a blob; expected one of them".to_owned(),
                    });
                }
                Role::Text => content = Some(RowContent::Text(text(array, row).map_err(refused)?)),
                Role::Blob => content = Some(RowContent::Blob(bytes(array, row).map_err(refused)?)),
                Role::Metadata => object = metadata(array, row).map_err(refused)?,
                Role::Vector(space) => {
                    vectors.push((space.clone(), values::vector(array, row).map_err(refused)?));
                }
                Role::Field(field) => fields.push((field.clone(), text(array, row).map_err(refused)?)),
                Role::Value => others.push((name, values::value(array, row).map_err(refused)?)),
                Role::LeftOut => {}
            }
        }
        for (name, value) in others {
            values::put(&mut object, name, value);
        }
        let content = content.ok_or_else(|| Error::Row {
            row: number,
            column: None,
            message: "neither a text nor a blob; expected one of them".to_owned(),
        })?;
        Ok(Row { key, content, metadata: object, vectors, fields })
    }
}

impl Names {
    fn role(&self, name: &str) -> Role {
        let vector = self.vectors.iter().find(|(column, _)| column == name).map(|(_, space)| space.as_str());
        match name {
            _ if name == self.key => Role::Key,
            _ if name == self.text => Role::Text,
            _ if name == self.blob => Role::Blob,
            _ if name == self.metadata => Role::Metadata,
            _ if self.fields.iter().any(|field| field == name) => Role::Field(name.to_owned()),
            _ if vector.is_none() && self.left_out.iter().any(|left_out| left_out == name) => Role::LeftOut,
            _ => match (vector.or_else(|| name.strip_prefix(VECTOR)), name.strip_prefix(FIELD)) {
                (Some(space), _) => Role::Vector(space.to_owned()),
                (None, Some(field)) => Role::Field(field.to_owned()),
                (None, None) => Role::Value,
            },
        }
    }
}

impl From<Row> for Record {
    fn from(row: Row) -> Self {
        let record = match row.content {
            RowContent::Text(text) => Self::text(text),
            RowContent::Blob(bytes) => Self::blob(bytes),
        };
        let record = if row.metadata.is_empty() { record } else { record.metadata(row.metadata) };
        let record =
            row.vectors.into_iter().fold(record, |record, (space, vector)| record.embedding(space, vector));
        let record = row.fields.into_iter().fold(record, |record, (name, text)| record.field(name, text));
        match row.key {
            Some(key) => record.key(key),
            None => record,
        }
    }
}

fn check(name: &str, role: &Role, data_type: &DataType) -> Result<()> {
    let (is_right, expected) = match role {
        Role::Key => (values::is_text(data_type) || data_type.is_integer(), "texts or whole numbers"),
        Role::Text | Role::Field(_) => (values::is_text(data_type), "texts"),
        Role::Blob => (is_binary(data_type), "binary"),
        Role::Metadata => (
            values::is_text(data_type)
                || matches!(data_type, DataType::Struct(_) | DataType::Map(..))
                    && values::is_metadata(data_type),
            "objects as JSON, structs or maps",
        ),
        Role::Vector(_) => {
            (values::is_vector(data_type), "lists of float32, float64, float16, int8 or uint8")
        }
        Role::Value if values::is_metadata(data_type) => return check_names(name, data_type),
        Role::Value => return Err(column(name, values::unfit(data_type))),
        Role::LeftOut => return Ok(()),
    };
    if is_right {
        return check_names(name, data_type);
    }
    Err(column(name, format!("expected {expected}, found {data_type}")))
}

fn is_binary(data_type: &DataType) -> bool {
    use DataType::{Binary, BinaryView, FixedSizeBinary, LargeBinary};
    matches!(data_type, Binary | LargeBinary | BinaryView | FixedSizeBinary(_))
}

fn dimension(data_type: &DataType) -> Option<usize> {
    match data_type {
        DataType::FixedSizeList(_, dimension) => usize::try_from(*dimension).ok(),
        _ => None,
    }
}

fn text(array: &dyn Array, row: usize) -> Result<String, String> {
    match values::value(array, row)? {
        Value::String(text) => Ok(text),
        Value::Number(number) => Ok(number.to_string()),
        other => Err(format!("expected a text, found {other}")),
    }
}

fn bytes(array: &dyn Array, row: usize) -> Result<Vec<u8>, String> {
    match array.data_type() {
        DataType::Binary => Ok(array.as_binary::<i32>().value(row).to_vec()),
        DataType::LargeBinary => Ok(array.as_binary::<i64>().value(row).to_vec()),
        DataType::BinaryView => Ok(array.as_binary_view().value(row).to_vec()),
        DataType::FixedSizeBinary(_) => Ok(array.as_fixed_size_binary().value(row).to_vec()),
        other => Err(format!("expected bytes, found {other}")),
    }
}

fn metadata(array: &dyn Array, row: usize) -> Result<Map<String, Value>, String> {
    let value = match values::value(array, row)? {
        Value::String(text) => json::from_slice(text.as_bytes()).map_err(|e| e.to_string())?,
        value => value,
    };
    match value {
        Value::Object(object) => Ok(object),
        other => Err(format!("expected an object of JSON, found {other}")),
    }
}

fn check_names(name: &str, data_type: &DataType) -> Result<()> {
    match values::repeated_name(data_type) {
        Some(repeated) => Err(column(name, format!("a struct with two fields {repeated:?}"))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::types::Int32Type;
    use arrow_array::{ArrayRef, DictionaryArray, Int32Array, RunArray, StringArray};
    use serde_json::json;

    use super::*;

    #[test]
    fn nulls_that_dictionaries_and_runs_stand_for_leave_metadata_as_it_is() {
        let words = || Arc::new(StringArray::from(vec![Some("q"), None]));
        let dictionary = |keys| DictionaryArray::<Int32Type>::new(Int32Array::from(keys), words());
        let null_values = dictionary(vec![Some(0), Some(1)]);
        let null_keys = dictionary(vec![Some(0), None]);
        let ends = Int32Array::from(vec![1, 2]);
        let runs = RunArray::try_new(&ends, words().as_ref()).unwrap();
        let runs_of_dictionary = RunArray::try_new(&ends, &null_values).unwrap();
        let longer = RunArray::try_new(&Int32Array::from(vec![3, 5]), words().as_ref()).unwrap();
        let columns: [ArrayRef; 5] = [
            Arc::new(null_values),
            Arc::new(null_keys),
            Arc::new(runs),
            Arc::new(runs_of_dictionary),
            Arc::new(longer.slice(2, 2)),
        ];
        for column in columns {
            let data_type = column.data_type().clone();
            let batch = RecordBatch::try_from_iter_with_nullable([
                ("text", Arc::new(StringArray::from(vec!["a", "b"])) as ArrayRef, true),
                ("metadata", Arc::new(StringArray::from(vec![r#"{"m":5}"#; 2])), true),
                ("m", column.clone(), true),
                ("key", column.clone(), true),
                ("field_f", column, true),
            ])
            .unwrap();
            let reader = RowReader::new(&batch.schema(), &Names::default()).unwrap();
            let rows = [0, 1].map(|row| reader.row(&batch, row, 0).unwrap());
            let metadata = rows.each_ref().map(|row| Value::Object(row.metadata.clone()));
            assert_eq!(metadata, [json!({"m": "q"}), json!({"m": 5})], "{data_type}");
            assert_eq!(rows.each_ref().map(|row| row.key.as_deref()), [Some("q"), None], "{data_type}");
            assert_eq!(rows.each_ref().map(|row| row.fields.len()), [1, 0], "{data_type}");
        }
    }
}
