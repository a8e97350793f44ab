//! Passes over something smaller than the codes, where there is no graph.

use super::scan::SCANNED_AT_ONCE;
use super::search::Search;
use crate::graph::pool::Key;
use crate::graph::walk::WalkScratch;
use crate::sketch::Sketch;
use crate::space::TermsRef;

/// A pass over signs keeps so many times as many candidates as are asked for, since it errs more than codes.
const SHORTLIST: usize = 2;
/// Estimates are taken to err by at most so many times as much as those that were compared do in the root of the mean square.
const ERRORS: f32 = 2.0;

impl Search<'_, '_> {
    /// Passes over something smaller than the codes, and compares the query with the codes of the best `ef`.
    pub(super) fn quick_scan(&mut self, ef: usize) {
        match self.view.sketch {
            Some(sketch) => self.scan_signs(sketch, ef.saturating_mul(SHORTLIST)),
            None => self.scan_high_plane(ef),
        }
    }

    /// Compares the best `keep` by their signs, then as many more as these show to be needed: all whose estimate is not so far beyond the
    /// last of the nearest that errors of estimates make up for it.
    fn scan_signs(&mut self, sketch: Sketch<'_>, keep: usize) {
        let mut shortlist = std::mem::take(self.shortlist);
        shortlist.start(keep);
        self.walk.distances += self.view.nodes() as u64;
        self.for_estimates(sketch, &mut |_, key| {
            shortlist.add(key);
            shortlist.limit()
        });
        let best = shortlist.best();
        best.sort_unstable();
        self.walk.fresh.clear();
        self.walk.fresh.extend(best.iter().map(|key| key.node()));
        let error = self.compare_estimates(best);
        let last = best.last().copied();
        *self.shortlist = shortlist;
        let reach = move |search: &Self| search.nearest.limit() + ERRORS * error;
        let Some(last) = last.filter(|last| last.distance() < reach(self)) else { return };
        self.walk.fresh.clear();
        self.for_estimates(sketch, &mut |search, key| {
            if key > last {
                search.walk.fresh.push(key.node());
                if search.walk.fresh.len() == SCANNED_AT_ONCE {
                    search.compare();
                    search.walk.fresh.clear();
                }
            }
            reach(search)
        });
        self.compare();
    }

    /// Calls `each` for every node that may be a hit, with the distance that its signs let expect, as long as that is below the last answer.
    fn for_estimates(&mut self, sketch: Sketch<'_>, each: &mut dyn FnMut(&mut Self, Key) -> f32) {
        let (view, options, query) = (self.view, self.options, self.query);
        let restricts = options.restricts();
        let squared = match view.space.terms {
            TermsRef::Pairs(terms) => Some(terms),
            TermsRef::Plain(_) => None,
        };
        let mut lookup = std::mem::take(self.lookup);
        let mut limit = f32::INFINITY;
        sketch.scan(view.space.kernel, query, squared, &mut lookup, |node, estimate| {
            if !restricts || options.allows_node(&view, node) {
                limit = each(self, Key::new(estimate, node));
            }
            limit
        });
        *self.lookup = lookup;
    }

    /// Compares the query with the nodes in `fresh`, whose estimates are `keys`, and returns the root of the mean square of the errors of these.
    #[expect(clippy::cast_precision_loss, reason = "a small count")]
    fn compare_estimates(&mut self, keys: &[Key]) -> f32 {
        let (mut sum, mut estimates) = (0.0, keys.iter());
        self.compare_each(|distance| {
            let error = estimates.next().map_or(0.0, |key| key.distance() - distance);
            sum += error * error;
        });
        (sum / keys.len().max(1) as f32).sqrt()
    }

    fn scan_high_plane(&mut self, ef: usize) {
        let mut shortlist = std::mem::take(&mut self.walk.pool);
        shortlist.start(ef);
        self.for_all(|search| {
            let WalkScratch { fresh, dots, distances, .. } = &mut *search.walk;
            *distances += fresh.len() as u64;
            let insert = |node, distance| shortlist.insert(distance, node);
            search.view.space.rough_distances(search.query, fresh, dots, insert);
        });
        self.walk.pool = shortlist;
        self.measure();
    }
}
