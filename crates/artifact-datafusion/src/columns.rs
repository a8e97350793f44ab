//! The columns of a table of records.

use std::collections::BTreeMap;
use std::sync::Arc;

use compact_artifact::{FieldType, MetadataField};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::{Result, plan_datafusion_err};
use serde_json::{Value, json};

use crate::error::about;
use crate::packs::Source;

/// What is in a column.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Content {
    Id,
    Key,
    Text,
    Blob,
    Metadata,
    Pack,
    /// Vectors of a space, and how many values they have.
    Vector(String, i32),
    /// The value of a field of the metadata.
    Value(ValueType),
}

/// The values of a field that is a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ValueType {
    Bool,
    Int,
    Float,
    String,
    /// Strings that are dates.
    Date,
}

/// All columns.
#[derive(Debug, Clone)]
pub(crate) struct Columns {
    pub(crate) schema: SchemaRef,
    pub(crate) contents: Vec<Content>,
}

/// The columns of every table.
const FIXED: [(&str, Content); 6] = [
    ("id", Content::Id),
    ("key", Content::Key),
    ("text", Content::Text),
    ("blob", Content::Blob),
    ("metadata", Content::Metadata),
    ("pack", Content::Pack),
];

/// What begins the names of columns of vectors.
pub(crate) const VECTOR: &str = "vector_";

impl Columns {
    fn new(columns: Vec<(String, Content)>) -> Self {
        let field = |(name, content): &(String, Content)| {
            let is_nullable = !matches!(content, Content::Id | Content::Metadata | Content::Pack);
            Field::new(name, content.data_type(), is_nullable)
        };
        let schema = Arc::new(Schema::new(columns.iter().map(field).collect::<Vec<_>>()));
        Self { schema, contents: columns.into_iter().map(|(_, content)| content).collect() }
    }

    /// Those that all artifacts have in common.
    pub(crate) fn from_sources(sources: &[Source]) -> Result<Self> {
        let mut columns: Vec<(String, Content)> =
            FIXED.into_iter().map(|(name, content)| (name.to_owned(), content)).collect();
        for (space, dimension) in spaces(sources) {
            let Some(dimension) = dimension.and_then(|dimension| i32::try_from(dimension).ok()) else {
                continue;
            };
            columns.push((format!("{VECTOR}{space}"), Content::Vector(space, dimension)));
        }
        for (name, field) in merged_fields(sources)? {
            let is_taken = columns.iter().any(|(taken, _)| *taken == name);
            let Some(value_type) = value_type(&field).filter(|_| !is_taken) else { continue };
            columns.push((name, Content::Value(value_type)));
        }
        Ok(Self::new(columns))
    }

    pub(crate) fn to_json(&self) -> Value {
        let fields = self.schema.fields().iter().zip(&self.contents);
        fields.map(|(field, content)| json!([field.name(), content.to_json()])).collect()
    }

    pub(crate) fn from_json(value: &Value) -> Result<Self> {
        let column =
            |column: &Value| Some((column.get(0)?.as_str()?.to_owned(), Content::from_json(column.get(1)?)?));
        let columns =
            value.as_array().and_then(|columns| columns.iter().map(column).collect::<Option<Vec<_>>>());
        columns.map(Self::new).ok_or_else(|| plan_datafusion_err!("{value}: expected columns of records"))
    }

    /// Those of a projection.
    pub(crate) fn project(&self, projection: Option<&Vec<usize>>) -> Result<Self> {
        let Some(projection) = projection else { return Ok(self.clone()) };
        let schema = Arc::new(self.schema.project(projection)?);
        let contents = projection.iter().filter_map(|&at| self.contents.get(at).cloned()).collect();
        Ok(Self { schema, contents })
    }

    /// The type of values of a field that is a column.
    pub(crate) fn value_type(&self, name: &str) -> Option<ValueType> {
        match self.contents.get(self.schema.index_of(name).ok()?)? {
            Content::Value(value_type) => Some(*value_type),
            _ => None,
        }
    }
}

impl Content {
    fn data_type(&self) -> DataType {
        match self {
            Self::Id => DataType::UInt64,
            Self::Key | Self::Text | Self::Metadata | Self::Pack => DataType::Utf8,
            Self::Blob => DataType::Binary,
            Self::Vector(_, dimension) => {
                let item = Arc::new(Field::new_list_field(DataType::Float32, false));
                DataType::FixedSizeList(item, *dimension)
            }
            Self::Value(value_type) => value_type.data_type(),
        }
    }

    fn to_json(&self) -> Value {
        match self {
            Self::Vector(space, dimension) => json!([space, dimension]),
            Self::Value(value_type) => value_type.name().into(),
            fixed => FIXED.iter().find(|(_, content)| content == fixed).map(|(name, _)| *name).into(),
        }
    }

    fn from_json(value: &Value) -> Option<Self> {
        if let Some(name) = value.as_str() {
            let fixed = FIXED.into_iter().find(|(fixed, _)| *fixed == name).map(|(_, content)| content);
            let value_type = || ValueType::ALL.into_iter().find(|value_type| value_type.name() == name);
            return fixed.or_else(|| value_type().map(Self::Value));
        }
        let dimension = i32::try_from(value.get(1)?.as_u64()?).ok()?;
        Some(Self::Vector(value.get(0)?.as_str()?.to_owned(), dimension))
    }
}

impl ValueType {
    const ALL: [Self; 5] = [Self::Bool, Self::Int, Self::Float, Self::String, Self::Date];

    fn name(self) -> &'static str {
        match self {
            Self::Bool => "bool",
            Self::Int => "int",
            Self::Float => "float",
            Self::String => "string",
            Self::Date => "date",
        }
    }

    fn data_type(self) -> DataType {
        match self {
            Self::Bool => DataType::Boolean,
            Self::Int => DataType::Int64,
            Self::Float => DataType::Float64,
            Self::String | Self::Date => DataType::Utf8,
        }
    }
}

/// The spaces of all artifacts; without a dimension where two differ.
fn spaces(sources: &[Source]) -> BTreeMap<String, Option<usize>> {
    let mut spaces: BTreeMap<String, Option<usize>> = BTreeMap::new();
    for space in sources.iter().flat_map(|source| source.artifact.spaces()) {
        let dimension = Some(space.dimension());
        let known = spaces.entry(space.name().to_owned()).or_insert(dimension);
        if *known != dimension {
            *known = None;
        }
    }
    spaces
}

/// The fields of all artifacts.
fn merged_fields(sources: &[Source]) -> Result<BTreeMap<String, MetadataField>> {
    let mut merged: BTreeMap<String, MetadataField> = BTreeMap::new();
    for source in sources {
        for field in source.snapshot.metadata_fields().map_err(|e| about(source.name(), e))? {
            // Without values it says nothing about those of others.
            if field.types.is_empty() {
                continue;
            }
            let Some(known) = merged.get_mut(&field.name) else {
                merged.insert(field.name.clone(), field);
                continue;
            };
            known.types.extend(field.types);
            known.types.dedup();
            known.is_single &= field.is_single;
            known.are_i64 &= field.are_i64;
            known.are_f64 &= field.are_f64;
        }
    }
    Ok(merged)
}

fn value_type(field: &MetadataField) -> Option<ValueType> {
    match (field.types.as_slice(), field.is_single) {
        ([FieldType::Bool], true) => Some(ValueType::Bool),
        ([FieldType::Number], true) if field.are_i64 => Some(ValueType::Int),
        ([FieldType::Number], true) if field.are_f64 => Some(ValueType::Float),
        ([FieldType::String], true) => Some(ValueType::String),
        ([FieldType::Date], true) => Some(ValueType::Date),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_come_back_from_json() {
        let values =
            ValueType::ALL.map(|value_type| (format!("f {}", value_type.name()), Content::Value(value_type)));
        let mut columns: Vec<(String, Content)> =
            FIXED.into_iter().map(|(name, content)| (name.to_owned(), content)).chain(values).collect();
        columns.push(("vector_v".to_owned(), Content::Vector("v".to_owned(), 3)));
        let columns = Columns::new(columns);
        let read = Columns::from_json(&columns.to_json()).unwrap();
        assert_eq!((read.schema, read.contents), (columns.schema, columns.contents));
        for value in [json!(1), json!([["a"]]), json!([["a", "kind"]]), json!([["a", ["v", -1]]])] {
            assert!(Columns::from_json(&value).is_err(), "{value}");
        }
    }
}
