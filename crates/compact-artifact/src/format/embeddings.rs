//! Embeddings on their way to an index: a record of the store beside those they belong to, until sealing moves them into a shard.

use block_format::RecordId;
use vector_index::{F16, Int8Quantizer, Metric};

use super::layout::{self, embedding};
use crate::api::entry::Entry;
use crate::api::error::{Error, ErrorKind, Result};
use crate::api::space::{Originals, Space};
use crate::format::record::{Kind, encode_bare_head};
use crate::format::settings::Settings;

/// The embedding of a record in a space: its codes, and its original if that is kept.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Embedding {
    pub(crate) codes: Vec<i8>,
    pub(crate) scale: f32,
    /// As stored: empty, what the codes leave out, or little-endian numbers of 2 or 4 bytes.
    pub(crate) original: Vec<u8>,
}

impl Embedding {
    /// All that can be wrong with a vector is found here, by whoever brings it: what this returns can be indexed and merged, so that no commit of several
    /// batches fails for one of them.
    pub(crate) fn new(space: &Space, vector: &[f32]) -> Result<Self> {
        let about =
            |e: vector_index::Error| Error::from(e).about(format_args!("vector space {:?}", space.name));
        let original = match space.originals() {
            Originals::None => Vec::new(),
            Originals::Residual => {
                let (codes, scale, original) =
                    space.quantizer.quantize_with_residual(vector).map_err(about)?;
                return Ok(Self { codes, scale, original });
            }
            Originals::F16 => halves(space, vector)?,
            Originals::F32 => layout::encode_original(vector.iter().map(|value| value.to_le_bytes())),
        };
        let (codes, scale) = space.quantizer.quantize(vector).map_err(about)?;
        Ok(Self { codes, scale, original })
    }

    /// The vector, as near as it is stored.
    pub(crate) fn decode(&self, space: &Space) -> Vec<f32> {
        let vector = self.decode_direction(space);
        // The scale is that of codes alone.
        let is_off = space.originals() == Originals::Residual && space.metric() == Metric::Cosine;
        if is_off { of_length_1(vector) } else { vector }
    }

    /// The same to search for: where the metric compares directions, its length may be a little off.
    pub(crate) fn decode_direction(&self, space: &Space) -> Vec<f32> {
        match space.originals() {
            Originals::Residual => space.quantizer.refine(&self.codes, self.scale, &self.original),
            Originals::F16 if !self.original.is_empty() => {
                layout::decode_original(&self.original, |bytes| F16::from_le_bytes(bytes).to_f32())
            }
            Originals::F32 if !self.original.is_empty() => {
                layout::decode_original(&self.original, f32::from_le_bytes)
            }
            _ => space.quantizer.decode(&self.codes, self.scale),
        }
    }

    /// Whether both are of one vector, which two machines may have computed: no code is off by more than one, and the scale by no more than what that makes of it.
    pub(crate) fn is_nearly(&self, other: &Self) -> bool {
        let is_near = |(a, b): (&i8, &i8)| a.abs_diff(*b) <= 1;
        self.codes.len() == other.codes.len()
            && (self.scale - other.scale).abs() <= self.scale.abs() / 128.0
            && self.codes.iter().zip(&other.codes).all(is_near)
    }
}

/// A vector that was multiplied so that its length is 1, in 64 bits.
#[expect(clippy::cast_possible_truncation, reason = "rounded to what a vector has")]
fn of_length_1(mut vector: Vec<f32>) -> Vec<f32> {
    let squared: f64 = vector.iter().map(|&value| f64::from(value) * f64::from(value)).sum();
    if squared > 0.0 {
        let length = squared.sqrt();
        for value in &mut vector {
            *value = (f64::from(*value) / length) as f32;
        }
    }
    vector
}

/// The smallest number that 16-bit floating point has with all its digits.
const HALF_MIN: f32 = 1.0 / 16_384.0;

/// A vector in 16-bit floating point: every value to within 2^-11 of itself, or of 2^-14 if it is smaller. Where only the direction counts, a vector
/// of larger or smaller values is first multiplied by a power of two, so that the largest is in 1 to 2.
fn halves(space: &Space, vector: &[f32]) -> Result<Vec<u8>> {
    let (at, max) = vector
        .iter()
        .map(|value| value.abs())
        .enumerate()
        .fold((0, 0.0), |largest, (at, value)| if value > largest.1 { (at, value) } else { largest });
    let mut factor = 1.0;
    if max != 0.0 && !(HALF_MIN..=F16::MAX).contains(&max) {
        if space.options.metric != Metric::Cosine {
            let message = format!(
                "vector space {:?}: value {at} of the vector, the largest, is {}; for originals in 16-bit floating point, expected {HALF_MIN:e} to {}; keep them in f32, or none",
                space.name,
                vector[at],
                F16::MAX
            );
            return Err(Error::new(ErrorKind::NotFinite, message));
        }
        // The exponent of the largest alone.
        factor = 1.0 / f64::from_bits(f64::from(max).to_bits() & f64::INFINITY.to_bits());
    }
    // Multiplied by a power of two, in 64 bits since in 32 the factor may be too large; the product fits again, or is nothing in 16 either.
    #[expect(clippy::cast_possible_truncation, reason = "see above")]
    let scaled = |value: f32| (f64::from(value) * factor) as f32;
    let halves = vector.iter().map(|&value| F16::from_f32(scaled(value)).to_le_bytes());
    Ok(layout::encode_original(halves))
}

/// Bytes of an original.
pub(crate) fn original_len(space: &Space) -> usize {
    match space.originals() {
        Originals::None => 0,
        Originals::Residual => space.quantizer.residual_len(),
        Originals::F16 => 2 * space.options.dimension,
        Originals::F32 => 4 * space.options.dimension,
    }
}

/// Bytes of embeddings that go into one record, about: it stays below what is cut into frames.
const RECORD_LEN: usize = 256 << 10;

/// Records of the embeddings of a commit in one space: the number of the space and a count, then for each the id of its record, the scale, codes and original.
pub(crate) fn encode(number: usize, embeddings: &[(RecordId, &Embedding)]) -> Vec<Vec<u8>> {
    let first = embeddings.first().map(|(_, embedding)| *embedding);
    let group = |group: &[(RecordId, &Embedding)]| {
        let mut bytes = encode_bare_head(Kind::Embeddings);
        let number = u32::try_from(number).unwrap_or(u32::MAX);
        bytes.extend(layout::encode_embeddings(number, u32::try_from(group.len()).unwrap_or(u32::MAX)));
        for (id, embedding) in group {
            bytes.extend(layout::encode_embedding(id.0, embedding.scale));
            bytes.extend(embedding.codes.iter().map(|code| code.cast_unsigned()));
            bytes.extend(&embedding.original);
        }
        bytes
    };
    embeddings.chunks(per_record(first)).map(group).collect()
}

/// How many embeddings like this one go into one record.
fn per_record(first: Option<&Embedding>) -> usize {
    let each =
        first.map_or(embedding::LEN, |first| embedding::LEN + first.codes.len() + first.original.len());
    (RECORD_LEN / each).max(1)
}

/// How many records [`encode`] makes of so many embeddings.
pub(crate) fn records_of(count: usize, first: Option<&Embedding>) -> usize {
    count.div_ceil(per_record(first))
}

/// What a record of embeddings holds: the number of its space, and whose they are.
pub(crate) fn decode(entry: &Entry, settings: &Settings) -> Result<(usize, Vec<(RecordId, Embedding)>)> {
    let fault = |message: &str| Error::damaged(format!("embeddings in record {}: {message}", entry.id()));
    let bytes = entry.bytes()?;
    let (head, rest) = bytes.split_first_chunk().ok_or_else(|| fault("too short"))?;
    let (number, count) = layout::decode_embeddings(*head);
    let (number, count) = (number as usize, count as usize);
    let space = settings.spaces.get(number).ok_or_else(|| fault("of a vector space that is not there"))?;
    let dimension = space.options.dimension;
    let each = embedding::LEN + dimension + original_len(space);
    if rest.len() != count.saturating_mul(each) {
        return Err(fault("not as long as its vector space says"));
    }
    let one = |bytes: &[u8]| -> Option<(RecordId, Embedding)> {
        let (head, bytes) = bytes.split_first_chunk()?;
        let (id, scale) = layout::decode_embedding(head);
        let (codes, original) = bytes.split_at(dimension);
        let codes = codes.iter().map(|code| code.cast_signed()).collect();
        let embedding = Embedding { codes, scale, original: original.to_vec() };
        Some((RecordId(id), embedding))
    };
    Ok((number, rest.chunks_exact(each).filter_map(one).collect()))
}

/// Whether codes can be of this space: what was read from a file may be anything.
pub(crate) fn check(quantizer: &Int8Quantizer, embedding: &Embedding) -> Result<()> {
    vector_index::Codes::new(quantizer.clone())
        .push_codes(0, &embedding.codes, embedding.scale)
        .map_err(Error::from)
}

#[cfg(test)]
#[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "tests")]
mod tests {
    use super::*;
    use crate::api::space::{Quantization, SpaceOptions};
    use proptest::prelude::*;
    use vector_index::{BuildOptions, Builder, Codes, Index, Originals as Stored, Scratch, SearchOptions};

    fn space(metric: Metric, originals: Originals, dimension: usize) -> Space {
        Space::new("space", SpaceOptions::new(dimension, metric).originals(originals)).unwrap()
    }

    fn rotated(space: &Space) -> Space {
        Space::new("space", space.options.quantization(Quantization::RotatedInt8)).unwrap()
    }

    const METRICS: [Metric; 3] = [Metric::Cosine, Metric::Dot, Metric::L2];

    fn power(exponent: i32) -> f32 {
        2f64.powi(exponent) as f32
    }

    proptest! {
        #[test]
        fn an_embedding_that_is_taken_can_be_indexed_and_has_a_finite_distance_from_itself(
            vector in prop::collection::vec(any::<f32>(), 1..20), exponent in -149..128i32, metric in 0..3usize, kept in 0..4usize
        ) {
            let originals = [Originals::None, Originals::Residual, Originals::F16, Originals::F32][kept];
            let plain = space(METRICS[metric], originals, vector.len());
            let bounded: Vec<f32> = vector.iter().map(|value| (value % 1.0) * power(exponent)).collect();
            let spaces = [rotated(&plain), plain];
            for (space, vector) in spaces.iter().flat_map(|space| [(space, &vector), (space, &bounded)]) {
                let Ok(embedding) = Embedding::new(space, vector) else { continue };
                check(&space.quantizer, &embedding).unwrap();
                let mut codes = Codes::new(space.quantizer.clone());
                codes.push_codes(0, &embedding.codes, embedding.scale).unwrap();
                Builder::new(BuildOptions::new()).build(codes).unwrap();
                let decoded = embedding.decode(space);
                prop_assert!(Embedding::new(space, &decoded).is_ok(), "what is exported can be read back");
                prop_assert!(space.metric().distance(vector, &decoded).is_finite());
            }
        }

        #[test]
        fn originals_in_16_bits_are_within_their_error_and_nearest_to_themselves(
            seed in prop::collection::vec((-1.0..1.0f32, -8..1i32), 8), exponent in -149..127i32, metric in 0..3usize
        ) {
            let space = space(METRICS[metric], Originals::F16, 8);
            let base: Vec<f32> = seed.iter().map(|&(value, exponent)| value * power(exponent)).collect();
            let vectors: Vec<Vec<f32>> = (0..8).map(|turn| {
                let mut vector = base.clone();
                vector[turn] = if turn % 2 == 0 { 1.5 } else { -1.5 };
                vector.iter().map(|value| value * power(exponent)).collect()
            }).collect();
            let Ok(stored) = vectors.iter().map(|vector| Embedding::new(&space, vector)).collect::<Result<Vec<_>>>() else {
                prop_assert!(space.metric() != Metric::Cosine && !(-14..16).contains(&exponent));
                return Ok(());
            };
            let mut codes = Codes::new(space.quantizer.clone());
            for ((row, embedding), vector) in (0..).zip(&stored).zip(&vectors) {
                codes.push_codes(row, &embedding.codes, embedding.scale).unwrap();
                let decoded = embedding.decode(&space);
                let factor = f64::from(decoded[row as usize]) / f64::from(vector[row as usize]);
                for (decoded, value) in decoded.iter().zip(vector) {
                    let expected = f64::from(*value) * factor;
                    let error = (f64::from(*decoded) - expected).abs();
                    prop_assert!(error <= expected.abs().max(HALF_MIN.into()) / 2048.0, "{} {}", decoded, expected);
                }
            }
            let index = Index::open(Builder::new(BuildOptions::new()).build(codes).unwrap().to_bytes().unwrap()).unwrap();
            let halves: Vec<F16> = stored.iter().flat_map(|embedding| {
                embedding.original.as_chunks().0.iter().map(|&bytes| F16::from_le_bytes(bytes)).collect::<Vec<_>>()
            }).collect();
            for (row, vector) in (0..).zip(&vectors) {
                let options = SearchOptions::new(8).rescore(Stored::F16(&halves), 8);
                let mut scratch = Scratch::new();
                let hits = index.search(vector, &options, &mut scratch).unwrap();
                prop_assert!(hits.iter().all(|hit| hit.distance.is_finite()));
                prop_assert!(space.metric() == Metric::Dot || hits[0].row == row, "{:?}", hits);
            }
        }
    }

    #[test]
    fn originals_that_16_bits_cannot_hold_are_refused_by_value_and_place_unless_only_the_direction_counts() {
        for metric in METRICS {
            let space = space(metric, Originals::F16, 3);
            for vector in
                [[0.5, 65_504.0, 1e-9], [65_504.0, 0.0, 0.0], [HALF_MIN, 0.0, -1e-20], [3.0, 1e-42, 0.0]]
            {
                let decoded = Embedding::new(&space, &vector).unwrap().decode(&space);
                assert!(
                    metric.distance(&vector, &decoded).is_finite()
                        && decoded.iter().all(|value| value.is_finite())
                );
            }
            for (vector, named) in [
                ([1.0, 65_520.0, 0.0], "value 1 of the vector, the largest, is 65520"),
                ([65_519.0, 0.0, 0.0], "value 0 of the vector, the largest, is 65519"), // would be rounded to 65,504
                ([100_000.0, 1e-9, 3.0], "value 0 of the vector, the largest, is 100000"),
                ([0.0, 0.0, -1e-9], "value 2 of the vector, the largest, is -0.000000001"),
                ([1e-45, 0.0, 0.0], "value 0"),
            ] {
                let embedding = Embedding::new(&space, &vector);
                if metric == Metric::Cosine {
                    let distance = metric.distance(&vector, &embedding.unwrap().decode(&space));
                    assert!(distance.abs() < 1e-6, "{vector:?} {distance}");
                } else {
                    let error = embedding.unwrap_err();
                    assert_eq!(error.kind(), ErrorKind::NotFinite);
                    assert!(error.to_string().contains(named), "{error}");
                }
            }
        }
        let space = space(Metric::Cosine, Originals::F16, 3);
        let largest = Embedding::new(&space, &[f32::MAX, -f32::MAX, 0.0]).unwrap().decode(&space);
        assert!(largest[0] > 1.0 && (largest[1] + largest[0]).abs() < 1e-9 && largest[2].abs() < 1e-9);
    }

    /// Values that are all rounded the same way, and others.
    fn uneven(dimension: usize) -> impl Iterator<Item = Vec<f32>> {
        let alike = 1.0 / ((dimension - 1) as f32).sqrt().max(1.0);
        let biased = [127.0, 508.0].map(|parts| ((alike * parts).floor() + 0.49) / parts);
        let of_value = move |value: f32| (0..dimension).map(|at| if at == 0 { 1.0 } else { value }).collect();
        let random = (0..200u64).map(move |seed| {
            let value = |at: usize| (seed * 7_919 + (at * at) as u64 * 104_729 + seed * at as u64) % 997;
            (0..dimension).map(|at| value(at) as f32 - 498.5).collect()
        });
        biased.into_iter().map(of_value).chain(random)
    }

    #[test]
    fn under_cosine_what_is_read_back_has_length_1_and_is_within_the_bounds_that_are_stated() {
        for (originals, part) in [(Originals::None, 254.0), (Originals::Residual, 1_016.0)] {
            let stored = |vector: &[f32]| {
                let options = SpaceOptions::new(vector.len(), Metric::Cosine).originals(originals);
                let space = Space::new("space", options.quantization(Quantization::Int8)).unwrap();
                Embedding::new(&space, vector).unwrap().decode(&space)
            };
            let length = |vector: &[f32]| vector.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>().sqrt();
            assert!((length(&stored(&[-1.038_677_2, -1.616_421_1, -1.024_255_9])) - 1.0).abs() < 1e-6);
            for dimension in [1, 2, 3, 8, 32, 64, 700] {
                for vector in uneven(dimension) {
                    let read = stored(&vector);
                    assert!((length(&read) - 1.0).abs() < 1e-6, "{vector:?}");
                    let largest = |v: &[f32]| f64::from(v.iter().fold(0.0, |max: f32, x| max.max(x.abs())));
                    // The largest value is kept as it is, which gives the multiple.
                    let (all, max) = (length(&vector), largest(&vector));
                    let (times, room) = (max / largest(&read), 1.0 + (dimension as f64).sqrt());
                    for (&read, &value) in read.iter().zip(&vector) {
                        let off = (f64::from(read) * times - f64::from(value)).abs() / max;
                        assert!(off <= 1.001 / part, "{off} {dimension}");
                        let off = (f64::from(read) - f64::from(value) / all).abs() / (max / all);
                        assert!(off <= room * 1.001 / part, "{off} {dimension}");
                    }
                }
            }
            for dimension in [3, 100, 384] {
                let space = rotated(&space(Metric::Cosine, originals, dimension));
                for vector in uneven(dimension) {
                    let read = Embedding::new(&space, &vector).unwrap().decode(&space);
                    assert!((length(&read) - 1.0).abs() < 1e-5, "{dimension}");
                }
            }
        }
    }
}
