//! The records of the store that a plan becomes.

use std::collections::BTreeMap;
use std::ops::Range;

use block_format::{Batch, RecordId};
use roaring::RoaringTreemap;

use super::plan::Plan;
use super::prepare::PreparedRecord;
use crate::api::error::Result;
use crate::engine::policy;
use crate::format::changes;
use crate::format::embeddings::{self, Embedding};
use crate::format::settings::Settings;
use crate::protocol::{Step, Steps};
use crate::state::State;

/// A plan as a batch of the store.
pub(super) struct StoreBatch {
    pub(super) batch: Batch,
    /// Of the puts of the plan.
    pub(super) ids: Vec<RecordId>,
    /// The records of the store that have the metadata of earlier records from now on, by those.
    pub(super) metadata_records: BTreeMap<RecordId, RecordId>,
    /// Ids that are deleted when the shard is sealed: see [`Shard::superseded`](crate::shard::Shard::superseded).
    pub(super) superseded: RoaringTreemap,
    /// All ids that the batch gives out.
    pub(super) covers: Range<u64>,
}

impl StoreBatch {
    pub(super) fn new(batch: Batch, state: &State, plan: &Plan) -> Result<Self> {
        let start = state.records.next_id().0;
        let (metadata_records, superseded) = Default::default();
        let ids = Vec::with_capacity(plan.puts.len());
        let mut written = Self { batch, ids, metadata_records, superseded, covers: start..start };
        for id in plan.deletes.iter().map(RecordId) {
            written.batch.delete(id);
            state.metadata_records_of(id).for_each(|metadata| written.batch.delete(metadata));
        }
        for puts in plan.puts.chunks(policy::RECORDS_PER_EMBEDDINGS) {
            written.put(puts, &state.settings)?;
        }
        for (number, _) in state.settings.kept_spaces() {
            written.add_embeddings(number, plan)?;
        }
        written.add_metadata(plan, state.steps)?;
        written.covers.end = written.next();
        Ok(written)
    }

    /// The id of the next record.
    fn next(&self) -> u64 {
        self.covers.start.saturating_add(self.batch.record_count())
    }

    /// Embeddings come before the records that they belong to, so that a commit that is read from its beginning knows them by then.
    fn put(&mut self, puts: &[PreparedRecord], settings: &Settings) -> Result<()> {
        let by_space = embeddings_by_space(puts, settings);
        let next = self.next();
        let embeddings = by_space.iter().map(|space| space.record_count() as u64).sum();
        let first = next.saturating_add(embeddings);
        self.superseded.insert_range(next..first);
        for space in &by_space {
            space.encode(first).iter().try_for_each(|bytes| self.batch.put_dense(bytes).map(drop))?;
        }
        for put in puts {
            self.ids.push(RecordId(self.next()));
            self.batch.put(&[&put.head, put.record.content()].concat())?;
        }
        Ok(())
    }

    /// Embeddings that earlier records get or lose in the space with this number.
    fn add_embeddings(&mut self, number: usize, plan: &Plan) -> Result<()> {
        let (mut embeddings, mut removed) = (Vec::new(), Vec::new());
        for (&id, changed) in plan.changed() {
            match changed.embeddings.iter().find(|(space, _)| *space == number) {
                Some((_, Some(embedding))) => embeddings.push((id, embedding)),
                Some((_, None)) => removed.push(id),
                None => {}
            }
        }
        for bytes in embeddings::encode(number, &embeddings) {
            self.superseded.insert(self.next());
            self.batch.put_dense(&bytes)?;
        }
        for bytes in changes::encode_removed(number, &removed) {
            self.superseded.insert(self.next());
            self.batch.put(&bytes)?;
        }
        Ok(())
    }

    /// New metadata of earlier records. Those that they take the place of stay until the new row of the record is on disk.
    fn add_metadata(&mut self, plan: &Plan, steps: Steps) -> Result<()> {
        for (&id, changed) in plan.changed() {
            let Some(metadata) = &changed.metadata else { continue };
            self.metadata_records.insert(id, RecordId(self.next()));
            self.batch.put(&[metadata.as_slice(), &changes::encode_target(id)].concat())?;
            match changed.document.metadata_record {
                Some(old) if !steps.take(Step::KeepReplacedMetadata) => self.batch.delete(old),
                old => self.superseded.extend(old.map(|old| old.0)),
            }
        }
        Ok(())
    }
}

/// Embeddings of neighbouring puts in one space.
struct SpaceEmbeddings<'a> {
    /// The number of the space.
    number: usize,
    /// By the place of the put.
    embeddings: Vec<(u64, &'a Embedding)>,
}

impl SpaceEmbeddings<'_> {
    fn record_count(&self) -> usize {
        let first = self.embeddings.first().map(|(_, embedding)| *embedding);
        embeddings::records_of(self.embeddings.len(), first)
    }

    /// As records of the store, where the first put has the id `first`.
    fn encode(&self, first: u64) -> Vec<Vec<u8>> {
        let with_id = |&(place, embedding): &(u64, _)| (RecordId(first + place), embedding);
        embeddings::encode(self.number, &self.embeddings.iter().map(with_id).collect::<Vec<_>>())
    }
}

/// Of each space that the puts have embeddings in.
fn embeddings_by_space<'a>(puts: &'a [PreparedRecord], settings: &Settings) -> Vec<SpaceEmbeddings<'a>> {
    let in_space = |number: usize| {
        let all = (0..).zip(puts).flat_map(|(place, put)| {
            put.embeddings.iter().map(move |(space, embedding)| (place, *space, embedding))
        });
        let here = all.filter(|(_, space, _)| *space == number);
        SpaceEmbeddings { number, embeddings: here.map(|(place, _, embedding)| (place, embedding)).collect() }
    };
    settings
        .kept_spaces()
        .map(|(number, _)| in_space(number))
        .filter(|space| !space.embeddings.is_empty())
        .collect()
}
