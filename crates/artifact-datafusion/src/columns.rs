//! The columns of a table of records.

use std::collections::BTreeMap;
use std::sync::Arc;

use compact_artifact::{FieldType, MetadataField};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::Result;

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
    /// Vectors of a space.
    Vector(String),
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

/// What begins the names of columns of vectors.
pub(crate) const VECTOR: &str = "vector_";

impl Columns {
    /// Those that all artifacts have in common.
    pub(crate) fn from_sources(sources: &[Source]) -> Result<Self> {
        let mut columns = Self { schema: Arc::new(Schema::empty()), contents: Vec::new() };
        let mut fields = Vec::new();
        let mut put = |name: &str, content: Content, data_type: DataType, nullable: bool| {
            fields.push(Field::new(name, data_type, nullable));
            columns.contents.push(content);
        };
        put("id", Content::Id, DataType::UInt64, false);
        put("key", Content::Key, DataType::Utf8, true);
        put("text", Content::Text, DataType::Utf8, true);
        put("blob", Content::Blob, DataType::Binary, true);
        put("metadata", Content::Metadata, DataType::Utf8, false);
        put("pack", Content::Pack, DataType::Utf8, false);
        let mut names: Vec<String> =
            ["id", "key", "text", "blob", "metadata", "pack"].map(str::to_owned).to_vec();
        for (space, dimension) in spaces(sources) {
            let Some(dimension) = dimension.and_then(|dimension| i32::try_from(dimension).ok()) else {
                continue;
            };
            let name = format!("{VECTOR}{space}");
            let item = Arc::new(Field::new_list_field(DataType::Float32, false));
            put(&name, Content::Vector(space), DataType::FixedSizeList(item, dimension), true);
            names.push(name);
        }
        for (name, field) in merged_fields(sources)? {
            let Some(value_type) = value_type(&field).filter(|_| !names.contains(&name)) else { continue };
            put(&name, Content::Value(value_type), value_type.data_type(), true);
        }
        columns.schema = Arc::new(Schema::new(fields));
        Ok(columns)
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

impl ValueType {
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
        for field in source.snapshot.metadata_fields().map_err(|e| about(&source.name, e))? {
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
