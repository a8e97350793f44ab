//! What the settings say of records: their schema, when they expire, how many neighbours are stored; [`CompactArtifact::revert_settings`].

use crate::api::error::Result;
use crate::api::schema::Schema;
use crate::artifact::CompactArtifact;

impl CompactArtifact {
    /// What the metadata of records must be, if anything was said: see [`Options::schema`](crate::Options::schema).
    pub fn schema(&self) -> Option<Schema> {
        self.engine.state().settings.schema.clone()
    }

    /// The field of the metadata with the date from which on a record is not there any more, if there is one: see [`Options::expires_at`](crate::Options::expires_at).
    pub fn expires_field(&self) -> Option<String> {
        self.engine.state().settings.expires_at.clone()
    }

    /// Says by which field of the metadata records expire, in an artifact that does not say so yet, as [`Options::expires_at`](crate::Options::expires_at) does when it is opened: also
    /// those that are there do from now on. Of these, one in which the field is no date stays, and takes updates that leave the field as it is, or make it a date or nothing. The field that it has already is no error, another one is of kind
    /// [`SettingsMismatch`](crate::ErrorKind::SettingsMismatch).
    ///
    /// ```
    /// # use compact_artifact::{CompactArtifact, Record};
    /// # use serde_json::json;
    /// # fn main() -> compact_artifact::Result<()> {
    /// # let temp = tempfile::tempdir()?;
    /// let artifact = CompactArtifact::create(temp.path().join("a"))?;
    /// artifact.add(Record::text("a note").metadata(json!({"until": "soon"})))?;
    /// artifact.add(Record::text("another").metadata(json!({"until": "2020-01-01"})))?;
    /// artifact.set_expires_field("until")?;
    /// assert_eq!(artifact.len(), 1);
    /// assert!(artifact.set_expires_field("till").is_err());
    /// # Ok(()) }
    /// ```
    pub fn set_expires_field(&self, field: &str) -> Result<()> {
        self.engine.change_settings(|settings| Ok((settings.with_expiry(Some(field))?, ())))
    }

    /// Takes back what opening the artifact for writing with [`Options`](crate::Options) added to its settings, and calls since: vector spaces and their names, fields of texts, the model,
    /// the schema, the field by which records expire and [`precompute_similar`](crate::Options::precompute_similar). For whoever opened it to add something that it refused: if anything was committed
    /// since, or another process set something up, the error is of kind [`InvalidArgument`](crate::ErrorKind::InvalidArgument), and nothing is taken back; so it is if a vector space that was there was
    /// dropped, or [`set_text_options`](CompactArtifact::set_text_options) changed how texts become words. An artifact that was created stays as it is.
    ///
    /// ```
    /// # use compact_artifact::{CompactArtifact, Record};
    /// # use serde_json::json;
    /// # fn main() -> compact_artifact::Result<()> {
    /// # let temp = tempfile::tempdir()?;
    /// # let path = temp.path().join("a");
    /// # CompactArtifact::create(&path)?.close()?;
    /// let artifact = CompactArtifact::options().expires_at("until").open(&path)?;
    /// let record = Record::text("a note").metadata(json!({"until": "soon"}));
    /// assert!(artifact.add(record).is_err());
    /// artifact.revert_settings()?;
    /// assert_eq!(artifact.expires_field(), None);
    /// # Ok(()) }
    /// ```
    pub fn revert_settings(&self) -> Result<()> {
        self.engine.revert_settings()
    }

    /// How many neighbours are stored for each record: see [`Options::precompute_similar`](crate::Options::precompute_similar).
    pub fn precomputed_similar(&self) -> usize {
        self.engine.state().settings.similar as usize
    }

    /// Says what the metadata of records must be from now on, in the place of what was said before; `None`: anything. All records are read and checked; if one breaks the schema, nothing changes,
    /// and the error, of kind [`SchemaViolation`](crate::ErrorKind::SchemaViolation), names the first. Records that are damaged are passed over.
    ///
    /// ```
    /// # use compact_artifact::{CompactArtifact, FieldType, Record, Schema};
    /// # use serde_json::json;
    /// # fn main() -> compact_artifact::Result<()> {
    /// # let temp = tempfile::tempdir()?;
    /// let artifact = CompactArtifact::create(temp.path().join("a"))?;
    /// artifact.add(Record::text("a note").key("n1"))?;
    /// let schema = Schema::new().required("year", FieldType::Number);
    /// let error = artifact.set_schema(schema.clone()).unwrap_err();
    /// assert!(error.to_string().starts_with("record 0 with the key \"n1\": metadata: the field \"year\" is missing"));
    /// artifact.update_key("n1", json!({"year": 2026}))?;
    /// artifact.set_schema(schema)?;
    /// assert!(artifact.update_key("n1", json!({"year": null})).is_err());
    /// # Ok(()) }
    /// ```
    pub fn set_schema(&self, schema: impl Into<Option<Schema>>) -> Result<()> {
        self.engine.set_schema(schema.into())
    }
}
