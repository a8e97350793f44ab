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
use crate::codes::query::{QueryCodes, QueryTerms};
use crate::metric::Metric;
use crate::residual::{self, Parts};
use crate::sketch::layout::{BLOCK, Facts, Outlines, SignRow, Sums, Tables};

/// Some vectors beside a query: its dot products with them, what else their distances are made of ([`Terms`](crate::codes::query::Terms)),
/// and the distance from which on each of them does not want to know of the query.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row<'a> {
    pub(crate) dots: &'a [i32],
    pub(crate) a: &'a [f32],
    pub(crate) b: &'a [f32],
    pub(crate) limits: &'a [f32],
}

/// For each bit of a byte, the codes of the dimensions whose signs are that bit of 16 bytes, twice.
pub(crate) type BitPlanes = [[u64; 4]; 8];

/// A query whose distances are estimated by outlines.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Estimates<'a> {
    pub(crate) codes: QueryCodes<'a>,
    /// The codes as [`Kernel::by_bits`] has them.
    #[cfg_attr(
        not(target_arch = "x86_64"),
        expect(dead_code, reason = "others have masks, or read bytes otherwise")
    )]
    pub(crate) by_bits: &'a [BitPlanes],
    pub(crate) terms: QueryTerms,
    /// What errors are multiplied by.
    pub(crate) length: f32,
    /// What is beyond that, less its error, is not near.
    pub(crate) limit: f32,
}

impl Estimates<'_> {
    /// Whether a vector may be near, of which the codes of the query add up to `set` where its signs are set. So it is, too, where its facts are no numbers.
    #[inline]
    fn is_near(&self, set: i32, Facts { a, factor, error }: Facts) -> bool {
        #[expect(clippy::cast_precision_loss, reason = "one rounding of an exact integer")]
        let sum = set.wrapping_mul(2).wrapping_sub(self.codes.sum) as f32;
        let estimate = self.terms.base + a + factor * (self.terms.scale * sum);
        let is_beyond = estimate - error * self.length > self.limit;
        !is_beyond
    }

    /// As [`Kernel::keep_near`], with sums by some kernel.
    fn keep_near(
        self,
        sums: impl Fn(&[Line], Outlines<'_>, &[u32], &mut [i32]),
        outlines: Outlines<'_>,
        ids: &[u32],
        (near, others): (&mut [u32], &mut [u32]),
    ) -> usize {
        let (mut kept, mut seen) = (0, 0);
        for ids in ids.chunks(SUMS_AT_ONCE) {
            let mut room = [0; SUMS_AT_ONCE];
            let room = &mut room[..ids.len()];
            sums(self.codes.lines, outlines, ids, room);
            let are_near =
                ids.iter().zip(room).map(|(&id, &mut set)| (id, self.is_near(set, outlines.facts(id))));
            kept = put(are_near, seen, kept, (&mut *near, &mut *others));
            seen += ids.len();
        }
        kept
    }
}

/// So many sums are made before they are looked at.
const SUMS_AT_ONCE: usize = 32;

/// Puts ids that are near behind those kept so far, and others behind others, of all `seen` so far. How many are kept then. Each is written to both: no branch on what cannot be foreseen.
#[inline]
fn put(
    ids: impl Iterator<Item = (u32, bool)>,
    seen: usize,
    mut kept: usize,
    (near, others): (&mut [u32], &mut [u32]),
) -> usize {
    let mut other = seen - kept;
    for (id, is_near) in ids {
        (near[kept], others[other]) = (id, id);
        kept += usize::from(is_near);
        other += usize::from(!is_near);
    }
    kept
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

    /// The codes of a query by the bits of bytes, for [`Estimates`], where this kernel reads signs so.
    #[inline]
    pub(crate) fn by_bits(self, lines: &[Line], planes: &mut Vec<BitPlanes>) {
        #[cfg(not(target_arch = "x86_64"))]
        let _ = lines; // they are taken as they are
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2 | Kind::AvxVnni => x86::by_bits(lines, planes),
            _ => planes.clear(),
        }
    }

    /// Writes those of some nodes that may be near a query to the beginning of `near`, in order, and the rest to that of `others`, as far as their outlines tell. How many are near.
    ///
    /// The query has as many lines as outlines have words of signs, every id has an outline, and `near` and `others` are as long as `ids`. What comes behind is any.
    #[inline]
    pub(crate) fn keep_near(
        self,
        query: Estimates<'_>,
        outlines: Outlines<'_>,
        ids: &[u32],
        out: (&mut [u32], &mut [u32]),
    ) -> usize {
        match self.0 {
            Kind::Scalar => query.keep_near(scalar::signed_sums, outlines, ids, out),
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2 | Kind::AvxVnni => x86::keep_near_avx2(query, outlines, ids, out),
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512Vnni => x86::keep_near_avx512(query, outlines, ids, out),
            #[cfg(target_arch = "aarch64")]
            Kind::Neon | Kind::NeonDotprod => query.keep_near(neon::signed_sums, outlines, ids, out),
            #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
            Kind::Simd128 => query.keep_near(wasm32::signed_sums, outlines, ids, out),
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

impl std::fmt::Display for Kernel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests;
