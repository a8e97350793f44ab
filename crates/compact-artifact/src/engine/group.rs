//! Records on their way into one shard, with what changed of them.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry::Vacant;
use std::ops::Range;

use block_format::RecordId;
use roaring::RoaringTreemap;

use super::lost_embeddings::DamagedShards;
use super::policy;
use crate::api::damage::Damage;
use crate::api::entry::Entry;
use crate::api::error::{Error, ErrorKind, Result};
use crate::format::changes;
use crate::format::embeddings::{self, Embedding};
use crate::format::parts::LostEmbeddings;
use crate::format::record::{self, Kind};
use crate::shard::{Shard, build};
use crate::state::{OwnedDocument, State, heap_of, with_changed_metadata};

/// Records on their way into one shard, and the changes of earlier ones. A change of embeddings is deleted with the next sealing also when its record cannot be
/// read, which is told: if it stayed, it could be made again later, over newer embeddings. Metadata stay: which are the newest is known by their ids.
#[derive(Debug, Default)]
pub(super) struct Group {
    documents: Vec<OwnedDocument>,
    /// Earlier records that change in this group.
    changed: BTreeMap<RecordId, OwnedDocument>,
    /// Embeddings of records that are still to come: they stand before theirs.
    pending: BTreeMap<RecordId, Vec<(usize, Embedding)>>,
    /// Of those that change, the ones that have other metadata than their rows.
    reindexed: RoaringTreemap,
    /// Embeddings that were taken away: the numbers of their spaces, and their records.
    removed: Vec<(usize, RecordId)>,
    superseded: RoaringTreemap,
    /// Changes that could not be made.
    faults: Vec<String>,
    /// Embeddings of records that are left out: the numbers of their spaces, and the records.
    left_out: LostEmbeddings,
    bytes: usize,
}

impl Group {
    /// Whether it is to be a shard. Not while embeddings are pending: sealing it deletes the record of the log that has them, which then nothing else has.
    pub(super) fn is_full(&self) -> bool {
        (self.documents.len() >= policy::RECOVERED_RECORDS_AT_ONCE
            || self.bytes >= policy::RECOVERED_BYTES_AT_ONCE)
            && self.pending.is_empty()
    }

    pub(super) fn add(
        &mut self,
        kind: Kind,
        entry: &Entry,
        state: &State,
        damaged: &DamagedShards,
    ) -> Result<()> {
        // Records come in the order of their ids: those of earlier embeddings were deleted, or are damaged.
        while let Some(earliest) = self.pending.first_entry().filter(|earliest| *earliest.key() < entry.id())
        {
            earliest.remove();
        }
        match kind {
            Kind::Embeddings => return self.add_embeddings(entry, state),
            Kind::Metadata => return self.change_metadata(entry, state),
            Kind::RemovedEmbeddings => return self.remove_embeddings(entry, state),
            Kind::Text | Kind::Blob | Kind::TextWithFields | Kind::BlobWithFields => {}
        }
        let mut document = OwnedDocument::read(entry)?;
        damaged.rescue(&mut document, state)?;
        self.documents.try_reserve(1).map_err(|_| no_memory())?;
        let pending = self.pending.remove(&document.id).unwrap_or_default();
        for (number, embedding) in pending {
            document.embed(number, embedding);
        }
        self.bytes += document.heap() + 64;
        self.documents.push(document);
        Ok(())
    }

    /// A record that has a row, with the last of these metadata. Older ones are deleted with the next sealing.
    pub(super) fn add_again(
        &mut self,
        id: RecordId,
        metadata_records: &[RecordId],
        state: &State,
    ) -> Result<()> {
        let Some(record) = state.records.get(id)? else { return Ok(()) };
        let mut entry = record::entry(record)?;
        let newest = metadata_records.split_last();
        if let Some((&newest, _)) = newest {
            entry = with_changed_metadata(entry, newest, state.records.get(newest))?;
        }
        let document = state.document_of(&entry)?;
        self.bytes += document.heap() + 64;
        self.changed.insert(id, document);
        self.reindexed.insert(id.0);
        self.supersede(newest.map_or(&[], |(_, older)| older));
        Ok(())
    }

    /// Records of the store that are deleted with the next sealing.
    pub(super) fn supersede(&mut self, ids: &[RecordId]) {
        self.superseded.extend(ids.iter().map(|id| id.0));
    }

    fn add_embeddings(&mut self, entry: &Entry, state: &State) -> Result<()> {
        let (number, found) = embeddings::decode(entry, &state.settings)?;
        self.change_each(entry.id(), found, |group, (id, embedding)| {
            embeddings::check(&state.settings.spaces[number].quantizer, &embedding)?;
            if id >= state.records.next_id() {
                return Err(Error::damaged(format!("an embedding of record {id}, which there is not yet")));
            }
            group.bytes += embedding.codes.len() + embedding.original.len();
            if id > entry.id() {
                group.pending.entry(id).or_default().push((number, embedding));
            } else if let Some(document) = group.earlier(id, state)? {
                document.embed(number, embedding);
            }
            Ok(())
        })
    }

    fn remove_embeddings(&mut self, change: &Entry, state: &State) -> Result<()> {
        let (number, ids) = changes::decode_removed(change, &state.settings)?;
        self.change_each(change.id(), ids, |group, id| {
            if let Some(document) = group.earlier(id, state)? {
                document.unembed(number);
                group.removed.push((number, id));
            }
            Ok(())
        })
    }

    /// Changes all that can be changed, and remembers what cannot.
    fn change_each<T>(
        &mut self,
        change: RecordId,
        all: impl IntoIterator<Item = T>,
        mut make: impl FnMut(&mut Self, T) -> Result<()>,
    ) -> Result<()> {
        self.superseded.insert(change.0);
        for each in all {
            match make(self, each) {
                Err(e) if e.kind() == ErrorKind::Damaged => self.faults.push(e.to_string()),
                made => made?,
            }
        }
        Ok(())
    }

    /// Metadata of an earlier record. Those that they take the place of, or that are of a record which is gone, are deleted with the next sealing.
    fn change_metadata(&mut self, change: &Entry, state: &State) -> Result<()> {
        let metadata = change.metadata()?;
        self.bytes += heap_of(&metadata);
        let superseded = match self.earlier(changes::decode_target(change)?, state)? {
            Some(document) => {
                document.replace_metadata(metadata, change.id()).filter(|old| *old != change.id())
            }
            None => Some(change.id()),
        };
        self.superseded.extend(superseded.map(|id| id.0));
        Ok(())
    }

    /// An earlier record that changes, unless it is gone.
    fn earlier(&mut self, id: RecordId, state: &State) -> Result<Option<&mut OwnedDocument>> {
        if let Ok(at) = self.documents.binary_search_by_key(&id, |document| document.id) {
            return Ok(Some(&mut self.documents[at]));
        }
        if let Vacant(place) = self.changed.entry(id) {
            let Some(document) = state.document(id)? else {
                return match state.records.get(id)? {
                    Some(_) => {
                        Err(Error::damaged(format!("record {id} is not indexed, since it cannot be read")))
                    }
                    None => Ok(None),
                };
            };
            self.bytes += document.heap();
            place.insert(document);
        }
        Ok(self.changed.get_mut(&id))
    }

    /// Leaves records as they are indexed whose metadata cannot be read, and changed in nothing but embeddings: they would be indexed without any.
    pub(super) fn leave_out_unreadable(&mut self) {
        let (reindexed, faults, left_out) = (&self.reindexed, &mut self.faults, &mut self.left_out);
        self.changed.retain(|id, document| {
            let fault = document.metadata_fault.as_ref().filter(|_| !reindexed.contains(id.0));
            let Some(fault) = fault else { return true };
            faults.push(format!("{fault}; what changed in its embeddings is not there, either"));
            let numbers = document.embeddings.iter().map(|(number, _)| number).chain(&document.lost);
            for number in numbers {
                left_out.entry(*number).or_default().insert(id.0);
            }
            false
        });
    }

    pub(super) fn is_empty(&self) -> bool {
        self.documents.is_empty() && self.changed.is_empty() && self.superseded.is_empty()
    }

    pub(super) fn new_records(&self) -> u64 {
        self.documents.len() as u64
    }

    fn all(&self) -> impl Iterator<Item = &OwnedDocument> {
        self.changed.values().chain(&self.documents)
    }

    /// What cannot be read of records, and nothing took the place of, but for embeddings.
    pub(super) fn damage(&self) -> impl Iterator<Item = Damage> {
        let faults =
            |document: &OwnedDocument| [document.metadata_fault.clone(), document.text_fault.clone()];
        self.all().flat_map(faults).flatten().chain(self.faults.clone()).map(Damage::new)
    }

    /// Embeddings that were taken away, by the numbers of their spaces.
    pub(super) fn removed(&self) -> impl Iterator<Item = (usize, RecordId)> {
        self.removed.iter().copied()
    }

    /// Records whose embeddings in the spaces with these numbers cannot be read, and that got no others; and those that are left out, with all that they should have.
    pub(super) fn lost(&self) -> LostEmbeddings {
        let mut lost = self.left_out.clone();
        for document in self.all() {
            for &number in &document.lost {
                lost.entry(number).or_default().insert(document.id.0);
            }
        }
        lost
    }

    pub(super) fn build(self, state: &State, covers: Range<u64>) -> Result<Shard> {
        let Self { documents, changed, superseded, bytes, .. } = self;
        check_memory(2 * bytes)?;
        let all: Vec<_> = changed.values().chain(&documents).map(OwnedDocument::as_document).collect();
        build(&state.settings, covers, &all, superseded)
    }
}

/// An error where there is no room for an index of records of so many bytes.
fn check_memory(bytes: usize) -> Result<()> {
    if wire::is_memory_left(bytes) { Ok(()) } else { Err(no_memory()) }
}

fn no_memory() -> Error {
    Error::new(ErrorKind::OutOfMemory, "there is no memory for an index of records")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_there_is_no_memory_for_an_index_of_records_that_is_an_error() {
        assert!(check_memory(1 << 20).is_ok());
        // More than there are addresses.
        assert_eq!(check_memory(isize::MAX.unsigned_abs()).unwrap_err().kind(), ErrorKind::OutOfMemory);
    }
}
