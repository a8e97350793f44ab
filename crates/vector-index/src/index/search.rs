//! The nearest vectors of an index: which path a search takes, and the paths.

use row_set::RowSet;
use wire::Bytes;

use super::checks::Checks;
use super::filtered::{Effort, FilterScratch, FilteredWalk};
use super::options::{Originals, SearchOptions};
use super::reader::{Index, View};
use super::rescore::{Reach, Room, refine, rescore};
use crate::codes::query::{QueryRef, QueryRoom};
use crate::error::Result;
use crate::graph::pool::{Key, Nearest, Shortlist};
use crate::graph::walk::WalkScratch;
use crate::quantize::Int8Quantizer;
use crate::scratch::Pooled;
use crate::sketch::Lookup;
use crate::widths::RANK;

/// A vector that was found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Hit {
    /// The row of the vector.
    pub row: u32,
    /// Its distance from the query by the metric of the index; smaller is nearer. That of the codes, or, after rescoring, of
    /// the originals.
    pub distance: f32,
}

/// How a search went.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SearchStatistics {
    /// The way it took.
    pub path: SearchPath,
    /// Nodes whose neighbours were looked at.
    pub hops: u64,
    /// Distances that were computed from codes.
    pub distances: u64,
}

/// The way a search takes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum SearchPath {
    /// There was nothing to look at.
    #[default]
    Nothing,
    /// Through the graph.
    Graph,
    /// Through the graph, which was given up when it had cost as much as the scan that followed, or did not lead to what is near the query.
    GraphThenScan,
    /// Over every vector that may be a hit.
    Scan,
}

/// What searches need and keep from one to the next: once it has grown, none allocates. One for each thread.
#[derive(Debug, Default)]
pub struct Scratch {
    query: QueryRoom,
    walk: WalkScratch,
    filtered: FilterScratch,
    nearest: Nearest,
    /// What a scan keeps by high planes, to be compared by residuals.
    listed: Nearest,
    lookup: Lookup,
    shortlist: Shortlist,
    hits: Vec<Hit>,
    room: Room,
    /// Nodes with their distances from the codes of a query, or the least that their originals may have.
    by_codes: Vec<Key>,
    /// What is compared by residuals at once.
    rough: Vec<Key>,
    /// The distance of what is in reach of the graph, if the last walk found less than that.
    reach: Option<f32>,
    statistics: SearchStatistics,
}

impl Scratch {
    /// Nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Heap that it has taken so far, but for some of a fixed size.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        let Self {
            query,
            walk,
            filtered,
            nearest,
            listed,
            lookup,
            shortlist,
            hits,
            room,
            by_codes,
            rough,
            reach: _,
            statistics: _,
        } = self;
        let hits = hits.capacity() * size_of::<Hit>();
        query.heap_bytes()
            + walk.heap_bytes()
            + filtered.heap_bytes()
            + nearest.heap_bytes()
            + listed.heap_bytes()
            + lookup.heap_bytes()
            + shortlist.heap_bytes()
            + hits
            + room.heap_bytes()
            + (by_codes.capacity() + rough.capacity()) * size_of::<Key>()
    }

    /// The distances of the candidates that the last search kept of a graph, as rough as a walk compares them, ascending; none if it was no walk.
    pub fn candidates(&self) -> impl DoubleEndedIterator<Item = f32> + Clone {
        let keys = self.walk.pool.keys();
        let is_walk = self.statistics.path == SearchPath::Graph;
        if is_walk { keys } else { &[] }.iter().map(|key| key.distance())
    }

    /// Whether the last search kept as many candidates as it was to, so that its graph may have more.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.statistics.path == SearchPath::Graph && self.walk.pool.is_full()
    }

    /// If what the last search found of a graph, [narrowly](SearchOptions::narrow), is farther away than what the graph is known to lead to: the distance of that. There may be anything
    /// that is no nearer; a search that is not narrow passes over all vectors.
    #[must_use]
    pub fn out_of_reach(&self) -> Option<f32> {
        self.reach
    }

    /// How the last search with this scratch went.
    #[must_use]
    pub fn statistics(&self) -> SearchStatistics {
        self.statistics
    }
}

/// Of what was compared with the codes of a query, so many at a time are compared with the whole query, unless they are too far away.
const FINER_AT_ONCE: usize = 16;

impl<B: Bytes> Index<B> {
    /// The nearest vectors, the nearest first; those of equal distance by row. Fewer than `k` if there are no more.
    ///
    /// A ranking depends on the width, not on `k`: with the same [`ef_search`](SearchOptions::ef_search), at least `k`, and the same
    /// number of candidates if there is rescoring, the first hits of a search for more are those of a search for fewer; by residuals, as long as it is for half of the candidates
    /// at most.
    ///
    /// Fails with [`WrongDimension`](crate::ErrorKind::WrongDimension), [`NotFinite`](crate::ErrorKind::NotFinite),
    /// [`ZeroVector`](crate::ErrorKind::ZeroVector) for a query that cannot be, [`InvalidArgument`](crate::ErrorKind::InvalidArgument) for k = 0, and
    /// [`NoSuchRow`](crate::ErrorKind::NoSuchRow) if originals are too few, and [`Damaged`](crate::ErrorKind::Damaged) if bytes that it needs do not
    /// hold.
    pub fn search<'s>(
        &self,
        query: &[f32],
        options: &SearchOptions<'_>,
        scratch: &'s mut Scratch,
    ) -> Result<&'s [Hit]> {
        let (view, checks) = (self.view()?, self.checks());
        let Some(checks) = checks else {
            return search_view(&view, self.quantizer(), query, options, scratch);
        };
        checks.begin(options.finds_nodes())?;
        let found = search_view(&view.checked(&checks), self.quantizer(), query, options, scratch).map(drop);
        checks.finish()?;
        found.map(|()| scratch.hits.as_slice())
    }

    /// Many searches at once on the rayon pool, or [without one](SearchOptions::parallel): `queries` are vectors one after the other. Returns the hits of each.
    ///
    /// Fails as [`search`](Self::search) does, for the first query that does.
    pub fn search_batch(&self, queries: &[f32], options: &SearchOptions<'_>) -> Result<Vec<Vec<Hit>>> {
        let queries: Vec<&[f32]> = self.quantizer().split(queries)?.collect();
        let scratch = Pooled::new();
        let search =
            |query: &&[f32]| scratch.with(|scratch| Ok(self.search(query, options, scratch)?.to_vec()));
        options.workers.map(&queries, search).into_iter().collect()
    }
}

/// Searches vectors that lie anywhere; see [`Index::search`].
pub(crate) fn search_view<'s>(
    view: &View<'_>,
    quantizer: &Int8Quantizer,
    query: &[f32],
    options: &SearchOptions<'_>,
    scratch: &'s mut Scratch,
) -> Result<&'s [Hit]> {
    options.check()?;
    quantizer.check(query)?;
    let Scratch {
        query: query_room,
        walk,
        filtered,
        nearest,
        listed,
        lookup,
        shortlist,
        hits,
        room,
        by_codes,
        rough,
        reach,
        statistics,
    } = scratch;
    rough.clear();
    by_codes.clear();
    let prepared = quantizer.prepare(query, query_room);
    (walk.hops, walk.distances) = (0, 0);
    *reach = view.reach.around(quantizer.metric(), prepared);
    let is_exact = options.is_exact(view.widths);
    let around = options
        .rescore
        .filter(|_| is_exact)
        .map(|(originals, _)| Reach::new(quantizer, originals, query, prepared.terms));
    let mut search = Search {
        view: *view,
        options,
        query: prepared,
        around,
        walk,
        filtered,
        nearest,
        listed,
        lookup,
        shortlist,
        by_codes,
        rough,
        reach,
    };
    let path = search.run();
    search.take_found(hits);
    if let Some((originals, _)) = options.rescore {
        search.walk.distances += search.by_originals((quantizer, query, originals), hits, room)?;
    }
    *statistics = SearchStatistics { path, hops: search.walk.hops, distances: search.walk.distances };
    hits.truncate(options.k);
    Ok(hits)
}

/// A running search. The paths leave the best in `nearest`.
pub(super) struct Search<'a, 's> {
    pub(super) view: View<'a>,
    pub(super) options: &'a SearchOptions<'a>,
    pub(super) query: QueryRef<'s>,
    /// Of an exact search whose hits are compared by their originals: how far these may be from the codes.
    around: Option<Reach>,
    pub(super) walk: &'s mut WalkScratch,
    pub(super) filtered: &'s mut FilterScratch,
    pub(super) nearest: &'s mut Nearest,
    pub(super) listed: &'s mut Nearest,
    pub(super) lookup: &'s mut Lookup,
    pub(super) shortlist: &'s mut Shortlist,
    pub(super) by_codes: &'s mut Vec<Key>,
    pub(super) rough: &'s mut Vec<Key>,
    /// The distance of what is in reach of the graph; after the search nothing if enough was found.
    reach: &'s mut Option<f32>,
}

impl Search<'_, '_> {
    fn run(&mut self) -> SearchPath {
        let nodes = self.view.nodes();
        let wanted = self.options.wanted().min(nodes + self.view.repeats.len());
        let deleted = self.options.deleted.map_or(0, RowSet::len);
        // About: deleted rows may be such that have no vector.
        let matches =
            self.options.filter.map_or(nodes.saturating_sub(deleted).max(1), RowSet::len).min(nodes);
        self.nearest.start(wanted.max(1));
        if matches == 0 {
            return SearchPath::Nothing;
        }
        // Every node has a row, so that as many nodes as rows are wanted are enough.
        let width = self.options.width(self.view.widths);
        // Originals are read of what a walk keeps, and of more only where all vectors are passed over.
        let least = match (self.options.narrow, self.view.layer_count) {
            (true, _) => 1,
            (false, 0) => wanted,
            (false, _) => self.options.k,
        };
        let ef = width.unwrap_or(0).max(least).min(nodes);
        let effort = Effort::new(nodes, matches, ef, wanted.min(ef));
        let reach = self.reach.take();
        if self.options.is_exact(self.view.widths) {
            match self.around {
                Some(around) => self.scan_around(around),
                None => self.scan(Self::compare),
            }
            return SearchPath::Scan;
        }
        if effort.exceeds_scan() {
            self.scan_near(matches, ef);
            return SearchPath::Scan;
        }
        if self.view.layer_count == 0 {
            // What is compared must not depend on how many are wanted of it.
            self.nearest.start(ef);
            self.quick_scan(ef);
            return SearchPath::Scan;
        }
        let entry = self.view.hierarchy().entry(self.view.space, self.query, self.walk);
        if !self.options.restricts() {
            self.walk.beam(self.view.space, self.view.lowest(), self.query, entry, ef);
            return self.end_walk(reach, matches, ef);
        }
        let filtered = FilteredWalk {
            view: self.view,
            options: self.options,
            query: self.query,
            walk: self.walk,
            scratch: self.filtered,
        };
        if filtered.run(entry, effort) {
            // What is allowed may be far from a query that is near others, to which the graph leads.
            let reach = reach.filter(|&reach| entry.1 > reach);
            return self.end_walk(reach, matches, ef);
        }
        self.scan_near(matches, ef);
        SearchPath::GraphThenScan
    }

    /// Takes what a walk found, unless that is farther away than what is in reach of the graph: then all is passed over.
    fn end_walk(&mut self, reach: Option<f32>, matches: usize, ef: usize) -> SearchPath {
        let found = self.walk.pool.keys();
        let tenth = found.get(RANK - 1).or(found.last()).map(|key| key.distance());
        *self.reach = reach.filter(|&reach| tenth.is_none_or(|tenth| tenth > reach));
        if self.reach.is_some() && !self.options.narrow {
            *self.reach = None;
            self.scan_near(matches, ef);
            return SearchPath::GraphThenScan;
        }
        self.measure();
        SearchPath::Graph
    }
}

impl Search<'_, '_> {
    /// Makes hits of what the paths found.
    fn take_found(&self, hits: &mut Vec<Hit>) {
        if self.around.is_none() {
            return self.take(hits);
        }
        hits.clear();
        let allows = |row: &u32| !self.options.restricts() || self.options.allows(*row);
        for key in &*self.by_codes {
            let rows = self.view.rows_of(key.node()).filter(allows);
            hits.extend(rows.map(|row| Hit { row, distance: key.distance() }));
        }
    }

    /// Makes hits of the nearest.
    fn take(&self, hits: &mut Vec<Hit>) {
        hits.clear();
        let nearest = self.nearest.iter().take(self.options.wanted());
        hits.extend(nearest.map(|(distance, row)| Hit { row, distance }));
    }

    /// Orders what was found by its originals. Returns how many codes were compared for that.
    fn by_originals(
        &mut self,
        (quantizer, query, originals): (&Int8Quantizer, &[f32], Originals<'_>),
        hits: &mut Vec<Hit>,
        room: &mut Room,
    ) -> Result<u64> {
        let Self { view, options, query: prepared, nearest, rough, .. } = self;
        let wanted = options.wanted();
        if let Some(bytes) = options.originals.filter(|bytes| bytes.0.is_far()) {
            let place = |hit: &Hit| originals.place_of(hit.row as usize, quantizer.dimension());
            bytes.0.will_need(&hits.iter().filter_map(place).collect::<Vec<_>>());
        }
        // What is left out of what a walk found must not depend on how many are returned.
        let kept = if rough.is_empty() { options.k } else { options.k.max(wanted / 2) };
        nearest.start(kept.min(view.nodes() + view.repeats.len()).max(1));
        let mut compared = 0;
        let originals = (originals, options.originals);
        if matches!(originals.0, Originals::Residual(_)) {
            let found = (rough.as_slice(), hits.iter().map(|hit| hit.row), wanted);
            compared = refine(view, (quantizer, options), *prepared, originals, found, nearest, room)?;
        } else {
            let found = hits.iter().map(|hit| (hit.row, hit.distance));
            rescore(view, quantizer, (query, prepared.terms), originals, (found, nearest), room)?;
        }
        self.take(hits);
        Ok(compared)
    }

    /// Leaves in `by_codes`, with the least distance that their originals may have, all nodes that may be among the nearest by these: such as are not farther away for certain
    /// than as many as are wanted are at most.
    #[inline(never)] // once, in programs that are to be small
    fn scan_around(&mut self, around: Reach) {
        self.nearest.start(self.options.k.min(self.view.nodes()).max(1));
        let mut near = std::mem::take(self.by_codes);
        near.clear();
        self.scan(|search| {
            let Self { view, query, nearest, .. } = search;
            let WalkScratch { fresh, dots, distances, .. } = &mut *search.walk;
            *distances += fresh.len() as u64;
            view.space.distances(*query, fresh, dots, |node, distance| {
                let terms = view.space.terms.get(node);
                let off = query.reach(terms);
                let off = off + around.around(terms, distance + off);
                nearest.insert(distance + off, node);
                if !nearest.excludes(distance - off) {
                    near.push(Key::new(distance - off, node));
                }
            });
        });
        near.retain(|key| !self.nearest.excludes(key.distance()));
        near.sort_unstable();
        *self.by_codes = near;
    }

    /// Whether what a walk found is compared by its whole codes: residuals tell more at once, unless to read them or the codes takes requests.
    pub(super) fn compares_codes(&self) -> bool {
        let is_far = self.options.originals.is_some_and(|bytes| bytes.0.is_far()) || self.is_far();
        is_far || !matches!(self.options.rescore, Some((Originals::Residual(_), _)))
    }

    /// Whether to read codes takes requests.
    pub(super) fn is_far(&self) -> bool {
        self.view.space.checks.is_some_and(Checks::is_far)
    }

    /// Puts the best of the pool of a walk, whose distances are rough, and the hidden nodes in the order of their true distances, or leaves them to be compared by their residuals.
    #[inline(never)] // once, in programs that are to be small
    pub(super) fn measure(&mut self) {
        let View { hidden, row_of_node, .. } = self.view;
        let is_hidden = |key: &&Key| !hidden.is_empty() && hidden.binary_search(&key.node()).is_ok();
        let seen = self.walk.pool.keys().iter().filter(|key| !is_hidden(key)).copied();
        let hidden = hidden.iter().filter(|&&node| (node as usize) < row_of_node.len());
        self.rough.extend(hidden.map(|&node| Key::new(f32::NEG_INFINITY, node)).chain(seen));
        if !self.compares_codes() {
            return;
        }
        self.walk.fresh.clear();
        self.walk.fresh.extend(self.rough.drain(..).map(Key::node));
        self.compare();
    }

    /// Compares the query with the nodes in `fresh`.
    #[inline(never)] // once, in programs that are to be small
    pub(super) fn compare(&mut self) {
        self.compare_each(|_| ());
    }

    /// The same, and calls `each` with the distance of each from the codes of the query, in order.
    pub(super) fn compare_each(&mut self, mut each: impl FnMut(f32)) {
        let Self { view, query, nearest, by_codes, .. } = self;
        let WalkScratch { fresh, dots, distances, .. } = &mut *self.walk;
        *distances += fresh.len() as u64;
        by_codes.clear();
        view.space.distances(*query, fresh, dots, |node, distance| {
            each(distance);
            if !nearest.excludes(distance - query.reach(view.space.terms.get(node))) {
                by_codes.push(Key::new(distance, node));
            }
        });
        self.offer();
    }

    /// Puts what was compared with the codes of the query among the nearest by the query as it is.
    fn offer(&mut self) {
        let by_codes = std::mem::take(self.by_codes);
        let Self { view, query, .. } = *self;
        for some in by_codes.chunks(FINER_AT_ONCE) {
            let mut distances = [0.0; FINER_AT_ONCE];
            let WalkScratch { fresh, dots, .. } = &mut *self.walk;
            fresh.clear();
            for key in some {
                let reach = query.reach(view.space.terms.get(key.node()));
                if !self.nearest.excludes(key.distance() - reach) {
                    distances[fresh.len()] = key.distance();
                    fresh.push(key.node());
                }
            }
            let distances = &mut distances[..fresh.len()];
            view.space.add_remainder(query, fresh, dots, distances);
            for (at, &distance) in distances.iter().enumerate() {
                self.insert(self.walk.fresh[at], distance);
            }
        }
        *self.by_codes = by_codes;
    }

    /// Puts the rows of a node among the nearest, if they are.
    fn insert(&mut self, node: u32, distance: f32) {
        if self.nearest.excludes(distance) {
            return;
        }
        let restricts = self.options.restricts();
        for row in self.view.rows_of(node) {
            if (!restricts || self.options.allows(row)) && !self.nearest.insert(distance, row) {
                break;
            }
        }
    }
}
