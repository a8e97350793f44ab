//! A shard that was opened.

use std::ops::Range;
use std::sync::Arc;

use block_format::{Part, RecordId};
use lexical_index::Part as Words;
use metadata_index::{Column, Index as MetadataIndex, Moment};
use roaring::{RoaringBitmap, RoaringTreemap};
use vector_index::{AlignedBytes, RowSet};

use super::columns::Columns;
use super::expiry::{Expired, Expiry};
use super::ids::Ids;
use super::key_filter::{KeyFilter, KeyHash};
use super::layout::{self, SectionKind};
use super::metadata_records::MetadataRecords;
use super::section::{Bytes, Section, Vectors, open_vectors};
use crate::api::damage::Damage;
use crate::api::error::{Error, Result};
use crate::api::space::Stage;
use crate::format::settings::Settings;
use crate::protocol::Steps;

/// An opened shard.
#[derive(Debug)]
pub(crate) struct Shard {
    /// The tag of its part; 0 in memory.
    pub(crate) number: u64,
    /// The ids of the log that it was made of. It has the records among them that are alive, and earlier ones that were indexed again.
    pub(crate) covers: Range<u64>,
    pub(crate) rows: u32,
    pub(crate) byte_len: u64,
    ids: Section,
    pub(crate) metadata_records: MetadataRecords,
    pub(crate) words: Words<Section>,
    pub(crate) filters: MetadataIndex<Section>,
    /// Of each space of the artifact that it has vectors of.
    pub(crate) vectors: Vec<Option<Vectors>>,
    /// In memory: ids of records of the store that are deleted when the shard is sealed: those that carried the embeddings in here, and metadata
    /// that others have taken the place of.
    pub(crate) superseded: RoaringTreemap,
    /// In memory: ids of earlier records that are indexed again in here, because they were changed. Their older rows are dead.
    pub(crate) reindexed: RoaringTreemap,
    /// Names of sections that cannot be read.
    pub(crate) losses: Vec<Damage>,
    columns: Columns,
    expiry: Expiry,
    /// In memory: what keys it may have.
    key_filter: Option<KeyFilter>,
}

impl Shard {
    /// The numbers of sealed shards. Writers begin with the first, and never come to the last.
    pub(crate) const NUMBERS: std::ops::RangeInclusive<u64> = 1..=u64::MAX / 2;

    /// Opens the shard in a part of the store.
    pub(crate) fn open_part(part: &Arc<Part>, settings: &Settings, steps: Steps) -> Result<Self> {
        if !Self::NUMBERS.contains(&part.tag()) {
            return Err(Error::damaged(format!("shard {}: a number that no writer gives", part.tag())));
        }
        Self::open(Bytes::of_part(part)?, part.tag(), (settings, steps))
    }

    /// Refuses ids that the artifact has not given to a record yet: `next` is the first of those. Records that get them would be taken for indexed.
    pub(crate) fn check_ids_below(&self, next: RecordId) -> Result<()> {
        if self.ids_end() > next.0 {
            let message = format!(
                "shard {}: expected ids below {next}, which no record has yet, found others",
                self.number
            );
            return Err(Error::damaged(message));
        }
        Ok(())
    }

    /// Behind the ids that it covers, and all others that it knows.
    pub(crate) fn ids_end(&self) -> u64 {
        let last = self.ids().last().max(self.metadata_records.last());
        self.covers.end.max(last.map_or(0, |last| last.0.saturating_add(1)))
    }

    /// Opens a shard in memory.
    pub(crate) fn open_memory(
        mut bytes: AlignedBytes,
        superseded: RoaringTreemap,
        reindexed: RoaringTreemap,
        settings: &Settings,
    ) -> Result<Self> {
        // It grew by doubling: what is left over is given back.
        bytes.truncate(bytes.as_ref().len());
        let shard = Self::open(Bytes::Memory(Arc::new(bytes)), 0, (settings, Steps::default()))?;
        let key_filter = Some(KeyFilter::new(&shard.filters)?);
        Ok(Self { superseded, reindexed, key_filter, ..shard })
    }

    fn open(bytes: Bytes, number: u64, (settings, steps): (&Settings, Steps)) -> Result<Self> {
        let fault = |message: &str| Error::damaged(format!("shard {number}: {message}"));
        let byte_len = bytes.all().len() as u64;
        bytes.fetch_ends(std::slice::from_ref(&(0..byte_len)))?;
        let (trailer, entries) = layout::decode(bytes.all())?;
        let sections = entries.iter().map(|entry| entry.offset..entry.offset + entry.len);
        bytes.fetch_ends(&sections.collect::<Vec<_>>())?;
        let find = |kind: SectionKind| Section::find(&bytes, &entries, kind, (0, steps));
        let ids = find(SectionKind::Ids).ok_or_else(|| fault("has no ids"))?;
        verified_ids(&ids, trailer.rows)?;
        let words = Words::open(find(SectionKind::Words).ok_or_else(|| fault("has no words"))?)?;
        if words.rows() != trailer.rows {
            return Err(fault("has another number of rows than its words"));
        }
        let filters = find(SectionKind::Filters).ok_or_else(|| fault("has no filters"))?;
        let filters = MetadataIndex::open(filters, trailer.rows)?;
        let metadata_records = MetadataRecords::open(find(SectionKind::MetadataRecords), trailer.rows)?;
        let (vectors, losses) = open_vectors(&bytes, &entries, trailer.rows, number, (settings, steps))?;
        let covers = trailer.start..trailer.end;
        let (superseded, reindexed, columns, expiry, key_filter) = Default::default();
        Ok(Self {
            number,
            covers,
            rows: trailer.rows,
            byte_len,
            ids,
            metadata_records,
            words,
            filters,
            vectors,
            superseded,
            reindexed,
            losses,
            columns,
            expiry,
            key_filter,
        })
    }

    /// The bytes of a section, if it has that one.
    pub(super) fn section(&self, kind: SectionKind, space: usize) -> Result<Option<Section>> {
        let (_, entries) = layout::decode(self.ids.bytes.all())?; // was read when the shard was opened
        Ok(Section::find(&self.ids.bytes, &entries, kind, (space, self.ids.steps)))
    }

    /// Whether it is a map of a file, rather than on the heap.
    pub(crate) fn is_mapped(&self) -> bool {
        matches!(self.ids.bytes, Bytes::Mapped(_))
    }

    /// Whether it lies in a part of the store.
    pub(crate) fn is_sealed(&self) -> bool {
        self.number != 0
    }

    pub(crate) fn ids(&self) -> Ids<'_> {
        Ids::opened(self.ids.as_ref(), self.rows).unwrap_or_else(|_| Ids::none()) // was opened before
    }

    pub(crate) fn row_of(&self, id: RecordId) -> Option<u32> {
        self.ids().row_of(id)
    }

    /// The row of the record with a key, among those that `is_live` accepts.
    pub(crate) fn row_of_key(
        &self,
        key: &str,
        hash: KeyHash,
        is_live: impl Fn(u32) -> bool,
    ) -> Result<Option<u32>> {
        match &self.key_filter {
            Some(filter) if !filter.may_have(hash) => Ok(None),
            _ => Ok(self.filters.row_of_key(key, is_live)?),
        }
    }

    /// The vectors of a space, if the shard has any.
    pub(crate) fn vectors(&self, space: usize) -> Option<&Vectors> {
        self.vectors.get(space)?.as_ref()
    }

    /// [`vectors`](Self::vectors), unless it has some that cannot be read.
    pub(crate) fn readable_vectors(&self, space: usize) -> Result<Option<&Vectors>> {
        let vectors = self.vectors(space);
        if vectors.is_none() && self.section(SectionKind::Vectors, space)?.is_some() {
            let message = format!("shard {}: vectors of a space that cannot be read", self.number);
            return Err(Error::damaged(message));
        }
        Ok(vectors)
    }

    /// Whether vectors have no graph, and are to have one from so many on.
    pub(crate) fn lacks_graph(&self, graph_from: usize) -> bool {
        self.vectors.iter().flatten().any(|vectors| vectors.index.lacks_graph(graph_from))
    }

    /// A field as a column; dates are points in time, or texts.
    pub(crate) fn column(&self, field: &str, as_points: bool) -> Result<Arc<Column>> {
        let read = || self.filters.column(field, as_points);
        Ok(self.columns.get_or_read(field, as_points, read)?)
    }

    /// The rows whose date in a field has come. Where the index is damaged, `read_all` finds them in the records.
    pub(crate) fn expired(
        &self,
        field: &str,
        now: Moment,
        read_all: impl FnOnce() -> Result<RowSet>,
    ) -> Result<Arc<Expired>> {
        self.expiry.get_or_find(field, now, || match self.filters.rows_until(field, now) {
            Err(e) if e.kind() == metadata_index::ErrorKind::Damaged => Ok((read_all()?, Some(i64::MIN))),
            found => Ok(found?),
        })
    }

    /// Bytes of memory that a shard that is not mapped takes, without columns.
    pub(crate) fn memory_bytes(&self) -> u64 {
        self.byte_len + self.key_filter.as_ref().map_or(0, KeyFilter::byte_len)
    }

    /// Heap of the columns that are kept.
    pub(crate) fn column_bytes(&self) -> u64 {
        self.columns.heap_bytes()
    }

    pub(crate) fn clear_columns(&self) {
        self.columns.clear();
    }

    /// Verifies all of its bytes, for whoever makes another file of them. What cannot be read though they hold would be left out there.
    pub(crate) fn check_all(&self) -> Result<()> {
        if let Some(loss) = self.losses.first() {
            return Err(Error::damaged(loss.to_string()));
        }
        self.ids.bytes.check(0..self.byte_len)
    }

    /// About how many bytes belong to some rows: of the words by how many tokens they have, of the rest by their number.
    pub(crate) fn len_of(&self, rows: &RoaringBitmap) -> Result<u64> {
        let words = self.words.len_bytes() as u64;
        let of_words = proportion(words, self.words.tokens_of(rows.iter())?, self.words.tokens());
        Ok(of_words + proportion(self.byte_len.saturating_sub(words), rows.len(), self.rows.into()))
    }

    /// Bytes of vectors whose space is dropped.
    pub(crate) fn dropped_len(&self, settings: &Settings) -> u64 {
        let dropped = settings.spaces.iter().enumerate().filter(|(_, space)| space.stage == Stage::Dropped);
        dropped.filter_map(|(number, _)| self.vectors(number)).map(Vectors::byte_len).sum()
    }

    /// Reads everything and compares every checksum.
    pub(crate) fn verify(&self) -> Result<()> {
        self.ids().verify()?;
        self.words.verify()?;
        self.filters.verify()?;
        for vectors in self.vectors.iter().flatten() {
            vectors.index.verify()?;
        }
        match self.losses.first() {
            Some(loss) => Err(Error::damaged(loss.to_string())),
            None => Ok(()),
        }
    }
}

/// So much of `bytes` as `part` is of `whole`.
fn proportion(bytes: u64, part: u64, whole: u64) -> u64 {
    let bytes_of_part = u128::from(bytes) * u128::from(part.min(whole)) / u128::from(whole.max(1));
    u64::try_from(bytes_of_part).unwrap_or(bytes)
}

/// Ids are few and everything rests on them: they are verified as a whole when a shard is opened.
pub(super) fn verified_ids(section: &Section, rows: u32) -> Result<()> {
    section.check_all()?;
    Ids::open(section.as_ref(), rows)?.verify()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{CompactArtifact, Metric, Originals, Record, SpaceOptions};

    #[test]
    fn originals_that_are_not_there_are_named_and_vectors_are_compared_by_codes() {
        let temp = tempfile::tempdir().unwrap();
        let space = SpaceOptions::new(3, Metric::L2).originals(Originals::None);
        let artifact = CompactArtifact::options().space("v", space).create(temp.path().join("a")).unwrap();
        artifact.add(Record::text("x").embedding("v", [1.0, 2.0, 3.0])).unwrap();
        artifact.seal().unwrap();
        let state = artifact.engine.state();
        let bytes = &state.views[0].shard.ids.bytes;
        for originals in [Originals::None, Originals::Residual, Originals::F16, Originals::F32] {
            let mut settings = (*state.settings).clone();
            settings.spaces[0].options.originals = Some(originals);
            let shard = Shard::open(bytes.clone(), 7, (&settings, Steps::default())).unwrap();
            assert!(shard.vectors(0).is_some_and(|vectors| vectors.originals.is_none()));
            let said =
                shard.losses.iter().filter(|loss| loss.message.contains("lost their originals")).count();
            assert_eq!(said, usize::from(originals != Originals::None), "{originals}");
        }
    }

    #[test]
    fn a_shard_in_memory_is_as_long_as_was_foreseen() {
        let temp = tempfile::tempdir().unwrap();
        let space = SpaceOptions::new(3, Metric::L2);
        let artifact = CompactArtifact::options().space("v", space).create(temp.path().join("a")).unwrap();
        let record = |i: u8| Record::text(format!("text {i}")).embedding("v", [f32::from(i), 2.0, 3.0]);
        let ids = artifact.add_batch((0..9).map(record)).unwrap();
        artifact.update(ids[4], serde_json::json!({"state": "changed"})).unwrap(); // its metadata have a section then
        let state = artifact.engine.state();
        let lens = state.views.iter().map(|view| {
            let bytes = view.shard.ids.bytes.all();
            let (_, entries) = layout::decode(bytes).unwrap();
            let sections = entries.iter().map(|entry| usize::try_from(entry.len).unwrap());
            (bytes.len(), layout::len_of(sections), entries.len())
        });
        let lens: Vec<(usize, usize, usize)> = lens.collect();
        assert!(lens.iter().all(|(len, foreseen, _)| len == foreseen), "{lens:?}");
        assert!(lens.iter().any(|(_, _, sections)| *sections == 6), "{lens:?}");
    }
}
