//! Embeddings that were lost with a damaged shard: remembered in the artifact until their records get others, or are deleted.

use std::sync::Arc;

use block_format::{Edit, RecordId};

use crate::api::damage::Damage;
use crate::api::error::{ErrorKind, Result};
use crate::api::reports::RecoveryReport;
use crate::format::parts::{LOST_EMBEDDINGS, LostEmbeddings, read_lost_embeddings, write_lost_embeddings};
use crate::protocol::Step;
use crate::shard::{Rescued, Shard};
use crate::state::{OwnedDocument, State};

/// What is left of shards that cannot be opened.
#[derive(Debug, Default)]
pub(super) struct DamagedShards {
    pub(super) rescued: Vec<Rescued>,
    /// There are others, of which nothing is left: they may have had records below this id.
    pub(super) lost_below: u64,
    /// One of them has ids that no record has yet. It would be believed when records have got them.
    pub(super) has_later_ids: bool,
}

impl DamagedShards {
    /// A shard without ids from `next` on, which no record has yet; another one is damaged.
    pub(super) fn checked(&mut self, shard: Shard, next: RecordId) -> Result<Arc<Shard>> {
        let checked = shard.check_ids_below(next);
        self.has_later_ids |= checked.is_err();
        checked.map(|()| Arc::new(shard))
    }

    /// Gives a record the embeddings that are left of it, and names the spaces in which one may be lost.
    pub(super) fn rescue(&self, document: &mut OwnedDocument, state: &State) -> Result<()> {
        let mut is_known = false;
        for shard in &self.rescued {
            let Some(row) = shard.live_row_of(document.id) else { continue };
            is_known = true;
            for (number, space) in state.settings.kept_spaces() {
                match shard.embedding(row, number, space) {
                    Ok(Some(embedding)) => document.embed(number, embedding),
                    Ok(None) => {}
                    Err(e) if e.kind() == ErrorKind::Damaged => document.lost.push(number),
                    Err(e) => return Err(e),
                }
            }
        }
        if !is_known && document.id.0 < self.lost_below {
            document.lost.extend(state.settings.kept_spaces().map(|(number, _)| number));
        }
        Ok(())
    }
}

/// The records that lost embeddings before. Where that is damaged, it is named.
pub(super) fn read(state: &State, report: &mut RecoveryReport) -> Result<LostEmbeddings> {
    match read_lost_embeddings(&state.records) {
        Err(e) if e.kind() == ErrorKind::Damaged => {
            report.damage.push(Damage::new(format!("which embeddings were lost earlier is not known: {e}")));
            Ok(LostEmbeddings::new())
        }
        read => read,
    }
}

/// Names what is lost, once everything is indexed.
pub(super) fn report(state: &State, report: &mut RecoveryReport) {
    for (number, ids) in state.still_lost() {
        let name = &state.settings.spaces[number].name;
        let message = format!(
            "{} records have no embedding in space {name:?}, which may have been lost with an index that was damaged; \
             give them new ones, or delete them",
            ids.len()
        );
        let records = ids.min().zip(ids.max());
        let records = records.map(|(first, last)| RecordId(first)..RecordId(last.saturating_add(1)));
        report.damage.push(Damage { records, ..Damage::new(message).in_space(name) });
    }
}

/// Writes what is lost still in the place of what was written before, unless it is the same.
pub(super) fn write(edit: &mut Edit<'_>, state: &State) -> block_format::Result<()> {
    let old: Vec<_> = state.records.parts().iter().filter(|part| part.kind() == LOST_EMBEDDINGS).collect();
    if old.is_empty() && state.lost_embeddings.is_empty() {
        return Ok(());
    }
    let lost = state.still_lost();
    if read_lost_embeddings(&state.records).is_ok_and(|written| written == lost) {
        return Ok(());
    }
    old.iter().try_for_each(|part| edit.drop_part(part.id()))?;
    for (number, ids) in lost.iter().filter(|_| state.steps.take(Step::RememberLost)) {
        edit.write_part(LOST_EMBEDDINGS, *number as u64, |out| write_lost_embeddings(ids, out))?;
    }
    Ok(())
}
