//! What an artifact is set up as: the first line of an export.

use std::collections::BTreeMap;

use compact_artifact::json::Object;
use compact_artifact::{
    CompactArtifact, Embedder, Metric, Options, Originals, Quantization, Schema, Space, json,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::values::{self, TextLanguage};
use crate::failure::{Failure, Result};

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    settings: Object<Settings>,
}

/// What an artifact is set up as.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    /// The language whose stems are searched, or `none`.
    language: String,
    /// Exports of before it could be told have none.
    #[serde(default = "is_folded")]
    fold_diacritics: bool,
    /// Fields of texts, and how often their words count.
    fields: BTreeMap<String, u32>,
    /// Vector spaces but for that of a model.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    spaces: BTreeMap<String, Object<SpaceSettings>>,
    /// What texts are embedded by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    model: Option<Object<Model>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires_field: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    schema: Option<Value>,
    /// How many neighbours are stored for each record.
    #[serde(default, skip_serializing_if = "is_zero")]
    precompute_similar: usize,
}

fn is_folded() -> bool {
    true
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "what serde calls it with")]
fn is_zero(number: &usize) -> bool {
    *number == 0
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SpaceSettings {
    dimension: usize,
    metric: String,
    /// Exports of before spaces had several have none.
    #[serde(default)]
    quantization: Quantization,
    originals: Originals,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Model {
    id: String,
    hash: String,
}

impl Model {
    fn new(id: &str, hash: [u8; 16]) -> Self {
        Self { id: id.to_owned(), hash: format!("{:032x}", u128::from_le_bytes(hash)) }
    }
}

impl Settings {
    fn read_from(artifact: &CompactArtifact) -> Self {
        let mut settings = Self {
            language: artifact.language().map_or("none".to_owned(), |language| language.to_string()),
            fold_diacritics: artifact.folds_diacritics(),
            fields: artifact.fields().into_iter().collect(),
            spaces: BTreeMap::new(),
            model: None,
            expires_field: artifact.expires_field(),
            schema: artifact.schema().map(|schema| schema.to_json()),
            precompute_similar: artifact.precomputed_similar(),
        };
        for space in artifact.spaces() {
            match space.model() {
                Some(model) => settings.model = Some(Object(Model::new(model.id(), model.hash()))),
                None => {
                    settings.spaces.insert(space.name().to_owned(), Object(SpaceSettings::from(&space)));
                }
            }
        }
        settings
    }

    /// Options, and these settings but for vector spaces, the model, and the field by which records expire.
    pub(crate) fn added_to(&self, options: Options) -> Result<Options> {
        let mut options = match values::language(&self.language).map_err(Failure::failed)? {
            TextLanguage::Stems(language) => options.language(language),
            TextLanguage::None => options.no_language(),
        };
        options = options.fold_diacritics(self.fold_diacritics);
        for (name, weight) in &self.fields {
            options = options.field(name, *weight);
        }
        if self.precompute_similar > 0 {
            options = options.precompute_similar(self.precompute_similar);
        }
        if let Some(schema) = self.schema()? {
            options = options.schema(schema);
        }
        Ok(options)
    }

    /// The field by which records expire. It is set when they are all there: an artifact may have got it when it had records in which that is no date.
    pub(crate) fn expires_field(&self) -> Option<&str> {
        self.expires_field.as_deref()
    }

    pub(crate) fn schema(&self) -> Result<Option<Schema>> {
        Ok(self.schema.as_ref().map(Schema::from_json).transpose()?)
    }

    /// Vector spaces: name, dimension, metric, quantization, originals.
    pub(crate) fn spaces(
        &self,
    ) -> impl Iterator<Item = Result<(&str, usize, Metric, Quantization, Originals)>> {
        self.spaces.iter().map(|(name, Object(space))| {
            let metric = values::metric(&space.metric).map_err(Failure::failed)?;
            Ok((name.as_str(), space.dimension, metric, space.quantization, space.originals))
        })
    }

    pub(crate) fn embeds_texts(&self) -> bool {
        self.model.is_some()
    }

    /// Refuses another model than the one that texts were embedded by.
    pub(crate) fn check_model(&self, embedder: &dyn Embedder) -> Result<()> {
        match &self.model {
            Some(Object(model)) if *model != Model::new(embedder.id(), embedder.hash().0) => {
                Err(Failure::failed(format_args!(
                    "the texts were embedded by another model, {:?}, than {:?}; --model names it",
                    model.id,
                    embedder.id()
                )))
            }
            _ => Ok(()),
        }
    }
}

impl From<&Space> for SpaceSettings {
    fn from(space: &Space) -> Self {
        Self {
            dimension: space.dimension(),
            metric: space.metric().to_string(),
            quantization: space.quantization(),
            originals: space.originals(),
        }
    }
}

/// The settings of an artifact as a line.
pub(crate) fn line(artifact: &CompactArtifact) -> impl Serialize + use<> {
    Line { settings: Object(Settings::read_from(artifact)) }
}

/// The settings in a line, if it has settings: no record begins so, and a row of any shape that does has more.
pub(crate) fn parse(line: &[u8]) -> Option<Result<Settings, String>> {
    let is_line = line.starts_with(b"{\"settings\":");
    is_line.then(|| json::read_object::<Line>(line).map(|line| line.settings.0).map_err(|e| e.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_objects_in_which_no_name_stands_twice() {
        let with = |fields: &str, spaces: &str, model: &str| {
            let line = format!(
                r#"{{"settings":{{"language":"english","fields":{fields},"spaces":{spaces},"model":{model}}}}}"#
            );
            parse(line.as_bytes()).unwrap()
        };
        let (fields, model) = (r#"{"title":2}"#, r#"{"id":"m","hash":"0"}"#);
        let space = r#"{"dimension":2,"metric":"l2","originals":"none"}"#;
        assert!(with(fields, &format!(r#"{{"v":{space}}}"#), model).is_ok());
        for (said, expected) in
            [("", Quantization::Int8), (r#","quantization":"rotated-int8""#, Quantization::RotatedInt8)]
        {
            let space = space.replace('}', &format!("{said}}}"));
            let settings = with(fields, &format!(r#"{{"v":{space}}}"#), model).unwrap();
            assert_eq!(settings.spaces().next().unwrap().unwrap().3, expected);
        }
        for refused in [
            with(r#"{"title":2,"title":3}"#, "{}", model),
            with(fields, &format!(r#"{{"v":{space},"v":{space}}}"#), model),
            with(fields, r#"{"v":[2,"l2","none"]}"#, model),
            with(fields, "{}", r#"["m","0"]"#),
            parse(br#"{"settings":["english",{"title":2}]}"#).unwrap(),
        ] {
            let message = refused.err().unwrap();
            let is_said = ["stands twice", "array, expected an object"];
            assert!(is_said.iter().any(|said| message.contains(said)), "{message}");
        }
    }
}
