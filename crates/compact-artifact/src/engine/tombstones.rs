//! Parts that belong to sealed shards: tombstones written, parts of shards that are gone dropped.

use std::sync::Arc;

use block_format::{Edit, Part};
use roaring::RoaringBitmap;

use crate::format::parts::{self, TOMBSTONES, belongs_to_shard};
use crate::state::{State, View};

/// Drops what belongs to shards that could not be opened: they were made anew.
pub(super) fn drop_unknown_shards(edit: &mut Edit<'_>, state: &State) -> block_format::Result<()> {
    for part in state.records.parts() {
        let is_shard = |view: &View| view.shard.is_sealed() && view.shard.number == part.tag();
        let is_known = state.views.iter().any(is_shard);
        if belongs_to_shard(part.kind()) && !is_known {
            edit.drop_part(part.id())?;
        }
    }
    Ok(())
}

/// Writes the rows of a sealed shard that are dead for good, in the place of those that were before, unless they are the same.
pub(super) fn write_tombstones(
    edit: &mut Edit<'_>,
    state: &State,
    view: &View,
    rows: &RoaringBitmap,
) -> block_format::Result<()> {
    let number = view.shard.number;
    let is_old = |part: &&Arc<Part>| part.kind() == TOMBSTONES && part.tag() == number;
    let old: Vec<&Arc<Part>> = state.records.parts().iter().filter(is_old).collect();
    if *rows == *view.tombstones && old.iter().all(|part| part.verify().is_ok()) {
        return Ok(());
    }
    old.iter().try_for_each(|part| edit.drop_part(part.id()))?;
    if !rows.is_empty() {
        edit.write_part(TOMBSTONES, number, |out| parts::write_tombstones(rows, out))?;
    }
    Ok(())
}
