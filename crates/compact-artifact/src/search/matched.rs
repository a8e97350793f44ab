//! All records that a query matches, whatever their rank.

use std::sync::Arc;

use lexical_index::RowSet;

use super::lists::{List, NearTo};
use super::ranking::Search;
use super::resources::FilterRows;
use crate::api::error::Result;
use crate::api::query::Wanted;
use crate::state::View;

/// The rows of each shard that a query matches.
pub(super) struct Matched {
    pub(super) rows: Arc<FilterRows>,
    /// Whether there are no more.
    pub(super) is_whole: bool,
}

impl Search<'_> {
    /// Of words: the records that have them. Of vectors: the records that have one. Of a filter, or of nothing: all that it lets through.
    /// What the lists of vectors are to be near to is worked out here, for the search as well.
    pub(super) fn matched(&mut self, lists: &mut [List]) -> Result<Matched> {
        let allowed: Arc<FilterRows> = match &self.filter {
            Some(filter) => filter.clone(),
            None => Arc::new(self.state.views.iter().map(View::live_rows).collect()),
        };
        if self.query.clauses.is_empty() {
            return Ok(Matched { rows: allowed, is_whole: true });
        }
        let mut all = vec![RowSet::new(); allowed.len()];
        let mut is_whole = true;
        let query = self.query;
        for (clause, list) in query.clauses.iter().zip(lists) {
            if self.is_late() {
                is_whole = false;
                break;
            }
            match &clause.wanted {
                Wanted::Words(words) => is_whole &= self.add_with_words(words, &allowed, &mut all)?,
                wanted => {
                    list.near = self.near_to(wanted)?;
                    match &list.near {
                        Some(near) => {
                            self.name_lost_embeddings(near.number);
                            self.add_with_vectors(near, &allowed, &mut all)?;
                        }
                        None => list.is_whole = true,
                    }
                }
            }
        }
        is_whole &= self.losses.is_empty();
        Ok(Matched { rows: Arc::new(all), is_whole })
    }

    fn add_with_vectors(&self, near: &NearTo, allowed: &[RowSet], all: &mut [RowSet]) -> Result<()> {
        for ((view, allowed), all) in self.state.views.iter().zip(allowed).zip(all) {
            let Some(vectors) = view.shard.vectors(near.number) else { continue };
            let excluded = near.excluded.and_then(|id| view.shard.row_of(id));
            for row in vectors.index.rows()? {
                if allowed.contains(row) && Some(row) != excluded {
                    all.insert(row);
                }
            }
        }
        Ok(())
    }
}
