//! Building an index: from vectors, from other indexes, or from both.

use std::cmp::Reverse;
use std::io::Write;
use std::ops::ControlFlow;

use wire::{AlignedBytes, Bytes};

use crate::codes::Codes;
use crate::codes::layout::{Line, groups};
use crate::codes::planes::Planes;
use crate::codes::query::Terms;
use crate::error::{Error, ErrorKind, Result};
use crate::graph::builder::{self, Progress, SEEDS_ENOUGH, Seeds, takes_partitions};
use crate::index::{Index, View};
use crate::node::node_id;
use crate::options::BuildOptions;
use crate::quantize::Int8Quantizer;

/// Builds indexes, in the rayon pool that it is called from, or [without one](BuildOptions::parallel).
///
/// The same vectors, options and seed give the same bytes, whatever the number of threads. While it works, a build takes, beside the
/// codes, 8 bytes for each of the `3 * m` links that a node has room for, then 4 for each that it has, and about 40 more: 560
/// bytes a vector at `m` = 16. Candidates from [partitions](BuildOptions::ef_construction) take up to 300 more for a while. Merging takes the codes of the inputs once more, and 200 bytes a vector.
///
/// ```
/// use vector_index::{BuildOptions, Builder, Codes, Index, Int8Quantizer, Metric, Scratch, SearchOptions};
///
/// # fn main() -> vector_index::Result<()> {
/// let mut codes = Codes::new(Int8Quantizer::new(Metric::L2, 2)?);
/// codes.push(0, &[0.0, 1.0])?;
/// codes.push(1, &[5.0, 5.0])?;
/// let index = Index::open(Builder::new(BuildOptions::new()).build(codes)?.to_bytes()?)?;
///
/// // Adding to it later makes a new one, which begins with the links of the old.
/// let mut more = Codes::new(index.quantizer().clone());
/// more.push(7, &[5.0, 6.0])?;
/// let mut merge = Builder::new(BuildOptions::new()).merge();
/// merge.add_index(&index, Some)?;
/// merge.add_codes(&more)?;
/// let index = Index::open(merge.build()?.to_bytes()?)?;
/// let mut scratch = Scratch::new();
/// assert_eq!(index.search(&[5.0, 7.0], &SearchOptions::new(1), &mut scratch)?[0].row, 7);
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct Builder {
    options: BuildOptions,
}

/// An index that is built and not yet written.
#[derive(Debug)]
pub struct Built(builder::Built);

impl Builder {
    /// A builder with these options.
    #[must_use]
    pub fn new(options: BuildOptions) -> Self {
        Self { options }
    }

    /// Builds an index of vectors. Fails with [`OutOfMemory`](ErrorKind::OutOfMemory) if there is no memory for its graph.
    pub fn build(&self, codes: Codes) -> Result<Built> {
        self.build_with(codes, |_| ControlFlow::Continue(()))
    }

    /// Builds an index and tells how far it is, every few hundred vectors, from the calling thread. If told to stop, fails with
    /// [`Cancelled`](ErrorKind::Cancelled).
    pub fn build_with(
        &self,
        codes: Codes,
        progress: impl FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<Built> {
        self.build_seeded(codes, &Seeds::default(), progress)
    }

    pub(crate) fn build_seeded(
        &self,
        codes: Codes,
        seeds: &Seeds,
        mut progress: impl FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<Built> {
        Ok(Built(builder::build(codes, seeds, &self.options, &mut progress)?))
    }

    /// Begins an index of vectors from other indexes, without the deleted, and new ones.
    #[must_use]
    pub fn merge<'a>(&self) -> Merge<'a> {
        Merge { builder: *self, quantizer: None, sources: Vec::new(), vectors: Vec::new() }
    }
}

impl Built {
    /// Writes the index, and returns its length in bytes.
    pub fn write(&self, mut out: impl Write) -> Result<usize> {
        self.0.write(&mut out)
    }

    /// The index in memory.
    pub fn to_bytes(&self) -> Result<AlignedBytes> {
        self.0.to_bytes()
    }
}

/// An index that is made from others. The links of the largest are kept, those that led to deleted vectors being led past them, and all
/// other vectors are inserted; unless they are many, and more than a third: then it is built like one of new vectors, in about seven tenths of the time,
/// since the links of all are candidates.
#[derive(Debug)]
pub struct Merge<'a> {
    builder: Builder,
    quantizer: Option<Int8Quantizer>,
    sources: Vec<Source<'a>>,
    vectors: Vec<Vector>,
}

#[derive(Debug)]
enum Source<'a> {
    Index(Box<View<'a>>),
    Codes(&'a Codes),
}

/// A vector that goes into the merge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Vector {
    /// What its row will be.
    row: u32,
    source: u32,
    /// Its node, or position.
    at: u32,
}

impl Source<'_> {
    fn planes(&self) -> Planes<'_> {
        match self {
            Self::Index(view) => view.space.planes,
            Self::Codes(codes) => codes.planes(),
        }
    }

    fn terms(&self, at: u32) -> Terms {
        match self {
            Self::Index(view) => view.space.terms.get(at),
            Self::Codes(codes) => codes.terms()[at as usize],
        }
    }
}

impl<'a> Merge<'a> {
    /// Adds the vectors of an index, all of whose bytes are verified before, as [`Bytes::check`] does. `row_of` gives the row that each row becomes, or `None` to leave the vector out: it was deleted.
    ///
    /// Fails with [`InvalidArgument`](ErrorKind::InvalidArgument) if the index is quantized otherwise than what was added before, and with
    /// [`Damaged`](ErrorKind::Damaged) if its bytes do not hold.
    pub fn add_index<B: Bytes>(
        &mut self,
        index: &'a Index<B>,
        mut row_of: impl FnMut(u32) -> Option<u32>,
    ) -> Result<()> {
        self.check(index.quantizer())?;
        index.check()?;
        let view = index.view()?;
        let source = node_id(self.sources.len());
        let firsts = (0..).zip(view.row_of_node.iter().copied());
        let repeats = view.repeats.iter().filter(|repeat| (repeat.node as usize) < view.nodes());
        let rows = firsts.chain(repeats.map(|repeat| (repeat.node, repeat.row)));
        self.vectors.extend(rows.filter_map(|(at, row)| Some(Vector { row: row_of(row)?, source, at })));
        self.sources.push(Source::Index(Box::new(view)));
        Ok(())
    }

    /// Adds vectors that are in no index yet; fails as [`add_index`](Self::add_index) does.
    pub fn add_codes(&mut self, codes: &'a Codes) -> Result<()> {
        self.check(codes.quantizer())?;
        let source = node_id(self.sources.len());
        self.vectors.extend((0..).zip(codes.rows()).map(|(at, &row)| Vector { row, source, at }));
        self.sources.push(Source::Codes(codes));
        Ok(())
    }

    fn check(&mut self, quantizer: &Int8Quantizer) -> Result<()> {
        let first = self.quantizer.get_or_insert_with(|| quantizer.clone());
        if first == quantizer {
            return Ok(());
        }
        Err(Error::invalid("only vectors of one metric, dimension, rotation and calibration can be merged"))
    }

    /// Builds the index. Fails with [`DuplicateRow`](ErrorKind::DuplicateRow) if two vectors were to have the same row, with
    /// [`InvalidArgument`](ErrorKind::InvalidArgument) if nothing was added, and as [`Builder::build`] does.
    pub fn build(self) -> Result<Built> {
        self.build_with(|_| ControlFlow::Continue(()))
    }

    /// Builds the index, and tells how far it is like [`Builder::build_with`].
    pub fn build_with(mut self, progress: impl FnMut(Progress) -> ControlFlow<()>) -> Result<Built> {
        let quantizer = self.quantizer.take();
        let quantizer =
            quantizer.ok_or_else(|| Error::invalid("a merge of nothing has no metric and no dimension"))?;
        self.vectors.sort_unstable();
        if let Some(pair) = self.vectors.windows(2).find(|pair| pair[0].row == pair[1].row) {
            let message = format!("row {} would have two vectors", pair[0].row);
            return Err(Error::new(ErrorKind::DuplicateRow, message));
        }
        // The codes once more, and the links that vectors bring along.
        let of_each = groups(quantizer.dimension()) * size_of::<Line>() + 200;
        builder::check_memory(self.vectors.len(), of_each)?;
        let mut codes = Codes::with_room(quantizer, self.vectors.len());
        for vector in &self.vectors {
            let source = &self.sources[vector.source as usize];
            codes.push_from(vector.row, source.planes(), vector.at, source.terms(vector.at))?;
        }
        self.builder.build_seeded(codes, &self.seeds(), progress)
    }

    /// The links of the index that has most of the vectors; or of all, if that has less than two thirds of them.
    fn seeds(&self) -> Seeds {
        let mut counts = vec![0usize; self.sources.len()];
        self.vectors.iter().for_each(|vector| counts[vector.source as usize] += 1);
        let with_graph = (0..self.sources.len()).filter_map(|at| match &self.sources[at] {
            Source::Index(view) if view.layer_count > 0 && counts[at] > 0 => Some((at, view)),
            _ => None,
        });
        let with_graph: Vec<(usize, &View<'_>)> = with_graph.map(|(at, view)| (at, &**view)).collect();
        let largest = with_graph.iter().max_by_key(|&&(at, _)| (counts[at], Reverse(at)));
        let Some(&(largest, _)) = largest else { return Seeds::default() };
        let total = self.vectors.len();
        let are_kept = counts[largest] * 3 >= total * 2 || !takes_partitions(&self.builder.options, total);
        let mut lists = vec![None; total];
        for &(source, view) in with_graph.iter().filter(|&&(at, _)| !are_kept || at == largest) {
            let mut position_of = vec![None; view.nodes()];
            let vectors = || (0..).zip(&self.vectors).filter(|(_, vector)| vector.source as usize == source);
            for (position, vector) in vectors() {
                position_of[vector.at as usize] = Some(position);
            }
            let mut rooms = [const { Vec::new() }; 2];
            for (position, vector) in vectors() {
                lists[position as usize] = Some(list_past_deleted(view, vector.at, &position_of, &mut rooms));
            }
        }
        Seeds { lists, are_kept }
    }
}

/// The neighbours of a node that are still there; in the place of one that is not, its own.
fn list_past_deleted(
    view: &View<'_>,
    node: u32,
    position_of: &[Option<u32>],
    [own, room]: &mut [Vec<u32>; 2],
) -> Vec<u32> {
    let links = view.lowest();
    let neighbours = links.neighbours(node, own);
    let position = |node: u32| position_of[node as usize];
    let mut list: Vec<u32> = neighbours.iter().copied().filter_map(position).collect();
    for &gone in neighbours.iter().filter(|&&neighbour| position(neighbour).is_none()) {
        if list.len() >= SEEDS_ENOUGH {
            break;
        }
        list.extend(
            links.neighbours(gone, room).iter().copied().filter(|&other| other != node).filter_map(position),
        );
    }
    list.sort_unstable();
    list.dedup();
    list
}
