//! What is nearest to a vector in one shard.

use vector_index::{
    Index, Metric, Originals as Stored, RowSet, Scratch, SearchOptions, SearchPath, SearchStatistics,
};

use super::breadth::{Breadth, Part};
use super::lists::{Found, List};
use super::ranking::Search;
use crate::api::damage::Damage;
use crate::api::error::{Error, Result};
use crate::api::results::ListExplain;
use crate::api::space::{Originals, Space};
use crate::shard::{Section, Vectors, layout};
use crate::state::View;
use crate::trace::{Work, timed};

/// Which rows of a shard are compared.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scan<'a> {
    /// Each of them.
    pub(super) exact: bool,
    /// Instead of those that the filter of the query lets through.
    pub(super) filter: Option<&'a RowSet>,
}

impl Scan<'_> {
    /// Those that the graph leads to.
    pub(super) const ALL: Self = Self { exact: false, filter: None };
}

/// How much a search of one shard looks for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Width {
    pub(super) k: usize,
    /// Candidates that a walk through a graph keeps.
    pub(super) ef: usize,
    /// How many times the width that was measured to be enough it is.
    pub(super) times: usize,
    /// Candidates whose originals are read, where there are originals.
    pub(super) rescored: usize,
    /// What there is to be found of what all shards have.
    pub(super) part: Part,
}

/// What is asked of a shard.
#[derive(Debug)]
struct Asked<'a> {
    /// How many candidates a walk keeps that is not one of several, ...
    alone: usize,
    /// ... how many this one does, ...
    ef: usize,
    /// ... and whether that is fewer.
    is_narrow: bool,
    options: SearchOptions<'a>,
}

/// What the search of a shard found.
#[derive(Debug, Default)]
pub(super) struct InShard {
    found: Vec<Found>,
    /// How wide it would have been alone.
    width: usize,
    /// Scores of the candidates that it kept, the nearest first.
    kept: Vec<f32>,
    /// The last of them, if there may be more.
    beyond: Option<(usize, f32)>,
    /// The score up to which its graph is known to lead, if the walk ended farther away.
    in_reach: Option<(usize, f32)>,
    /// None if nothing was searched.
    statistics: Option<SearchStatistics>,
    loss: Option<Damage>,
}

/// What searches of shards found.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    pub(super) found: Vec<Found>,
    pub(super) breadth: Breadth,
}

impl Search<'_> {
    /// How wide a search of one index is, which was measured when it was built; `None`: no width is known to be enough.
    fn width_in(&self, index: &Index<Section>, width: Width) -> Option<usize> {
        if self.query.ef_search.is_some() {
            return Some(width.ef);
        }
        let measured = match self.query.recall {
            Some(recall) => index.ef_search_for(recall)?,
            None => index.usual_ef_search(),
        };
        Some(width.ef.max(measured.saturating_mul(width.times)))
    }

    /// What is asked of the vectors of one space in one shard.
    fn asked<'s>(
        &'s self,
        vectors: &'s Vectors,
        at: usize,
        (space, view): (&Space, &'s View),
        width: Width,
        scan: Scan<'s>,
    ) -> Asked<'s> {
        let alone = self.width_in(&vectors.index, width);
        let is_exact = scan.exact || alone.is_none();
        let alone = alone.unwrap_or(width.ef);
        let ef = if is_exact { alone } else { width.part.width(alone) };
        let is_narrow = ef < alone;
        // A pass over all vectors leaves out nothing before the last that it returns, so it returns as few as are looked for.
        let returns_few = is_narrow && !vectors.index.has_graph();
        let (k, rescored) = if returns_few { (ef, ef) } else { (width.k, width.rescored) };
        let mut options = SearchOptions::new(k).exact(is_exact);
        options = options.ef_search(ef).narrow(is_narrow).deleted(view.dead.rows());
        if let Some(filter) = scan.filter.or(self.filter.as_ref().map(|filter| &filter[at])) {
            options = options.filter(filter);
        }
        if let Some(originals) = stored_originals(vectors, space) {
            options = options.rescore(originals, rescored);
            if let Some(section) = &vectors.originals {
                options = options.originals_in(section);
            }
        }
        Asked { alone, ef, is_narrow, options }
    }

    /// The nearest vectors of the space with a number in the shard of a view.
    pub(super) fn found_in(
        &self,
        (number, at): (usize, usize),
        vector: &[f32],
        width: Width,
        scan: Scan<'_>,
    ) -> Result<InShard> {
        let (space, view) = (&self.state.settings.spaces[number], &self.state.views[at]);
        let mut in_shard = InShard::default();
        let Some(vectors) = view.shard.vectors(number) else { return Ok(in_shard) };
        let Asked { alone, ef, is_narrow, options } = self.asked(vectors, at, (space, view), width, scan);
        let search = |scratch: &mut Scratch| -> vector_index::Result<()> {
            let near = |hit: &vector_index::Hit| Found {
                score: score(space.metric(), hit.distance),
                view: at,
                row: hit.row,
            };
            in_shard.found.extend(vectors.index.search(vector, &options, scratch)?.iter().map(near));
            let is_walk = !is_narrow || vectors.index.has_graph();
            if is_walk {
                in_shard.kept.extend(scratch.candidates().map(|distance| score(space.metric(), distance)));
            } else {
                in_shard.kept.extend(in_shard.found.iter().map(|found| found.score));
            }
            let is_full = if is_walk { scratch.is_full() } else { in_shard.found.len() == ef };
            let last = in_shard.kept.last().filter(|_| is_narrow && is_full);
            in_shard.beyond = last.map(|&last| (at, last));
            in_shard.in_reach = scratch.out_of_reach().map(|distance| (at, score(space.metric(), distance)));
            in_shard.width = alone;
            in_shard.statistics = Some(scratch.statistics());
            Ok(())
        };
        let searched = if view.shard.is_sealed() {
            self.resources.with_scratch(search)
        } else {
            timed(Work::Tail, || self.resources.with_scratch(search))
        };
        match searched {
            Ok(()) => Ok(in_shard),
            Err(e) if e.kind() == vector_index::ErrorKind::Damaged => {
                let (name, number) = (space.name(), view.shard.number);
                let message = format!("the vectors of space {name:?} in shard {number}: {e}");
                let loss = Damage::new(message).in_shard(number).in_space(name);
                Ok(InShard { loss: Some(loss), ..InShard::default() })
            }
            Err(e) => Err(about(e, space)),
        }
    }

    pub(super) fn gather(&mut self, list: &mut List, in_shard: InShard, gathered: &mut Gathered) {
        let InShard { found, width, kept, beyond, in_reach, statistics, loss } = in_shard;
        gathered.found.extend(found);
        if let Some(statistics) = statistics {
            gathered.breadth.add(width, kept.into_iter(), beyond);
            gathered.breadth.out_of_reach.extend(in_reach);
            count(&mut list.explain, statistics);
        }
        if let Some(loss) = loss {
            self.lose(loss);
        }
    }
}

pub(super) fn about(error: vector_index::Error, space: &Space) -> Error {
    Error::from(error).about(format_args!("vector space {:?}", space.name()))
}

fn count(explain: &mut ListExplain, statistics: SearchStatistics) {
    explain.hops += statistics.hops;
    explain.distances += statistics.distances;
    match statistics.path {
        SearchPath::Graph => explain.graphs += 1,
        SearchPath::Nothing => {}
        _ => explain.scans += 1,
    }
}

pub(super) fn stored_originals<'a>(vectors: &'a Vectors, space: &Space) -> Option<Stored<'a>> {
    let bytes = vectors.originals.as_ref()?.as_ref();
    match space.originals() {
        Originals::None => None,
        Originals::Residual => Some(Stored::Residual(bytes)),
        Originals::F16 => layout::f16_originals(bytes).map(Stored::F16),
        Originals::F32 => layout::f32_originals(bytes).map(Stored::F32),
    }
}

/// Larger is nearer.
fn score(metric: Metric, distance: f32) -> f32 {
    match metric {
        Metric::Cosine => 1.0 - distance,
        _ => -distance,
    }
}
