//! The rows of tokens, added up by what the processor has. All kernels do the same additions in the same order, and give the same bits.

mod scalar;
#[cfg(target_arch = "x86_64")]
mod x86;

/// The row of a token: a code for each dimension, a signed byte, and what the codes are multiplied by.
pub(crate) type Row<'a> = (&'a [u8], f32);

/// Instructions that the processor has. A value proves it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Kernel(Kind);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Scalar,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

impl Kernel {
    /// The fastest that this processor has.
    pub(crate) fn detect() -> Self {
        Self::available().last().copied().unwrap_or(Self(Kind::Scalar))
    }

    /// All that this processor has, the slowest first.
    pub(crate) fn available() -> Vec<Self> {
        #[cfg_attr(not(target_arch = "x86_64"), expect(unused_mut, reason = "other processors have no more"))]
        let mut kinds = vec![Kind::Scalar];
        #[cfg(target_arch = "x86_64")]
        {
            kinds.extend(is_x86_feature_detected!("avx2").then_some(Kind::Avx2));
            let avx512 = is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bw");
            kinds.extend(avx512.then_some(Kind::Avx512));
        }
        kinds.into_iter().map(Self).collect()
    }

    /// Adds rows to a sum, one after the other: `sum[i] += factor * code[i]` for each. Each has as many codes as the sum has values.
    pub(crate) fn add_rows(self, rows: &[Row<'_>], sum: &mut [f32]) {
        match self.0 {
            Kind::Scalar => scalar::add_rows(rows, sum),
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2 => x86::avx2(rows, sum),
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512 => x86::avx512(rows, sum),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kernel_adds_rows_in_order_whatever_the_dimension() {
        for dimension in [1, 63, 64, 65, 256, 300] {
            let code = |row: usize, i: usize| u8::try_from((i * 37 + row * 91) % 256).unwrap();
            let codes: Vec<Vec<u8>> =
                (0..5).map(|row| (0..dimension).map(|i| code(row, i)).collect()).collect();
            let factors = [0.1, -2.5, 3.0, 1e-3, 7.0];
            let rows: Vec<Row<'_>> = codes.iter().zip(factors).map(|(row, f)| (&row[..], f)).collect();
            for kernel in Kernel::available() {
                let mut sum = vec![0.5; dimension];
                kernel.add_rows(&rows, &mut sum);
                for (i, &found) in sum.iter().enumerate() {
                    let expected = rows
                        .iter()
                        .fold(0.5f32, |sum, (codes, f)| sum + f * f32::from(codes[i].cast_signed()));
                    assert_eq!(found.to_bits(), expected.to_bits(), "{kernel:?}");
                }
            }
        }
    }
}
