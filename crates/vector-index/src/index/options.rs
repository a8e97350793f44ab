//! What is searched for, and how.

use std::ops::Range;

use row_set::RowSet;
use wire::{Bytes, F16};

use super::checks::Unverified;
use super::reader::View;
use crate::error::{Error, Result};
use crate::prefetch::prefetch;
use crate::residual;
use crate::widths::Widths;
use crate::workers::Workers;

/// What is searched for, and how.
#[derive(Debug, Clone, Copy)]
#[must_use]
pub struct SearchOptions<'a> {
    pub(super) k: usize,
    ef_search: Option<usize>,
    pub(super) narrow: bool,
    recall: Option<f64>,
    pub(super) filter: Option<&'a RowSet>,
    pub(super) deleted: Option<&'a RowSet>,
    pub(super) exact: bool,
    pub(super) rescore: Option<(Originals<'a>, usize)>,
    /// Where the originals lie.
    pub(super) originals: Option<Unverified<'a>>,
    pub(super) workers: Workers,
}

/// The vectors as they were before quantization: those of rows 0, 1, 2 and so on, one after the other.
#[derive(Debug, Clone, Copy)]
pub enum Originals<'a> {
    /// In 32-bit floating point.
    F32(&'a [f32]),
    /// In 16-bit floating point. The largest value of a vector is at least 2^-14: smaller numbers have fewer digits than codes do.
    F16(&'a [F16]),
    /// What the codes leave out, as [`quantize_with_residual`](crate::Int8Quantizer::quantize_with_residual) gives it: bits of dimensions that are not there are 0.
    Residual(&'a [u8]),
}

impl Originals<'_> {
    /// Where the bytes of a row are, if there are that many.
    pub(super) fn place_of(self, row: usize, dimension: usize) -> Option<Range<usize>> {
        let (each, all) = match self {
            Self::F32(values) => (dimension * size_of::<f32>(), size_of_val(values)),
            Self::F16(values) => (dimension * size_of::<F16>(), size_of_val(values)),
            Self::Residual(bytes) => (residual::len(dimension), bytes.len()),
        };
        Some(row * each..(row + 1) * each).filter(|range| range.end <= all)
    }

    /// Asks for the original of a row, which is read soon.
    pub(super) fn prefetch(self, row: usize, dimension: usize) {
        let values = row * dimension..(row + 1) * dimension;
        match self {
            Self::F32(all) => prefetch(all.get(values).unwrap_or_default()),
            Self::F16(all) => prefetch(all.get(values).unwrap_or_default()),
            Self::Residual(all) => {
                prefetch(self.place_of(row, dimension).and_then(|range| all.get(range)).unwrap_or_default());
            }
        }
    }
}

impl<'a> SearchOptions<'a> {
    /// The `k` nearest vectors.
    pub fn new(k: usize) -> Self {
        let workers = Workers::Pool;
        let (filter, deleted, rescore, originals) = (None, None, None, None);
        let (ef_search, recall) = (None, None);
        Self {
            k,
            ef_search,
            narrow: false,
            recall,
            filter,
            deleted,
            exact: false,
            rescore,
            originals,
            workers,
        }
    }

    /// How many candidates the search through the graph keeps: more finds more of the true neighbours in more time. Less than `k`
    /// counts as `k`. Where the graph is not known to lead to what is near the query, as that is far from all vectors, a scan follows, whatever the width. Default: what finds 0.99 of the nearest by the codes, as measured when the graph was built, 64 to 512.
    pub fn ef_search(mut self, ef_search: usize) -> Self {
        self.ef_search = Some(ef_search);
        self
    }

    /// Whether a walk through the graph keeps no more candidates than [`ef_search`](Self::ef_search), also where more vectors are wanted: then it returns no more. For graphs that are
    /// searched together; [`Scratch::is_full`](crate::Scratch::is_full) and [`Scratch::out_of_reach`](crate::Scratch::out_of_reach) tell whether there may be more; no scan follows. Default: no.
    pub fn narrow(mut self, narrow: bool) -> Self {
        self.narrow = narrow;
        self
    }

    /// Has the search keep as many candidates as are needed to find this part of the nearest by the codes, on average: a build measures the widths for
    /// 0.90, 0.95, 0.97, 0.98, 0.99 and 0.995 of the ten nearest, with 192 of its vectors that it takes for new ones; what lies between takes the next.
    /// What no measured width reached, or is beyond 0.995, is an exact search. With [`ef_search`](Self::ef_search), at least that many. Above 0, at most 1.
    pub fn recall(mut self, recall: f64) -> Self {
        self.recall = Some(recall);
        self
    }

    /// Only vectors of these rows. Rows that the index does not have match nothing.
    pub fn filter(mut self, filter: &'a RowSet) -> Self {
        self.filter = Some(filter);
        self
    }

    /// No vectors of these rows.
    pub fn deleted(mut self, deleted: &'a RowSet) -> Self {
        self.deleted = Some(deleted);
        self
    }

    /// Compares the query with every vector that may be a hit: the nearest by their codes, or, with [`rescore`](Self::rescore), by their originals, without fail.
    pub fn exact(mut self, exact: bool) -> Self {
        self.exact = exact;
        self
    }

    /// Whether many searches at once, in a batch or an audit, are divided among the threads of the rayon pool that they are called from.
    /// Otherwise the calling thread does all of them, and no pool is looked for. Default: yes.
    pub fn parallel(mut self, parallel: bool) -> Self {
        self.workers = if parallel { Workers::Pool } else { Workers::Caller };
        self
    }

    pub(crate) fn workers(&self) -> Workers {
        self.workers
    }

    /// Orders the best `candidates` (at least `k`) by the distance of their originals, and returns that. 1.5 to 3 times `k` is
    /// usual. Codes are known to be off by half a step at most, so that originals are read only of those that may be among the `k` nearest. Residuals are compared at once with all that a
    /// walk found, but for what is beyond half of the candidates by more than three deviations of what a walk compares by.
    /// A walk through a graph keeps as many candidates as without.
    pub fn rescore(mut self, originals: Originals<'a>, candidates: usize) -> Self {
        self.rescore = Some((originals, candidates));
        self
    }

    /// Has each original verified by the bytes that they all lie in, from the first to the last, before it is used. Otherwise they count
    /// as sound.
    pub fn originals_in(mut self, bytes: &'a dyn Bytes) -> Self {
        self.originals = Some(Unverified(bytes)).filter(|bytes| !bytes.0.is_verified());
        self
    }

    pub(crate) fn k(&self) -> usize {
        self.k
    }

    pub(crate) fn with_k(self, k: usize) -> Self {
        Self { k, ..self }
    }

    pub(crate) fn check(&self) -> Result<()> {
        if self.k == 0 {
            return Err(Error::invalid("k = 0: a search returns at least one vector"));
        }
        if let Some(recall) = self.recall.filter(|recall| !(*recall > 0.0 && *recall <= 1.0)) {
            return Err(Error::invalid(format!("recall = {recall}: above 0, at most 1")));
        }
        Ok(())
    }

    /// How many candidates a walk keeps at least; `None`: no width is known to be enough.
    pub(super) fn width(&self, widths: Widths) -> Option<usize> {
        match (self.recall, self.ef_search) {
            (Some(recall), least) => Some(widths.reaching(recall)?.max(least.unwrap_or(0))),
            (None, Some(width)) => Some(width),
            (None, None) => Some(widths.usual()),
        }
    }

    /// Whether every vector that may be a hit is compared.
    pub(super) fn is_exact(&self, widths: Widths) -> bool {
        self.exact || self.width(widths).is_none()
    }

    /// How many candidates the paths are to bring.
    pub(super) fn wanted(&self) -> usize {
        self.rescore.map_or(self.k, |(_, candidates)| candidates.max(self.k))
    }

    #[inline]
    pub(super) fn allows(&self, row: u32) -> bool {
        self.filter.is_none_or(|filter| filter.contains(row)) && !self.is_deleted(row)
    }

    #[inline]
    pub(super) fn is_deleted(&self, row: u32) -> bool {
        self.deleted.is_some_and(|deleted| deleted.contains(row))
    }

    /// Whether some row of a node is allowed.
    pub(super) fn allows_node(&self, view: &View<'_>, node: u32) -> bool {
        view.any_row_of(node, |row| self.allows(row))
    }

    /// Whether the nodes of rows are looked up: of those that a filter lets through, or of those whose originals may be read.
    pub(super) fn finds_nodes(&self) -> bool {
        self.filter.is_some() || self.rescore.is_some()
    }

    pub(super) fn restricts(&self) -> bool {
        self.filter.is_some() || self.deleted.is_some_and(|deleted| !deleted.is_empty())
    }
}
