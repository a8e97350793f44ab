//! Sums of products of int8 codes with nibbles, by whatever this processor does best.
//!
//! All kernels give the same integer on all inputs: products of codes in [-127, 127] with nibbles in 0..=15, summed in 32
//! bits, are exact up to [`MAX_DIMENSION`](crate::MAX_DIMENSION) dimensions. The scalar kernel defines it; tests compare with
//! equality.

mod scalar;

#[cfg(target_arch = "aarch64")]
mod neon;
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
mod wasm32;
#[cfg(target_arch = "x86_64")]
mod x86;

use wire::F16;

use crate::codes::layout::{Line, Plane};
use crate::codes::query::QueryTerms;
use crate::sketch::layout::{BLOCK, SignRow, Sums, Tables};

/// Some vectors beside a query: its dot products with them, what else their distances are made of ([`Terms`](crate::codes::query::Terms)),
/// and the distance from which on each of them does not want to know of the query.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row<'a> {
    pub(crate) dots: &'a [i32],
    pub(crate) a: &'a [f32],
    pub(crate) b: &'a [f32],
    pub(crate) limits: &'a [f32],
}

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

    /// The sums of products of every row of codes with every row of parts, which are in 0..=63: `out[i * n + j]` is that of row `i` of
    /// `codes` with row `j` of `parts`, which has `n` rows. All rows have `stride` lines.
    #[inline]
    pub(crate) fn products(self, codes: &[Line], parts: &[Line], stride: usize, out: &mut [i32]) {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2 | Kind::AvxVnni => x86::products(codes, parts, stride, out),
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512Vnni => x86::products_avx512_vnni(codes, parts, stride, out),
            #[cfg(target_arch = "aarch64")]
            Kind::Neon | Kind::NeonDotprod => {
                neon::products(codes, parts, stride, out, matches!(self.0, Kind::NeonDotprod));
            }
            _ => scalar::products(codes, parts, stride, out),
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
mod tests {
    use super::*;
    use proptest::prelude::*;

    use crate::codes::layout::{groups, pack};
    use crate::codes::planes::{OwnedPlanes, Planes};
    use crate::codes::query::QueryCodes;

    #[test]
    fn every_kernel_widens_every_number_of_16_bits_alike() {
        let all: Vec<F16> = (0..=u16::MAX).map(|bits| F16::from_le_bytes(bits.to_le_bytes())).collect();
        for kernel in Kernel::available() {
            for begin in [0, 3] {
                let mut wide = vec![0.0; all.len() - begin];
                kernel.widen(&all[begin..], &mut wide);
                for (half, wide) in all[begin..].iter().zip(&wide) {
                    let exact = half.to_f32();
                    assert!(
                        wide.to_bits() == exact.to_bits() || (wide.is_nan() && exact.is_nan()),
                        "{kernel} {half:?}"
                    );
                }
            }
        }
    }

    /// The definition, in 64 bits.
    fn by_hand(a: &[i8], b: &[i8]) -> i64 {
        a.iter().zip(b).map(|(&x, &y)| i64::from(x) * i64::from(y)).sum()
    }

    fn lines(codes: &[i8]) -> Vec<Line> {
        let line = |chunk: &[i8]| std::array::from_fn(|i| chunk.get(i).copied().unwrap_or(0));
        codes.chunks(64).map(line).collect()
    }

    fn planes(rows: &[&[i8]]) -> OwnedPlanes {
        let mut planes = OwnedPlanes::new(groups(rows[0].len()));
        for row in rows {
            pack(row, planes.grow(1));
        }
        planes
    }

    fn dots(kernel: Kernel, query: &[i8], planes: Planes<'_>, ids: &[u32]) -> Vec<i32> {
        let (mut out, mut room) = (vec![0; ids.len()], vec![0; ids.len()]);
        planes.dots(kernel, QueryCodes::new(&lines(query)), ids, &mut out, &mut room);
        out
    }

    fn code() -> impl Strategy<Value = i8> {
        prop_oneof![Just(-127), Just(127), Just(0), Just(-1), -127..=127i8]
    }

    proptest! {
        #[test]
        fn every_kernel_gives_the_integer_of_the_definition(
            pair in prop::collection::vec((code(), code()), 1..1_500)
        ) {
            let (a, b): (Vec<_>, Vec<_>) = pair.into_iter().unzip();
            for kernel in Kernel::available() {
                let dot = dots(kernel, &a, planes(&[&b]).as_ref(), &[0])[0];
                prop_assert_eq!(i64::from(dot), by_hand(&a, &b), "{}", kernel);
            }
        }

        #[test]
        fn every_kernel_gives_the_sum_of_the_scalar_one_on_any_nibbles(
            query in prop::collection::vec(code(), 1..1_000), noise in any::<[u8; 32]>()
        ) {
            let query = lines(&query);
            let bytes: Vec<u8> = noise.iter().cycle().take(query.len() * 32 * 3 + 5).copied().collect();
            // Begins anywhere in memory.
            for skipped in [0, 1, 5] {
                let plane = Plane::new(&bytes[skipped..], query.len());
                let mut expected = [0; 3];
                scalar::dots(&query, plane, &[2, 0, 1], &mut expected);
                for kernel in Kernel::available() {
                    let mut found = [0; 3];
                    kernel.dots(&query, plane, &[2, 0, 1], &mut found);
                    prop_assert_eq!(found, expected, "{}", kernel);
                }
            }
        }

        #[test]
        fn packed_codes_come_back(codes in prop::collection::vec(code(), 1..300)) {
            let mut unpacked = vec![1; codes.len()];
            planes(&[&codes]).as_ref().unpack(0, &mut unpacked);
            prop_assert_eq!(unpacked, codes);
        }

        #[test]
        fn the_high_plane_alone_is_right_to_half_a_step_in_every_dimension(
            pair in prop::collection::vec((code(), code()), 64..65)
        ) {
            let (a, b): (Vec<_>, Vec<_>) = pair.into_iter().unzip();
            let mut rough = [0];
            planes(&[&b]).as_ref().rough_dots(Kernel::detect(), QueryCodes::new(&lines(&a)), &[0], &mut rough);
            let bound: i64 = a.iter().map(|&code| i64::from(code.unsigned_abs()) * 8).sum();
            prop_assert!((i64::from(rough[0]) - by_hand(&a, &b)).abs() <= bound + 1);
        }
    }

    #[test]
    fn every_kernel_multiplies_all_rows_with_all_parts() {
        let code = |i: usize| i8::try_from(((i * 2_654_435_761) >> 7) % 255).unwrap_or(-100);
        let part = |i: usize| i8::try_from(((i * 2_654_435_761) >> 9) % 64).unwrap();
        for (stride, rows, columns) in [(1, 1, 1), (1, 2, 4), (2, 3, 5), (3, 5, 3), (6, 33, 130), (7, 4, 9)] {
            let codes = lines(&(0..stride * rows * 64).map(code).collect::<Vec<_>>());
            let parts = lines(&(0..stride * columns * 64).map(part).collect::<Vec<_>>());
            for kernel in Kernel::available() {
                let mut found = vec![0; rows * columns];
                kernel.products(&codes, &parts, stride, &mut found);
                let each = codes.chunks(stride).flat_map(|a| parts.chunks(stride).map(move |b| (a, b)));
                for (found, (a, b)) in found.iter().zip(each) {
                    let expected = by_hand(a.as_flattened(), b.as_flattened());
                    assert_eq!(i64::from(*found), expected, "{kernel} {stride} {rows} {columns}");
                }
            }
        }
        for code in [-127, 127] {
            let (codes, parts) =
                (vec![[code; 64]; crate::MAX_DIMENSION / 64], vec![[63; 64]; crate::MAX_DIMENSION / 64]);
            for kernel in Kernel::available() {
                let mut found = [0];
                kernel.products(&codes, &parts, codes.len(), &mut found);
                assert_eq!(
                    i64::from(found[0]),
                    by_hand(codes.as_flattened(), parts.as_flattened()),
                    "{kernel}"
                );
            }
        }
    }

    proptest! {
        #[test]
        fn every_kernel_finds_the_same_vectors_nearer(
            row in prop::collection::vec((-90_000..90_000i32, -2.0..2.0f32, -2.0..2.0f32, prop_oneof![Just(f32::INFINITY), -9e4..9e4f32]), 0..50),
            query in (-2.0..2.0f32, -2.0..2.0f32, -2.0..2.0f32), limit in prop_oneof![Just(f32::NEG_INFINITY), -9e4..9e4f32]
        ) {
            let dots: Vec<i32> = row.iter().map(|row| row.0).collect();
            let [a, b, limits] = [0, 1, 2].map(|at| row.iter().map(|row| [row.1, row.2, row.3][at]).collect::<Vec<f32>>());
            let row = Row { dots: &dots, a: &a, b: &b, limits: &limits };
            let query = QueryTerms { base: query.0, offset: query.1, scale: query.2 };
            let mut expected = vec![(7, 0.5)];
            scalar::nearer(query, row, limit, &mut expected);
            for kernel in Kernel::available() {
                let mut found = vec![(7, 0.5)];
                kernel.nearer(query, row, limit, &mut found);
                prop_assert_eq!(&found, &expected, "{}", kernel);
            }
        }
    }

    #[test]
    fn the_longest_vectors_of_the_largest_codes_do_not_overflow() {
        for (x, y) in [(127, 127), (-127, 127), (127, -127), (-127, -127)] {
            let (a, b) = (vec![x; crate::MAX_DIMENSION], vec![y; crate::MAX_DIMENSION]);
            let planes = planes(&[&b]);
            for kernel in Kernel::available() {
                assert_eq!(
                    i64::from(dots(kernel, &a, planes.as_ref(), &[0])[0]),
                    by_hand(&a, &b),
                    "{kernel}"
                );
            }
        }
    }

    #[test]
    fn many_rows_at_once_give_what_each_alone_gives() {
        let code = |i: usize| i8::try_from(((i * 2_654_435_761) >> 7) % 255).unwrap_or(-100);
        for (dimension, count) in [(1, 1), (64, 70), (65, 33), (384, 32), (385, 5), (768, 31), (831, 9)] {
            let codes: Vec<i8> = (0..dimension * count).map(code).collect();
            let rows: Vec<&[i8]> = codes.chunks(dimension).collect();
            let planes = planes(&rows);
            let ids: Vec<u32> = (0..100u32).map(|i| (i * 7) % u32::try_from(count).unwrap()).collect();
            for kernel in Kernel::available() {
                for len in [0, 1, 2, 3, 4, 5, 8, 31, 100] {
                    let found = dots(kernel, rows[0], planes.as_ref(), &ids[..len]);
                    for (&id, &dot) in ids.iter().zip(&found) {
                        assert_eq!(
                            i64::from(dot),
                            by_hand(rows[0], rows[id as usize]),
                            "{kernel} {dimension} {len}"
                        );
                    }
                }
            }
        }
    }
}
