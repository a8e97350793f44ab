//! The columns of a table of packs ↔ JSON, which other processes read.

use std::sync::Arc;

use artifact_arrow::{Columns, Content, ValueType};
use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::common::{Result, plan_datafusion_err};
use serde_json::{Value, json};

use crate::error::about;
use crate::external;
use crate::packs::Source;

/// Contents that are in every table, by the name that JSON has for them.
const FIXED: [(&str, Content); 6] = [
    ("id", Content::Id),
    ("key", Content::Key),
    ("text", Content::Text),
    ("blob", Content::Blob),
    ("metadata", Content::Metadata),
    ("pack", Content::Pack),
];

const VALUES: [(&str, ValueType); 5] = [
    ("bool", ValueType::Bool),
    ("int", ValueType::Int),
    ("float", ValueType::Float),
    ("string", ValueType::String),
    ("date", ValueType::Date),
];

/// Those that all artifacts have in common.
pub(crate) fn of_sources(sources: &[Source]) -> Result<Columns> {
    let spaces: Vec<_> = sources.iter().flat_map(|source| source.artifact.spaces()).collect();
    let artifacts = sources.iter().map(|source| (&*source.artifact, &source.snapshot));
    Columns::new(artifacts, &spaces).map_err(|e| {
        let is_damaged = |source: &&Source| source.snapshot.metadata_fields().is_err();
        match sources.iter().find(is_damaged) {
            Some(source) => about(source.name(), e),
            None => external(e),
        }
    })
}

/// Those of a projection.
pub(crate) fn project(columns: &Columns, projection: Option<&Vec<usize>>) -> Result<Columns> {
    projection.map_or_else(|| Ok(columns.clone()), |projection| columns.project(projection).map_err(external))
}

pub(crate) fn to_json(columns: &Columns) -> Value {
    let fields = columns.schema.fields().iter().zip(&columns.contents);
    let content = |(field, content): (&Arc<Field>, &Content)| match (content, field.data_type()) {
        (Content::Vector(space), DataType::FixedSizeList(_, dimension)) => json!([space, dimension]),
        (Content::Field(name), _) => json!({"field": name}),
        (Content::Value(value_type), _) => {
            VALUES.iter().find(|(_, known)| known == value_type).map(|(name, _)| *name).into()
        }
        (fixed, _) => FIXED.iter().find(|(_, known)| known == fixed).map(|(name, _)| *name).into(),
    };
    fields.map(|column| json!([column.0.name(), content(column)])).collect()
}

pub(crate) fn from_json(value: &Value) -> Result<Columns> {
    let column = |column: &Value| {
        let (content, data_type) = content_of(column.get(1)?)?;
        let is_nullable = !matches!(content, Content::Id | Content::Metadata | Content::Pack);
        Some((Field::new(column.get(0)?.as_str()?, data_type, is_nullable), content))
    };
    let columns = value.as_array().and_then(|columns| columns.iter().map(column).collect::<Option<Vec<_>>>());
    let columns = columns.ok_or_else(|| plan_datafusion_err!("{value}: expected columns of records"))?;
    let (fields, contents): (Vec<Field>, Vec<Content>) = columns.into_iter().unzip();
    Ok(Columns { schema: Arc::new(Schema::new(fields)), contents })
}

fn content_of(value: &Value) -> Option<(Content, DataType)> {
    if let Some(name) = value.as_str() {
        if let Some((_, content)) = FIXED.into_iter().find(|(fixed, _)| *fixed == name) {
            let data_type = match content {
                Content::Id => DataType::UInt64,
                Content::Blob => DataType::Binary,
                _ => DataType::Utf8,
            };
            return Some((content, data_type));
        }
        let (_, value_type) = VALUES.into_iter().find(|(known, _)| *known == name)?;
        return Some((Content::Value(value_type), value_type.data_type()));
    }
    if let Some(field) = value.get("field") {
        return Some((Content::Field(field.as_str()?.to_owned()), DataType::Utf8));
    }
    let dimension = i32::try_from(value.get(1)?.as_u64()?).ok()?;
    let item = Arc::new(Field::new_list_field(DataType::Float32, false));
    Some((Content::Vector(value.get(0)?.as_str()?.to_owned()), DataType::FixedSizeList(item, dimension)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_come_back_from_json() {
        let names = FIXED.map(|(name, _)| name).into_iter().chain(VALUES.map(|(name, _)| name));
        let mut value: Vec<Value> = names.map(|name| json!([name, name])).collect();
        value.extend([json!(["vector_v", ["v", 3]]), json!(["field_title", {"field": "title"}])]);
        let value = Value::Array(value);
        let columns = from_json(&value).unwrap();
        assert_eq!(to_json(&columns), value);
        let read = from_json(&to_json(&columns)).unwrap();
        assert_eq!((read.schema, read.contents), (columns.schema, columns.contents));
        for value in [json!(1), json!([["a"]]), json!([["a", "kind"]]), json!([["a", ["v", -1]]])] {
            assert!(from_json(&value).is_err(), "{value}");
        }
    }
}
