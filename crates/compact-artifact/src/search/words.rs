//! The list of the best by words.

use block_format::host::Instant;
use lexical_index::{Matching, RowSet, Searcher, Segment};

use super::lists::{List, ListHit};
use super::ranking::Search;
use crate::api::damage::Damage;
use crate::api::error::Result;
use crate::state::View;

impl Search<'_> {
    /// The best by words: records of equal score in the order of their shards and rows, which is that of their ids but for those indexed again.
    pub(super) fn words(&mut self, list: &mut List, words: &lexical_index::Query, len: usize) -> Result<()> {
        let begun = Instant::now();
        let filter = self.filter.take();
        let found =
            self.searched(words, filter.as_ref().map(|rows| rows.as_slice()), |searcher, words, filters| {
                searcher.search(words, len, filters)
            });
        self.filter = filter;
        let (found, shards) = found?;
        list.hits.clear();
        list.is_whole = found.hits.len() < len;
        list.is_cut = found.is_cut;
        for hit in found.hits {
            let view = &self.state.views[shards[hit.segment]];
            let Some(id) = view.shard.ids().id_of(hit.row) else { continue };
            list.hits.push(ListHit { id, score: hit.score, in_tail: !view.shard.is_sealed() });
        }
        list.explain.time += begun.elapsed();
        Ok(())
    }

    /// What the scores of words depend on beside the text that is scored.
    pub(super) fn word_statistics(
        &mut self,
        words: &lexical_index::Query,
    ) -> Result<lexical_index::Statistics> {
        let (statistics, _) =
            self.searched(words, None, |searcher, words, _| searcher.statistics_of(words))?;
        Ok(statistics)
    }

    /// Adds all rows with the words to those of each shard; whether there are no more.
    pub(super) fn add_with_words(
        &mut self,
        words: &lexical_index::Query,
        allowed: &[RowSet],
        all: &mut [RowSet],
    ) -> Result<bool> {
        let ((found, is_cut), shards) = self.searched(words, Some(allowed), |searcher, words, filters| {
            let Matching { rows, is_cut } = searcher.search_all(words, filters)?;
            Ok((rows, is_cut))
        })?;
        for (rows, at) in found.iter().zip(shards) {
            all[at] |= rows;
        }
        Ok(!is_cut)
    }

    /// Searches the words of all shards, but for those that are damaged; and which these are.
    fn searched<T>(
        &mut self,
        words: &lexical_index::Query,
        filter: Option<&[RowSet]>,
        search: impl Fn(&Searcher<'_>, &lexical_index::Query, &[Option<&RowSet>]) -> lexical_index::Result<T>,
    ) -> Result<(T, Vec<usize>)> {
        let state = self.state;
        let words = &*self.resources.words.asked(&state.settings, words);
        let fields = state.settings.word_fields();
        let (k1, b) = self.resources.words.bm25;
        loop {
            let views: Vec<(usize, &View)> =
                state.views.iter().enumerate().filter(|(at, _)| !self.left_out.contains(at)).collect();
            let segments = views
                .iter()
                .map(|&(_, view)| Segment::new(&view.shard.words).deleted(view.dead.rows()))
                .collect();
            let filters: Vec<Option<&RowSet>> =
                filter.iter().flat_map(|filter| views.iter().map(|(at, _)| Some(&filter[*at]))).collect();
            let searched = Searcher::new(&state.settings.analyzer, segments).and_then(|searcher| {
                let searcher = searcher.fields(&fields)?.bm25(k1, b)?;
                let searcher = match &self.query.statistics {
                    Some(given) => searcher.statistics(&given.words)?,
                    None => searcher,
                };
                search(&searcher, words, &filters)
            });
            match searched {
                Ok(found) => return Ok((found, views.iter().map(|(at, _)| *at).collect())),
                // A damaged index is left out, and the search goes on without.
                Err(e) if e.kind() == lexical_index::ErrorKind::Damaged => {
                    let damaged = views.iter().find(|(_, view)| view.shard.words.verify().is_err());
                    let Some((at, view)) = damaged else { return Err(e.into()) };
                    self.is_complete = false;
                    let number = view.shard.number;
                    let message = format!("the words of shard {number}: {e}");
                    self.losses.push(Damage::new(message).in_shard(number));
                    self.left_out.push(*at);
                }
                Err(e) => return Err(e.into()),
            }
        }
    }
}
