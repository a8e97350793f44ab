//! A module that compares the kernels of the target with the plain one: whether they find the same, and how fast. `tests/kernels.mjs` calls it.

use std::sync::LazyLock;

use vector_index::{
    BuildOptions, Builder, Codes, Hit, Index, Int8Quantizer, Kernel, Metric, Result, SearchOptions,
};
use wire::AlignedBytes;

/// Panics unless every kernel finds the same as the plain one, to the last bit, among vectors of any codes that a seed gives; their number.
fn kernels_that_agree(dimension: usize, count: usize, seed: u64) -> Result<usize> {
    let (queries, graph, scanned) = {
        let codes = any_codes(dimension, count + 4, seed);
        let queries: Vec<f32> = codes[..4 * dimension].iter().map(|&code| f32::from(code)).collect();
        (queries, index(dimension, &codes, 0)?, index(dimension, &codes, usize::MAX)?)
    };
    // A walk through a graph, every vector by its whole codes, and every vector by its signs first.
    for (index, exact) in [(&graph, false), (&graph, true), (&scanned, false)] {
        let found = |kernel| hits(index, kernel, &queries, exact);
        let expected = found(Kernel::available()[0])?;
        for kernel in Kernel::available() {
            assert_eq!(
                found(kernel)?,
                expected,
                "{kernel}, {dimension} dimensions, {count} vectors, seed {seed}"
            );
        }
    }
    Ok(Kernel::available().len())
}

fn hits(index: &Index<AlignedBytes>, kernel: Kernel, queries: &[f32], exact: bool) -> Result<Vec<Vec<Hit>>> {
    index.clone().with_kernel(kernel).search_batch(queries, &SearchOptions::new(10).exact(exact))
}

/// Codes, of which every eighth is as large as there are.
fn any_codes(dimension: usize, count: usize, seed: u64) -> Vec<i8> {
    let mut state = seed | 1;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let [.., a, b] = state.to_le_bytes();
        if a % 8 == 0 { if b % 2 == 0 { 127 } else { -127 } } else { b.cast_signed().max(-127) }
    };
    (0..dimension * count).map(|_| next()).collect()
}

fn index(dimension: usize, codes: &[i8], graph_from: usize) -> Result<Index<AlignedBytes>> {
    let mut all = Codes::new(Int8Quantizer::new(Metric::Dot, dimension)?);
    for (row, codes) in (0..).zip(codes.chunks_exact(dimension)) {
        all.push_codes(row, codes, 1.0)?;
    }
    Index::open(Builder::new(BuildOptions::new().graph_from(graph_from)).build(all)?.to_bytes()?)
}

/// What is searched to time a kernel: so many vectors of 256 dimensions, without a graph.
const TIMED: usize = 20_000;
const TIMED_DIMENSION: usize = 256;

/// Four searches among [`TIMED`] vectors with the kernel at a place of [`Kernel::available`]: by whole codes, or by signs first. The number of hits; 0 if there is
/// no such kernel.
fn searches(kernel: usize, exact: bool) -> usize {
    type Timed = Option<(Vec<f32>, Index<AlignedBytes>)>;
    static SEARCHED: LazyLock<Timed> = LazyLock::new(|| {
        let codes = any_codes(TIMED_DIMENSION, TIMED, 1);
        let queries = codes[..4 * TIMED_DIMENSION].iter().map(|&code| f32::from(code)).collect();
        Some((queries, index(TIMED_DIMENSION, &codes, usize::MAX).ok()?))
    });
    let found = SEARCHED
        .as_ref()
        .zip(Kernel::available().get(kernel))
        .and_then(|((queries, index), &kernel)| hits(index, kernel, queries, exact).ok());
    found.map_or(0, |hits| hits.iter().map(Vec::len).sum())
}

/// How many kernels agree; 0 if nothing could be compared. The module traps if one does not agree.
#[expect(unsafe_code, reason = "a name for JavaScript, which no other function has")]
#[unsafe(no_mangle)]
pub extern "C" fn agreeing(dimension: usize, count: usize, seed: u32) -> usize {
    kernels_that_agree(dimension, count, seed.into()).unwrap_or(0)
}

/// See [`searches`].
#[expect(unsafe_code, reason = "a name for JavaScript, which no other function has")]
#[unsafe(no_mangle)]
pub extern "C" fn scan(kernel: usize, exact: bool) -> usize {
    searches(kernel, exact)
}
