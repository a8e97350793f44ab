//! The list of the best by words.

use std::time::Instant;

use lexical_index::{RowSet, Searcher, Segment};

use super::lists::{List, ListHit};
use super::ranking::Search;
use crate::api::damage::Damage;
use crate::api::error::Result;
use crate::state::View;

impl Search<'_> {
    /// The best by words: records of equal score in the order of their shards and rows, which is that of their ids but for those indexed again.
    pub(super) fn words(&mut self, list: &mut List, words: &lexical_index::Query, len: usize) -> Result<()> {
        let begun = Instant::now();
        let state = self.state;
        let words = &*self.resources.words.asked(words);
        let fields = state.settings.word_fields();
        let (k1, b) = self.resources.words.bm25;
        list.hits.clear();
        loop {
            let views: Vec<(usize, &View)> =
                state.views.iter().enumerate().filter(|(at, _)| !self.left_out.contains(at)).collect();
            let segments = views
                .iter()
                .map(|&(_, view)| Segment::new(&view.shard.words).deleted(view.dead.rows()))
                .collect();
            let filters: Vec<Option<&RowSet>> = self
                .filter
                .iter()
                .flat_map(|filter| views.iter().map(|(at, _)| Some(&filter[*at])))
                .collect();
            let searched = Searcher::new(&state.settings.analyzer, segments)
                .and_then(|searcher| searcher.fields(&fields)?.bm25(k1, b)?.search(words, len, &filters));
            match searched {
                Ok(found) => {
                    list.is_whole = found.hits.len() < len;
                    list.is_cut = found.is_cut;
                    for hit in found.hits {
                        let (_, view) = views[hit.segment];
                        let Some(id) = view.shard.ids().id_of(hit.row) else { continue };
                        list.hits.push(ListHit { id, score: hit.score, in_tail: !view.shard.is_sealed() });
                    }
                    list.explain.time += begun.elapsed();
                    return Ok(());
                }
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
