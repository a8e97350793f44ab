//! f32 vectors to int8 codes, and the error that makes.
#![expect(
    clippy::cast_precision_loss,
    reason = "shares of counts, and one rounding of exact integers, the same on every machine"
)]

use crate::codes::query::{self, QueryRef, QueryRoom, QueryTerms, Terms};
use crate::error::{Error, ErrorKind, Result};
use crate::metric::{Metric, dot};
use crate::residual;
use crate::rotation::Rotation;
use crate::rounding::{
    self, LIFT, TINY, encode_max_abs, max_abs, round_to_i8, squared_norm, write_remainder,
};

/// The largest number of dimensions: dot products of codes then fit 32 bits.
pub const MAX_DIMENSION: usize = 65_536;
// A sum of squares of codes fits.
const _: () = assert!(MAX_DIMENSION * 128 * 128 <= i32::MAX as usize);

/// The largest length of a vector, unless only its direction counts: distances of such vectors are finite, however they are estimated.
pub const MAX_LENGTH: f32 = 1e17;
/// The least that the largest value of a vector may be, unless all are 0 or only its direction counts: squares of smaller ones are nearly 0 in 32 bits, and so
/// are the distances between such vectors.
pub const MIN_LARGEST_VALUE: f32 = 1e-17;

/// Turns vectors into int8 codes.
///
/// By default each vector has a scale of its own, its largest absolute value / 127, and every code is
/// `round(value / scale)`, in [-127, 127]: nothing is learnt, so it suits data that arrives over time. Under cosine any vector of
/// finite values will do that has one other than 0, however large or small; otherwise vectors are at most [`MAX_LENGTH`] long, and
/// their largest value is 0, or at least [`MIN_LARGEST_VALUE`]. A [rotated](Self::rotated) quantizer does the same with vectors whose dimensions were made alike. A
/// [calibrated](Self::calibrated) one has a centre and a range for each dimension instead, taken from samples.
///
/// Norms are computed from the codes, not from the vectors, so that a distance is exactly that of the codes.
#[derive(Debug, Clone, PartialEq)]
pub struct Int8Quantizer {
    metric: Metric,
    dimension: usize,
    calibration: Option<Calibration>,
    rotation: Option<Rotation>,
}

/// Dimension `i` of a code `u` stands for `centre[i] + step[i] * u`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Calibration {
    pub(crate) centre: Vec<f32>,
    pub(crate) step: Vec<f32>,
}

/// What quantization does to some vectors; see [`Int8Quantizer::statistics`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct QuantizationStatistics {
    /// How many vectors were looked at.
    pub vectors: usize,
    /// The share of values outside the range of their dimension, which became its end. Always 0 without calibration.
    pub saturated: f64,
    /// The mean of 1 - cosine(vector, decoded codes).
    pub mean_cosine_error: f64,
    /// The largest of them.
    pub worst_cosine_error: f64,
}

impl Int8Quantizer {
    /// A quantizer with a scale for each vector.
    ///
    /// Fails if `dimension` is 0 or more than [`MAX_DIMENSION`].
    pub fn new(metric: Metric, dimension: usize) -> Result<Self> {
        if dimension == 0 || dimension > MAX_DIMENSION {
            let message = format!("{dimension} dimensions: an index has 1 to {MAX_DIMENSION}");
            return Err(Error::invalid(message));
        }
        Ok(Self { metric, dimension, calibration: None, rotation: None })
    }

    /// A quantizer with a centre and a range for each dimension: the middle of the values that the samples have there, and
    /// the distance from it that covers all of them, widened by a tenth. Values outside become its ends.
    ///
    /// `samples` are vectors one after the other. Fails if there is none, or one that [`quantize`](Self::quantize) would refuse.
    pub fn calibrated(metric: Metric, dimension: usize, samples: &[f32]) -> Result<Self> {
        let mut quantizer = Self::new(metric, dimension)?;
        let vectors = quantizer.split(samples)?;
        for vector in vectors.clone() {
            quantizer.check(vector)?;
        }
        if vectors.len() == 0 {
            return Err(Error::invalid("calibration needs at least one sample"));
        }
        let mut low = vec![f32::INFINITY; dimension];
        let mut high = vec![f32::NEG_INFINITY; dimension];
        for vector in vectors {
            for (i, &value) in vector.iter().enumerate() {
                low[i] = low[i].min(value);
                high[i] = high[i].max(value);
            }
        }
        let range = |(&low, &high): (&f32, &f32)| (high / 2.0 - low / 2.0) * 1.1;
        let widest = low.iter().zip(&high).map(range).fold(f32::MIN_POSITIVE * 1e6, f32::max);
        // A dimension that hardly varies among the samples may vary later: it keeps a thousandth of the widest range.
        let step = low.iter().zip(&high).map(|pair| range(pair).max(widest / 1000.0) / 127.0).collect();
        let centre = low.iter().zip(&high).map(|(&low, &high)| low / 2.0 + high / 2.0).collect();
        quantizer.calibration = Some(Calibration { centre, step });
        Ok(quantizer)
    }

    /// The same, with codes of vectors that were rotated: always in the same way, by signs that look random and Hadamard transforms, so that a few large dimensions, which
    /// would leave the others few steps, come to lie in all. Distances stay what they are but for the error of codes, which is less for uneven vectors, about the same for even ones, and more where
    /// all values are nearly 1 or -1. A vector comes back to within the rounding of sums of floats, even where its codes are exact.
    ///
    /// Fails with [`InvalidArgument`](ErrorKind::InvalidArgument) when calibrated.
    pub fn rotated(mut self) -> Result<Self> {
        if self.calibration.is_some() {
            return Err(Error::invalid("calibrated codes are not rotated"));
        }
        self.rotation = Some(Rotation::new(self.dimension));
        Ok(self)
    }

    /// Whether codes are those of [rotated](Self::rotated) vectors.
    #[must_use]
    pub fn is_rotated(&self) -> bool {
        self.rotation.is_some()
    }

    pub(crate) fn with_calibration(mut self, calibration: Option<Calibration>) -> Self {
        self.calibration = calibration;
        self
    }

    pub(crate) fn calibration(&self) -> Option<&Calibration> {
        self.calibration.as_ref()
    }

    /// The metric that distances are measured by.
    #[must_use]
    pub fn metric(&self) -> Metric {
        self.metric
    }

    /// The number of dimensions of every vector.
    #[must_use]
    pub fn dimension(&self) -> usize {
        self.dimension
    }

    /// The codes of a vector, and the scale by which they stand for it: under cosine for the vector of length 1, otherwise for its values
    /// (1 when calibrated, where codes are steps of each dimension's own size). [`Codes::push_codes`](crate::Codes::push_codes) takes
    /// whatever this returns.
    ///
    /// Fails with [`WrongDimension`](ErrorKind::WrongDimension), [`NotFinite`](ErrorKind::NotFinite), or
    /// [`ZeroVector`](ErrorKind::ZeroVector) under cosine.
    pub fn quantize(&self, vector: &[f32]) -> Result<(Vec<i8>, f32)> {
        self.check(vector)?;
        let mut codes = vec![0; self.dimension];
        let scale = self.encode(vector, &mut codes);
        let scale = self.scale_of(self.terms(&codes, scale));
        self.check_codes(&codes, scale)?;
        Ok((codes, scale))
    }

    /// The vector that codes stand for. `codes` has as many values as the quantizer has dimensions.
    #[must_use]
    pub fn decode(&self, codes: &[i8], scale: f32) -> Vec<f32> {
        match &self.calibration {
            None => self.turned_back(codes.iter().map(|&code| f32::from(code) * scale).collect()),
            Some(Calibration { centre, step }) => {
                let value = |((&code, centre), step): ((&i8, &f32), &f32)| centre + step * f32::from(code);
                codes.iter().zip(centre).zip(step).map(value).collect()
            }
        }
    }

    /// The codes of a vector, the scale by which they stand for it, as [`quantize`](Self::quantize) gives it, and what they leave out of it, in two bits a dimension; for
    /// [`refine`](Self::refine) and [`Originals::Residual`](crate::Originals::Residual). Together they stand for each value, of a rotated quantizer those of the rotated vector, to within an eighth of what a code of 1 stands for. A code
    /// is the nearest to that, up to five eighths from the value: it may be another than without, where the value is about half way between two.
    ///
    /// Fails as [`quantize`](Self::quantize) does, and with [`InvalidArgument`](ErrorKind::InvalidArgument) when calibrated.
    pub fn quantize_with_residual(&self, vector: &[f32]) -> Result<(Vec<i8>, f32, Vec<u8>)> {
        self.check(vector)?;
        if self.calibration.is_some() {
            return Err(Error::invalid("residuals of calibrated codes are not there"));
        }
        let mut room = Vec::new();
        let vector = self.turned(vector, &mut room);
        let max = max_abs(vector);
        let lift = self.lift(max);
        let lifted: Vec<f32>;
        let values = if lift > 1.0 {
            lifted = vector.iter().map(|value| value * lift).collect();
            &lifted
        } else {
            vector
        };
        let (mut codes, max) = (vec![0; self.dimension], max * lift);
        let residual = residual::pack(values, max, &mut codes);
        let scale = self.scale_of(self.terms(&codes, max / 127.0));
        self.check_codes(&codes, scale)?;
        Ok((codes, scale, residual))
    }

    /// The bytes of a residual: 16 for every 64 dimensions, the last of which may be fewer.
    #[must_use]
    pub fn residual_len(&self) -> usize {
        residual::len(self.dimension)
    }

    /// The vector that codes and what they leave out stand for: what a residual lacks counts as zeros.
    #[must_use]
    pub fn refine(&self, codes: &[i8], scale: f32, residual: &[u8]) -> Vec<f32> {
        self.turned_back(residual::refine(codes, scale, residual))
    }

    /// How well codes stand for some vectors, one after the other in `samples`.
    pub fn statistics(&self, samples: &[f32]) -> Result<QuantizationStatistics> {
        let (mut saturated, mut sum, mut worst, mut vectors) = (0, 0.0, 0.0f64, 0);
        for vector in self.split(samples)? {
            let (codes, scale) = self.quantize(vector)?;
            let decoded = self.decode(&codes, scale);
            saturated += self.calibration.as_ref().map_or(0, |c| c.outside(vector));
            // Of zeros there is none.
            let error = Some(f64::from(Metric::Cosine.distance(vector, &decoded)));
            let error = error.filter(|error| error.is_finite()).unwrap_or(0.0);
            (sum, worst, vectors) = (sum + error, worst.max(error), vectors + 1);
        }
        let mean = |total: f64, count: usize| if count == 0 { 0.0 } else { total / count as f64 };
        Ok(QuantizationStatistics {
            vectors,
            saturated: mean(saturated as f64, vectors * self.dimension),
            mean_cosine_error: mean(sum, vectors),
            worst_cosine_error: worst,
        })
    }

    /// The vectors that lie one after the other in `data`.
    pub(crate) fn split<'a>(&self, data: &'a [f32]) -> Result<std::slice::ChunksExact<'a, f32>> {
        if !data.len().is_multiple_of(self.dimension) {
            let message = format!(
                "length {} is not a whole number of vectors of dimension {}",
                data.len(),
                self.dimension
            );
            return Err(Error::new(ErrorKind::WrongDimension, message));
        }
        Ok(data.chunks_exact(self.dimension))
    }

    /// Checks what is to be stored or searched for, without doing either. Fails as [`quantize`](Self::quantize) does.
    pub fn check(&self, vector: &[f32]) -> Result<()> {
        if vector.len() != self.dimension {
            let message =
                format!("a vector of dimension {}, where the index has {}", vector.len(), self.dimension);
            return Err(Error::new(ErrorKind::WrongDimension, message));
        }
        // All are looked at, which takes vector instructions.
        let all_finite = vector.iter().fold(true, |all, value| all & value.is_finite());
        if !all_finite && let Some(at) = vector.iter().position(|value| !value.is_finite()) {
            let message = format!("value {at} of the vector is {}: all must be finite", vector[at]);
            return Err(Error::new(ErrorKind::NotFinite, message));
        }
        let largest =
            || (0..vector.len()).max_by(|&a, &b| vector[a].abs().total_cmp(&vector[b].abs())).unwrap_or(0);
        let squared = || dot(vector, vector);
        let has_length = self.metric != Metric::Cosine || self.calibration.is_some();
        if has_length && squared() > MAX_LENGTH * MAX_LENGTH {
            let at = largest();
            let message = format!(
                "a vector that is too long, with {} as value {at}: the root of the sum of its squares may be {MAX_LENGTH:e}",
                vector[at]
            );
            return Err(Error::new(ErrorKind::NotFinite, message));
        }
        let max = max_abs(vector);
        if self.metric != Metric::Cosine && max > 0.0 && max < MIN_LARGEST_VALUE {
            let at = largest();
            let message = format!(
                "a vector that is too short, with {:e} as value {at}, the largest: it may be 0, or {MIN_LARGEST_VALUE:e} or more; multiply all vectors of the space by the same number",
                vector[at]
            );
            return Err(Error::new(ErrorKind::NotFinite, message));
        }
        let has_direction =
            if self.calibration.is_some() { squared() >= f32::MIN_POSITIVE } else { max > 0.0 };
        if self.metric == Metric::Cosine && !has_direction {
            let message = "a vector of zeros has no direction, which the cosine metric compares";
            return Err(Error::new(ErrorKind::ZeroVector, message));
        }
        Ok(())
    }

    /// What codes that are to be stored must be. Those that [`encode`](Self::encode) makes of a vector that was checked are: no code is more than
    /// three times the value that it stands for.
    pub(crate) fn check_codes(&self, codes: &[i8], scale: f32) -> Result<()> {
        if codes.len() != self.dimension {
            let message =
                format!("codes of dimension {}, where the index has {}", codes.len(), self.dimension);
            return Err(Error::new(ErrorKind::WrongDimension, message));
        }
        // All are looked at, which takes vector instructions.
        if codes.iter().fold(0, |any, &code| any | u8::from(code == i8::MIN)) != 0 {
            return Err(Error::invalid("a code of -128: codes are symmetric, -127 to 127"));
        }
        let (squared, calibrated) = (squared_norm(codes), self.calibration.is_some());
        if squared == 0.0 && self.metric == Metric::Cosine && !calibrated {
            let message = "codes of zeros have no direction, which the cosine metric compares";
            return Err(Error::new(ErrorKind::ZeroVector, message));
        }
        #[expect(clippy::float_cmp, reason = "one is exactly representable")]
        let fits = if calibrated { scale == 1.0 } else { scale > 0.0 || squared == 0.0 && scale == 0.0 };
        let too_long =
            self.metric != Metric::Cosine && squared * scale * scale > 5.0 * MAX_LENGTH * MAX_LENGTH;
        if !fits || !scale.is_finite() || !calibrated && too_long {
            return Err(Error::invalid(format!(
                "a scale of {scale}: it must be finite, positive, and 1 when calibrated, and the vector no longer than {:e}",
                2.0 * MAX_LENGTH
            )));
        }
        Ok(())
    }

    /// A vector that was checked as its codes are made of it.
    fn turned<'v>(&self, vector: &'v [f32], room: &'v mut Vec<f32>) -> &'v [f32] {
        let Some(rotation) = &self.rotation else { return vector };
        let max = max_abs(vector);
        // Sums must not overflow where vectors may be of any length.
        let factor = if max > LIFT && self.metric == Metric::Cosine { LIFT.recip() } else { self.lift(max) };
        room.clear();
        room.extend(vector.iter().map(|value| value * factor));
        rotation.apply(room);
        room
    }

    /// Rotates back what codes stand for. Where length counts, it is as long and as short as vectors may be: codes may have made it a little longer or shorter.
    fn turned_back(&self, mut vector: Vec<f32>) -> Vec<f32> {
        let Some(rotation) = self.rotation.as_ref().filter(|_| vector.len() == self.dimension) else {
            return vector;
        };
        rotation.undo(&mut vector);
        let (max, length) = (max_abs(&vector), dot(&vector, &vector).sqrt());
        let factor = if self.metric == Metric::Cosine || max == 0.0 {
            1.0
        } else if max < MIN_LARGEST_VALUE {
            MIN_LARGEST_VALUE * (1.0 + f32::EPSILON) / max
        } else if length > MAX_LENGTH {
            MAX_LENGTH * (1.0 - 1e-6) / length
        } else {
            1.0
        };
        for value in &mut vector {
            *value = *value * factor + 0.0; // no zero is negative
        }
        vector
    }

    /// Writes the codes of a vector that was checked and returns their scale.
    pub(crate) fn encode(&self, vector: &[f32], codes: &mut [i8]) -> f32 {
        self.encode_turned(self.turned(vector, &mut Vec::new()), codes)
    }

    /// The same, of a vector that was rotated, if that is to be.
    #[inline(never)]
    fn encode_turned(&self, vector: &[f32], codes: &mut [i8]) -> f32 {
        let Some(Calibration { centre, step }) = &self.calibration else {
            return self.encode_plain(vector, codes, None);
        };
        for (((code, &value), &centre), &step) in codes.iter_mut().zip(vector).zip(centre).zip(step) {
            *code = round_to_i8(((value - centre) / step).clamp(-127.0, 127.0));
        }
        1.0
    }

    /// The same where nothing is calibrated; and writes what codes leave out, if there is room for it.
    fn encode_plain(&self, vector: &[f32], codes: &mut [i8], remainder: Option<&mut [i8]>) -> f32 {
        let max = max_abs(vector);
        let lift = self.lift(max);
        rounding::encode(vector, lift, max * lift, codes, remainder)
    }

    /// What is kept of a stored vector beside its codes.
    pub(crate) fn terms(&self, codes: &[i8], scale: f32) -> Terms {
        let squared = match self.calibration {
            None => squared_norm(codes),
            Some(_) => {
                let decoded = self.decode(codes, scale);
                dot(&decoded, &decoded)
            }
        };
        match (self.metric, squared > 0.0) {
            // The scale of the codes cancels.
            (Metric::Cosine, true) => Terms { a: 0.0, b: squared.sqrt().recip() },
            (Metric::Cosine, false) => Terms { a: 0.0, b: 0.0 },
            // Zeros are the same at any scale.
            (_, false) if self.calibration.is_none() => Terms { a: 0.0, b: 0.0 },
            (Metric::Dot, _) => Terms { a: 0.0, b: scale },
            (Metric::L2, _) if self.calibration.is_some() => Terms { a: squared, b: scale },
            (Metric::L2, _) => Terms { a: squared * scale * scale, b: scale },
        }
    }

    /// Writes the codes of a checked query and returns its factors.
    pub(crate) fn encode_query(&self, vector: &[f32], codes: &mut [i8]) -> QueryTerms {
        let Some(Calibration { centre, step }) = &self.calibration else {
            let scale = self.encode(vector, codes);
            return self.query_terms(codes, scale);
        };
        let stepped = || vector.iter().zip(step).map(|(value, step)| value * step);
        let scale = encode_max_abs(stepped(), stepped().fold(0.0, |max, value| value.abs().max(max)), codes);
        let (offset, squared) = (dot(centre, vector), dot(vector, vector));
        self.factors(offset, scale, squared)
    }

    /// The scale by which codes stand for their vector.
    pub(crate) fn scale_of(&self, terms: Terms) -> f32 {
        if self.calibration.is_some() { 1.0 } else { terms.b }
    }

    /// A checked vector as a query, which is written to `room`: its codes, and what these leave out.
    pub(crate) fn prepare<'a>(&self, vector: &[f32], room: &'a mut QueryRoom) -> QueryRef<'a> {
        let mut turned = room.take_turned();
        let terms =
            self.write_query(self.turned(vector, &mut turned), room.codes_and_remainder(vector.len()));
        room.give_turned(turned);
        room.query(terms)
    }

    /// Writes the codes of a query that was rotated, if that is to be, and what they leave out.
    fn write_query(&self, vector: &[f32], [codes, remainder]: [&mut [i8]; 2]) -> QueryTerms {
        if let Some(Calibration { step, .. }) = &self.calibration {
            let terms = self.encode_query(vector, codes);
            let stepped = || vector.iter().zip(step).map(|(value, step)| value * step);
            write_remainder(
                stepped(),
                stepped().fold(0.0, |max, value| value.abs().max(max)),
                codes,
                remainder,
            );
            terms
        } else {
            let scale = self.encode_plain(vector, codes, Some(remainder));
            self.plain_terms(scale, query::squared_norm(codes, remainder))
        }
    }

    /// The factors of a stored vector as a query, unless calibrated.
    pub(crate) fn query_of(&self, terms: Terms) -> QueryTerms {
        match self.metric {
            Metric::Cosine => QueryTerms { base: 1.0, offset: 0.0, scale: -terms.b },
            Metric::Dot => QueryTerms { base: terms.a, offset: 0.0, scale: -terms.b },
            Metric::L2 => QueryTerms { base: terms.a, offset: 0.0, scale: -2.0 * terms.b },
        }
    }

    /// The factors of a query that has codes of the plain kind.
    pub(crate) fn query_terms(&self, codes: &[i8], scale: f32) -> QueryTerms {
        self.plain_terms(scale, squared_norm(codes))
    }

    /// The same, of codes with this squared norm.
    fn plain_terms(&self, scale: f32, squared: f32) -> QueryTerms {
        match self.metric {
            Metric::Cosine => self.factors(0.0, 1.0, squared),
            _ => self.factors(0.0, scale, squared * scale * scale),
        }
    }

    /// What the values of a vector are multiplied by before they become codes, if this is the largest.
    fn lift(&self, max: f32) -> f32 {
        if max < TINY && self.metric == Metric::Cosine { LIFT } else { 1.0 }
    }

    fn factors(&self, offset: f32, scale: f32, squared: f32) -> QueryTerms {
        match self.metric {
            Metric::Cosine => {
                let norm = squared.sqrt().max(f32::MIN_POSITIVE);
                QueryTerms { base: 1.0, offset: -offset / norm, scale: -scale / norm }
            }
            Metric::Dot => QueryTerms { base: 0.0, offset: -offset, scale: -scale },
            Metric::L2 => QueryTerms { base: squared, offset: -2.0 * offset, scale: -2.0 * scale },
        }
    }
}

impl Calibration {
    fn outside(&self, vector: &[f32]) -> usize {
        let code = |((value, centre), step): ((&f32, &f32), &f32)| ((value - centre) / step).abs();
        vector.iter().zip(&self.centre).zip(&self.step).map(code).filter(|&code| code > 127.5).count()
    }
}
