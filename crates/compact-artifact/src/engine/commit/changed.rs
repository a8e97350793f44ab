//! An earlier record that is indexed again, because its metadata or its embeddings change.

use block_format::RecordId;

use crate::api::error::{Error, Result};
use crate::api::patch::MetadataPatch;
use crate::format::changes;
use crate::format::embeddings::Embedding;
use crate::state::{OwnedDocument, State};

/// An earlier record that changes.
#[derive(Debug, Clone)]
pub(super) struct Changed {
    /// The record as it will be.
    pub(super) document: OwnedDocument,
    /// What it gets in each space, by its number; `None`: nothing any more.
    pub(super) embeddings: Vec<(usize, Option<Embedding>)>,
    /// Its new metadata as the store keeps them, if they change.
    pub(super) metadata: Option<Vec<u8>>,
}

impl Changed {
    /// A record that is there, with what it has.
    pub(super) fn stored(state: &State, id: RecordId) -> Result<Option<Self>> {
        let Some(document) = state.document(id)? else { return Ok(None) };
        match document.metadata_fault.as_ref().or(document.text_fault.as_ref()) {
            Some(fault) => Err(Error::damaged(fault.clone())),
            None => Ok(Some(Self { document, embeddings: Vec::new(), metadata: None })),
        }
    }

    /// Refuses to index it again without embeddings that cannot be read, unless it gets others.
    pub(super) fn check(&self, state: &State) -> Result<()> {
        let id = self.document.id;
        let Some(&number) = self.document.lost.first() else { return Ok(()) };
        state.embedding(id, number)?;
        Err(Error::damaged(format!(
            "record {id}: its embedding in space {:?}",
            state.settings.spaces[number].name
        )))
    }

    /// Gives it an embedding, or takes the one away that it has.
    pub(super) fn embed(&mut self, number: usize, embedding: Option<Embedding>) {
        match &embedding {
            Some(embedding) => self.document.embed(number, embedding.clone()),
            None => self.document.unembed(number),
        }
        self.embeddings.retain(|(space, _)| *space != number);
        self.embeddings.push((number, embedding));
    }

    /// The numbers of the spaces in which it has no embedding any more.
    pub(super) fn removed(&self) -> impl Iterator<Item = usize> {
        self.embeddings.iter().filter(|(_, embedding)| embedding.is_none()).map(|(number, _)| *number)
    }

    pub(super) fn patch(&mut self, patch: &MetadataPatch) -> Result<()> {
        patch.apply(&mut self.document.metadata);
        let encoded = changes::encode_metadata(&self.document.metadata);
        self.metadata = Some(encoded.map_err(|e| e.about(format_args!("record {}", self.document.id)))?);
        Ok(())
    }

    pub(super) fn bytes(&self) -> usize {
        self.document.byte_len() + self.metadata.as_ref().map_or(0, Vec::len)
    }
}
