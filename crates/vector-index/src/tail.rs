//! Vectors that no index has yet, searched as they are added.

use crate::codes::Codes;
use crate::error::Result;
use crate::index::{Hit, Scratch, SearchOptions, View, search_view};
use crate::quantize::Int8Quantizer;
use crate::sketch::OwnedSketch;

/// Vectors that are searched while more are added: those that no index has yet.
///
/// A search passes over the signs of all codes, and compares the best by their whole codes; see [`SearchOptions::ef_search`]. Takes
/// an eighth more than the [`Codes`] it holds.
///
/// ```
/// use vector_index::{Int8Quantizer, Metric, Scratch, SearchOptions, Tail};
///
/// # fn main() -> vector_index::Result<()> {
/// let mut tail = Tail::new(Int8Quantizer::new(Metric::Cosine, 2)?);
/// tail.push(10, &[1.0, 0.1])?;
/// tail.push(11, &[0.1, 1.0])?;
/// let mut scratch = Scratch::new();
/// assert_eq!(tail.search(&[0.0, 1.0], &SearchOptions::new(1), &mut scratch)?[0].row, 11);
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
pub struct Tail {
    codes: Codes,
    sketch: OwnedSketch,
}

impl Tail {
    /// No vectors yet.
    #[must_use]
    pub fn new(quantizer: Int8Quantizer) -> Self {
        Self { codes: Codes::new(quantizer), sketch: OwnedSketch::default() }
    }

    /// Adds the vector of a row; fails as [`Codes::push`] does.
    pub fn push(&mut self, row: u32, vector: &[f32]) -> Result<()> {
        self.codes.push(row, vector)?;
        self.sketch_last();
        Ok(())
    }

    /// Adds a vector that is already quantized; fails as [`Codes::push_codes`] does.
    pub fn push_codes(&mut self, row: u32, codes: &[i8], scale: f32) -> Result<()> {
        self.codes.push_codes(row, codes, scale)?;
        self.sketch_last();
        Ok(())
    }

    fn sketch_last(&mut self) {
        if let Some((codes, _)) = self.codes.get(self.codes.len() - 1) {
            let scale = self.codes.terms().last().map_or(0.0, |terms| terms.b);
            self.sketch.push(&codes, scale);
        }
    }

    /// The nearest vectors; see [`Index::search`](crate::Index::search).
    pub fn search<'s>(
        &self,
        query: &[f32],
        options: &SearchOptions<'_>,
        scratch: &'s mut Scratch,
    ) -> Result<&'s [Hit]> {
        let quantizer = self.codes.quantizer();
        let sketch = quantizer.calibration().is_none().then(|| self.sketch.as_ref(quantizer.dimension()));
        search_view(&View::of_tail(&self.codes, sketch), quantizer, query, options, scratch)
    }

    /// The vectors, to build an index of.
    #[must_use]
    pub fn codes(&self) -> &Codes {
        &self.codes
    }

    /// The vectors, to build an index of.
    #[must_use]
    pub fn into_codes(self) -> Codes {
        self.codes
    }
}
