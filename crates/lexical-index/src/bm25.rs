//! The ranking function: BM25 (Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond", 2009) with
//! the idf that is never negative.
//!
//! A term adds `weight × 1 / (1 + norm / freq)` to the score of a text, where `weight = idf × (k1 + 1)` and `norm = k1 × (1 - b + b
//! × length / average length)`. The second factor, the *saturation*, is a fraction of 2^32 here, and scores are sums
//! of integers: so they do not depend on the order of adding, and a bound made of the same operations is never below
//! what it bounds.

/// How many times as much a word counts at most that stands in a text often, beside one that stands there once, less 1: the default of
/// [`Searcher::bm25`](crate::Searcher::bm25).
pub const K1: f64 = 1.4;
/// How much the length of a text counts, 0 to 1: the default of [`Searcher::bm25`](crate::Searcher::bm25).
pub const B: f64 = 0.6;

/// The constants of the ranking function.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Constants {
    pub(crate) k1: f64,
    pub(crate) b: f64,
}

impl Default for Constants {
    fn default() -> Self {
        Self { k1: K1, b: B }
    }
}

/// Frequencies whose saturations are in the table.
const TABLE_FREQS: usize = 4;
/// In the impacts of a block: this frequency or a higher one.
pub(crate) const MANY: u8 = u8::MAX;
/// In the column of lengths: this length or a greater one.
pub(crate) const LONG: u8 = u8::MAX;

/// Of a term in `df` of `rows` texts.
pub(crate) fn idf(df: u64, rows: u64) -> f64 {
    let (df, rows) = (float(df.min(rows)), float(rows));
    (1.0 + (rows - df + 0.5) / (df + 0.5)).ln()
}

#[expect(clippy::cast_precision_loss, reason = "counts above 2^53 do not occur")]
pub(crate) fn float(count: u64) -> f64 {
    count as f64
}

/// Saturations of one field, whose average length is known.
#[derive(Debug)]
pub(crate) struct Saturation {
    constants: Constants,
    average: f64,
    table: Vec<[u32; 256]>,
}

impl Saturation {
    /// Of a field with so many tokens in so many texts.
    pub(crate) fn new(constants: Constants, tokens: u64, rows: u64) -> Self {
        let average = if tokens == 0 { 1.0 } else { float(tokens) / float(rows.max(1)) };
        let mut saturation = Self { constants, average, table: Vec::with_capacity(TABLE_FREQS) };
        for freq in (1u32..).take(TABLE_FREQS) {
            let mut by_len = [0; 256];
            for (slot, len) in by_len.iter_mut().zip(0u32..) {
                *slot = saturation.compute(freq, len);
            }
            saturation.table.push(by_len);
        }
        saturation
    }

    /// As a fraction of 2^32. Every operation is monotonic in both arguments.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and 2^32 - 1")]
    pub(crate) fn compute(&self, freq: u32, len: u32) -> u32 {
        let Constants { k1, b } = self.constants;
        let norm = k1 * (1.0 - b + b * (f64::from(len) / self.average));
        (1.0 / (1.0 + norm / f64::from(freq.max(1))) * f64::from(u32::MAX)) as u32
    }

    /// The same from the table, where the exact length is asked for only if the byte does not tell.
    #[inline]
    pub(crate) fn get(&self, freq: u32, len: u8, exact_len: impl FnOnce() -> u32) -> u32 {
        match self.table.get((freq as usize).wrapping_sub(1)) {
            Some(by_len) if len != LONG => by_len[usize::from(len)],
            _ if len != LONG => self.compute(freq, u32::from(len)),
            _ => self.compute(freq, exact_len()),
        }
    }

    /// No posting within this impact is saturated more.
    #[inline]
    pub(crate) fn bound(&self, freq: u8, len: u8) -> u32 {
        if freq == MANY { u32::MAX } else { self.get(u32::from(freq), len, || u32::from(LONG)) }
    }

    /// Of all lengths, for the frequency 1.
    #[inline]
    pub(crate) fn once(&self) -> &[u32; 256] {
        &self.table[0]
    }
}

/// What a posting adds to a score, at least 1, so that 0 means absence.
#[inline]
pub(crate) fn units(weight: u32, saturation: u32) -> u32 {
    let units = ((u64::from(weight) * u64::from(saturation)) >> 32) as u32;
    units.max(1)
}
