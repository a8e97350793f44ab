//! Passes over something smaller than the codes, where there is no graph.

use super::scan::SCANNED_AT_ONCE;
use super::search::Search;
use crate::graph::pool::Key;
use crate::sketch::Sketch;
use crate::sketch::layout::BLOCK;
use crate::space::TermsRef;

/// A pass over signs keeps so many times as many candidates as are asked for, since it errs more than codes.
const SHORTLIST: usize = 2;
/// Estimates are taken to err by at most so many times as much as those that were compared do in the root of the mean square.
const ERRORS: f64 = 2.0;
/// In about so many blocks, all over the index, one of so many vectors is compared first, to see by how much its estimate errs.
const SAMPLED_BLOCKS: usize = 8;
const SAMPLED_ONE_OF: u32 = 4;
/// Fewer tell nothing.
const SAMPLED_AT_LEAST: f64 = 16.0;
/// Nor do estimates that differ by less than half of what distances do.
const STEEPEST: f64 = -0.5;

/// By how much estimates err, and how that depends on the true distance.
///
/// On average they are right for what is as unlike a query as vectors are unlike each other. Where all vectors have much in common, and a query does not, signs hardly tell them apart: the nearer
/// one is, the farther beyond that is its estimate. So a line is laid through the errors of some.
#[derive(Debug, Default, Clone, Copy)]
struct Errors {
    count: f64,
    distances: f64,
    off: f64,
    /// Sums of squares of distances, of products of both, and of squares of errors.
    products: [f64; 3],
}

impl Errors {
    fn add(&mut self, distance: f32, estimate: f32) {
        let (distance, error) = (f64::from(distance), f64::from(estimate) - f64::from(distance));
        self.count += 1.0;
        self.distances += distance;
        self.off += error;
        let products = [distance * distance, distance * error, error * error];
        self.products.iter_mut().zip(products).for_each(|(sum, product)| *sum += product);
    }

    fn root_of_mean_square(self) -> f64 {
        (self.products[2] / self.count.max(1.0)).sqrt()
    }

    /// What a distance errs by at most: the line at 0, its slope, and what there is beside it.
    fn line(self) -> [f64; 3] {
        if self.count < SAMPLED_AT_LEAST {
            return [0.0, 0.0, f64::INFINITY];
        }
        let [distance, error] = [self.distances, self.off].map(|sum| sum / self.count);
        let [squares, both, errors] = self.products.map(|sum| sum / self.count);
        let (spread, together) = (squares - distance * distance, both - distance * error);
        let slope = if spread > 0.0 { together / spread } else { 0.0 };
        if slope < STEEPEST {
            return [0.0, 0.0, f64::INFINITY];
        }
        let left = errors - error * error - slope * together;
        [error - slope * distance, slope, ERRORS * left.max(0.0).sqrt()]
    }
}

impl Search<'_, '_> {
    /// Passes over something smaller than the codes, if that is smaller by much, and compares the query with the codes of the best `ef` and more.
    pub(super) fn quick_scan(&mut self, ef: usize) {
        match self.view.sketch {
            Some(sketch) if self.query.codes.lines.len() > 1 => {
                self.scan_signs(sketch, ef.saturating_mul(SHORTLIST));
            }
            _ => self.scan(Self::compare),
        }
    }

    /// Compares the best `keep` by their signs, then as many more as errors of estimates show to be needed: all whose estimate is not so far beyond the
    /// last of the nearest that these make up for it.
    fn scan_signs(&mut self, sketch: Sketch<'_>, keep: usize) {
        let step = (self.view.nodes() / BLOCK / SAMPLED_BLOCKS).max(1);
        let is_sampled =
            |node: u32| node.is_multiple_of(SAMPLED_ONE_OF) && (node as usize / BLOCK).is_multiple_of(step);
        let mut shortlist = std::mem::take(self.shortlist);
        shortlist.start(usize::MAX);
        self.for_estimates(sketch, step, &mut |_, key| {
            if is_sampled(key.node()) {
                shortlist.add(key);
            }
            f32::INFINITY
        });
        let [at_zero, slope, beside] = self.compare_estimates(shortlist.best()).line();
        shortlist.start(keep);
        self.walk.distances += self.view.nodes() as u64;
        self.for_estimates(sketch, 1, &mut |_, key| {
            if !is_sampled(key.node()) {
                shortlist.add(key);
            }
            shortlist.limit()
        });
        let best = shortlist.best();
        best.sort_unstable();
        let among_best = ERRORS * self.compare_estimates(best).root_of_mean_square();
        let last = best.last().copied();
        *self.shortlist = shortlist;
        let reach = move |search: &Self| {
            let limit = f64::from(search.nearest.limit());
            let reach = limit + among_best.max(at_zero + slope * limit + beside);
            #[expect(clippy::cast_possible_truncation, reason = "what is beyond all is infinite")]
            if reach.is_nan() { f32::INFINITY } else { reach as f32 }
        };
        let Some(last) = last.filter(|last| last.distance() < reach(self)) else { return };
        self.walk.fresh.clear();
        self.for_estimates(sketch, 1, &mut |search, key| {
            if key > last && !is_sampled(key.node()) {
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

    /// Calls `each` for every node of one of `step` blocks that may be a hit, with the distance that its signs let expect, as long as that is below the last answer.
    fn for_estimates(
        &mut self,
        sketch: Sketch<'_>,
        step: usize,
        each: &mut dyn FnMut(&mut Self, Key) -> f32,
    ) {
        let (view, options, query) = (self.view, self.options, self.query);
        let restricts = options.restricts();
        let squared = match view.space.terms {
            TermsRef::Pairs(terms) => Some(terms),
            TermsRef::Plain(_) => None,
        };
        let mut lookup = std::mem::take(self.lookup);
        let mut limit = f32::INFINITY;
        sketch.scan(view.space.kernel, query, (squared, step), &mut lookup, |node, estimate| {
            if !restricts || options.allows_node(&view, node) {
                limit = each(self, Key::new(estimate, node));
            }
            limit
        });
        *self.lookup = lookup;
    }

    /// Compares the query with nodes of which there are estimates, and tells how these err.
    fn compare_estimates(&mut self, keys: &[Key]) -> Errors {
        self.walk.fresh.clear();
        self.walk.fresh.extend(keys.iter().map(|key| key.node()));
        let (mut errors, mut estimates) = (Errors::default(), keys.iter());
        self.compare_each(|distance| {
            let estimate = estimates.next().map_or(distance, |key| key.distance());
            errors.add(distance, estimate);
        });
        errors
    }
}
