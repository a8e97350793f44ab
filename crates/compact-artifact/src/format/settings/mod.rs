//! What an artifact keeps about itself: vector spaces, and how texts become words. JSON, in two parts with the same content.

use std::fmt;
use std::sync::Arc;

use block_format::{Part, Snapshot as Records};
use lexical_index::{Analyzer, StopWords};
use metadata_index::json::{self, Object};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::api::error::{Error, ErrorKind, Result};
use crate::api::query::TEXT_FIELD;
use crate::api::schema::Schema;
use crate::api::space::{MEANING, Originals, Quantization, Space, SpaceModel, SpaceOptions, Stage};
use crate::format::parts::{SETTINGS, SETTINGS_COPIES};

/// The most vector spaces of an artifact.
pub(crate) const MAX_SPACES: usize = 1024;
/// The most fields of an artifact beside the content.
pub(crate) const MAX_FIELDS: usize = 64;
/// The longest name of a field in bytes.
pub(crate) const MAX_FIELD_NAME_LEN: usize = 51;
/// How often the words of a field may count.
pub(crate) const FIELD_WEIGHTS: std::ops::RangeInclusive<u32> = 1..=10;

/// Everything that is kept.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) spaces: Vec<Space>,
    pub(crate) analyzer: Arc<Analyzer>,
    /// Those of the language of the analyzer.
    pub(crate) stop_words: Option<Arc<StopWords>>,
    pub(crate) fields: Vec<TextField>,
    /// How many nearest others of each record are stored when it is sealed.
    pub(crate) similar: u32,
    /// The field with the date from which on a record is not there any more.
    pub(crate) expires_at: Option<String>,
    /// What the metadata of records must be.
    pub(crate) schema: Option<Schema>,
}

/// A field of texts beside the content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TextField {
    pub(crate) name: String,
    /// How often its words count where they are looked for together with those of the content.
    pub(crate) weight: u32,
}

/// The field that every artifact has.
fn title() -> TextField {
    TextField { name: "title".to_owned(), weight: 2 }
}

fn fields_of_every_artifact() -> Vec<Object<TextField>> {
    vec![Object(title())]
}

/// As JSON, so that a later version can add to it.
#[derive(Debug, Serialize, Deserialize)]
struct Stored {
    version: u32,
    analyzer: [u8; 8],
    spaces: Vec<Object<StoredSpace>>,
    #[serde(default = "fields_of_every_artifact")]
    fields: Vec<Object<TextField>>,
    #[serde(default, skip_serializing_if = "is_zero")]
    similar: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires_at: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    schema: Option<Value>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "what serde calls it with")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

#[derive(Debug, Serialize, Deserialize)]
struct StoredSpace {
    name: String,
    dimension: usize,
    metric: String,
    quantization: Quantization,
    originals: Originals,
    /// Of a space that texts are embedded in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    model: Option<Object<StoredModel>>,
    #[serde(default, skip_serializing_if = "is_current")]
    stage: Stage,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "what serde calls it with")]
fn is_current(stage: &Stage) -> bool {
    *stage == Stage::Current
}

#[derive(Debug, Serialize, Deserialize)]
struct StoredModel {
    id: String,
    hash: [u8; 16],
}

const VERSION: u32 = 1;

/// The list of words in what a search explains, and in weights by lists.
pub(crate) const WORDS: &str = "words";

/// Refuses a new vector space that could not be told from the list of words.
fn check_new_name(name: &str) -> Result<()> {
    if name == WORDS {
        let message =
            format!("a vector space {name:?}, which is the name of the list of words; choose another name");
        return Err(Error::invalid(message));
    }
    Ok(())
}

impl Settings {
    pub(crate) fn new(analyzer: Analyzer) -> Self {
        let (analyzer, stop_words) = with_stop_words(analyzer);
        let fields = vec![title()];
        Self { spaces: Vec::new(), analyzer, stop_words, fields, similar: 0, expires_at: None, schema: None }
    }

    /// These settings, where texts become words otherwise.
    pub(crate) fn with_analyzer(self, analyzer: Analyzer) -> Self {
        let (analyzer, stop_words) = with_stop_words(analyzer);
        Self { analyzer, stop_words, ..self }
    }

    /// These settings, and the fields that they do not have yet. In a `new` artifact the title may count otherwise than by default.
    pub(crate) fn with_fields(mut self, fields: &[(String, u32)], new: bool) -> Result<Self> {
        for (name, weight) in fields {
            check_field(name, *weight)?;
            let field = TextField { name: name.clone(), weight: *weight };
            let is_full = self.fields.len() == MAX_FIELDS;
            match self.fields.iter_mut().find(|known| known.name == *name) {
                Some(known) if *known == field => {}
                Some(known) if new => *known = field,
                Some(known) => {
                    let times =
                        |weight: u32| if weight == 1 { "once".to_owned() } else { format!("{weight} times") };
                    let message = format!(
                        "the words of field {name:?} count {}, as it was set up; expected that, found {}",
                        times(known.weight),
                        times(*weight)
                    );
                    return Err(Error::new(ErrorKind::SettingsMismatch, message));
                }
                None if is_full => {
                    return Err(Error::invalid(format!("expected at most {MAX_FIELDS} fields")));
                }
                None => self.fields.push(field),
            }
        }
        Ok(self)
    }

    /// These settings without a field, whose number those behind it are counted from.
    pub(crate) fn without_field(mut self, name: &str) -> Result<(Self, usize)> {
        let (number, _) = self.field(name)?;
        self.fields.remove(number);
        Ok((self, number))
    }

    /// The names of the content and of all fields, by their numbers in indexes of words.
    pub(crate) fn word_fields(&self) -> Vec<&str> {
        [TEXT_FIELD].into_iter().chain(self.fields.iter().map(|field| field.name.as_str())).collect()
    }

    /// A field and its number among the fields.
    pub(crate) fn field(&self, name: &str) -> Result<(usize, &TextField)> {
        self.fields.iter().enumerate().find(|(_, field)| field.name == name).ok_or_else(|| {
            let names: Vec<&str> = self.fields.iter().map(|field| field.name.as_str()).collect();
            let message = format!("there is no field {name:?}; the artifact has {names:?}");
            Error::new(ErrorKind::NoSuchField, message)
        })
    }

    /// These settings, and the spaces that they do not have yet.
    pub(crate) fn with_spaces(mut self, spaces: &[(String, SpaceOptions)]) -> Result<Self> {
        for (name, options) in spaces {
            let known = self.current_spaces().map(|(_, space)| space).find(|space| space.name == *name);
            let kept = options.originals.or_else(|| known.map(Space::originals)).unwrap_or_default();
            let quantization = options.quantization.or_else(|| known.map(Space::quantization));
            let options = options.originals(kept);
            let options =
                &options.quantization(quantization.unwrap_or_else(|| options.chosen_quantization()));
            match known {
                Some(known) if known.options == *options => {}
                Some(known) => {
                    let message = format!(
                        "vector space {name:?} was set up as {}, and is opened as {}",
                        described(&known.options),
                        described(options)
                    );
                    return Err(Error::new(ErrorKind::SpaceMismatch, message));
                }
                None => {
                    check_new_name(name)?;
                    self.check_room()?;
                    self.spaces.push(Space::new(name, *options)?);
                }
            }
        }
        Ok(self)
    }

    /// These settings without a space. What has its number stays, and is left out when indexes are written anew.
    pub(crate) fn without_space(mut self, name: &str) -> Result<Self> {
        let (number, space) = self.space(name)?;
        let is_of_texts = space.model.is_some();
        self.spaces[number].stage = Stage::Dropped;
        // Another one that is being filled would take its place.
        for other in self.spaces.iter_mut().filter(|other| is_of_texts && other.stage == Stage::Filling) {
            other.stage = Stage::Dropped;
        }
        Ok(self)
    }

    /// These settings, where a space has another name.
    pub(crate) fn with_space_renamed(mut self, from: &str, to: &str) -> Result<Self> {
        let (number, space) = self.space(from)?;
        if from == to {
            return Ok(self);
        }
        if space.model.is_some() || to == MEANING {
            return Err(Error::invalid(format!(
                "{from:?} renamed to {to:?}: the name {MEANING:?} belongs to the vector space that texts are embedded in"
            )));
        }
        if self.current_spaces().any(|(_, other)| other.name == to) {
            let message =
                format!("there is a vector space {to:?} already; drop it first, or choose another name");
            return Err(Error::new(ErrorKind::AlreadyExists, message));
        }
        check_new_name(to)?;
        let renamed = Space::new(to, space.options)?;
        self.spaces[number] = renamed;
        Ok(self)
    }

    /// The number and the description of a space.
    pub(crate) fn space(&self, name: &str) -> Result<(usize, &Space)> {
        self.current_spaces().find(|(_, space)| space.name == name).ok_or_else(|| {
            let names: Vec<&str> = self.current_spaces().map(|(_, space)| space.name()).collect();
            let names = if names.is_empty() { "none".to_owned() } else { format!("{names:?}") };
            let message =
                format!("there is no vector space {name:?}; the artifact has {names}. `add_space` adds one");
            Error::new(ErrorKind::NoSuchSpace, message)
        })
    }

    /// The space that texts are searched in by meaning, and its number.
    pub(crate) fn meaning(&self) -> Option<(usize, &Space)> {
        self.spaces_of_texts().find(|(_, space)| space.stage == Stage::Current)
    }

    /// The spaces that texts are embedded in when they are added, and their numbers.
    pub(crate) fn spaces_of_texts(&self) -> impl Iterator<Item = (usize, &Space)> {
        self.kept_spaces().filter(|(_, space)| space.model.is_some())
    }

    /// The spaces whose vectors are kept, and their numbers.
    pub(crate) fn kept_spaces(&self) -> impl Iterator<Item = (usize, &Space)> {
        self.spaces.iter().enumerate().filter(|(_, space)| space.stage != Stage::Dropped)
    }

    /// The spaces that callers know, and their numbers.
    pub(crate) fn current_spaces(&self) -> impl Iterator<Item = (usize, &Space)> {
        self.kept_spaces().filter(|(_, space)| space.stage == Stage::Current)
    }

    /// These settings, with a space that is filled with embeddings by a model, and its number: the current one if it has that model, the one
    /// of an earlier beginning, or a new one, which is current at once if there is no other.
    #[cfg(feature = "embedder")]
    pub(crate) fn filling(mut self, model: SpaceModel, dimension: usize) -> Result<(Self, usize)> {
        let has_model = |(_, space): &(usize, &Space)| space.model.as_ref() == Some(&model);
        let known = self.spaces_of_texts().find(has_model).map(|(number, _)| number);
        if let Some(number) = known {
            return Ok((self, number));
        }
        if self.meaning().is_none() {
            let number = self.spaces.len();
            return Ok((self.with_model(model, dimension)?, number));
        }
        for space in self.spaces.iter_mut().filter(|space| space.stage == Stage::Filling) {
            space.stage = Stage::Dropped;
        }
        self.check_room()?;
        let mut options = SpaceOptions::of_texts(dimension);
        // Embeddings of texts that come again are the codes of the space that is there.
        if let Some((_, now)) = self.meaning().filter(|(_, now)| now.dimension() == dimension) {
            options = options.quantization(now.quantization());
        }
        let space = Space::new(MEANING, options)?;
        self.spaces.push(Space { model: Some(model), stage: Stage::Filling, ..space });
        let number = self.spaces.len() - 1;
        Ok((self, number))
    }

    /// These settings, where the space with this number is the one that texts are searched in.
    #[cfg(feature = "embedder")]
    pub(crate) fn filled(mut self, number: usize) -> Self {
        for (other, space) in self.spaces.iter_mut().enumerate().filter(|(_, space)| space.model.is_some()) {
            space.stage = if other == number { Stage::Current } else { Stage::Dropped };
        }
        self
    }

    fn check_room(&self) -> Result<()> {
        if self.spaces.len() == MAX_SPACES {
            return Err(Error::invalid(format!(
                "expected at most {MAX_SPACES} vector spaces in the life of an artifact, dropped ones and those of earlier models included; copy its records into a new one to have more"
            )));
        }
        Ok(())
    }

    /// These settings, and a space that texts are embedded in by a model, unless there is one.
    #[cfg(feature = "embedder")]
    pub(crate) fn with_model(mut self, model: SpaceModel, dimension: usize) -> Result<Self> {
        if let Some((_, space)) = self.meaning() {
            let known = space.model.as_ref().filter(|known| **known != model);
            let differs = |known| {
                let message = format!(
                    "texts of this artifact are embedded by the model {known}, and the one given is {model}; open it with the former, or without one"
                );
                Error::new(ErrorKind::ModelMismatch, message)
            };
            return known.map_or(Ok(()), |known| Err(differs(known))).map(|()| self);
        }
        if self.current_spaces().any(|(_, space)| space.name == MEANING) {
            let message = format!(
                "the vector space {MEANING:?} holds vectors that were given; texts cannot be embedded in it, too"
            );
            return Err(Error::new(ErrorKind::SpaceMismatch, message));
        }
        self = self.with_spaces(&[(MEANING.to_owned(), SpaceOptions::of_texts(dimension))])?;
        if let Some(space) = self.spaces.last_mut() {
            space.model = Some(model);
        }
        Ok(self)
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let stored_model =
            |model: &SpaceModel| Object(StoredModel { id: model.id.clone(), hash: model.hash });
        let stored = |space: &Space| StoredSpace {
            name: space.name.clone(),
            dimension: space.options.dimension,
            metric: space.options.metric.to_string(),
            quantization: space.quantization(),
            originals: space.originals(),
            model: space.model.as_ref().map(stored_model),
            stage: space.stage,
        };
        let spaces = self.spaces.iter().map(|space| Object(stored(space)));
        let stored = Stored {
            version: VERSION,
            analyzer: self.analyzer.identity(),
            spaces: spaces.collect(),
            fields: self.fields.iter().cloned().map(Object).collect(),
            similar: self.similar,
            expires_at: self.expires_at.clone(),
            schema: self.schema.as_ref().map(Schema::to_json),
        };
        // Strings and integers of 64 bits: nothing that JSON could refuse.
        serde_json::to_vec(&stored).unwrap_or_default()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self> {
        #[derive(Deserialize)]
        struct Version {
            version: u32,
        }
        fn fault(e: impl fmt::Display) -> Error {
            Error::damaged(format!("settings of the artifact: {e}"))
        }
        let Version { version } = json::read_object(bytes).map_err(fault)?;
        if version > VERSION {
            let message = format!("settings of version {version}; this library reads up to {VERSION}");
            return Err(Error::new(ErrorKind::NewerFormat, message));
        }
        let stored: Stored = json::read_object(bytes).map_err(fault)?;
        let mut spaces: Vec<Space> = Vec::new();
        for Object(space) in stored.spaces {
            let metric = space.metric.parse().map_err(|_| {
                let message = format!("the metric {:?} of a vector space is not known", space.metric);
                Error::new(ErrorKind::Unsupported, message)
            })?;
            let options = SpaceOptions {
                originals: Some(space.originals),
                quantization: Some(space.quantization),
                ..SpaceOptions::new(space.dimension, metric)
            };
            if space.stage == Stage::Current
                && spaces.iter().any(|other| other.stage == Stage::Current && other.name == space.name)
            {
                return Err(fault(Error::invalid(format!("the vector space {:?} stands twice", space.name))));
            }
            let model = space.model.map(|Object(model)| SpaceModel { id: model.id, hash: model.hash });
            // Checked as when it was set up.
            spaces.push(Space {
                model,
                stage: space.stage,
                ..Space::new(&space.name, options).map_err(fault)?
            });
        }
        if spaces.len() > MAX_SPACES {
            return Err(fault(format!("{} vector spaces; expected at most {MAX_SPACES}", spaces.len())));
        }
        for stage in [Stage::Current, Stage::Filling] {
            if spaces.iter().filter(|space| space.model.is_some() && space.stage == stage).count() > 1 {
                return Err(fault("two vector spaces that texts are embedded in"));
            }
        }
        let fields: Vec<_> =
            stored.fields.into_iter().map(|Object(field)| (field.name, field.weight)).collect();
        let (similar, expires_at) = (stored.similar, stored.expires_at);
        let new = Self::new(Analyzer::from_identity(stored.analyzer)?);
        let schema = stored.schema.as_ref().map(Schema::from_json).transpose().map_err(fault)?;
        let settings = Self { spaces, fields: Vec::new(), similar, schema, ..new }
            .with_expiry(expires_at.as_deref())
            .map_err(fault)?;
        // Checked as when they were set up.
        settings.with_fields(&fields, false).map_err(fault)
    }
}

fn with_stop_words(analyzer: Analyzer) -> (Arc<Analyzer>, Option<Arc<StopWords>>) {
    let analyzer = Arc::new(analyzer);
    let stop_words = analyzer.language().map(|language| Arc::new(StopWords::new(&analyzer, language)));
    (analyzer, stop_words)
}

fn check_field(name: &str, weight: u32) -> Result<()> {
    if name.is_empty() || name.len() > MAX_FIELD_NAME_LEN || name == TEXT_FIELD {
        return Err(Error::invalid(format!(
            "a field {name:?}; expected a name of 1 to {MAX_FIELD_NAME_LEN} bytes other than {TEXT_FIELD:?}, which is the content and all fields together"
        )));
    }
    if !FIELD_WEIGHTS.contains(&weight) {
        return Err(Error::invalid(format!("field {name:?} counts {weight} times; expected 1 to 10")));
    }
    Ok(())
}

fn described(options: &SpaceOptions) -> String {
    let originals = options.originals.unwrap_or_default();
    let quantization = options.chosen_quantization();
    format!(
        "dimension {}, {}, quantization {quantization}, originals {originals:?}",
        options.dimension, options.metric
    )
}

/// The settings in the store, if it has any. There are two copies, either of which will do.
pub(crate) fn read_settings(records: &Records) -> Result<Option<Settings>> {
    let mut damage = None;
    for part in records.parts().iter().rev().filter(|part| part.kind() == SETTINGS) {
        match read_copy(part) {
            Err(e) if e.kind() == ErrorKind::Damaged => damage = damage.or(Some(e)),
            read => return read.map(Some),
        }
    }
    damage.map_or(Ok(None), Err)
}

/// Whether two commits have the same files of settings.
pub(crate) fn same_settings(a: &Records, b: &Records) -> bool {
    let files = |records: &Records| -> Vec<_> {
        records.parts().iter().filter(|part| part.kind() == SETTINGS).map(|part| part.id()).collect()
    };
    files(a) == files(b)
}

fn read_copy(part: &Part) -> Result<Settings> {
    part.verify()?;
    Settings::decode(&part.content()?)
}

/// Whether a copy of the settings is missing or damaged, so that they should be written anew.
pub(crate) fn settings_need_repair(records: &Records) -> bool {
    let copies = records.parts().iter().filter(|part| part.kind() == SETTINGS);
    copies.filter(|part| read_copy(part).is_ok()).count() != SETTINGS_COPIES
}

#[cfg(test)]
mod tests;
