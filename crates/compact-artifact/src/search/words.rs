//! The list of the best by words.

use std::sync::Arc;
use std::time::Duration;

use block_format::Offered;
use block_format::host::Instant;
use lexical_index::{Hits, Matching, PartOfHits, RowSet, Searcher, Segment, SharedSearch};

use super::lists::{List, ListHit};
use super::ranking::{OFFERED_FROM, Search};
use crate::api::damage::Damage;
use crate::api::error::Result;
use crate::state::View;

impl<'a> Search<'a> {
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
        self.put_words(list, found, &shards, len);
        list.explain.time += begun.elapsed();
        Ok(())
    }

    /// Writes what was found in these shards to a list that was to be so long.
    fn put_words(&self, list: &mut List, found: Hits, shards: &[usize], len: usize) {
        list.hits.clear();
        list.is_whole = found.hits.len() < len;
        list.is_cut = found.is_cut;
        for hit in found.hits {
            let view = &self.state.views[shards[hit.segment]];
            let Some(id) = view.shard.ids().id_of(hit.row) else { continue };
            list.hits.push(ListHit { id, score: hit.score, in_tail: !view.shard.is_sealed() });
        }
    }

    /// Offers to share the search for the `len` best by words with threads that have nothing to do. `None`: there are none.
    pub(super) fn offer_words(&self, len: usize) -> Option<OfferedWords> {
        let words = Arc::new(self.query.words_wanted()?.clone());
        let (query, shared) = (Arc::new(self.query.clone()), Arc::new(SharedSearch::default()));
        let offer = |_| {
            let (state, resources) = (self.state.clone(), self.resources.clone());
            let (filter, begun) = (self.filter.clone(), self.begun);
            let (query, words, shared) = (query.clone(), words.clone(), shared.clone());
            let search = move || {
                Search::new(&state, &resources, &query, filter, begun).shared_words(&words, len, &shared)
            };
            self.resources.workers.offer(search)
        };
        // This thread is one more.
        let others = (self.state.rows() / OFFERED_FROM).min(self.resources.workers.threads() as u64 - 1);
        let parts = (0..others).map(offer).collect::<Option<Vec<_>>>().filter(|parts| !parts.is_empty())?;
        Some(OfferedWords { parts, words, shared, len })
    }

    /// What this thread finds of a search that others share; and how long that takes.
    fn shared_words(&self, words: &lexical_index::Query, len: usize, shared: &SharedSearch) -> WordsPart {
        let begun = Instant::now();
        let filter = self.filter.as_ref().map(|rows| rows.as_slice());
        let found = self.searched_once(words, filter, |searcher, words, filters| {
            searcher.search_shared(words, len, filters, shared)
        });
        (found, begun.elapsed())
    }

    /// Makes the list of words together with those who took the offer.
    pub(super) fn take_words(&mut self, list: &mut List, offered: OfferedWords) -> Result<()> {
        let OfferedWords { parts, words, shared, len } = offered;
        let own = self.shared_words(&words, len, &shared);
        let (found, times): (Vec<_>, Vec<Duration>) =
            std::iter::once(own).chain(parts.into_iter().map(Offered::take)).unzip();
        list.explain.time += times.into_iter().max().unwrap_or_default();
        match found.into_iter().collect::<lexical_index::Result<Vec<_>>>() {
            Ok(parts) => {
                let shards: Vec<usize> = (0..self.state.views.len()).collect();
                self.put_words(list, PartOfHits::join(parts, len), &shards, len);
                Ok(())
            }
            // A search that is not shared finds out what is damaged, and leaves it out.
            Err(_) => self.words(list, &words, len),
        }
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
        loop {
            match self.searched_once(words, filter, &search) {
                Ok(found) => return Ok((found, self.with_sound_words().map(|(at, _)| at).collect())),
                // A damaged index is left out, and the search goes on without.
                Err(e) if e.kind() == lexical_index::ErrorKind::Damaged => {
                    let damaged =
                        self.with_sound_words().find(|(_, view)| view.shard.words.verify().is_err());
                    let Some((at, view)) = damaged else { return Err(e.into()) };
                    let number = view.shard.number;
                    let message = format!("the words of shard {number}: {e}");
                    self.lose(Damage::new(message).in_shard(number));
                    self.left_out.push(at);
                }
                Err(e) => return Err(e.into()),
            }
        }
    }

    /// The shards whose words are not known to be damaged.
    fn with_sound_words(&self) -> impl Iterator<Item = (usize, &'a View)> {
        let state = self.state;
        state.views.iter().enumerate().filter(|(at, _)| !self.left_out.contains(at))
    }

    fn searched_once<T>(
        &self,
        words: &lexical_index::Query,
        filter: Option<&[RowSet]>,
        search: impl FnOnce(&Searcher<'_>, &lexical_index::Query, &[Option<&RowSet>]) -> lexical_index::Result<T>,
    ) -> lexical_index::Result<T> {
        let settings = &self.state.settings;
        let words = &*self.resources.words.asked(settings, words);
        let (k1, b) = self.resources.words.bm25;
        let segments = self
            .with_sound_words()
            .map(|(_, view)| Segment::new(&view.shard.words).deleted(view.dead.rows()));
        let filters: Vec<Option<&RowSet>> = filter
            .iter()
            .flat_map(|filter| self.with_sound_words().map(|(at, _)| Some(&filter[at])))
            .collect();
        let (begun, deadline) = (self.begun, self.query.deadline);
        let is_late = || deadline.is_some_and(|deadline| begun.elapsed() >= deadline);
        let searcher = Searcher::new(&settings.analyzer, segments.collect())?;
        let searcher = searcher.fields(&settings.word_fields())?.bm25(k1, b)?;
        let searcher = match &self.query.statistics {
            Some(given) => searcher.statistics(&given.words)?,
            None => searcher,
        };
        search(&searcher.until(&is_late), words, &filters)
    }
}

/// What one thread found, and how long that took.
type WordsPart = (lexical_index::Result<PartOfHits>, Duration);

/// A search for words that other threads were offered to share.
pub(super) struct OfferedWords {
    parts: Vec<Offered<WordsPart>>,
    words: Arc<lexical_index::Query>,
    shared: Arc<SharedSearch>,
    /// How long the list is to be.
    len: usize,
}

impl OfferedWords {
    /// How many others may be at it.
    pub(super) fn others(&self) -> usize {
        self.parts.len()
    }
}
