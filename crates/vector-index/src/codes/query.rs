//! A query: its codes, and what its distances from stored codes are computed with.

use bytemuck::Zeroable;

use super::layout::{self, Aligned, Line, codes_mut, groups};
use super::sums::sum_of;

/// What is known of a stored vector beside its codes: its distance from a query is
/// `query.base + a + b * (query.offset + query.scale * dot)`.
#[derive(Debug, Clone, Copy, Default, PartialEq, bytemuck::Zeroable, bytemuck::Pod)]
#[repr(C)]
pub(crate) struct Terms {
    /// The squared norm under L2, otherwise 0.
    pub(crate) a: f32,
    /// The scale of the codes; under cosine divided by the norm.
    pub(crate) b: f32,
}

/// The factors of a query; see [`Terms`]. Its codes lie beside it.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct QueryTerms {
    pub(crate) base: f32,
    pub(crate) offset: f32,
    pub(crate) scale: f32,
}

impl QueryTerms {
    #[expect(
        clippy::cast_precision_loss,
        reason = "one rounding of an exact integer, the same on every machine"
    )]
    #[inline]
    pub(crate) fn distance(self, dot: i32, terms: Terms) -> f32 {
        self.base + terms.a + terms.b * (self.offset + self.scale * dot as f32)
    }
}

/// A query's codes, and what distances from it are computed with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct QueryCodes<'a> {
    pub(crate) lines: &'a [Line],
    /// The sum of the codes.
    pub(crate) sum: i32,
}

impl<'a> QueryCodes<'a> {
    pub(crate) fn new(lines: &'a [Line]) -> Self {
        Self { lines, sum: sum_of(lines.as_flattened(), |code| code) }
    }
}

/// A query as codes and factors.
#[derive(Debug, Clone, Copy)]
pub(crate) struct QueryRef<'a> {
    pub(crate) codes: QueryCodes<'a>,
    pub(crate) terms: QueryTerms,
}

/// Where the codes of a query are written.
#[derive(Debug, Default)]
pub(crate) struct QueryRoom(Vec<Aligned>);

impl QueryRoom {
    pub(crate) fn heap_bytes(&self) -> usize {
        self.0.capacity() * size_of::<Aligned>()
    }

    /// Room for so many codes, with zeros behind them.
    pub(crate) fn codes(&mut self, dimension: usize) -> &mut [i8] {
        self.0.resize(groups(dimension), Aligned::zeroed());
        if let Some(last) = self.0.last_mut() {
            *last = Aligned::zeroed();
        }
        &mut codes_mut(&mut self.0)[..dimension]
    }

    pub(crate) fn lines(&self) -> &[Line] {
        layout::lines(&self.0)
    }
}
