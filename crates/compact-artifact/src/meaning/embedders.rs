//! The embedders at hand, each for the spaces that have its model.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use block_format::{BoundedCache, CacheStats, Workers};
use parking_lot::RwLock;
use rayon::prelude::*;
use text_embedder::{Embedder, Embeddings, ModelHash};
use xxhash_rust::xxh3::Xxh3;

use crate::api::error::{Error, ErrorKind, Result};
use crate::api::options::Options;
use crate::api::query::WEIGHTS;
use crate::api::space::{Quantization, Space, SpaceModel, Stage};
use crate::format::embeddings::Embedding;
use crate::format::kept_embeddings::KeptEmbeddings;

/// Embedders, and what they gave lately.
#[derive(Debug)]
pub(crate) struct Meaning {
    embedders: RwLock<Vec<Arc<dyn Embedder>>>,
    kept: BoundedCache<u128, Kept>,
    /// Something is kept that was not when [`Meaning::kept_documents`] was called last.
    has_new: AtomicBool,
}

/// What is kept of a text.
#[derive(Debug, Clone)]
enum Kept {
    /// As it is stored in a space of this quantization, by the model with this hash.
    Document(ModelHash, Quantization, Arc<Embedding>),
    Query(Arc<[f32]>),
}

impl Kept {
    fn byte_len(&self) -> usize {
        let content = match self {
            Self::Document(.., embedding) => embedding.codes.len() + embedding.original.len(),
            Self::Query(vector) => size_of_val::<[f32]>(vector),
        };
        content + KEPT_OVERHEAD
    }
}

/// Bytes of a key and of what surrounds its value, about.
const KEPT_OVERHEAD: usize = 96;
/// Texts that one thread embeds at a time.
const TEXTS_OF_A_THREAD: usize = 64;

impl Meaning {
    pub(crate) fn new(options: &Options) -> Self {
        let embedders = RwLock::new(options.embedder.iter().cloned().collect());
        let kept = BoundedCache::new(options.embedding_cache_bytes, 512, Kept::byte_len);
        Self { embedders, kept, has_new: AtomicBool::new(false) }
    }

    /// From now on this embedder is at hand, too. Returns those that were before.
    pub(crate) fn add(&self, embedder: Arc<dyn Embedder>) -> Vec<Arc<dyn Embedder>> {
        let mut embedders = self.embedders.write();
        let before = embedders.clone();
        embedders.retain(|known| known.hash() != embedder.hash());
        embedders.push(embedder);
        before
    }

    /// Takes [`add`](Self::add) back.
    pub(crate) fn restore(&self, before: Vec<Arc<dyn Embedder>>) {
        *self.embedders.write() = before;
    }

    /// The embedder of the model that a space has, if it is at hand.
    fn embedder_for(&self, space: &Space) -> Option<Arc<dyn Embedder>> {
        let model = space.model.as_ref()?;
        self.embedders.read().iter().find(|embedder| model.is_of(embedder.as_ref())).cloned()
    }

    /// The embeddings of texts that are stored in a space, in their order; `None` for a text in which the model knows nothing. `None` in all: the space
    /// has no model, or no embedder is at hand. An error where one of another model is, as where another process moved to a new one; a space that is
    /// being filled may wait.
    pub(crate) fn embed_documents(
        &self,
        space: &Space,
        texts: &[&str],
        workers: &Workers,
    ) -> Result<Option<Vec<Option<Embedding>>>> {
        let Some(embedder) = self.embedder_for(space) else {
            let is_other = space.stage == Stage::Current && !self.embedders.read().is_empty();
            return if is_other { Err(self.missing(space)) } else { Ok(None) };
        };
        let embed = |texts: &[&str]| self.embed_some(embedder.as_ref(), space, texts);
        if texts.len() <= TEXTS_OF_A_THREAD {
            return embed(texts).map(Some);
        }
        let caller = block_format::calling_thread();
        let parts: Vec<Vec<Option<Embedding>>> = workers.run(|divided| {
            if divided {
                let embed = |texts| block_format::work_for(caller, || embed(texts));
                texts.par_chunks(TEXTS_OF_A_THREAD).map(embed).collect::<Result<_>>()
            } else {
                texts.chunks(TEXTS_OF_A_THREAD).map(embed).collect()
            }
        })?;
        Ok(Some(parts.into_iter().flatten().collect()))
    }

    fn embed_some(
        &self,
        embedder: &dyn Embedder,
        space: &Space,
        texts: &[&str],
    ) -> Result<Vec<Option<Embedding>>> {
        let keys: Vec<u128> = texts.iter().map(|text| key(embedder, space, 0, text)).collect();
        let mut embeddings: Vec<Option<Embedding>> = keys
            .iter()
            .map(|key| match self.kept.get(key) {
                Some(Kept::Document(_, quantization, embedding)) if quantization == space.quantization() => {
                    Some((*embedding).clone())
                }
                _ => None,
            })
            .collect();
        let missing: Vec<usize> = (0..texts.len()).filter(|&at| embeddings[at].is_none()).collect();
        if missing.is_empty() {
            return Ok(embeddings);
        }
        let asked: Vec<&str> = missing.iter().map(|&at| texts[at]).collect();
        let vectors = embeddings_of(embedder, &asked)?;
        for (at, vector) in missing.into_iter().zip(vectors.iter()) {
            let Some(vector) = vector else { continue };
            let embedding = Embedding::new(space, vector).map_err(|e| fault(embedder, e.to_string()))?;
            if self.kept.is_on() {
                let kept = Kept::Document(embedder.hash(), space.quantization(), Arc::new(embedding.clone()));
                self.kept.insert(keys[at], kept);
                self.has_new.store(true, Ordering::Relaxed);
            }
            embeddings[at] = Some(embedding);
        }
        Ok(embeddings)
    }

    /// The vector of a text that others of a space are to be like; `None` if the model knows nothing in it.
    pub(crate) fn embed_query(&self, space: &Space, text: &str) -> Result<Option<Vec<f32>>> {
        let embedder = self.embedder_for(space).ok_or_else(|| self.missing(space))?;
        let key = key(embedder.as_ref(), space, 1, text);
        if let Some(Kept::Query(vector)) = self.kept.get(&key) {
            return Ok(Some(vector.to_vec()));
        }
        let vector = embedder.embed_query(text)?;
        if let Some(vector) = &vector {
            self.kept.insert(key, Kept::Query(vector.as_slice().into()));
        }
        Ok(vector)
    }

    /// The vectors of texts as documents, by the model of the space of texts; without such a space by the embedder that the caller gave.
    pub(crate) fn embed(&self, space: Option<&Space>, texts: &[&str]) -> Result<Vec<Option<Vec<f32>>>> {
        let embedder = match space {
            Some(space) => self.embedder_for(space).ok_or_else(|| self.missing(space))?,
            None => self.embedders.read().last().cloned().ok_or_else(|| {
                let message = "there is no model to embed with; the option embedder names one";
                Error::new(ErrorKind::NoModel, message)
            })?,
        };
        let vectors = embeddings_of(embedder.as_ref(), texts)?;
        Ok(vectors.iter().map(|vector| vector.map(<[f32]>::to_vec)).collect())
    }

    /// How much what the model of a space finds counts beside words.
    pub(crate) fn weight(&self, space: &Space) -> Result<f32> {
        self.embedder_for(space).map_or(Ok(0.8), |embedder| weight_of(embedder.as_ref()))
    }

    /// Whether texts of queries can be embedded for a space.
    pub(crate) fn is_at_hand(&self, space: &Space) -> bool {
        self.embedder_for(space).is_some()
    }

    /// What is kept of texts by the model of a space, by the hashes of the texts; `None` if nothing is that was not before.
    pub(crate) fn kept_documents(&self, space: &Space) -> Option<KeptEmbeddings> {
        let model = space.model.as_ref()?;
        if !self.has_new.swap(false, Ordering::Relaxed) {
            return None;
        }
        let wanted = (model.hash, space.quantization());
        let documents = self.kept.entries().into_iter().filter_map(|(text, kept)| match kept {
            Kept::Document(by, quantization, embedding) if (by.0, quantization) == wanted => {
                Some((text, (*embedding).clone()))
            }
            _ => None,
        });
        let mut documents: KeptEmbeddings = documents.collect();
        // So that the same embeddings are the same bytes.
        documents.sort_unstable_by_key(|(text, _)| *text);
        Some(documents).filter(|documents| !documents.is_empty())
    }

    /// Keeps what was kept before, of texts by the model of a space.
    pub(crate) fn keep_documents(&self, space: &Space, model: &SpaceModel, documents: KeptEmbeddings) {
        for (text, embedding) in documents {
            let (model, quantization) = (ModelHash(model.hash), space.quantization());
            self.kept.insert(text, Kept::Document(model, quantization, Arc::new(embedding)));
        }
    }

    /// What the cache did, and what it holds.
    pub(crate) fn cache_stats(&self) -> CacheStats {
        self.kept.stats()
    }

    /// Heap of the tables of the cache.
    #[cfg(feature = "analyzers")]
    pub(crate) fn cache_table_bytes(&self) -> u64 {
        self.kept.table_bytes()
    }

    pub(crate) fn clear(&self) {
        self.kept.clear();
    }

    /// Says which model a space needs and which ones are at hand.
    fn missing(&self, space: &Space) -> Error {
        let embedders = self.embedders.read();
        let needed = space.model.as_ref().map(ToString::to_string).unwrap_or_default();
        match embedders.last() {
            None => {
                let message = format!(
                    "texts of this artifact are embedded by the model {needed}, which is not at hand; the option embedder names it, or search by words"
                );
                Error::new(ErrorKind::NoModel, message)
            }
            Some(given) => {
                let given = SpaceModel::from_embedder(given.as_ref());
                let message = format!(
                    "texts of this artifact are embedded by the model {needed}, and the one given is {given}"
                );
                Error::new(ErrorKind::ModelMismatch, message)
            }
        }
    }
}

/// How much what an embedder finds counts beside words.
pub(crate) fn weight_of(embedder: &dyn Embedder) -> Result<f32> {
    let weight = embedder.weight();
    if WEIGHTS.contains(&weight) {
        return Ok(weight);
    }
    Err(fault(embedder, format!("a weight of {weight}; expected 0 or more, up to {:e}", WEIGHTS.end())))
}

/// The vectors of texts, one for each.
fn embeddings_of(embedder: &dyn Embedder, texts: &[&str]) -> Result<Embeddings> {
    let vectors = embedder.embed_documents(texts)?;
    if vectors.len() == texts.len() {
        return Ok(vectors);
    }
    Err(fault(embedder, format!("{} vectors for {} texts", vectors.len(), texts.len())))
}

/// An embedder that gives what it should not.
fn fault(embedder: &dyn Embedder, what: String) -> Error {
    Error::new(ErrorKind::Embedder, format!("the embedder {:?} gave {what}", embedder.id()))
}

/// 128 bits over a text, what it is embedded by and for: two that differ have different ones, but for a chance of 2^-64 in billions of texts.
fn key(embedder: &dyn Embedder, space: &Space, purpose: u8, text: &str) -> u128 {
    let mut hash = Xxh3::new();
    hash.update(&embedder.hash().0);
    hash.update(space.name.as_bytes());
    hash.update(&[purpose]);
    hash.update(text.as_bytes());
    hash.digest128()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::space::{MEANING, SpaceOptions};

    #[derive(Debug)]
    struct Counting;

    impl Embedder for Counting {
        fn id(&self) -> &'static str {
            "counting"
        }

        fn hash(&self) -> ModelHash {
            ModelHash([7; 16])
        }

        fn dimension(&self) -> usize {
            80
        }

        fn embed_documents(&self, texts: &[&str]) -> text_embedder::Result<Embeddings> {
            let mut embeddings = Embeddings::with_capacity(80, texts.len())?;
            for text in texts {
                let value = |at: u8| f32::from(at.wrapping_mul(37)) + f32::from(text.as_bytes()[0]);
                embeddings.push(Some(&(0..80).map(value).collect::<Vec<f32>>()))?;
            }
            Ok(embeddings)
        }
    }

    #[test]
    fn codes_that_are_kept_of_a_text_are_not_those_of_a_space_of_another_quantization() {
        let meaning = Meaning::new(&Options::new());
        let model = SpaceModel { id: "counting".to_owned(), hash: [7; 16] };
        let space = |quantization| {
            let space = Space::new(MEANING, SpaceOptions::of_texts(80).quantization(quantization)).unwrap();
            Space { model: Some(model.clone()), ..space }
        };
        let [plain, rotated] = [Quantization::Int8, Quantization::RotatedInt8].map(space);
        let text = "a text";
        let vector: Vec<f32> = Counting.embed_documents(&[text]).unwrap().get(0).unwrap().to_vec();
        for space in [&plain, &rotated, &rotated, &plain] {
            let found = meaning.embed_some(&Counting, space, &[text]).unwrap().remove(0);
            assert_eq!(found, Some(Embedding::new(space, &vector).unwrap()));
            let other = if space == &plain { &rotated } else { &plain };
            assert_eq!(meaning.kept_documents(other), None);
        }
    }
}
