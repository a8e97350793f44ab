//! What is left of a damaged shard that cannot be made anew from records: vectors.

use std::sync::Arc;

use block_format::{Part, RecordId};
use roaring::RoaringBitmap;

use super::ids::Ids;
use super::layout::{self, SectionKind};
use super::reader::verified_ids;
use super::section::{Bytes, Section, Vectors, open_vectors};
use crate::api::error::{Error, ErrorKind, Result};
use crate::api::space::Space;
use crate::format::embeddings::Embedding;
use crate::format::settings::Settings;
use crate::protocol::Steps;

/// The vectors of a damaged shard, by the ids of their records.
#[derive(Debug)]
pub(crate) struct Rescued {
    ids: Section,
    rows: u32,
    dead: RoaringBitmap,
    vectors: Vec<Option<Vectors>>,
    /// Of which spaces there are vectors that cannot be read.
    unreadable: Vec<bool>,
}

impl Rescued {
    /// The vectors in a part that is not a shard as a whole, if its ids are sound. Rows in `dead` are of no use.
    pub(crate) fn open(
        part: &Arc<Part>,
        dead: RoaringBitmap,
        settings: &Settings,
        steps: Steps,
    ) -> Result<Option<Self>> {
        match Bytes::of_part(part) {
            Ok(bytes) => match Self::of_bytes(&bytes, part.tag(), dead, (settings, steps)) {
                Err(e) if e.kind() == ErrorKind::Damaged => Ok(None),
                rescued => rescued,
            },
            Err(e) if e.kind() == ErrorKind::Damaged => Ok(None),
            Err(e) => Err(e),
        }
    }

    fn of_bytes(
        bytes: &Bytes,
        number: u64,
        dead: RoaringBitmap,
        (settings, steps): (&Settings, Steps),
    ) -> Result<Option<Self>> {
        let (trailer, entries) = layout::decode(bytes.all())?;
        let Some(ids) = Section::find(bytes, &entries, SectionKind::Ids, (0, steps)) else { return Ok(None) };
        verified_ids(&ids, trailer.rows)?;
        let (vectors, _) = open_vectors(bytes, &entries, trailer.rows, number, (settings, steps))?;
        let has = |space| Section::find(bytes, &entries, SectionKind::Vectors, (space, steps)).is_some();
        let unreadable =
            (0..).zip(&vectors).map(|(space, vectors)| vectors.is_none() && has(space)).collect();
        Ok(Some(Self { ids, rows: trailer.rows, dead, vectors, unreadable }))
    }

    /// The embedding of a row in a space; `None` where it had none. An error says that it is lost.
    pub(crate) fn embedding(&self, row: u32, number: usize, space: &Space) -> Result<Option<Embedding>> {
        if self.unreadable.get(number).is_some_and(|unreadable| *unreadable) {
            return Err(Error::damaged(format!("the vectors of space {:?}", space.name)));
        }
        let vectors = self.vectors.get(number).and_then(Option::as_ref);
        vectors.map_or(Ok(None), |vectors| vectors.embedding(row, space))
    }

    pub(crate) fn live_row_of(&self, id: RecordId) -> Option<u32> {
        let row = Ids::opened(self.ids.as_ref(), self.rows).ok()?.row_of(id)?;
        (!self.dead.contains(row)).then_some(row)
    }
}
