//! How wide searches of a graph have to be for how much of what there is.

use std::cmp::Ordering;

use crate::codes::query::QueryRef;
use crate::codes::sums::squared_sum;
use crate::metric::Metric;

/// Parts of the true nearest that searches may ask for.
pub(crate) const TARGETS: [f64; 6] = [0.90, 0.95, 0.97, 0.98, 0.99, 0.995];
/// The part that a search of which nothing is asked is to find.
pub(crate) const USUAL: f64 = 0.99;
/// The least width of search that is known to find each of [`TARGETS`]; 0 where none did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Widths(pub(crate) [u16; TARGETS.len()]);

/// Whether so many of those wanted are at least a part of them.
#[expect(clippy::cast_precision_loss, reason = "some thousands")]
pub(crate) fn reaches(found: usize, wanted: usize, target: f64) -> bool {
    found as f64 >= target * wanted as f64
}

impl Widths {
    /// Those of a pass over signs or the high plane, which goes on as long as its errors call for more.
    pub(crate) const WITHOUT_GRAPH: Self = Self([64, 64, 64, 64, 64, 0]);

    /// Notes that walks of a width found so many of those wanted.
    pub(crate) fn record(&mut self, width: u16, found: usize, wanted: usize) {
        for (slot, target) in self.0.iter_mut().zip(TARGETS) {
            if *slot == 0 && reaches(found, wanted, target) {
                *slot = width;
            }
        }
    }

    /// The same, where another width was found for [`USUAL`]: no smaller part takes a wider search, and no larger one a narrower.
    pub(crate) fn with_usual(mut self, usual: Option<u16>) -> Self {
        // Where none is known it is the widest.
        let usual = usual.unwrap_or(0).wrapping_sub(1);
        for (slot, target) in self.0.iter_mut().zip(TARGETS) {
            let width = slot.wrapping_sub(1);
            let width = match target.total_cmp(&USUAL) {
                Ordering::Less => width.min(usual),
                Ordering::Equal => usual,
                Ordering::Greater => width.max(usual),
            };
            *slot = width.wrapping_add(1);
        }
        self
    }

    /// How wide a search is that nothing is asked of: it finds 0.99 of the nearest, unless that takes a width beyond 512.
    pub(crate) fn usual(self) -> usize {
        const LEAST: usize = 64;
        const MOST: usize = 512;
        self.reaching(USUAL).unwrap_or(MOST).clamp(LEAST, MOST)
    }

    /// The least width that is known to find a part of the true nearest.
    pub(crate) fn reaching(self, target: f64) -> Option<usize> {
        let at = TARGETS.iter().position(|&known| known >= target)?;
        Some(self.0[at].into()).filter(|&width| width > 0)
    }
}

/// How near its query the [tenth](RANK) of what a walk finds has to be for the graph to be known to lead to all that is near: to other queries a scan answers. As bits of a
/// distance, under the dot product of a query of length 1; 0: a graph that leads everywhere.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Reach(pub(crate) u32);

/// Which of what a walk finds tells whether it is out of reach; of fewer the last.
pub(crate) const RANK: usize = 10;

impl Reach {
    pub(crate) fn up_to(distance: f32) -> Self {
        Self(if distance == 0.0 { f32::MIN_POSITIVE } else { distance }.to_bits())
    }

    /// The distance from a query that is in reach; `None`: any.
    pub(crate) fn around(self, metric: Metric, query: QueryRef<'_>) -> Option<f32> {
        (self.0 != 0).then(|| f32::from_bits(self.0) * length(metric, query))
    }
}

/// What distances from a query are multiples of.
#[expect(clippy::cast_precision_loss, reason = "an estimate")]
pub(crate) fn length(metric: Metric, query: QueryRef<'_>) -> f32 {
    match metric {
        Metric::Dot => {
            (squared_sum(query.codes.lines.as_flattened()) as f32).sqrt() * query.terms.scale.abs()
        }
        _ => 1.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_between_those_that_are_known_takes_the_width_of_the_next() {
        let mut widths = Widths::default();
        widths.record(16, 96, 100);
        widths.record(64, 99, 100);
        assert_eq!(widths.0, [16, 16, 64, 64, 64, 0]);
        assert_eq!([0.5, 0.951, 0.99].map(|target| widths.reaching(target)), [Some(16), Some(64), Some(64)]);
        assert_eq!([0.991, 1.0].map(|target| widths.reaching(target)), [None, None]);
        assert_eq!((widths.usual(), Widths::default().usual()), (64, 512));
        let mut nothing = Widths::default();
        nothing.record(16, 0, 0);
        assert_eq!(nothing.reaching(0.995), Some(16));
    }

    #[test]
    fn another_usual_width_keeps_the_order() {
        let widths = Widths([16, 24, 40, 64, 120, 0]);
        assert_eq!(widths.with_usual(Some(88)).0, [16, 24, 40, 64, 88, 0]);
        assert_eq!(widths.with_usual(Some(32)).0, [16, 24, 32, 32, 32, 0]);
        assert_eq!(widths.with_usual(None).0, [16, 24, 40, 64, 0, 0]);
        let reached = Widths([16, 24, 40, 64, 120, 200]);
        assert_eq!(reached.with_usual(Some(256)).0, [16, 24, 40, 64, 256, 256]);
        assert_eq!(reached.with_usual(None).0, [16, 24, 40, 64, 0, 0]);
    }
}
