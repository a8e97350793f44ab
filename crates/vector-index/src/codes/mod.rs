//! Vectors as codes, in memory: what an index is built from.

pub(crate) mod layout;
pub(crate) mod planes;
pub(crate) mod query;
pub(crate) mod sums;

use std::hash::Hash;

use rayon::prelude::*;

use self::layout::{groups, pack};
use self::planes::{OwnedPlanes, Planes};
use self::query::{QueryCodes, QueryRef, QueryRoom, Terms};
use crate::error::{Error, ErrorKind, Result};
use crate::node::MAX_NODES;
use crate::quantize::Int8Quantizer;
use crate::space::Nodes;
use crate::workers::Workers;

/// Vectors of one dimension and metric as int8 codes, each with the row that it belongs to: what an index is built from.
///
/// A row is the caller's number for a vector, such as the row of its record in a segment. Rows are given in ascending order,
/// each once; they need not be consecutive. Takes the dimension rounded up to a multiple of 64, and 12 bytes, a vector.
#[derive(Debug, Clone)]
pub struct Codes {
    quantizer: Int8Quantizer,
    planes: OwnedPlanes,
    terms: Vec<Terms>,
    rows: Vec<u32>,
}

impl Codes {
    /// The largest number of vectors in one index.
    pub const MAX_LEN: usize = MAX_NODES;

    /// No vectors yet.
    #[must_use]
    pub fn new(quantizer: Int8Quantizer) -> Self {
        let planes = OwnedPlanes::new(groups(quantizer.dimension()));
        Self { quantizer, planes, terms: Vec::new(), rows: Vec::new() }
    }

    /// No vectors yet, and room for so many.
    pub(crate) fn with_room(quantizer: Int8Quantizer, count: usize) -> Self {
        let planes = OwnedPlanes::with_room(groups(quantizer.dimension()), count);
        Self { quantizer, planes, terms: Vec::with_capacity(count), rows: Vec::with_capacity(count) }
    }

    /// Adds the vector of a row.
    ///
    /// Fails like [`Int8Quantizer::quantize`], and for a row that is not above the last one; nothing is added then.
    pub fn push(&mut self, row: u32, vector: &[f32]) -> Result<()> {
        self.quantizer.check(vector)?;
        self.check_row(row)?;
        let mut codes = vec![0; vector.len()];
        let scale = self.quantizer.encode(vector, &mut codes);
        self.add(row, &codes, scale);
        Ok(())
    }

    /// Adds many vectors at once, one after the other in `vectors`, for consecutive rows from `first_row` on: all of them, or
    /// none and an error that names the first bad one. Uses the rayon pool.
    pub fn push_all(&mut self, first_row: u32, vectors: &[f32]) -> Result<()> {
        let dimension = self.quantizer.dimension();
        let count = self.quantizer.split(vectors)?.len();
        if count == 0 {
            return Ok(());
        }
        self.check_row(first_row)?;
        let last = u32::try_from(count - 1).ok().and_then(|more| first_row.checked_add(more));
        let Some(last) = last.filter(|&last| last < u32::MAX && self.len() + count <= Self::MAX_LEN) else {
            return Err(Error::invalid(format!(
                "{count} vectors from row {first_row} on are more than an index holds"
            )));
        };
        let bad = vectors.par_chunks_exact(dimension).enumerate().find_map_first(|(i, vector)| {
            let error = self.quantizer.check(vector).err()?;
            Some(Error::new(error.kind(), format!("vector {i}: {error}")))
        });
        if let Some(error) = bad {
            return Err(error);
        }
        let row_len = self.planes.row_len();
        let [high, low] = self.planes.grow(count);
        let rows = high.par_chunks_exact_mut(row_len).zip(low.par_chunks_exact_mut(row_len));
        let quantizer = &self.quantizer;
        let encode = |codes: &mut Vec<i8>, ((high, low), vector): ((&mut [u8], &mut [u8]), &[f32])| {
            codes.resize(dimension, 0);
            let scale = quantizer.encode(vector, codes);
            pack(codes, [high, low]);
            quantizer.terms(codes, scale)
        };
        let terms = rows.zip(vectors.par_chunks_exact(dimension)).map_init(Vec::new, encode);
        self.terms.par_extend(terms);
        self.rows.extend(first_row..=last);
        Ok(())
    }

    /// Adds a vector that is already quantized: its codes, in [-127, 127], and the scale that a code of 1 stands for.
    ///
    /// Fails as [`push`](Self::push) does, for a code of -128, and for a scale that is not finite and positive (or zero with
    /// codes of zeros), or, with a calibrated quantizer, not 1. Under cosine the scale is not looked at further.
    pub fn push_codes(&mut self, row: u32, codes: &[i8], scale: f32) -> Result<()> {
        self.quantizer.check_codes(codes, scale)?;
        self.check_row(row)?;
        self.add(row, codes, scale);
        Ok(())
    }

    fn check_row(&self, row: u32) -> Result<()> {
        if row == u32::MAX || self.len() >= Self::MAX_LEN {
            return Err(Error::invalid(format!(
                "row {row}: rows and the number of vectors are below 2^32 - 1 and 2^31 - 1"
            )));
        }
        match self.rows.last() {
            Some(&last) if row == last => {
                Err(Error::new(ErrorKind::DuplicateRow, format!("row {row} has a vector already")))
            }
            Some(&last) if row < last => {
                Err(Error::invalid(format!("row {row} after row {last}: rows are given in ascending order")))
            }
            _ => Ok(()),
        }
    }

    fn add(&mut self, row: u32, codes: &[i8], scale: f32) {
        pack(codes, self.planes.grow(1));
        self.terms.push(self.quantizer.terms(codes, scale));
        self.rows.push(row);
    }

    /// How many vectors there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// How they are quantized.
    #[must_use]
    pub fn quantizer(&self) -> &Int8Quantizer {
        &self.quantizer
    }

    /// The rows of the vectors, ascending.
    #[must_use]
    pub fn rows(&self) -> &[u32] {
        &self.rows
    }

    /// The codes of the vector at a position in [`rows`](Self::rows), and the scale by which they stand for it (under cosine, for
    /// the vector of length 1); `None` behind the last.
    #[must_use]
    pub fn get(&self, position: usize) -> Option<(Vec<i8>, f32)> {
        let scale = self.quantizer.scale_of(*self.terms.get(position)?);
        let mut codes = vec![0; self.quantizer.dimension()];
        self.planes.as_ref().unpack(u32::try_from(position).ok()?, &mut codes);
        Some((codes, scale))
    }

    /// Adds a vector as it lies elsewhere.
    pub(crate) fn push_from(&mut self, row: u32, planes: Planes<'_>, at: u32, terms: Terms) -> Result<()> {
        self.check_row(row)?;
        self.planes.push_row(planes, at);
        self.terms.push(terms);
        self.rows.push(row);
        Ok(())
    }

    pub(crate) fn planes(&self) -> Planes<'_> {
        self.planes.as_ref()
    }

    pub(crate) fn terms(&self) -> &[Terms] {
        &self.terms
    }

    /// The vectors at some positions, copied.
    pub(crate) fn picked(&self, positions: &[u32], workers: Workers) -> Nodes {
        let mut planes = OwnedPlanes::new(groups(self.quantizer.dimension()));
        for &at in positions {
            planes.push_row(self.planes.as_ref(), at);
        }
        let terms = positions.iter().map(|&at| self.terms[at as usize]).collect();
        let rows = positions.iter().map(|&at| self.rows[at as usize]).collect();
        Nodes::new(self.quantizer.clone(), planes, terms, rows, workers)
    }

    /// The vectors in another order: the one at position `order[i]` comes to `i`. `order` is a permutation.
    pub(crate) fn permuted(mut self, order: &[u32], workers: Workers) -> Nodes {
        self.planes.permute(order);
        let terms = order.iter().map(|&at| self.terms[at as usize]).collect();
        let rows = order.iter().map(|&at| self.rows[at as usize]).collect();
        Nodes::new(self.quantizer, self.planes, terms, rows, workers)
    }

    /// Only the vectors at some positions, which ascend.
    pub(crate) fn kept(mut self, positions: &[u32]) -> Self {
        self.planes.keep(positions);
        self.terms = positions.iter().map(|&at| self.terms[at as usize]).collect();
        self.rows = positions.iter().map(|&at| self.rows[at as usize]).collect();
        self
    }

    /// What vectors that are at the same distance from every query have in common: codes and factors.
    pub(crate) fn identity(&self, position: u32) -> impl Eq + Hash {
        let (planes, terms) = (self.planes.as_ref(), self.terms[position as usize]);
        (planes.high.row(position), planes.low.row(position), terms.a.to_bits(), terms.b.to_bits())
    }

    /// A vector as a query, written to `room`.
    pub(crate) fn query<'a>(&self, position: u32, room: &'a mut QueryRoom) -> QueryRef<'a> {
        let codes = room.codes(self.quantizer.dimension());
        self.planes.as_ref().unpack(position, codes);
        let terms = self.terms[position as usize];
        if self.quantizer.calibration().is_none() {
            return QueryRef::exact(QueryCodes::new(room.lines()), self.quantizer.query_of(terms));
        }
        let vector = self.quantizer.decode(codes, 1.0);
        self.quantizer.prepare(&vector, room)
    }
}
