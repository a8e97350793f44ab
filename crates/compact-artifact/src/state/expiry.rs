//! A state without the records that expired.

use std::sync::Arc;

use block_format::RecordId;
use metadata_index::Moment;
use vector_index::RowSet;

use super::dead::Dead;
use super::snapshot::State;
use super::view::View;
use crate::api::error::{ErrorKind, Result};

/// What readers see of a state at a moment.
#[derive(Debug)]
pub(crate) struct Unexpired {
    /// The state without the records that expired; `None`: none did.
    pub(crate) state: Option<State>,
    /// The second in which the next record may expire.
    pub(crate) next: Option<i64>,
}

impl State {
    /// Hides the records whose date in a field has come.
    pub(crate) fn unexpired(&self, field: &str, now: Moment) -> Result<Unexpired> {
        let (mut hidden, mut next) = (0, None);
        let mut views = self.views.clone();
        for view in &mut views {
            let expired = view.shard.expired(field, now, || self.expired_by_records(view, field, now))?;
            next = next.into_iter().chain(expired.next).min();
            let rows: Vec<u32> = expired.rows.iter().filter(|&row| !view.dead.contains(row)).collect();
            if !rows.is_empty() {
                hidden += rows.len() as u64;
                view.dead = Arc::new(Dead::with(&view.dead, rows));
            }
        }
        Ok(Unexpired { state: (hidden > 0).then(|| Self { views, hidden, ..self.clone() }), next })
    }

    /// The records whose date in a field has come.
    pub(crate) fn expired_ids(&self, field: &str, now: Moment) -> Result<Vec<RecordId>> {
        let mut ids = Vec::new();
        for view in &self.views {
            let expired = view.shard.expired(field, now, || self.expired_by_records(view, field, now))?;
            let table = view.shard.ids();
            let live = expired.rows.iter().filter(|&row| !view.dead.contains(row));
            ids.extend(live.filter_map(|row| table.id_of(row)));
        }
        Ok(ids)
    }

    /// What an index that is damaged cannot say.
    fn expired_by_records(&self, view: &View, field: &str, now: Moment) -> Result<RowSet> {
        let mut rows = RowSet::new();
        for row in (0..view.shard.rows).filter(|&row| !view.dead.contains(row)) {
            match self.metadata_of(&view.shard, row) {
                Ok(metadata) if metadata_index::has_come(&metadata, field, now) => {
                    rows.insert(row);
                }
                Err(e) if e.kind() != ErrorKind::Damaged => return Err(e),
                _ => {}
            }
        }
        Ok(rows)
    }
}
