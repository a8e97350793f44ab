//! Kinds of vectors that are hard for an index in ways of their own; the same for the same seed.

use super::data::{Noise, vectors};

/// What makes the vectors hard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Groups about vectors of [`vectors`]: `0.8 a + 0.4 b` of two of them, of length 1, and uniform noise. Half of all are mixtures.
    NearDuplicates,
    /// A few dimensions have most of the length: each is stretched by its own log-normal factor.
    UnevenDimensions,
    /// 100 tight groups that are far from each other.
    Clusters,
    /// A few vectors, and a few values of each, are many times as large as the others.
    HeavyTails,
    /// Sums of eight directions, with hardly any noise.
    LowRank,
    /// Values near -1 and 1.
    NearlyBinary,
    /// Sums of 64 directions: nothing is much nearer than the rest, and a search has to be wide.
    ManyDirections,
}

pub(crate) const KINDS: [Kind; 7] = [
    Kind::NearDuplicates,
    Kind::UnevenDimensions,
    Kind::Clusters,
    Kind::HeavyTails,
    Kind::LowRank,
    Kind::NearlyBinary,
    Kind::ManyDirections,
];

impl Kind {
    pub(crate) fn vectors(self, seed: u64, count: usize, dimension: usize) -> Vec<f32> {
        let mut noise = Noise::new(seed);
        match self {
            Self::NearDuplicates => {
                near_duplicates(&vectors(seed, count / 2, dimension), seed, count, dimension)
            }
            Self::UnevenDimensions => {
                let mut factors = Noise::new(98);
                let factors: Vec<f32> = (0..dimension).map(|_| factors.normal().exp()).collect();
                let all = vectors(seed, count, dimension).into_iter().zip(factors.into_iter().cycle());
                all.map(|(value, factor)| value * factor).collect()
            }
            Self::Clusters => {
                let mut centres = Noise::new(97);
                let centres: Vec<f32> = (0..100 * dimension).map(|_| centres.normal()).collect();
                let around = vectors(seed, count, dimension);
                let mut all = Vec::with_capacity(around.len());
                for vector in around.chunks_exact(dimension) {
                    let centre = &centres[noise.below(100) * dimension..][..dimension];
                    all.extend(vector.iter().zip(centre).map(|(value, centre)| centre + 0.3 * value));
                }
                all
            }
            Self::HeavyTails => {
                let mut all = vectors(seed, count, dimension);
                for vector in all.chunks_exact_mut(dimension) {
                    let length = noise.normal().exp();
                    for value in vector {
                        *value = length * value.powi(3);
                    }
                }
                all
            }
            Self::LowRank => sums::<8>(&mut noise, count, dimension),
            Self::ManyDirections => sums::<64>(&mut noise, count, dimension),
            Self::NearlyBinary => {
                let all = vectors(seed, count, dimension);
                all.into_iter().map(|value| value.signum() + 0.1 * noise.normal()).collect()
            }
        }
    }
}

/// Sums of so many directions, with hardly any noise.
fn sums<const DIRECTIONS: usize>(noise: &mut Noise, count: usize, dimension: usize) -> Vec<f32> {
    let mut maps = Noise::new(96);
    let map: Vec<f32> = (0..dimension * DIRECTIONS).map(|_| maps.normal()).collect();
    let mut all = Vec::with_capacity(count * dimension);
    for _ in 0..count {
        let latent: [f32; DIRECTIONS] = std::array::from_fn(|_| noise.normal());
        let sum = |row: &[f32]| row.iter().zip(&latent).map(|(a, b)| a * b).sum::<f32>();
        all.extend(map.chunks_exact(DIRECTIONS).map(|row| sum(row) + 0.01 * noise.normal()));
    }
    all
}

/// The vectors of `source`, of length 1, and so many mixtures of two of them that they are `count` together, in an order that looks random.
pub(crate) fn near_duplicates(source: &[f32], seed: u64, count: usize, dimension: usize) -> Vec<f32> {
    let mut noise = Noise::new(seed.wrapping_add(95));
    let unit = |vector: &[f32]| -> Vec<f32> {
        let length = vector.iter().map(|value| value * value).sum::<f32>().sqrt();
        vector.iter().map(|value| value / length).collect()
    };
    let source: Vec<Vec<f32>> = source.chunks_exact(dimension).map(unit).collect();
    // That of a uniform number of -0.02 to 0.02 in 384 dimensions.
    let spread = 0.02 * (384.0 / dimension as f32).sqrt();
    let mut all = source.clone();
    while all.len() < count {
        let [a, b] = [(); 2].map(|()| &source[noise.below(source.len())]);
        all.push(a.iter().zip(b).map(|(a, b)| 0.8 * a + 0.4 * b + spread * noise.unit()).collect());
    }
    for at in (1..all.len()).rev() {
        all.swap(at, noise.below(at + 1));
    }
    all.concat()
}
