//! Loops of which the compiler makes vector instructions, compiled once more for wider ones.
#![cfg_attr(
    target_arch = "x86_64",
    expect(unsafe_code, reason = "a call of what needs instructions that were asked for")
)]

/// What such loops compute, with the same roundings whatever it is compiled for. [`run`](Wide::run) and all that it calls in its loops is `#[inline(always)]`.
pub(crate) trait Wide {
    type Output;

    fn run(self) -> Self::Output;
}

/// Computes it with AVX2 where this processor has that, and otherwise with what all processors have.
#[inline]
pub(crate) fn widest<W: Wide>(work: W) -> W::Output {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") {
        #[target_feature(enable = "avx2")]
        fn compiled<W: Wide>(work: W) -> W::Output {
            work.run()
        }
        // SAFETY: the processor has AVX2.
        return unsafe { compiled(work) };
    }
    work.run()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rotation::Transform;
    use crate::rounding::Encode;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn wider_instructions_compute_the_same_bits(
            values in prop::collection::vec(-1e3..1e3f32, 1..300), exponent in -140..90i32
        ) {
            #[expect(clippy::cast_possible_truncation, reason = "a power of two")]
            let factor = 2f64.powi(exponent) as f32;
            let values: Vec<f32> = values.iter().map(|value| value * factor).collect();
            let [mut wide, mut plain] = [values.clone(), values];
            let whole = 1 << plain.len().ilog2();
            widest(Transform(&mut wide[..whole]));
            Transform(&mut plain[..whole]).run();
            let bits = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
            prop_assert_eq!(bits(&wide), bits(&plain));
            for are_directions in [false, true] {
                let encode = |is_wide: bool| {
                    let [mut codes, mut remainder] = [vec![0; plain.len()], vec![0; plain.len()]];
                    let work = Encode {
                        values: &plain,
                        are_directions,
                        codes: &mut codes,
                        remainder: Some(&mut remainder),
                    };
                    let scale = if is_wide { widest(work) } else { work.run() };
                    (scale.to_bits(), codes, remainder)
                };
                prop_assert_eq!(encode(true), encode(false));
            }
        }
    }
}
