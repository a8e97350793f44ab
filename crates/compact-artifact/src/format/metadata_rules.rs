//! What the settings say of metadata: the field by which records expire, and a schema.

use metadata_index::Type;
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
        if let Some(schema) = &self.schema {
            schema.check_metadata(metadata.unwrap_or(&Map::new()))?;
        }
        let (Some(field), Some(metadata)) = (&self.expires_at, metadata) else { return Ok(()) };
        let is_date = metadata_index::types_in(metadata, field) == Type::Date.into();
        if metadata_index::has_field(metadata, field) && !is_date {
            let message = format!(
                "records expire by the field {field:?}, which is not a date; expected one like 2026-01-31 or 2026-01-31T12:00:00Z, or none"
            );
            return Err(Error::invalid(message));
        }
        Ok(())
    }
}
