//! A schema for an artifact that has records: all of them are checked before it is kept.

use block_format::RecordId;

use super::core::Engine;
use crate::api::entry::Entry;
use crate::api::error::{Error, ErrorKind, Result};
use crate::api::schema::Schema;
use crate::format::changes;
use crate::format::record::{self, Kind};
use crate::format::settings::Settings;
use crate::state::State;

impl Engine {
    /// See [`CompactArtifact::set_schema`](crate::CompactArtifact::set_schema).
    pub(crate) fn set_schema(&self, schema: Option<Schema>) -> Result<()> {
        let Some(schema) = schema else {
            return self.change_settings(|settings| Ok((Settings { schema: None, ..settings }, ())));
        };
        schema.check_limits()?;
        self.check_writable()?;
        // Beside writers; what they commit meanwhile is checked when nobody can.
        let state = self.visible();
        check_records(&state, RecordId(0), &schema)?;
        self.change_settings(|settings| {
            check_records(&self.visible(), state.records.next_id(), &schema)?;
            Ok((Settings { schema: Some(schema), ..settings }, ()))
        })
    }
}

/// Refuses the first record of a state that breaks a schema, of those that were added or changed from an id on. What is damaged is passed over.
fn check_records(state: &State, from: RecordId, schema: &Schema) -> Result<()> {
    let mut last = None;
    for stored in state.records.records_from(from) {
        let checked = stored.map_err(Error::from).and_then(|stored| {
            let entry = match record::decode(stored)? {
                (Kind::Metadata, change) => state.entry(changes::decode_target(&change)?)?,
                (kind, entry) if kind.is_record() && state.locate(entry.id()).is_some() => {
                    Some(state.with_newest_metadata(entry, &mut last)?)
                }
                _ => None,
            };
            entry.map_or(Ok(()), |entry| check_entry(&entry, schema))
        });
        match checked {
            Err(e) if e.kind() == ErrorKind::Damaged => {}
            checked => checked?,
        }
    }
    Ok(())
}

fn check_entry(entry: &Entry, schema: &Schema) -> Result<()> {
    schema.check_metadata(&entry.metadata()?).map_err(|e| match entry.key() {
        Ok(Some(key)) => e.about(format_args!("record {} with the key {key:?}", entry.id())),
        _ => e.about(format_args!("record {}", entry.id())),
    })
}
