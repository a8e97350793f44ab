//! What is left of a damaged shard that cannot be made anew from records: vectors.

use std::sync::Arc;

use block_format::{Part, RecordId};
use roaring::RoaringBitmap;

use super::ids::Ids;
use super::layout::{self, SectionKind};
use super::reader::verified_ids;
use super::section::{Bytes, Section, Vectors, open_vectors};
use crate::api::error::{ErrorKind, Result};
use crate::format::settings::Settings;

/// The vectors of a damaged shard, by the ids of their records.
#[derive(Debug)]
pub(crate) struct Rescued {
    ids: Section,
    rows: u32,
    dead: RoaringBitmap,
    pub(crate) vectors: Vec<Option<Vectors>>,
}

impl Rescued {
    /// The vectors in a part that is not a shard as a whole, if its ids are sound. Rows in `dead` are of no use.
    pub(crate) fn open(part: &Arc<Part>, dead: RoaringBitmap, settings: &Settings) -> Result<Option<Self>> {
        match Bytes::of_part(part) {
            Ok(bytes) => Ok(Self::of_bytes(&bytes, part.tag(), dead, settings)),
            Err(e) if e.kind() == ErrorKind::Damaged => Ok(None),
            Err(e) => Err(e),
        }
    }

    fn of_bytes(bytes: &Bytes, number: u64, dead: RoaringBitmap, settings: &Settings) -> Option<Self> {
        let (trailer, entries) = layout::decode(bytes.all()).ok()?;
        let ids = Section::find(bytes, &entries, SectionKind::Ids, 0)?;
        verified_ids(&ids, trailer.rows).ok()?;
        let (vectors, _) = open_vectors(bytes, &entries, trailer.rows, number, settings);
        Some(Self { ids, rows: trailer.rows, dead, vectors })
    }

    pub(crate) fn live_row_of(&self, id: RecordId) -> Option<u32> {
        let row = Ids::open(self.ids.as_ref(), self.rows).ok()?.row_of(id)?;
        (!self.dead.contains(row)).then_some(row)
    }
}
