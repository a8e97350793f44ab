//! What the settings say of metadata: the field by which records expire, and a schema.

use metadata_index::{FieldShape, Type};
use serde_json::{Map, Value};

use super::settings::Settings;
use crate::api::error::{Error, ErrorKind, Result};
use crate::api::schema::Schema;

/// The longest path of the field by which records expire, as of any field.
const MAX_EXPIRY_FIELD_LEN: usize = 1 << 10;

impl Settings {
    /// These settings, where records expire by a field, if one is named.
    pub(crate) fn with_expiry(mut self, field: Option<&str>) -> Result<Self> {
        let Some(field) = field else { return Ok(self) };
        if let Some(known) = self.expires_at.as_deref().filter(|&known| known != field) {
            let message = format!(
                "records of this artifact expire by the field {known:?}, and it is opened with the field {field:?}"
            );
            return Err(Error::new(ErrorKind::SettingsMismatch, message));
        }
        if field.is_empty() || field.len() > MAX_EXPIRY_FIELD_LEN {
            return Err(Error::invalid(format!(
                "option expires_at: expected a field of 1 to {MAX_EXPIRY_FIELD_LEN} bytes, found {}",
                field.len()
            )));
        }
        self.expires_at = Some(field.to_owned());
        Ok(self)
    }

    /// These settings with a schema, if one is named and they have none. Whether records are so is the caller's to know.
    pub(crate) fn with_schema(mut self, schema: Option<&Schema>) -> Result<Self> {
        let Some(schema) = schema else { return Ok(self) };
        if self.schema.as_ref().is_some_and(|known| known != schema) {
            let message = "the artifact has another schema than it is opened with; open it without one, and change that with `set_schema`";
            return Err(Error::new(ErrorKind::SettingsMismatch, message));
        }
        self.schema = Some(schema.clone());
        Ok(self)
    }

    /// Refuses metadata that the settings do not allow.
    pub(crate) fn check_metadata(&self, metadata: Option<&Map<String, Value>>) -> Result<()> {
        self.check_schema(metadata)?;
        metadata.map_or(Ok(()), |metadata| self.check_expiry(metadata))
    }

    /// [`check_metadata`](Self::check_metadata) after an update. A record that had no date in the field by which records expire when that was set may keep what it has there: `before`.
    pub(crate) fn check_updated(&self, metadata: &Map<String, Value>, before: &[Value]) -> Result<()> {
        self.check_schema(Some(metadata))?;
        if self.expiry_values(metadata) == before { Ok(()) } else { self.check_expiry(metadata) }
    }

    /// What metadata have in the field by which records expire, and in arrays on the way to it.
    pub(crate) fn expiry_values(&self, metadata: &Map<String, Value>) -> Vec<Value> {
        let mut values = Vec::new();
        if let Some(field) = &self.expires_at {
            values_at(metadata, field, &mut values);
        }
        values
    }

    fn check_schema(&self, metadata: Option<&Map<String, Value>>) -> Result<()> {
        let Some(schema) = &self.schema else { return Ok(()) };
        schema.check_metadata(metadata.unwrap_or(&Map::new()))
    }

    fn check_expiry(&self, metadata: &Map<String, Value>) -> Result<()> {
        let Some(field) = &self.expires_at else { return Ok(()) };
        let shapes = metadata_index::shapes_in(metadata, [field.as_str()]);
        let has_value = |shape: &FieldShape| !shape.types.is_empty() || shape.is_nested;
        if shapes.iter().any(|(_, shape)| has_value(shape) && shape.types != Type::Date.into()) {
            let message = format!(
                "records expire by the field {field:?}, which is not a date; expected one like 2026-01-31 or 2026-01-31T12:00:00Z, or none"
            );
            return Err(Error::invalid(message));
        }
        Ok(())
    }
}

/// Collects what stands at a path in metadata, whose names may have dots themselves.
fn values_at(metadata: &Map<String, Value>, path: &str, values: &mut Vec<Value>) {
    for (name, value) in metadata {
        let Some(rest) = path.strip_prefix(name.as_str()) else { continue };
        match (rest.strip_prefix('.'), value) {
            (Some(rest), Value::Object(inner)) => values_at(inner, rest, values),
            (Some(_), Value::Array(_)) => values.push(value.clone()),
            _ if rest.is_empty() => values.push(value.clone()),
            _ => {}
        }
    }
}
