//! Where records go: held until they are one commit, or many with `--batch`.

use std::collections::{BTreeMap, HashMap};
use std::io::Read;
use std::rc::Rc;
use std::sync::Arc;

use compact_artifact::{Batch, CompactArtifact, Embedder, ErrorKind, Metric, Schema};

use super::args::Args;
use super::counted::Counted;
use super::mode::{Mode, batch_for, has_memory};
use super::op::Op;
use super::rest::{Kept, rest_of_file};
use super::space::Space;
use crate::commands::schema;
use crate::failure::{Failure, Result};
use crate::input::Document;
use crate::input::settings::Settings;
use crate::interrupt;
use crate::model;
use crate::output::{Progress, check_new_folder, several};

/// What one commit holds at the most, unless a limit on memory says less.
const HELD_MAX: u64 = 1 << 30;
/// What a commit holds of an artifact that is restored, which takes several.
const HELD_MAX_OF_MANY: u64 = 64 << 20;

/// What was added.
#[derive(Debug, Default)]
pub(crate) struct Report {
    pub(crate) created: bool,
    pub(crate) records: u64,
    pub(crate) bytes: u64,
    pub(crate) commits: u64,
    /// What took nothing back: texts without an embedding, or a failure after the last commit.
    pub(crate) warning: Option<String>,
    /// Records that were taken, committed or not.
    taken: u64,
    /// Texts that have no embedding, since the model of the artifact is not at hand.
    without: u64,
}

#[derive(Debug)]
pub(crate) struct Sink<'a> {
    args: &'a Args,
    mode: Mode,
    /// None until the first commit, if it has to be created: so that nothing is left behind by a command that fails before.
    artifact: Option<CompactArtifact>,
    /// What the texts of an artifact that is created are embedded by.
    embedder: Option<Arc<dyn Embedder>>,
    /// What metadata must be.
    schema: Option<Schema>,
    /// The spaces that are there, and those that will be.
    spaces: BTreeMap<String, Space>,
    /// Where the fields of texts were first given.
    fields: BTreeMap<String, String>,
    held: Vec<Op>,
    held_len: u64,
    /// Where the keys of what is held were given.
    keys: HashMap<String, Rc<str>>,
    report: Report,
    /// Vector spaces and fields of texts that an artifact which is there got for records that are not committed yet.
    new_spaces: Vec<String>,
    new_fields: Vec<String>,
}

impl<'a> Sink<'a> {
    pub(crate) fn new(args: &'a Args, mode: Mode) -> Result<Self> {
        let settings = mode.settings();
        let mut to_open = args.options()?;
        crate::commands::refuse_file(&args.artifact)?;
        if let Some(path) = &args.model {
            to_open = to_open.embedder(model::open(path)?);
        }
        let busy = interrupt::writing(); // opening writes settings
        let artifact = match to_open.open(&args.artifact) {
            Ok(artifact) => {
                let opened = artifact.clone();
                interrupt::set_up(move || {
                    opened.revert_settings().map_err(|e| Failure::from(e).message().to_owned())
                });
                Some(artifact)
            }
            Err(e) if e.kind() == ErrorKind::NotFound => {
                check_new_folder(&args.artifact)?;
                None
            }
            Err(e) => return Err(e.into()),
        };
        if let (Some(artifact), Some(message)) = (&artifact, args.only_for_new()) {
            interrupt::keep_set_up();
            artifact.revert_settings()?;
            return Err(Failure::usage(message));
        }
        busy.opened()?;
        let embedder = match artifact {
            None if !args.no_meaning && settings.is_none_or(Settings::embeds_texts) => {
                Some(model::open_or_built_in(args.model.as_deref())?)
            }
            _ => None,
        };
        if let (Some(settings), Some(embedder)) = (settings, &embedder) {
            settings.check_model(&**embedder)?;
        }
        let spaces = artifact
            .iter()
            .flat_map(CompactArtifact::spaces)
            .map(|space| (space.name().to_owned(), Space::there(&space)));
        let mut spaces: BTreeMap<String, Space> = spaces.collect();
        if let Some(embedder) = &embedder {
            spaces.insert(compact_artifact::MEANING.to_owned(), Space::of_texts(embedder.dimension()));
        }
        if let Some(artifact) = &artifact {
            crate::commands::tell_recovery(&args.artifact, artifact.recovery());
        }
        let schema = match &artifact {
            Some(artifact) => artifact.schema(),
            None => args.schema.as_deref().map(schema::read).transpose()?,
        };
        let schema = settings.map_or(Ok(schema), Settings::schema)?;
        for space in settings.into_iter().flat_map(Settings::spaces) {
            let (name, dimension, metric, quantization, originals) = space?;
            let quantization = Some(quantization);
            spaces
                .insert(name.to_owned(), Space { quantization, ..Space::new(dimension, metric, originals) });
        }
        let (fields, held, held_len, keys, report) = Default::default();
        let (new_spaces, new_fields) = Default::default();
        Ok(Self {
            args,
            mode,
            artifact,
            embedder,
            schema,
            spaces,
            fields,
            held,
            held_len,
            keys,
            report,
            new_spaces,
            new_fields,
        })
    }

    /// Bytes that are held at the most.
    pub(crate) fn held_max(&self) -> u64 {
        let limit = self.args.memory_limit.or(self.args.edge.then_some(64 << 20));
        match self.mode {
            Mode::Restore(_) => HELD_MAX_OF_MANY,
            Mode::Add => limit.map_or(HELD_MAX, |limit| limit / 2),
        }
    }

    /// Whether the space takes the vector: the one that is there, or the one that would be.
    pub(crate) fn check_vector(&self, space: &str, vector: &[f32]) -> Result<()> {
        let is_model_given = self.embedder.is_some();
        self.space(space, vector).check_vector(space, vector, self.args, is_model_given)
    }

    fn space(&self, name: &str, vector: &[f32]) -> Space {
        let Args { metric, quantization, originals, .. } = *self.args;
        let new = Space::new(vector.len(), metric.unwrap_or(Metric::Cosine), originals.unwrap_or_default());
        self.spaces.get(name).copied().unwrap_or(Space { quantization, ..new })
    }

    /// Whether the key is free, as far as an artifact would refuse it otherwise; for --sync, or that of a record of the same file.
    fn check_key(&self, document: &Document) -> Result<()> {
        let Some(key) = document.key.as_ref().filter(|_| !self.args.upsert) else { return Ok(()) };
        if let Some(place) = self.keys.get(key) {
            return Err(Failure::failed(format_args!("the key {key:?} is that of {place} as well")));
        }
        let Some(artifact) = &self.artifact else { return Ok(()) };
        let Some(entry) = artifact.get_by_key(key)? else { return Ok(()) };
        if !self.args.sync {
            let message = format!("there is a record with the key {key:?}; --upsert replaces it");
            return Err(Failure::failed(message));
        }
        if entry.metadata()?.get("path") != document.metadata.get("path") {
            let message = format!("there is a record with the key {key:?} that did not come from this file");
            return Err(Failure::failed(message).and("--upsert beside --sync replaces it"));
        }
        Ok(())
    }

    /// Takes a record, which was given at that place. It is kept only once `commit` returns. Errors name the place of the record that they are about.
    pub(crate) fn add(&mut self, document: Document, place: String) -> Result<()> {
        self.take(document, &place).map_err(|e| e.at(&place))?;
        match self.args.batch {
            Some(batch) if self.held.len() as u64 >= batch => self.commit(),
            _ => Ok(()),
        }
    }

    fn take(&mut self, document: Document, place: &str) -> Result<()> {
        document.check().map_err(Failure::failed)?;
        if let Some(schema) = &self.schema {
            schema.check_metadata(&document.metadata)?;
        }
        self.check_key(&document)?;
        for (name, _) in &document.fields {
            if !self.fields.contains_key(name) {
                self.fields.insert(name.clone(), place.to_owned());
            }
        }
        for (space, vector) in &document.vectors {
            self.check_vector(space, vector)?;
            let used = Space { is_used: true, ..self.space(space, vector) };
            self.spaces.insert(space.clone(), used);
        }
        self.hold(document.held_len() + 2 * place.len() as u64)?;
        let place: Rc<str> = place.into();
        if let Some(key) = &document.key {
            self.keys.insert(key.clone(), Rc::clone(&place));
        }
        self.held.push(Op::Add(document, place));
        self.report.taken += 1;
        Ok(())
    }

    /// Takes what --sync knows of a folder, in the place of what it knew.
    pub(super) fn remember(&mut self, document: Document) -> Result<()> {
        document.check().map_err(Failure::failed)?;
        self.hold(document.held_len())?;
        self.held.push(Op::Remember(document));
        Ok(())
    }

    fn hold(&mut self, len: u64) -> Result<()> {
        let max = self.held_max();
        if self.held_len + len > max && self.mode.is_restore() {
            self.commit()?;
        }
        if !has_memory(self.held_len, len) {
            let batch = batch_for(self.held.len() as u64).filter(|_| !self.mode.is_restore());
            let advice = batch.map_or(String::new(), |batch| format!("; --batch {batch} makes several"));
            return Err(Failure::failed(format_args!(
                "no memory for {} bytes in one commit{advice}",
                self.held_len
            )));
        }
        self.held_len += len;
        if self.held_len <= max || self.mode.is_restore() {
            return Ok(());
        }
        Err(Failure::failed(match batch_for(self.held.len() as u64) {
            None => format!(
                "a record of more than {max} bytes, which one commit holds; --memory-limit says how many"
            ),
            Some(batch) => format!("more than {max} bytes in one commit; --batch {batch} makes several"),
        }))
    }

    /// Takes what `add` is told not to take at once, and commits it.
    pub(crate) fn stream(&mut self, document: Document, from: impl Read, place: &str) -> Result<()> {
        let checked = document.check().map_err(Failure::failed).and_then(|()| self.check_key(&document));
        checked.map_err(|e| e.at(place))?;
        self.commit()?;
        let busy = interrupt::writing();
        self.add_fields(&[])?;
        let mut counted = Counted::new(from);
        let added = self.opened()?.add_reader(document.into_record(), &mut counted);
        added.map_err(|e| Failure::from(e).at(place))?;
        self.committed(1, counted.len());
        busy.kept(self.report.records)
    }

    fn committed(&mut self, records: u64, bytes: u64) {
        self.report.records += records;
        self.report.bytes += bytes;
        self.report.commits += 1;
        self.new_spaces.clear();
        self.new_fields.clear();
    }

    /// Drops the records that a file was before and is no more: --upsert those of a text by paragraph, --sync all.
    pub(super) fn drop_rest(&mut self, path: &str, kept: Kept) {
        let is_replaced = self.args.upsert && matches!(kept, Kept::Paragraphs(_));
        if self.artifact.is_some() && (is_replaced || self.args.sync) {
            self.held.push(Op::DropRest { path: path.to_owned(), kept });
        }
    }

    /// The content of the record that has the key.
    pub(super) fn content(&self, key: &str) -> Result<Option<Vec<u8>>> {
        let entry = self.artifact.as_ref().map(|artifact| artifact.get_by_key(key)).transpose()?.flatten();
        Ok(entry.map(|entry| entry.bytes().map(std::borrow::Cow::into_owned)).transpose()?)
    }

    pub(super) fn taken(&self) -> u64 {
        self.report.taken
    }

    /// Whether a record that was committed has the key.
    pub(super) fn has_key(&self, key: &str) -> Result<bool> {
        Ok(self.artifact.as_ref().map(|artifact| artifact.id_of_key(key)).transpose()?.flatten().is_some())
    }

    /// Makes one commit of what is held.
    pub(crate) fn commit(&mut self) -> Result<()> {
        self.held_len = 0;
        // One for each key, however often it was upserted.
        let mut records = self.keys.len() as u64;
        self.keys.clear();
        let held = std::mem::take(&mut self.held);
        if held.is_empty() {
            return Ok(());
        }
        let busy = interrupt::writing();
        let (upsert, sync) = (self.args.upsert || self.args.sync, self.args.sync);
        self.add_fields(&held)?;
        let artifact = self.opened()?;
        let mut batch = Batch::new();
        let (mut bytes, mut places) = (0, Vec::new());
        let mut without = held.iter().filter(|op| op.needs_model()).count() as u64;
        if model::missing(artifact).is_none() {
            without = 0;
        }
        for op in held {
            match op {
                Op::Add(document, place) => {
                    places.push(Some(place));
                    bytes += document.content_len();
                    let has_key = document.key.is_some();
                    records += u64::from(!has_key);
                    let record = document.into_record();
                    batch = if upsert && has_key { batch.upsert(record) } else { batch.add(record) };
                }
                Op::Remember(document) => {
                    places.push(None);
                    batch = batch.upsert(document.into_record());
                }
                Op::DropRest { path, kept } => {
                    for id in rest_of_file(artifact, &path, kept, sync)? {
                        places.push(None);
                        batch = batch.delete(id);
                    }
                }
            }
        }
        artifact.write(batch).map_err(|e| Failure::of_batch(e, &places))?;
        self.report.without += without;
        self.committed(records, bytes);
        busy.kept(self.report.records)
    }

    /// Gives the artifact the fields of texts that are named, and those of the records.
    fn add_fields(&mut self, held: &[Op]) -> Result<()> {
        let known = self.opened()?.fields();
        let is_known =
            |fields: &[(String, u32)], name: &String| fields.iter().any(|(known, _)| known == name);
        let mut new = self.args.field.clone();
        for (name, _) in held.iter().flat_map(Op::fields) {
            if !is_known(&known, name) && !is_known(&new, name) {
                new.push((name.clone(), 1));
            }
        }
        for (name, weight) in &new {
            let added = self.opened()?.add_field(name, *weight);
            let named =
                self.fields.get(name).filter(|_| self.args.field.iter().all(|(given, _)| given != name));
            added.map_err(|e| Failure::from(e).at(named.map_or("--field", String::as_str)))?;
            if !is_known(&known, name) {
                self.new_fields.push(name.clone());
            }
        }
        Ok(())
    }

    /// The artifact with all spaces, created if there is none.
    fn opened(&mut self) -> Result<&CompactArtifact> {
        let mut new = Vec::new();
        for (name, space) in &mut self.spaces {
            if std::mem::take(&mut space.is_new) {
                new.push((name, space.options()));
            }
        }
        let artifact = match self.artifact.take() {
            Some(artifact) => {
                let artifact = self.artifact.insert(artifact);
                for (name, space) in new {
                    artifact.add_space(name, space)?;
                    self.new_spaces.push(name.clone());
                }
                return Ok(artifact);
            }
            None => {
                let options = new
                    .into_iter()
                    .fold(self.args.options()?, |options, (name, space)| options.space(name.as_str(), space));
                let options = match self.mode.settings() {
                    Some(settings) => settings.added_to(options)?,
                    None => options,
                };
                let options = match self.embedder.clone() {
                    Some(embedder) => options.embedder(embedder),
                    None => options,
                };
                let fields = self.args.field.iter();
                let options = fields.fold(options, |options, (name, weight)| options.field(name, *weight));
                let remove = interrupt::remover(&self.args.artifact);
                interrupt::set_up(move || remove().map_err(|e| e.to_string()));
                let artifact = options.create(&self.args.artifact)?;
                self.report.created = true;
                artifact
            }
        };
        Ok(self.artifact.insert(artifact))
    }

    /// Makes the last commit.
    pub(crate) fn end(&mut self) -> Result<()> {
        let Args { metric, quantization, originals, .. } = self.args;
        let is_for_vectors = metric.is_some() || quantization.is_some() || originals.is_some();
        if is_for_vectors && !self.spaces.values().any(|space| space.is_used && !space.is_of_model) {
            let message = "--metric, --quantization and --originals: no record has a vector of another space than that of the texts";
            return Err(Failure::usage(message));
        }
        self.commit()?;
        if let Some(settings) = self.mode.settings() {
            let expires_field = settings.expires_field().map(str::to_owned);
            let artifact = self.opened()?; // also without records
            if let Some(field) = expires_field {
                artifact.set_expires_field(&field)?;
            }
            return Ok(());
        }
        if self.report.commits == 0 && (self.artifact.is_none() || !self.args.sync) {
            return Err(Failure::not_there("no file has a record in it"));
        }
        Ok(())
    }

    /// Closes the artifact. That this fails takes back nothing of what was committed.
    pub(crate) fn finish(mut self, bar: &Progress) -> Report {
        interrupt::keep_set_up();
        let missing = self.artifact.as_ref().and_then(model::missing).filter(|_| self.report.without > 0);
        self.report.warning = missing.map(|model| without_embedding(self.report.without, &model));
        if let Some(artifact) = self.artifact
            && let Err(e) = artifact.close_with(|percent| bar.reach(percent))
        {
            let failure = Failure::from(e).at("closing the artifact");
            let more =
                "all records were added and are kept, and the next command that writes goes on from there";
            let failure = self.report.warning.iter().fold(failure.and(more), Failure::and);
            self.report.warning = Some(failure.message().to_owned());
        }
        self.report
    }

    /// After a failure: says what is kept, and leaves nothing behind that was set up for what is not.
    pub(crate) fn give_up(mut self, failure: Failure) -> Failure {
        let _busy = interrupt::writing();
        interrupt::keep_set_up();
        // A restore is all or nothing.
        let records = if self.mode.is_restore() { 0 } else { self.report.records };
        let kept = match records {
            0 => "nothing was added".to_owned(),
            1 => "1 record was added before it and is kept".to_owned(),
            records => format!("{records} records were added before it and are kept"),
        };
        match self.artifact.take() {
            Some(artifact) if self.report.created && records == 0 => match artifact.destroy() {
                Ok(()) => failure.and(kept),
                Err(e) => {
                    let e = Failure::from(e);
                    failure.and(format_args!("{kept}, but an empty artifact stays: {}", e.message()))
                }
            },
            Some(artifact) => {
                let failure = failure.and(kept);
                match self.revert(&artifact) {
                    Ok(()) => failure,
                    Err(e) => failure.and(format_args!("what was set up for it stays: {e}")),
                }
            }
            None => failure.and(kept),
        }
    }

    /// Takes back settings for records that were not added, since they would refuse others.
    fn revert(&self, artifact: &CompactArtifact) -> compact_artifact::Result<()> {
        if self.report.commits == 0 {
            return artifact.revert_settings();
        }
        self.new_spaces.iter().try_for_each(|name| artifact.drop_space(name))?;
        self.new_fields.iter().try_for_each(|name| artifact.drop_field(name))
    }
}

/// What is said of texts that were added without an embedding.
fn without_embedding(texts: u64, model: &str) -> String {
    format!(
        "{} added without an embedding, to be found by words only: the model {model:?}, which the texts of the artifact are embedded by, is not that of this program; --model names it, and \
         `cart reembed --model` embeds them now",
        several(texts, "text")
    )
}
