//! Sums of products of int8 codes with nibbles, by whatever this processor does best.
//!
//! All kernels give the same integer on all inputs: products of codes in [-127, 127] with nibbles in 0..=15, summed in 32
//! bits, are exact up to [`MAX_DIMENSION`](crate::MAX_DIMENSION) dimensions; so are those of numbers of 16 bits, where codes have residuals, in 64. The scalar kernel defines it; tests compare with
//! equality.

mod scalar;

#[cfg(target_arch = "aarch64")]
mod neon;
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
mod wasm32;
#[cfg(target_arch = "x86_64")]
mod x86;

use wire::F16;

use crate::codes::layout::{Group, Line, Plane, Quads};
use crate::codes::query::QueryTerms;
use crate::metric::Metric;
use crate::residual::{self, Parts};
use crate::sketch::layout::{BLOCK, Outlines, SignRow, Sums, Tables};

/// Some vectors beside a query: its dot products with them, what else their distances are made of ([`Terms`](crate::codes::query::Terms)),
/// and the distance from which on each of them does not want to know of the query.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row<'a> {
    pub(crate) dots: &'a [i32],
    pub(crate) a: &'a [f32],
    pub(crate) b: &'a [f32],
    pub(crate) limits: &'a [f32],
}

/// A row of the high plane, of the low one, and its residual.
pub(crate) type RefinedRow<'a> = (&'a [Group], &'a [Group], &'a [[u8; residual::BLOCK]]);

/// So many places of a list are looked at together.
pub(crate) const PLACES: usize = 8;

/// A way to compute dot products that this processor has: a value of this type is the proof.
///
/// ```
/// let kernel = vector_index::Kernel::detect();
/// println!("{kernel}");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Kernel(Kind);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    Scalar,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    AvxVnni,
    #[cfg(target_arch = "x86_64")]
    Avx512Vnni,
    #[cfg(target_arch = "aarch64")]
    Neon,
    #[cfg(target_arch = "aarch64")]
    NeonDotprod,
    #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
    Simd128,
}

impl Kernel {
    /// The fastest kernel of this processor, found at run time.
    #[must_use]
    pub fn detect() -> Self {
        Self::available().last().copied().unwrap_or(Self(Kind::Scalar))
    }

    /// All kernels of this processor, the slowest first: for tests and measurements.
    #[must_use]
    pub fn available() -> Vec<Self> {
        #[cfg_attr(
            not(any(target_arch = "x86_64", target_arch = "aarch64", target_feature = "simd128")),
            expect(unused_mut, reason = "other processors have no more")
        )]
        let mut kinds = vec![Kind::Scalar];
        #[cfg(target_arch = "x86_64")]
        {
            // Every processor with AVX2 has F16C; that is asked all the same.
            let avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("f16c");
            kinds.extend(avx2.then_some(Kind::Avx2));
            kinds.extend((avx2 && is_x86_feature_detected!("avxvnni")).then_some(Kind::AvxVnni));
            let avx512 = is_x86_feature_detected!("avx512vnni") && is_x86_feature_detected!("avx512bw");
            kinds.extend((avx2 && avx512).then_some(Kind::Avx512Vnni));
        }
        #[cfg(target_arch = "aarch64")]
        {
            kinds.push(Kind::Neon);
            kinds.extend(std::arch::is_aarch64_feature_detected!("dotprod").then_some(Kind::NeonDotprod));
        }
        #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
        kinds.push(Kind::Simd128);
        kinds.into_iter().map(Self).collect()
    }

    /// The sums of products of the codes of a query with the nibbles of rows of a plane: `out[i]` is that of row `ids[i]`. The
    /// rows are fetched ahead.
    ///
    /// `query` has as many lines as a row has groups, every id lies within the plane, and `out` is as long as `ids`.
    #[inline]
    pub(crate) fn dots(self, query: &[Line], plane: Plane<'_>, ids: &[u32], out: &mut [i32]) {
        match self.0 {
            Kind::Scalar => scalar::dots(query, plane, ids, out),
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2 => x86::avx2(query, plane, ids, out),
            #[cfg(target_arch = "x86_64")]
            Kind::AvxVnni => x86::avx_vnni(query, plane, ids, out),
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512Vnni => x86::avx512_vnni(query, plane, ids, out),
            #[cfg(target_arch = "aarch64")]
            Kind::Neon => neon::plain(query, plane, ids, out),
            #[cfg(target_arch = "aarch64")]
            Kind::NeonDotprod => neon::dotprod(query, plane, ids, out),
            #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
            Kind::Simd128 => wasm32::dots(query, plane, ids, out),
        }
    }

    /// Sixteen times the sums of products with rows of one plane, and those with the same rows of another. `room` is as long as `out`.
    #[inline]
    pub(crate) fn dots_of_both(
        self,
        query: &[Line],
        [high, low]: [Plane<'_>; 2],
        ids: &[u32],
        out: &mut [i32],
        room: &mut [i32],
    ) {
        #[cfg(target_arch = "x86_64")]
        if self.0 == Kind::Avx2 {
            return x86::both_avx2(query, [high, low], ids, out);
        }
        self.dots(query, high, ids, out);
        self.dots(query, low, ids, room);
        for (dot, low) in out.iter_mut().zip(room) {
            *dot = dot.wrapping_mul(16).wrapping_add(*low);
        }
    }

    /// The sums of products of every row of codes with every row of parts, which are in 0..=63: `out[i * n + j]` is that of row `i` of
    /// `codes` with row `j` of the `n` in `panels`, [`PANEL`] in each. All rows have `stride` lines. If `are_short`, codes are in -32..=32.
    #[inline]
    pub(crate) fn products(
        self,
        codes: &[Line],
        are_short: bool,
        panels: &[Quads],
        stride: usize,
        out: &mut [i32],
    ) {
        #[cfg(not(target_arch = "x86_64"))]
        let _ = are_short; // they add in 32 bits
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2 | Kind::AvxVnni => x86::products(codes, are_short, panels, stride, out),
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512Vnni => x86::products_avx512_vnni(codes, panels, stride, out),
            #[cfg(target_arch = "aarch64")]
            Kind::Neon | Kind::NeonDotprod => {
                neon::products(codes, panels, stride, out, matches!(self.0, Kind::NeonDotprod));
            }
            _ => scalar::products(codes, panels, stride, out),
        }
    }

    /// Adds to `found` the positions, and distances from a query, of the vectors that are nearer to it than `limit` or than their own
    /// limit. All slices are of one length.
    #[inline]
    pub(crate) fn nearer(self, query: QueryTerms, row: Row<'_>, limit: f32, found: &mut Vec<(usize, f32)>) {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2 | Kind::AvxVnni | Kind::Avx512Vnni => x86::nearer(query, row, limit, found),
            _ => scalar::nearer(query, row, limit, found),
        }
    }

    /// Puts a distance, and whose it is, into a list of ascending distances, after those that are equal; the last falls out. The list has a multiple of
    /// [`PLACES`] places after one that is below all.
    #[inline]
    pub(crate) fn insert(self, distances: &mut [f32], others: &mut [u32], distance: f32, other: u32) {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2 | Kind::AvxVnni | Kind::Avx512Vnni => x86::insert(distances, others, distance, other),
            _ => scalar::insert(distances, others, distance, other),
        }
    }

    /// For each vector of a block, the sum of what `tables` have for the nibbles of its signs: one pair of tables for each row.
    #[inline]
    pub(crate) fn sums(self, tables: &[Tables], rows: &[SignRow], out: &mut Sums) {
        match self.0 {
            Kind::Scalar => scalar::sums(tables, rows, out),
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2 | Kind::AvxVnni => x86::sums_avx2(tables, rows, out),
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512Vnni => x86::sums_avx512(tables, rows, out),
            #[cfg(target_arch = "aarch64")]
            Kind::Neon | Kind::NeonDotprod => neon::sums(tables, rows, out),
            #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
            Kind::Simd128 => wasm32::sums(tables, rows, out),
        }
    }

    /// The sums of the codes of a query in the dimensions in which nodes have no negative codes: `out[i]` is that of node `ids[i]`.
    ///
    /// `query` has as many lines as outlines have words of signs, every id has an outline, and `out` is as long as `ids`.
    #[inline]
    pub(crate) fn signed_sums(self, query: &[Line], outlines: Outlines<'_>, ids: &[u32], out: &mut [i32]) {
        match self.0 {
            Kind::Scalar => scalar::signed_sums(query, outlines, ids, out),
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2 | Kind::AvxVnni => x86::signed_sums_avx2(query, outlines, ids, out),
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512Vnni => x86::signed_sums_avx512(query, outlines, ids, out),
            #[cfg(target_arch = "aarch64")]
            Kind::Neon | Kind::NeonDotprod => neon::signed_sums(query, outlines, ids, out),
            #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
            Kind::Simd128 => wasm32::signed_sums(query, outlines, ids, out),
        }
    }

    /// The estimates of a block, and the lowest.
    #[inline]
    pub(crate) fn estimate(
        self,
        sums: &Sums,
        factors: &[f32; BLOCK],
        terms: [f32; 3],
        out: &mut [f32; BLOCK],
    ) -> f32 {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2 | Kind::AvxVnni => x86::estimate_avx2(sums, factors, terms, out),
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512Vnni => x86::estimate_avx512(sums, factors, terms, out),
            #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
            Kind::Simd128 => wasm32::estimate(sums, factors, terms, out),
            _ => scalar::estimate(sums, factors, terms, out),
        }
    }

    /// Numbers of 16 bits → numbers of 32 bits, exactly. As many as both slices have.
    #[inline]
    pub(crate) fn widen(self, halves: &[F16], out: &mut [f32]) {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2 | Kind::AvxVnni | Kind::Avx512Vnni => x86::widen(halves, out),
            _ => scalar::widen(halves, out),
        }
    }

    /// The sum of the products of a query with the quarters of codes and their residual, and the sum of the squares of these. All have the same number of lines.
    #[inline]
    pub(crate) fn refined(self, query: &[Parts], rows: RefinedRow<'_>) -> (i64, i64) {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2 | Kind::AvxVnni => x86::refined_avx2(query, rows),
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512Vnni => x86::refined_avx512(query, rows),
            _ => scalar::refined(query, rows),
        }
    }

    /// As [`Metric::distance_from`], with the same roundings.
    #[inline]
    pub(crate) fn distance(self, metric: Metric, from: (&[f32], f32), to: &[f32]) -> f32 {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2 | Kind::AvxVnni | Kind::Avx512Vnni => x86::distance(metric, from, to),
            _ => metric.distance_from(from, to),
        }
    }

    /// The name of the instruction set, as `/proc/cpuinfo` or the target spells it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self.0 {
            Kind::Scalar => "scalar",
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2 => "avx2",
            #[cfg(target_arch = "x86_64")]
            Kind::AvxVnni => "avx_vnni",
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512Vnni => "avx512_vnni",
            #[cfg(target_arch = "aarch64")]
            Kind::Neon => "neon",
            #[cfg(target_arch = "aarch64")]
            Kind::NeonDotprod => "neon dotprod",
            #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
            Kind::Simd128 => "simd128",
        }
    }
}

/// Asks for the cache lines of some values, where there is an instruction for it.
#[inline]
pub(crate) fn prefetch<T>(values: &[T]) {
    #[cfg(target_arch = "x86_64")]
    x86::prefetch(values);
    #[cfg(not(target_arch = "x86_64"))]
    let _ = values;
}

impl std::fmt::Display for Kernel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests;
