//! How widely each of several graphs is searched for what is near a vector.
//!
//! What is nearest is spread over graphs about as all vectors are. So each graph is searched as widely as its part of the vectors lets expect, and once more, as widely as if it were alone,
//! where so much of what is nearest was in it that it may have more.

use crate::api::federated::Candidates;

/// A graph is searched no narrower than a search of one graph alone divided by this. Narrower walks miss more than they save.
const NARROWEST: usize = 4;
/// The least number of candidates.
const LEAST: usize = 24;

/// How many of all vectors are in a graph.
#[derive(Debug, Clone, Copy)]
pub(super) struct Part {
    pub(super) vectors: usize,
    pub(super) all: usize,
}

impl Part {
    /// All.
    pub(super) const WHOLE: Self = Self { vectors: 1, all: 1 };

    /// How many candidates a walk keeps that alone would keep `width`: a quarter more than its part, since parts differ.
    pub(super) fn width(self, width: usize) -> usize {
        let expected =
            width.saturating_mul(5).saturating_mul(self.vectors).div_ceil(self.all.saturating_mul(4).max(1));
        expected.max(width / NARROWEST).max(LEAST).min(width)
    }
}

/// What the walks of one search kept.
#[derive(Debug, Default)]
pub(super) struct Breadth {
    width: usize,
    /// Larger is nearer.
    scores: Vec<f32>,
    /// Graphs that have more than was kept of them, and the last score that was.
    full: Vec<(usize, f32)>,
    /// Graphs whose walks ended farther away than they are known to lead, and the score up to which they are.
    pub(super) out_of_reach: Vec<(usize, f32)>,
}

/// What is near a query is in reach of a graph if this many are.
const NEAR: usize = 10;

impl Breadth {
    /// Adds the scores of what was kept of a graph, the nearest first, by a walk that alone would have kept `width`, and, if it has more than that, which it is and the last score. How
    /// many hits were asked for must not show in them.
    pub(super) fn add(
        &mut self,
        width: usize,
        scores: impl Iterator<Item = f32>,
        beyond: Option<(usize, f32)>,
    ) {
        self.width = self.width.max(width);
        self.scores.extend(scores);
        self.full.extend(beyond);
    }

    /// Graphs of which too little was kept: more of them may be among the best of all.
    pub(super) fn too_narrow(&mut self) -> Vec<usize> {
        if self.full.is_empty() && self.out_of_reach.is_empty() {
            return Vec::new();
        }
        let (last, tenth) = (last_of(self.width, &mut self.scores), last_of(NEAR, &mut self.scores));
        let full = self.full.iter().filter(|&&(_, beyond)| beyond > last);
        let strange = self.out_of_reach.iter().filter(|&&(_, in_reach)| in_reach > tenth);
        let mut graphs: Vec<usize> = full.chain(strange).map(|&(graph, _)| graph).collect();
        graphs.sort_unstable();
        graphs.dedup();
        graphs
    }

    pub(super) fn candidates(self) -> Candidates {
        let reach = self.full.iter().map(|&(_, beyond)| beyond).max_by(f32::total_cmp);
        Candidates { width: self.width, scores: self.scores, reach }
    }
}

/// The number of each source of which too little was kept.
pub(super) fn too_narrow<'a>(sources: impl Iterator<Item = &'a Candidates> + Clone) -> Vec<usize> {
    let width = sources.clone().map(|source| source.width).max().unwrap_or(0);
    let mut scores: Vec<f32> = sources.clone().flat_map(|source| &source.scores).copied().collect();
    let last = last_of(width, &mut scores);
    let is_narrow = |source: &Candidates| source.reach.is_some_and(|reach| reach > last);
    sources.enumerate().filter(|(_, source)| is_narrow(source)).map(|(number, _)| number).collect()
}

/// The last of the best `width` scores; of fewer, less than any.
fn last_of(width: usize, scores: &mut [f32]) -> f32 {
    match width.checked_sub(1) {
        Some(at) if at < scores.len() => *scores.select_nth_unstable_by(at, |a, b| b.total_cmp(a)).1,
        _ => f32::NEG_INFINITY,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_graph_is_searched_as_widely_as_its_part_lets_expect() {
        let width = |width: usize, vectors: usize, all: usize| Part { vectors, all }.width(width);
        assert_eq!(Part::WHOLE.width(100), 100);
        assert_eq!([width(120, 1, 2), width(120, 1, 16), width(120, 9, 10)], [75, 30, 120]);
        assert_eq!([width(64, 1, 8), width(16, 1, 8), width(120, 0, 0)], [24, 16, 30]);
        assert_eq!(width(usize::MAX, 1, 2), usize::MAX / 4);
    }

    #[test]
    fn a_graph_that_has_most_of_what_is_near_is_searched_again() {
        let mut breadth = Breadth::default();
        breadth.add(4, [0.9, 0.8].into_iter(), Some((0, 0.8)));
        assert_eq!(breadth.too_narrow(), [0], "there may be more than so few");
        breadth.add(4, [0.7, 0.6].into_iter(), Some((1, 0.6)));
        assert_eq!(breadth.too_narrow(), [0], "the fourth is the last of the other");
        breadth.add(3, [0.95, 0.92, 0.91].into_iter(), Some((2, 0.91)));
        assert_eq!(breadth.too_narrow(), [2]);

        let sources = [breadth.candidates(), Candidates { width: 4, scores: vec![0.1], reach: None }];
        assert_eq!(sources[0].reach, Some(0.91));
        assert_eq!(too_narrow(sources.iter()), [0]);
        let nearer = Candidates { width: 4, scores: vec![1.0; 4], reach: Some(1.0) };
        assert_eq!(too_narrow([&sources[0], &nearer].into_iter()), [] as [usize; 0], "all four are equal");
    }
}
