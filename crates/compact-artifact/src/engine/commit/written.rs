//! The records of the store that a plan becomes.

use std::ops::Range;

use block_format::{Batch, RecordId};
use roaring::RoaringTreemap;

use super::plan::Plan;
use super::prepare::PreparedRecord;
use crate::api::error::Result;
use crate::engine::policy;
use crate::format::embeddings::{self, Embedding};
use crate::format::settings::Settings;
use crate::state::State;

/// A plan as a batch of the store.
pub(super) struct Written {
    pub(super) batch: Batch,
    /// Of the puts of the plan.
    pub(super) ids: Vec<RecordId>,
    /// Ids of the records that carry embeddings.
    pub(super) embedding_records: RoaringTreemap,
    /// All ids that the batch gives out.
    pub(super) covers: Range<u64>,
}

impl Written {
    pub(super) fn new(batch: Batch, state: &State, plan: &Plan) -> Result<Self> {
        let start = state.records.next_id().0;
        let (ids, embedding_records) = (Vec::with_capacity(plan.puts.len()), RoaringTreemap::new());
        let mut written = Self { batch, ids, embedding_records, covers: start..start };
        plan.deletes.iter().for_each(|id| written.batch.delete(RecordId(id)));
        for puts in plan.puts.chunks(policy::RECORDS_PER_EMBEDDINGS) {
            written.put(puts, &state.settings)?;
        }
        for number in 0..state.settings.spaces.len() {
            written.add_embeddings(number, plan)?;
        }
        written.covers.end = written.next();
        Ok(written)
    }

    /// The id of the next record.
    fn next(&self) -> u64 {
        self.covers.start + self.batch.record_count()
    }

    /// Embeddings come before the records that they belong to, so that a commit that is read from its beginning knows them by then.
    fn put(&mut self, puts: &[PreparedRecord], settings: &Settings) -> Result<()> {
        let of_spaces = embeddings_of(puts, settings);
        let next = self.next();
        let first = next + of_spaces.iter().map(|of| of.record_count() as u64).sum::<u64>();
        self.embedding_records.insert_range(next..first);
        for of in &of_spaces {
            of.encode(first).iter().try_for_each(|bytes| self.batch.put(bytes).map(drop))?;
        }
        for put in puts {
            self.ids.push(RecordId(self.next()));
            self.batch.put(&[&put.head, put.record.content()].concat())?;
        }
        Ok(())
    }

    /// Embeddings of earlier records in one space.
    fn add_embeddings(&mut self, number: usize, plan: &Plan) -> Result<()> {
        let all = plan.added.iter().flat_map(|(id, added)| {
            added.embeddings.iter().map(move |(of, embedding)| (*id, *of, embedding))
        });
        let of_space: Vec<_> =
            all.filter(|(_, of, _)| *of == number).map(|(id, _, embedding)| (id, embedding)).collect();
        for bytes in embeddings::encode(number, &of_space) {
            self.embedding_records.insert(self.next());
            self.batch.put(&bytes)?;
        }
        Ok(())
    }
}

/// Embeddings of neighbouring puts in one space, by the place of the put.
struct SpaceEmbeddings<'a> {
    number: usize,
    of: Vec<(u64, &'a Embedding)>,
}

impl SpaceEmbeddings<'_> {
    fn record_count(&self) -> usize {
        embeddings::records_of(self.of.len(), self.of.first().map(|(_, embedding)| *embedding))
    }

    fn encode(&self, first: u64) -> Vec<Vec<u8>> {
        let of: Vec<_> =
            self.of.iter().map(|(place, embedding)| (RecordId(first + place), *embedding)).collect();
        embeddings::encode(self.number, &of)
    }
}

fn embeddings_of<'a>(puts: &'a [PreparedRecord], settings: &Settings) -> Vec<SpaceEmbeddings<'a>> {
    let of_space = |number: usize| {
        let of = (0..).zip(puts).flat_map(|(place, put)| {
            put.embeddings.iter().map(move |(of, embedding)| (place, *of, embedding))
        });
        let of =
            of.filter(|(_, of, _)| *of == number).map(|(place, _, embedding)| (place, embedding)).collect();
        SpaceEmbeddings { number, of }
    };
    (0..settings.spaces.len()).map(of_space).filter(|of_spaces| !of_spaces.of.is_empty()).collect()
}
