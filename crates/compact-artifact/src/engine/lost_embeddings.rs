//! Embeddings that were lost with a damaged shard: remembered in the artifact until their records get others, or are deleted.

use std::sync::Arc;

use block_format::{Edit, RecordId};

use super::policy;
use crate::api::damage::Damage;
use crate::api::error::{ErrorKind, Result};
use crate::api::reports::RecoveryReport;
use crate::format::parts::{LOST_EMBEDDINGS, LostEmbeddings, read_lost_embeddings, write_lost_embeddings};
use crate::format::record::{self, Kind};
use crate::format::{changes, embeddings};
use crate::protocol::Step;
use crate::shard::{Rescued, Shard};
use crate::state::{OwnedDocument, State};

/// What is left of shards that cannot be opened.
#[derive(Debug, Default)]
pub(super) struct DamagedShards {
    pub(super) rescued: Vec<Rescued>,
    /// There are others, of which nothing is left.
    is_one_lost: bool,
    /// Those may have had any record below this id.
    pub(super) lost_below: u64,
    /// Of later records, those whose embeddings they had.
    lost_later: LostEmbeddings,
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

    /// Takes in that nothing is left of a shard. It may have had every record that lies in a segment. Of those that lie in the log, the log says whose
    /// embeddings shards have: a shard that was sealed before its log takes the place of the records with the embeddings in it, which are deleted.
    pub(super) fn lose_shard(&mut self, state: &State) -> Result<()> {
        if std::mem::replace(&mut self.is_one_lost, true) {
            return Ok(());
        }
        let last = state.records.segments().last().map(|last| last.ids.1.0);
        self.lost_below = last.map_or(0, |last| last.saturating_add(1));
        match sealed_embeddings(state, self.lost_below) {
            Ok(Some(lost)) => self.lost_later = lost,
            Ok(None) => self.lost_below = u64::MAX,
            Err(e) if e.kind() == ErrorKind::Damaged => self.lost_below = u64::MAX,
            Err(e) => return Err(e),
        }
        Ok(())
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
        if !is_known {
            let id = document.id.0;
            let is_later = |number: &usize| self.lost_later.get(number).is_some_and(|ids| ids.contains(id));
            let kept = state.settings.kept_spaces().map(|(number, _)| number);
            document.lost.extend(kept.filter(|number| id < self.lost_below || is_later(number)));
        }
        Ok(())
    }
}

/// The records whose embeddings lay in the log, which begins at `log`, and were deleted there when they were sealed. `None`: too much was deleted to
/// look at each.
fn sealed_embeddings(state: &State, log: u64) -> Result<Option<LostEmbeddings>> {
    if state.records.deleted_len() > policy::MAX_DELETED_LOOKED_AT {
        return Ok(None);
    }
    let mut sealed = LostEmbeddings::new();
    for id in state.records.deleted_ids().filter(|id| id.0 >= log) {
        let stored = state.records.get_stored(id)?;
        match stored.map(record::decode).transpose()? {
            Some((Kind::Embeddings, embeddings)) => {
                let (number, found) = embeddings::decode(&embeddings, &state.settings)?;
                sealed.entry(number).or_default().extend(found.iter().map(|(id, _)| id.0));
            }
            Some((Kind::RemovedEmbeddings, change)) => {
                let (number, ids) = changes::decode_removed(&change, &state.settings)?;
                let sealed = sealed.entry(number).or_default();
                for id in ids {
                    sealed.remove(id.0);
                }
            }
            _ => {}
        }
    }
    Ok(Some(sealed))
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
        let (records, have, them, ones) = match ids.len() {
            1 => ("record", "has", "it", "a new one"),
            _ => ("records", "have", "them", "new ones"),
        };
        let message = format!(
            "{} {records} {have} no embedding in space {name:?}, which may have been lost with an index that was damaged; \
             give {them} {ones}, or delete {them}",
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
