//! A batch, checked as far as it can be without knowing what else is there: what is wrong with it fails its own caller only.

use std::borrow::Cow;
use std::sync::Arc;

use block_format::{Durability, RecordId, Workers};
use metadata_index::Filter;
use rayon::prelude::*;

use crate::api::batch::{Batch, Op, Target};
use crate::api::entry::Entry;
use crate::api::error::{Error, ErrorKind, Result};
use crate::api::patch::MetadataPatch;
use crate::api::record::{MAX_TEXT_LEN, Record};
use crate::api::space::Space;
use crate::format::embeddings::Embedding;
use crate::format::record::encode_head;
use crate::format::settings::Settings;
use crate::meaning::Meaning;
use crate::shard::{Document, MIN_RECORDS_TO_DIVIDE};

/// A batch that was checked as far as it can be without knowing what else is there.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(super) changes: Vec<PreparedChange>,
    pub(super) durability: Durability,
    /// By which its texts were embedded.
    settings: Arc<Settings>,
}

#[derive(Debug)]
pub(super) enum PreparedChange {
    Put(PreparedRecord),
    Delete(RecordId),
    DeleteKey(String),
    DeleteWhere(Filter),
    Update { target: Target, patch: MetadataPatch },
    Embed { id: RecordId, number: usize, embedding: Option<Embedding>, must_exist: bool },
}

/// Embeddings of a record, each with the number of its space.
type Embeddings = Vec<(usize, Embedding)>;

/// A record with its first bytes and its codes.
#[derive(Debug)]
pub(super) struct PreparedRecord {
    /// Without its vectors.
    pub(super) record: Record,
    pub(super) head: Vec<u8>,
    pub(super) embeddings: Embeddings,
    pub(super) replace: bool,
}

impl PreparedRecord {
    fn new(mut record: Record, replace: bool, settings: &Settings) -> Result<Self> {
        record.resolve_expiry(settings.expires_at.as_deref())?;
        let (head, embeddings) = prepare(&record, replace, settings)?;
        record.embeddings = Vec::new();
        Ok(Self { record, head, embeddings, replace })
    }

    /// What an index has to know of it, under its id.
    pub(super) fn document(&self, id: RecordId) -> Document<'_> {
        Document {
            id,
            key: self.record.key.as_deref(),
            metadata: self.record.metadata_map(),
            metadata_record: None,
            text: self.record.as_text(),
            fields: self.record.fields.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect(),
            embeddings: self.embeddings.iter().map(|(number, embedding)| (*number, embedding)).collect(),
        }
    }

    pub(super) fn has_embedding(&self, number: usize) -> bool {
        self.embeddings.iter().any(|(known, _)| *known == number)
    }

    /// Whether its content and fields are those of a stored record.
    pub(super) fn has_content_of(&self, entry: &Entry) -> Result<bool> {
        let record = &self.record;
        Ok(entry.is_text() == record.as_text().is_some()
            && entry.len() == record.content().len() as u64
            && entry.fields()? == record.fields
            && entry.bytes()? == record.content())
    }

    /// Takes over the embedding that the replaced record has in a space, of the same content; or says why not. What a model gives for a text comes again by
    /// itself.
    pub(super) fn keep_embedding(
        &mut self,
        space: &Space,
        embedding: (usize, Embedding),
        is_same_content: bool,
        was_text: bool,
    ) -> Result<()> {
        if is_same_content {
            self.embeddings.push(embedding);
        } else if space.model.is_none() || !was_text {
            let (key, name) = (self.record.key.as_deref().unwrap_or_default(), space.name());
            let message = format!(
                "the record with the key {key:?} has an embedding in vector space {name:?}, which this one with other content would lose; give one, or delete the key in the same batch before"
            );
            return Err(Error::new(ErrorKind::WouldLoseEmbedding, message));
        }
        Ok(())
    }

    /// Takes over the embeddings of an earlier record of the batch that this one replaces.
    pub(super) fn keep_embeddings_of(&mut self, earlier: &Self, settings: &Settings) -> Result<()> {
        let is_same =
            self.record.content == earlier.record.content && self.record.fields == earlier.record.fields;
        for (number, embedding) in &earlier.embeddings {
            if !self.has_embedding(*number) {
                let (space, was_text) = (&settings.spaces[*number], earlier.record.as_text().is_some());
                self.keep_embedding(space, (*number, embedding.clone()), is_same, was_text)?;
            }
        }
        Ok(())
    }

    pub(super) fn bytes(&self) -> usize {
        let embeddings =
            self.embeddings.iter().map(|(_, embedding)| embedding.codes.len() + embedding.original.len());
        self.head.len() + self.record.content().len() + embeddings.sum::<usize>()
    }
}

/// The first bytes of a record and its codes, by the number of the space. Fails for whatever is wrong with the record by itself.
pub(crate) fn prepare(record: &Record, replace: bool, settings: &Settings) -> Result<(Vec<u8>, Embeddings)> {
    let head = encode_head(record)?;
    if replace && record.key.is_none() {
        return Err(Error::invalid("an upsert of a record without a key; use `add`"));
    }
    check_indexed_len(record, settings)?;
    settings.check_metadata(record.metadata_map())?;
    let mut embeddings: Vec<(usize, Embedding)> = Vec::with_capacity(record.embeddings.len());
    for (name, vector) in &record.embeddings {
        let (number, space) = settings.space(name)?;
        if embeddings.iter().any(|(known, _)| *known == number) {
            return Err(Error::invalid(format!("two embeddings of one record in vector space {name:?}")));
        }
        embeddings.push((number, Embedding::new(space, vector)?));
    }
    Ok((head, embeddings))
}

/// Refuses a field that the artifact does not have, and more text than an index takes of one record.
fn check_indexed_len(record: &Record, settings: &Settings) -> Result<()> {
    let mut len = record.as_text().map_or(0, str::len);
    for (name, text) in &record.fields {
        let times = settings.field(name)?.1.weight as usize + 1;
        len = len.saturating_add(text.len().saturating_mul(times));
    }
    if len > MAX_TEXT_LEN {
        let message = format!(
            "a text of {len} bytes with its fields as often as they count; expected at most {MAX_TEXT_LEN}"
        );
        return Err(Error::new(ErrorKind::TooLarge, message));
    }
    Ok(())
}

impl Prepared {
    /// Where there are many, `workers` divide them among themselves.
    pub(super) fn new(
        batch: Batch,
        settings: Arc<Settings>,
        durability: Durability,
        workers: &Workers,
    ) -> Result<Self> {
        let prepare = |op: Op| {
            Ok(match op {
                Op::Put { record, replace } => {
                    PreparedChange::Put(PreparedRecord::new(record, replace, &settings)?)
                }
                Op::Delete(id) => PreparedChange::Delete(id),
                Op::DeleteKey(key) => PreparedChange::DeleteKey(key),
                Op::DeleteWhere(filter) => PreparedChange::DeleteWhere(filter),
                Op::Update { target, patch } => {
                    patch.check()?;
                    PreparedChange::Update { target, patch }
                }
                Op::RemoveEmbedding { id, space } => {
                    let (number, _) = settings.space(&space)?;
                    PreparedChange::Embed { id, number, embedding: None, must_exist: true }
                }
                Op::Embed { id, space, vector } => {
                    let (number, space) = settings.space(&space)?;
                    let embedding = Some(Embedding::new(space, &vector)?);
                    PreparedChange::Embed { id, number, embedding, must_exist: true }
                }
            })
        };
        let at = |(number, op)| prepare(op).map_err(|e: Error| e.in_change(number));
        let alone = |ops: Vec<Op>| ops.into_iter().enumerate().map(at).collect::<Result<_>>();
        let changes = if batch.ops.len() < MIN_RECORDS_TO_DIVIDE {
            alone(batch.ops)?
        } else {
            workers.run(|divided| {
                if !divided {
                    return alone(batch.ops);
                }
                // All of them, so that the first that is wrong is told.
                let all: Vec<Result<_>> = batch.ops.into_par_iter().enumerate().map(at).collect();
                all.into_iter().collect()
            })?
        };
        let durability = batch.durability.unwrap_or(durability);
        durability.check()?;
        Ok(Self { changes, durability, settings })
    }

    /// Embeddings of earlier records, in the space with this number: of those that are still there and have none meanwhile.
    #[cfg(feature = "embedder")]
    pub(in crate::engine) fn late_embeddings(
        number: usize,
        embeddings: Vec<(RecordId, Embedding)>,
        settings: Arc<Settings>,
        durability: Durability,
    ) -> Self {
        let embed = |(id, embedding)| {
            let embedding = Some(embedding);
            PreparedChange::Embed { id, number, embedding, must_exist: false }
        };
        Self { changes: embeddings.into_iter().map(embed).collect(), durability, settings }
    }

    /// Gives texts that have no embedding in the spaces for it one, where an embedder is at hand.
    pub(super) fn embed_texts(&mut self, meaning: &Meaning, workers: &Workers) -> Result<()> {
        let settings = Arc::clone(&self.settings);
        settings.spaces_of_texts().try_for_each(|(number, space)| {
            let lacks = |put: &&mut PreparedRecord| {
                put.record.as_text().is_some() && put.embeddings.iter().all(|(known, _)| *known != number)
            };
            let puts = self.changes.iter_mut().filter_map(|change| match change {
                PreparedChange::Put(put) => Some(put),
                _ => None,
            });
            let mut puts: Vec<&mut PreparedRecord> = puts.filter(lacks).collect();
            let texts: Vec<Cow<'_, str>> = puts.iter().filter_map(|put| put.record.meant()).collect();
            let texts: Vec<&str> = texts.iter().map(AsRef::as_ref).collect();
            let embeddings = match texts.as_slice() {
                [] => None,
                texts => meaning.embed_documents(space, texts, workers)?,
            };
            for (put, embedding) in puts.iter_mut().zip(embeddings.into_iter().flatten()) {
                put.embeddings.extend(embedding.map(|embedding| (number, embedding)));
            }
            Ok(())
        })
    }

    /// Checks and embeds once more what was prepared by other settings than the newest.
    pub(super) fn catch_up(
        &mut self,
        newest: &Arc<Settings>,
        meaning: &Meaning,
        workers: &Workers,
    ) -> Result<()> {
        if Arc::ptr_eq(&self.settings, newest) {
            return Ok(());
        }
        self.settings = Arc::clone(newest);
        for (number, change) in self.changes.iter().enumerate() {
            if let PreparedChange::Put(put) = change {
                // A field of texts may have been dropped: that is this caller's error, and not one of all that commit with it.
                let checked = newest.check_metadata(put.record.metadata_map());
                let checked = checked.and_then(|()| check_indexed_len(&put.record, newest));
                checked.map_err(|e| e.in_change(number))?;
            }
        }
        self.embed_texts(meaning, workers)
    }

    /// Whether it may depend on what others in the queue do.
    pub(super) fn depends_on_others(&self) -> bool {
        let depends = |op: &PreparedChange| {
            matches!(
                op,
                PreparedChange::DeleteWhere(_) | PreparedChange::Update { target: Target::Where(_), .. }
            )
        };
        self.changes.iter().any(depends)
    }

    /// Bytes of its puts.
    pub(super) fn bytes(&self) -> usize {
        let puts = self.changes.iter().filter_map(|op| match op {
            PreparedChange::Put(put) => Some(put.bytes()),
            _ => None,
        });
        puts.sum()
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = &str> {
        self.changes.iter().filter_map(|op| match op {
            PreparedChange::Put(put) => put.record.key.as_deref(),
            PreparedChange::DeleteKey(key) | PreparedChange::Update { target: Target::Key(key), .. } => {
                Some(key)
            }
            _ => None,
        })
    }
}

/// The embeddings of texts in the space with this number, of those that have one.
#[cfg(feature = "embedder")]
pub(in crate::engine) fn embeddings_of_texts(
    space: &Space,
    texts: &[(RecordId, String)],
    meaning: &Meaning,
    workers: &Workers,
) -> Result<Vec<(RecordId, Embedding)>> {
    let plain: Vec<&str> = texts.iter().map(|(_, text)| text.as_str()).collect();
    let embeddings = meaning.embed_documents(space, &plain, workers)?.unwrap_or_default();
    let known = texts.iter().zip(embeddings).filter_map(|((id, _), embedding)| Some((*id, embedding?)));
    Ok(known.collect())
}
