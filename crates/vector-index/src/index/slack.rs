//! What the high plane of the codes does not tell of a distance.

use crate::codes::query::{QueryRef, Terms};
use crate::codes::sums::squared_sum;

/// How far the distance of a high plane may be from that of whole codes.
///
/// A low nibble `l` that is not read is taken for 7.5. Its part of the dot product errs by `q * (l - 7.5)`, of which what is in the low nibbles of
/// the query as well adds up for vectors that are like it, to `7.5 * sum(|low(q) - 7.5|)` at most. The rest cancels out: beyond three times `7.5 * |q|`
/// for one vector in a hundred at most (Hoeffding, 1963), and for one in a million if all nibbles are as frequent. Where they do not cancel out, as for vectors
/// whose values are all the least or the greatest, errors that were seen say more.
#[derive(Debug)]
pub(super) struct Slack {
    /// In distances of terms that are 1.
    unit: f32,
    /// The largest error that was seen.
    seen: f32,
}

impl Slack {
    /// What cancels out is taken to be at most so many times `7.5 * |q|`.
    const DEVIATIONS: f32 = 3.0;
    /// Errors that were not seen are at most so many times as large as those that were.
    const BEYOND_SEEN: f32 = 2.0;

    pub(super) fn new(query: QueryRef<'_>) -> Self {
        let (mut alike, mut squares) = (0.0, 0.0);
        for &code in query.codes.lines.as_flattened().iter().filter(|&&code| code != 0) {
            let low = f32::from(code.cast_unsigned() & 15) - 7.5;
            alike += low.abs();
            squares += (f32::from(code) - low).powi(2);
        }
        let dot = 7.5 * (alike + Self::DEVIATIONS * squares.sqrt());
        Self { unit: dot * query.terms.scale.abs(), seen: 0.0 }
    }

    pub(super) fn around(&self, terms: Terms) -> f32 {
        (self.unit * terms.b.abs()).max(Self::BEYOND_SEEN * self.seen)
    }

    pub(super) fn add(&mut self, error: f32) {
        self.seen = self.seen.max(error.abs());
    }
}

/// The same for what a walk found, some of which is compared before any is left out.
///
/// Nibbles that are not read err by 4.61 in the root of the mean square if all are as frequent; whole codes that were made with a residual by 0.36, and those of the query by 0.29. Where they do not cancel out, that of the errors that were seen says more.
#[derive(Debug)]
pub(super) struct WalkSlack {
    /// What a dot product of codes is multiplied by, beside the terms of a vector.
    scale: f32,
    /// The root of the mean square that is expected, of dot products.
    expected: f32,
    /// Squares of the errors of dot products that were seen, and how many these are.
    seen: (f32, f32),
}

impl WalkSlack {
    /// Of errors that cancel out, one in 700 is beyond so many times the root of the mean square on the side that counts.
    const DEVIATIONS: f32 = 3.0;
    /// Before so many errors were seen, nothing is left out.
    const FEW: f32 = 16.0;

    #[expect(clippy::cast_precision_loss, reason = "an estimate")]
    pub(super) fn new(query: QueryRef<'_>, is_whole: bool) -> Self {
        let length = (squared_sum(query.codes.lines.as_flattened()) as f32).sqrt();
        Self {
            scale: query.terms.scale.abs(),
            expected: if is_whole { 0.46 * length } else { 4.61 * length },
            seen: (0.0, 0.0),
        }
    }

    /// The root of the mean square of errors that is expected, of distances from a vector with these terms.
    pub(super) fn expected(&self, terms: Terms) -> f32 {
        self.expected * self.scale * terms.b.abs()
    }

    pub(super) fn around(&self, terms: Terms) -> f32 {
        if self.seen.1 < Self::FEW {
            return f32::INFINITY;
        }
        let seen = (self.seen.0 / self.seen.1).sqrt();
        Self::DEVIATIONS * self.expected.max(seen) * self.scale * terms.b.abs()
    }

    /// How far a distance from a vector with these terms was off; what is not finite is not known.
    pub(super) fn add(&mut self, error: f32, terms: Terms) {
        let error = error / self.scale / terms.b;
        if error.is_finite() {
            self.seen = (self.seen.0 + error * error, self.seen.1 + 1.0);
        }
    }
}
