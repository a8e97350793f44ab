//! Vectors that look like embeddings, and the plain truth about them.

use vector_index::*;

/// Numbers that look random: the same for the same seed.
pub(crate) struct Noise(u64);

impl Noise {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() >> 33).unwrap() % bound
    }

    /// Uniform in -1..1.
    pub(crate) fn unit(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    }

    /// About normal.
    pub(crate) fn normal(&mut self) -> f32 {
        (0..4).map(|_| self.unit()).sum::<f32>() * 0.87
    }
}

/// Vectors on a curved surface of 12 dimensions, around some centres, with a little noise: as embeddings are.
pub(crate) fn vectors(seed: u64, count: usize, dimension: usize) -> Vec<f32> {
    let mut maps = Noise::new(99);
    let map: Vec<f32> = (0..dimension * 12).map(|_| maps.normal()).collect();
    let centres: Vec<f32> = (0..20 * 12).map(|_| maps.normal()).collect();
    let mut noise = Noise::new(seed);
    let mut all = Vec::with_capacity(count * dimension);
    for _ in 0..count {
        let centre = noise.below(20) * 12;
        let latent: Vec<f32> = (0..12).map(|i| centres[centre + i] + 0.6 * noise.normal()).collect();
        for row in map.chunks_exact(12) {
            let value: f32 = row.iter().zip(&latent).map(|(a, b)| a * b).sum();
            all.push((value * 0.3).tanh() + 0.05 * noise.normal());
        }
    }
    all
}

pub(crate) fn codes(metric: Metric, dimension: usize, vectors: &[f32]) -> Codes {
    let mut codes = Codes::new(Int8Quantizer::new(metric, dimension).unwrap());
    codes.push_all(0, vectors).unwrap();
    codes
}

pub(crate) fn built(codes: Codes) -> Index<AlignedBytes> {
    built_with(codes, BuildOptions::new())
}

pub(crate) fn built_with(codes: Codes, options: BuildOptions) -> Index<AlignedBytes> {
    let bytes = Builder::new(options.graph_from(0)).build(codes).unwrap().to_bytes().unwrap();
    let index = Index::open(bytes).unwrap();
    index.verify().unwrap();
    index
}

/// An index of codes made with residuals, and these, by row.
pub(crate) fn with_residuals(
    metric: Metric,
    dimension: usize,
    all: &[f32],
) -> (Index<AlignedBytes>, Vec<u8>) {
    let quantizer = Int8Quantizer::new(metric, dimension).unwrap();
    let (mut quantized, mut left_out) = (Codes::new(quantizer.clone()), Vec::new());
    for (row, vector) in (0..).zip(all.chunks(dimension)) {
        let (codes, scale, residual) = quantizer.quantize_with_residual(vector).unwrap();
        quantized.push_codes(row, &codes, scale).unwrap();
        left_out.extend(residual);
    }
    (built(quantized), left_out)
}

/// The nearest rows by the definition of the metric, among those allowed.
pub(crate) fn truth(
    metric: Metric,
    dimension: usize,
    vectors: &[f32],
    query: &[f32],
    k: usize,
    allowed: impl Fn(u32) -> bool,
) -> Vec<u32> {
    let mut all: Vec<(f32, u32)> = (0..)
        .zip(vectors.chunks_exact(dimension))
        .filter(|&(row, _)| allowed(row))
        .map(|(row, vector)| (metric.distance(query, vector), row))
        .collect();
    all.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    all.into_iter().take(k).map(|(_, row)| row).collect()
}

pub(crate) fn rows(hits: &[Hit]) -> Vec<u32> {
    hits.iter().map(|hit| hit.row).collect()
}

/// The share of the true rows that were found.
pub(crate) fn recall(truth: &[u32], found: &[u32]) -> f64 {
    if truth.is_empty() {
        return 1.0;
    }
    truth.iter().filter(|row| found.contains(row)).count() as f64 / truth.len() as f64
}

/// The share of stored vectors that find themselves, or another at the same distance, as the very nearest.
pub(crate) fn self_recall(index: &Index<AlignedBytes>, deleted: Option<&RowSet>, ef: usize) -> f64 {
    let mut scratch = Scratch::new();
    let all = index.rows().unwrap();
    let live: Vec<u32> =
        all.into_iter().filter(|&row| !deleted.is_some_and(|deleted| deleted.contains(row))).collect();
    let mut options = SearchOptions::new(1).ef_search(ef);
    if let Some(deleted) = deleted {
        options = options.deleted(deleted);
    }
    let finds_itself = |row: u32, scratch: &mut Scratch| {
        let vector = index.vector(row).unwrap().unwrap();
        let exact = index.search(&vector, &options.exact(true), scratch).unwrap()[0].distance;
        let hit = index.search(&vector, &options, scratch).unwrap()[0];
        hit.row == row || hit.distance <= exact
    };
    live.iter().filter(|&&row| finds_itself(row, &mut scratch)).count() as f64 / live.len() as f64
}

/// The part of what an exact scan of the codes finds that a search finds, and the distances that it computes.
pub(crate) fn recall_of_codes(
    index: &Index<AlignedBytes>,
    queries: &[f32],
    dimension: usize,
    options: &SearchOptions<'_>,
) -> (f64, f64) {
    let (mut scratch, mut sum, mut distances) = (Scratch::new(), 0.0, 0);
    for query in queries.chunks_exact(dimension) {
        let exact = rows(index.search(query, &options.exact(true), &mut scratch).unwrap());
        sum += recall(&exact, &rows(index.search(query, options, &mut scratch).unwrap()));
        distances += scratch.statistics().distances;
    }
    let count = (queries.len() / dimension) as f64;
    (sum / count, distances as f64 / count)
}
