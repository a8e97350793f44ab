//! All records that a query matches, whatever their rank.

use lexical_index::RowSet;

use super::ranking::Search;
use crate::api::error::Result;
use crate::api::query::Wanted;
use crate::state::View;

/// The rows of each shard that a query matches.
pub(super) struct Matched {
    pub(super) rows: Vec<RowSet>,
    /// Whether there are no more.
    pub(super) is_whole: bool,
}

impl Search<'_> {
    /// Of words: the records that have them. Of vectors: the records that have one. Of a filter, or of nothing: all that it lets through.
    pub(super) fn matched(&mut self) -> Result<Matched> {
        let allowed: Vec<RowSet> = match &self.filter {
            Some(filter) => filter.to_vec(),
            None => self.state.views.iter().map(View::live_rows).collect(),
        };
        if self.query.clauses.is_empty() {
            return Ok(Matched { rows: allowed, is_whole: true });
        }
        let mut all = vec![RowSet::new(); allowed.len()];
        let mut is_whole = true;
        let query = self.query;
        for clause in &query.clauses {
            if self.is_late() {
                is_whole = false;
                break;
            }
            match &clause.wanted {
                Wanted::Words(words) => is_whole &= self.add_with_words(words, &allowed, &mut all)?,
                wanted => {
                    if let Some(number) = self.space_of(wanted)? {
                        self.add_with_vectors(number, &allowed, &mut all)?;
                    }
                }
            }
        }
        is_whole &= self.losses.is_empty();
        Ok(Matched { rows: all, is_whole })
    }

    fn add_with_vectors(&self, number: usize, allowed: &[RowSet], all: &mut [RowSet]) -> Result<()> {
        for ((view, allowed), all) in self.state.views.iter().zip(allowed).zip(all) {
            let Some(vectors) = view.shard.vectors(number) else { continue };
            for row in vectors.index.rows()? {
                if allowed.contains(row) {
                    all.insert(row);
                }
            }
        }
        Ok(())
    }
}
