//! The columns of records.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema, SchemaRef};
use compact_artifact::{CompactArtifact, FieldType, MetadataField, Snapshot, Space};

use crate::error::Result;

/// What is in a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// The number of the record.
    Id,
    /// Its key.
    Key,
    /// The text.
    Text,
    /// The blob.
    Blob,
    /// The metadata as JSON.
    Metadata,
    /// The name of the artifact.
    Pack,
    /// The text of a field.
    Field(String),
    /// The vectors of a space.
    Vector(String),
    /// The vectors of a space that its model does not make of the texts again.
    GivenVector(String),
    /// The value of a field of the metadata.
    Value(ValueType),
}

/// The values of a field of the metadata that is a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ValueType {
    /// True and false.
    Bool,
    /// Numbers that all are `i64`.
    Int,
    /// Numbers that all are `f64`.
    Float,
    /// Strings that are no dates.
    String,
    /// Strings that are dates.
    Date,
}

/// All columns.
#[derive(Debug, Clone)]
pub struct Columns {
    /// Their names and types.
    pub schema: SchemaRef,
    /// What is in each.
    pub contents: Vec<Content>,
}

/// What begins the names of columns of vectors.
pub const VECTOR: &str = "vector_";
/// What begins the names of columns of texts beside the content.
pub const FIELD: &str = "field_";

impl Columns {
    /// Those that artifacts have in common: all of their fields, and a column for each of `spaces` that has one dimension.
    pub fn new<'a>(
        artifacts: impl IntoIterator<Item = (&'a CompactArtifact, &'a Snapshot)>,
        spaces: &[Space],
    ) -> Result<Self> {
        let (mut texts, mut metadata) = (Vec::new(), BTreeMap::new());
        for (artifact, snapshot) in artifacts {
            for (name, _) in artifact.fields() {
                if !texts.contains(&name) {
                    texts.push(name);
                }
            }
            merge(&mut metadata, snapshot.metadata_fields()?);
        }
        let (mut fields, mut contents) = (Vec::new(), Vec::new());
        let mut put = |name: &str, content: Content, data_type: DataType, nullable: bool| {
            if fields.iter().all(|field: &Field| field.name() != name) {
                fields.push(Field::new(name, data_type, nullable));
                contents.push(content);
            }
        };
        put("id", Content::Id, DataType::UInt64, false);
        put("key", Content::Key, DataType::Utf8, true);
        put("text", Content::Text, DataType::Utf8, true);
        put("blob", Content::Blob, DataType::Binary, true);
        put("metadata", Content::Metadata, DataType::Utf8, false);
        put("pack", Content::Pack, DataType::Utf8, false);
        for name in texts {
            put(&format!("{FIELD}{name}"), Content::Field(name), DataType::Utf8, true);
        }
        for (space, dimension) in dimensions(spaces) {
            if let Some(dimension) = dimension.and_then(|dimension| i32::try_from(dimension).ok()) {
                let item = Arc::new(Field::new_list_field(DataType::Float32, false));
                let data_type = DataType::FixedSizeList(item, dimension);
                put(&format!("{VECTOR}{space}"), Content::Vector(space), data_type, true);
            }
        }
        // Those named like a text or a vector would be read back as one.
        let is_named_apart = |name: &String| !name.starts_with(FIELD) && !name.starts_with(VECTOR);
        for (name, field) in metadata.into_iter().filter(|(name, _)| is_named_apart(name)) {
            if let Some(value_type) = value_type(&field) {
                put(&name, Content::Value(value_type), value_type.data_type(), true);
            }
        }
        Ok(Self { schema: Arc::new(Schema::new(fields)), contents })
    }

    /// Those whose numbers are given, in that order.
    pub fn project(&self, projection: &[usize]) -> Result<Self> {
        let schema = Arc::new(self.schema.project(projection)?);
        let contents = projection.iter().filter_map(|&at| self.contents.get(at).cloned()).collect();
        Ok(Self { schema, contents })
    }

    /// All but these.
    #[must_use]
    pub fn without(&self, names: &[&str]) -> Self {
        let kept = self.schema.fields().iter().zip(&self.contents);
        let kept = kept.filter(|(field, _)| !names.contains(&field.name().as_str()));
        let (fields, contents): (Vec<_>, Vec<_>) =
            kept.map(|(field, content)| (field.clone(), content.clone())).unzip();
        Self { schema: Arc::new(Schema::new(fields)), contents }
    }

    /// The type of values of a field of the metadata that is a column.
    pub fn value_type(&self, name: &str) -> Option<ValueType> {
        match self.contents.get(self.schema.index_of(name).ok()?)? {
            Content::Value(value_type) => Some(*value_type),
            _ => None,
        }
    }
}

impl ValueType {
    /// The type of such a column.
    pub fn data_type(self) -> DataType {
        match self {
            Self::Bool => DataType::Boolean,
            Self::Int => DataType::Int64,
            Self::Float => DataType::Float64,
            Self::String | Self::Date => DataType::Utf8,
        }
    }
}

/// The dimension of each space; none where two differ.
fn dimensions(spaces: &[Space]) -> BTreeMap<String, Option<usize>> {
    let mut dimensions: BTreeMap<String, Option<usize>> = BTreeMap::new();
    for space in spaces {
        let dimension = Some(space.dimension());
        let known = dimensions.entry(space.name().to_owned()).or_insert(dimension);
        if *known != dimension {
            *known = None;
        }
    }
    dimensions
}

fn merge(merged: &mut BTreeMap<String, MetadataField>, fields: Vec<MetadataField>) {
    for field in fields {
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
