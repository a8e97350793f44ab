//! Stored vectors as a search sees them, and a query beside them.

use rayon::prelude::*;

use bytemuck::Zeroable;
use wire::AlignedBytes;

use crate::codes::layout::{self, Aligned, codes_mut, groups, walks_by_whole_codes};
use crate::codes::planes::{OwnedPlanes, Planes};
use crate::codes::query::{QueryCodes, QueryRef, QueryRoom, QueryTerms, Terms};
use crate::index::checks::Checks;
use crate::index::layout::Walk;
use crate::kernel::Kernel;
use crate::metric::Metric;
use crate::node::node_id;
use crate::prefetch::prefetch;
use crate::quantize::Int8Quantizer;
use crate::sketch::layout::{Outlines, has_outlines, row_len};
use crate::sketch::outline::{self, Looked};
use crate::workers::Workers;

/// Stored vectors, and how distances from them are computed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Space<'a> {
    pub(crate) kernel: Kernel,
    pub(crate) planes: Planes<'a>,
    pub(crate) terms: TermsRef<'a>,
    /// What verifies codes before they are used, if they are not known to be sound. The terms are verified before.
    pub(crate) checks: Option<&'a Checks<'a>>,
    /// What a walk looks at before it compares codes, if that is less.
    pub(crate) outlines: Option<Outlines<'a>>,
    /// Whether a walk compares whole codes, and not their high planes alone.
    pub(crate) is_whole: bool,
    /// Whether a walk expands several nodes at a time.
    pub(crate) walks_ahead: bool,
    /// The rows of nodes, where those that a walk finds are asked for right after it.
    pub(crate) rows: &'a [u32],
}

/// The terms of stored vectors: without those that the metric does not have.
#[derive(Debug, Clone, Copy)]
pub(crate) enum TermsRef<'a> {
    /// `a` and `b`.
    Pairs(&'a [Terms]),
    /// `b` alone; `a` is 0.
    Plain(&'a [f32]),
}

impl TermsRef<'_> {
    #[inline]
    pub(crate) fn get(self, node: u32) -> Terms {
        match self {
            Self::Pairs(terms) => terms[node as usize],
            Self::Plain(terms) => Terms { a: 0.0, b: terms[node as usize] },
        }
    }
}

/// Outlines that a thread makes at a time.
const OUTLINED_AT_ONCE: usize = 256;

/// Room for dot products.
#[derive(Debug, Default)]
pub(crate) struct Dots {
    sums: Vec<i32>,
    low: Vec<i32>,
    /// Distances.
    whole: Vec<f32>,
}

impl Dots {
    fn room(&mut self, len: usize) -> (&mut [i32], &mut [i32], &mut [f32]) {
        let Self { sums, low, whole } = self;
        if whole.len() < len {
            whole.resize(len, 0.0);
        }
        let (sums, low) = room_for(sums, low, len);
        (sums, low, &mut whole[..len])
    }
}

fn room_for<'a>(sums: &'a mut Vec<i32>, low: &'a mut Vec<i32>, len: usize) -> (&'a mut [i32], &'a mut [i32]) {
    if sums.len() < len {
        sums.resize(len, 0);
        low.resize(len, 0);
    }
    (&mut sums[..len], &mut low[..len])
}

impl Space<'_> {
    /// The distances of a query from some nodes as far as a walk needs them, in order, one call of `each` for each: those of the high
    /// plane alone, whose errors cancel out over many dimensions; of both, where these tell too little; or of both, and of the query as it is, if there are few dimensions.
    #[inline]
    pub(crate) fn rough_distances(
        self,
        query: QueryRef<'_>,
        nodes: &[u32],
        dots: &mut Dots,
        mut each: impl FnMut(u32, f32),
    ) {
        let distances = self.all_rough(query, nodes, dots);
        nodes.iter().zip(distances).for_each(|(&node, &distance)| each(node, distance));
    }

    /// The distances of a query from some nodes, in order, one call of `each` for each.
    #[inline]
    pub(crate) fn distances(
        self,
        query: QueryRef<'_>,
        nodes: &[u32],
        dots: &mut Dots,
        mut each: impl FnMut(u32, f32),
    ) {
        let distances = self.all_whole(query, nodes, dots);
        nodes.iter().zip(distances).for_each(|(&node, &distance)| each(node, distance));
    }

    /// Has the whole codes of some nodes fetched.
    pub(crate) fn prefetch(self, nodes: &[u32]) {
        self.planes.high.prefetch(nodes);
        self.planes.low.prefetch(nodes);
    }

    /// Has the row of a node fetched.
    #[inline]
    pub(crate) fn prefetch_row(self, node: u32) {
        prefetch(self.rows.get(node as usize..=node as usize).unwrap_or_default());
    }

    /// Has fetched what is read of a node that a walk found, and is not of one that it only compared.
    #[inline]
    pub(crate) fn prefetch_found(self, node: u32) {
        if let Some(row) = self.rows.get(node as usize..=node as usize) {
            prefetch(row);
            self.planes.low.prefetch(&[node]);
        }
    }

    /// All are computed before anything is decided by one of them, so that the processor need not guess.
    fn all_rough<'d>(self, query: QueryRef<'_>, nodes: &[u32], dots: &'d mut Dots) -> &'d [f32] {
        let has_few_dimensions = walks_by_whole_codes(query.codes.lines.as_flattened().len());
        if self.is_whole && !has_few_dimensions {
            return self.all_whole(query, nodes, dots);
        }
        if has_few_dimensions {
            self.all_whole(query, nodes, dots);
            let mut whole = std::mem::take(&mut dots.whole);
            self.add_remainder(query, nodes, dots, &mut whole[..nodes.len()]);
            dots.whole = whole;
            return &dots.whole[..nodes.len()];
        }
        if let Some(checks) = self.checks {
            checks.high(nodes);
        }
        let (sums, _, whole) = dots.room(nodes.len());
        self.planes.rough_dots(self.kernel, query.codes, nodes, sums);
        self.put_distances(query, nodes, sums, whole);
        whole
    }

    fn all_whole<'d>(self, query: QueryRef<'_>, nodes: &[u32], dots: &'d mut Dots) -> &'d [f32] {
        if let Some(checks) = self.checks {
            checks.high(nodes);
            checks.low(nodes);
        }
        let (sums, low, whole) = dots.room(nodes.len());
        self.planes.dots(self.kernel, query.codes, nodes, sums, low);
        self.put_distances(query, nodes, sums, whole);
        whole
    }

    /// Leaves in `near` those of some nodes that may be nearer to a query than `limit`, as far as their outlines tell, and has their codes fetched. The others come behind `excluded`.
    pub(crate) fn keep_near(
        self,
        outlines: Outlines<'_>,
        query: &mut Looked<'_>,
        limit: f32,
        nodes: &[u32],
        (near, excluded): (&mut Vec<u32>, &mut Vec<u32>),
    ) {
        outlines.keep_near(self.kernel, query, limit, nodes, (near, excluded));
        self.planes.high.prefetch(near);
    }

    #[inline]
    fn put_distances(self, query: QueryRef<'_>, nodes: &[u32], dots: &[i32], out: &mut [f32]) {
        for ((&node, &dot), out) in nodes.iter().zip(dots).zip(out) {
            *out = query.terms.distance(dot, self.terms.get(node));
        }
    }

    /// Adds what the codes of a query leave out to its distances from some nodes, which were computed before.
    pub(crate) fn add_remainder(
        self,
        query: QueryRef<'_>,
        nodes: &[u32],
        dots: &mut Dots,
        distances: &mut [f32],
    ) {
        let Some(remainder) = query.remainder else { return };
        let (sums, low) = room_for(&mut dots.sums, &mut dots.low, nodes.len());
        self.planes.dots(self.kernel, remainder.codes, nodes, sums, low);
        for ((distance, &node), &dot) in distances.iter_mut().zip(nodes).zip(&*sums) {
            *distance += query.terms.remainder(dot, self.terms.get(node));
        }
    }
}

/// Vectors in the order of a graph's nodes, while it is built.
#[derive(Debug)]
pub(crate) struct Nodes {
    quantizer: Int8Quantizer,
    planes: OwnedPlanes,
    terms: Vec<Terms>,
    rows: Vec<u32>,
    /// The sum of the codes of every node.
    sums: Vec<i32>,
    /// The codes and factors of every node as a query, if calibrated: then its own codes are none.
    queries: Option<(Vec<Aligned>, Vec<QueryTerms>)>,
    /// Of what becomes a graph.
    outlines: AlignedBytes,
    /// Whether walks compare whole codes though there are many dimensions.
    needs_whole: bool,
}

impl Nodes {
    pub(crate) fn new(
        quantizer: Int8Quantizer,
        planes: OwnedPlanes,
        terms: Vec<Terms>,
        rows: Vec<u32>,
        workers: Workers,
    ) -> Self {
        let mut nodes = Self {
            quantizer,
            planes,
            terms,
            rows,
            sums: Vec::new(),
            queries: None,
            outlines: AlignedBytes::default(),
            needs_whole: false,
        };
        nodes.sums = nodes.code_sums(workers);
        if nodes.quantizer.calibration().is_some() {
            nodes.queries = Some(nodes.as_queries(workers));
        }
        nodes
    }

    fn code_sums(&self, workers: Workers) -> Vec<i32> {
        let sum = |room: &mut QueryRoom, node: u32| {
            self.planes.as_ref().unpack(node, room.codes(self.quantizer.dimension()));
            QueryCodes::new(room.lines()).sum
        };
        workers.map_with_room(node_id(self.len()), sum)
    }

    fn as_queries(&self, workers: Workers) -> (Vec<Aligned>, Vec<QueryTerms>) {
        let dimension = self.quantizer.dimension();
        let stride = groups(dimension);
        let mut lines = vec![Aligned::zeroed(); self.len() * stride];
        let as_query = |(node, lines): (usize, &mut [Aligned])| {
            let node = u32::try_from(node).unwrap_or(u32::MAX);
            let codes = &mut codes_mut(lines)[..dimension];
            self.planes.as_ref().unpack(node, codes);
            let vector = self.quantizer.decode(codes, 1.0);
            self.quantizer.encode_query(&vector, codes)
        };
        let terms = match workers {
            Workers::Caller => lines.chunks_exact_mut(stride).enumerate().map(as_query).collect(),
            Workers::Pool => lines.par_chunks_exact_mut(stride).enumerate().map(as_query).collect(),
        };
        (lines, terms)
    }

    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(crate) fn rows(&self) -> &[u32] {
        &self.rows
    }

    pub(crate) fn quantizer(&self) -> &Int8Quantizer {
        &self.quantizer
    }

    /// Whether nodes as queries have other codes than as what is stored.
    pub(crate) fn is_calibrated(&self) -> bool {
        self.queries.is_some()
    }

    pub(crate) fn planes(&self) -> &OwnedPlanes {
        &self.planes
    }

    pub(crate) fn terms(&self) -> &[Terms] {
        &self.terms
    }

    /// What a walk looks at first.
    pub(crate) fn walk(&self) -> Walk {
        match (self.needs_whole, self.outlines.as_ref()) {
            (true, _) => Walk::WholeCodes,
            (false, []) => Walk::Codes,
            (false, _) => Walk::Outlines,
        }
    }

    /// Of vectors that are to become a graph: whether high planes tell too little.
    pub(crate) fn set_needs_whole(&mut self, needs_whole: bool) {
        self.needs_whole = needs_whole;
    }

    /// Has distances be those of vectors less their mean, under the dot product; for choosing links, and until [`end_centring`](Self::end_centring).
    ///
    /// The ranking of the vectors by their dot product with a query stays the same if any vector is taken off all of them. But if they have a part in common,
    /// the nearest of each are the few that have most of that part, and no links lead to the others.
    pub(crate) fn begin_centring(&mut self) {
        if self.quantizer.metric() != Metric::Dot {
            return;
        }
        let mean = self.mean();
        let half: f64 = mean.iter().map(|value| value * value).sum::<f64>() / 2.0;
        let mut room = Vec::new();
        let shift = |node: u32| {
            let values = self.values(node, &mut room);
            let along_mean: f64 =
                values.iter().zip(&mean).map(|(&value, mean)| f64::from(value) * mean).sum();
            #[expect(clippy::cast_possible_truncation, reason = "one rounding")]
            let shift = (along_mean - half) as f32;
            shift
        };
        let shifts: Vec<f32> = (0..node_id(self.len())).map(shift).collect();
        self.shift(|node| shifts[node]);
    }

    pub(crate) fn end_centring(&mut self) {
        if self.quantizer.metric() == Metric::Dot {
            self.shift(|_| 0.0);
        }
    }

    /// Sets what is added to the distances of each node, whether it is the query or is compared with one.
    fn shift(&mut self, of_node: impl Fn(usize) -> f32) {
        for (node, terms) in self.terms.iter_mut().enumerate() {
            terms.a = of_node(node);
        }
        for (node, terms) in self.queries.iter_mut().flat_map(|(_, terms)| terms).enumerate() {
            terms.base = of_node(node);
        }
    }

    fn mean(&self) -> Vec<f64> {
        let (mut room, mut mean) = (Vec::new(), vec![0.0; self.quantizer.dimension()]);
        for node in 0..node_id(self.len()) {
            let values = self.values(node, &mut room);
            mean.iter_mut().zip(&values).for_each(|(sum, &value)| *sum += f64::from(value));
        }
        for sum in &mut mean {
            *sum /= f64::from(node_id(self.len()));
        }
        mean
    }

    /// The vector of a node, still rotated if it is.
    pub(crate) fn values(&self, node: u32, codes: &mut Vec<i8>) -> Vec<f32> {
        codes.resize(self.quantizer.dimension(), 0);
        self.planes.as_ref().unpack(node, codes);
        let scale = self.quantizer.scale_of(self.terms[node as usize]);
        if self.is_calibrated() {
            return self.quantizer.decode(codes, scale);
        }
        codes.iter().map(|&code| f32::from(code) * scale).collect()
    }

    /// Makes outlines, if vectors of this kind have them.
    pub(crate) fn outline(&mut self, workers: Workers) {
        let dimension = self.quantizer.dimension();
        if self.is_calibrated() || self.needs_whole || !has_outlines(dimension) {
            return;
        }
        let (planes, terms) = (self.planes.as_ref(), &self.terms);
        let rows = self.outlines.grow(self.rows.len() * row_len(dimension));
        let len = OUTLINED_AT_ONCE * row_len(dimension);
        let write = |(at, rows): (usize, &mut [u8])| {
            outline::write_rows(
                planes,
                &terms[at * OUTLINED_AT_ONCE..],
                node_id(at * OUTLINED_AT_ONCE),
                dimension,
                rows,
            );
        };
        match workers {
            Workers::Caller => rows.chunks_mut(len).enumerate().for_each(write),
            Workers::Pool => rows.par_chunks_mut(len).enumerate().with_max_len(1).for_each(write),
        }
    }

    /// The bytes of all outlines; none if there are none.
    pub(crate) fn outlines(&self) -> &[u8] {
        self.outlines.as_ref()
    }

    /// As a build compares them.
    pub(crate) fn space(&self, kernel: Kernel) -> Space<'_> {
        let terms = TermsRef::Pairs(&self.terms);
        let is_whole = self.needs_whole || walks_by_whole_codes(self.quantizer.dimension());
        Space {
            kernel,
            planes: self.planes.as_ref(),
            terms,
            checks: None,
            outlines: None,
            is_whole,
            walks_ahead: false,
            rows: &[],
        }
    }

    /// As a search of the finished index does.
    pub(crate) fn searched(&self, kernel: Kernel) -> Space<'_> {
        let outlines = Some(self.outlines()).filter(|bytes| !bytes.is_empty());
        let outlines = outlines.map(|bytes| Outlines::new(bytes, self.quantizer.dimension()));
        Space { outlines, walks_ahead: self.walk() != Walk::Codes, ..self.space(kernel) }
    }

    /// Has fetched what a node is read from as a query and as what queries are compared with.
    pub(crate) fn prefetch(&self, node: u32) {
        let Planes { high, low } = self.planes.as_ref();
        prefetch(high.row(node));
        prefetch(low.row(node));
        let at = node as usize;
        prefetch(self.terms.get(at..=at).unwrap_or_default());
        prefetch(self.sums.get(at..=at).unwrap_or_default());
    }

    /// A node as a query; its codes may be written to `room`.
    pub(crate) fn query<'a>(&'a self, node: u32, room: &'a mut QueryRoom) -> QueryRef<'a> {
        let at = node as usize;
        if let Some((lines, terms)) = &self.queries {
            let stride = groups(self.quantizer.dimension());
            let codes = QueryCodes::new(layout::lines(&lines[at * stride..][..stride]));
            return QueryRef::exact(codes, terms[at]);
        }
        self.planes.as_ref().unpack(node, room.codes(self.quantizer.dimension()));
        let codes = QueryCodes { lines: room.lines(), sum: self.sums[at] };
        QueryRef::exact(codes, self.quantizer.query_of(self.terms[at]))
    }
}
