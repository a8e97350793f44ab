//! The parts of the store that the facade writes: their kinds, and the bytes of tombstones.

use std::collections::BTreeMap;
use std::io::{self, Write};

use block_format::{PartKind, Snapshot as Records};
use roaring::{RoaringBitmap, RoaringTreemap};
use vector_index::RowSet;

use crate::api::error::{Error, Result};

/// The settings of the artifact: JSON. Two parts with the same content; their tags are 0 and 1.
pub(crate) const SETTINGS: PartKind = PartKind(256);
/// A shard; its tag is its number.
pub(crate) const SHARD: PartKind = PartKind(257);

/// Rows of the shard with this tag whose records are gone from the store: a serialized `RoaringBitmap`.
pub(crate) const TOMBSTONES: PartKind = PartKind(258);

/// The nearest other rows of each row of the shard with this tag.
pub(crate) const NEIGHBOURS: PartKind = PartKind(259);
/// Embeddings of texts by the model of the artifact, so that those texts need not be embedded again: see [`super::kept_embeddings`]. Its tag is 0.
#[cfg(feature = "embedder")]
pub(crate) const KEPT_EMBEDDINGS: PartKind = PartKind(260);
/// Which records may have lost their embeddings with a damaged shard; its tag is the number of the vector space.
pub(crate) const LOST_EMBEDDINGS: PartKind = PartKind(261);

/// How often the settings are written: one damaged file must not take the vector spaces with it.
pub(crate) const SETTINGS_COPIES: usize = 2;

/// Kinds of parts that belong to the shard with their tag.
pub(crate) fn belongs_to_shard(kind: PartKind) -> bool {
    [SHARD, TOMBSTONES, NEIGHBOURS].contains(&kind)
}

/// The rows of a bitmap as the indexes take them. A dense bitmap is copied word by word, by way of its serialized form.
pub(crate) fn row_set(rows: &RoaringBitmap) -> RowSet {
    let mut bytes = Vec::with_capacity(rows.serialized_size());
    let copied =
        rows.serialize_into(&mut bytes).ok().and_then(|()| RowSet::from_roaring(&bytes, u32::MAX).ok());
    copied.unwrap_or_else(|| rows.iter().collect())
}

/// Writes the rows of a sealed shard that are dead for good.
pub(crate) fn write_tombstones(rows: &RoaringBitmap, out: &mut dyn Write) -> io::Result<()> {
    rows.serialize_into(out)
}

/// Rows of a sealed shard that are dead for good.
pub(crate) fn read_tombstones(records: &Records, number: u64) -> Result<RoaringBitmap> {
    let mut rows = RoaringBitmap::new();
    for part in records.parts().iter().filter(|part| part.kind() == TOMBSTONES && part.tag() == number) {
        part.verify()?;
        let fault = |e| Error::damaged(format!("rows of shard {number} that are dead: {e}"));
        rows |= RoaringBitmap::deserialize_from(&part.content()?[..]).map_err(fault)?;
    }
    Ok(rows)
}

/// Records that may have lost their embeddings in the vector spaces with these numbers.
pub(crate) type LostEmbeddings = BTreeMap<usize, RoaringTreemap>;

/// The records that earlier writers remembered as having lost embeddings.
pub(crate) fn read_lost_embeddings(records: &Records) -> Result<LostEmbeddings> {
    let mut lost = LostEmbeddings::new();
    for part in records.parts().iter().filter(|part| part.kind() == LOST_EMBEDDINGS) {
        part.verify()?;
        let fault = |e| Error::damaged(format!("the records that lost embeddings: {e}"));
        let ids = RoaringTreemap::deserialize_from(&part.content()?[..]).map_err(fault)?;
        *lost.entry(usize::try_from(part.tag()).unwrap_or(usize::MAX)).or_default() |= ids;
    }
    Ok(lost)
}

/// Writes the records that lost embeddings in one space.
pub(crate) fn write_lost_embeddings(ids: &RoaringTreemap, out: &mut dyn Write) -> io::Result<()> {
    ids.serialize_into(out)
}
