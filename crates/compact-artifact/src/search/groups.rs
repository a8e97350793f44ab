//! Hits by the value of a field, so that no value has more than its part of a page.

use std::collections::HashMap;
use std::ptr::from_ref;

use block_format::RecordId;
use metadata_index::FieldValue;

use crate::api::error::Result;
use crate::state::State;

/// Counts the hits of each value of a field.
pub(super) struct Groups<'a> {
    state: &'a State,
    field: &'a str,
    most: usize,
    /// The group of each value that was met, by its shard and its place there.
    by_place: HashMap<(usize, u32), usize>,
    by_value: HashMap<FieldValue, usize>,
    /// Hits of each group.
    counts: Vec<usize>,
}

impl<'a> Groups<'a> {
    /// At most `most` hits of each value of `field`.
    pub(super) fn new(state: &'a State, field: &'a str, most: usize) -> Self {
        let (by_place, by_value, counts) = Default::default();
        Self { state, field, most, by_place, by_value, counts }
    }

    /// Whether a hit, the next best, is among the first of its group. A record without the field is one of its own.
    pub(super) fn take(&mut self, id: RecordId) -> Result<bool> {
        let Some((view, row)) = self.state.locate(id) else { return Ok(true) };
        let column = view.shard.column(self.field, true)?;
        let place = column.least(row);
        if place == 0 {
            return Ok(true);
        }
        let known = (from_ref(view).addr(), place);
        let group = match self.by_place.get(&known) {
            Some(&group) => group,
            None => {
                let Some(value) = view.shard.filters.value_at(&column, place as usize)? else {
                    return Ok(true);
                };
                let next = self.counts.len();
                let group = *self.by_value.entry(value).or_insert(next);
                if group == next {
                    self.counts.push(0);
                }
                self.by_place.insert(known, group);
                group
            }
        };
        self.counts[group] += 1;
        Ok(self.counts[group] <= self.most)
    }
}
