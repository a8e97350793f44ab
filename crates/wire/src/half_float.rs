//! Numbers of 16 bits: a sign, five bits of exponent, ten of fraction (binary16 of IEEE 754).

use bytemuck::{Pod, Zeroable};

/// A number in 16-bit floating point, as its bits. It holds ±65,504 with 11 significant bits, fewer below 2^-14, and nothing below 2^-25.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Pod, Zeroable)]
#[repr(transparent)]
pub struct F16(u16);

/// Bits of the fraction that 32-bit floating point has more.
const MORE_BITS: u32 = 13;
/// By how much the exponents of the two are counted differently.
const REBIAS: u32 = 127 - 15;
/// The bits of infinity.
const INFINITY: u16 = 0x7c00;

impl F16 {
    /// The largest number.
    pub const MAX: f32 = 65_504.0;

    /// The nearest number of 16 bits; of two as near, the even one. What is 65,520 or more is infinite.
    pub fn from_f32(value: f32) -> Self {
        let bits = value.to_bits();
        let sign = bits >> 16 & 0x8000;
        let abs = bits & 0x7fff_ffff;
        let rounded = if abs > f32::INFINITY.to_bits() {
            abs >> MORE_BITS & 0x3ff | 0x7e00 // not a number, and quiet
        } else if abs >= 65_536.0f32.to_bits() {
            INFINITY.into()
        } else if abs >= (1.0f32 / 16_384.0).to_bits() {
            // Half of the last place is added, a little less where it is even; a carry goes into the exponent, as it should.
            let even = abs >> MORE_BITS & 1;
            ((abs + (1 << (MORE_BITS - 1)) - 1 + even) >> MORE_BITS) - (REBIAS << 10)
        } else {
            // In this sum the last place of the fraction stands for 2^-24, the smallest number, and it is rounded like any other.
            (f32::from_bits(abs) + 0.5).to_bits() - 0.5f32.to_bits()
        };
        #[expect(clippy::cast_possible_truncation, reason = "all of these are numbers of 16 bits")]
        Self((sign | rounded) as u16)
    }

    /// The number in 32 bits, exactly.
    #[inline]
    pub fn to_f32(self) -> f32 {
        let sign = u32::from(self.0 & 0x8000) << 16;
        let abs = u32::from(self.0 & 0x7fff) << MORE_BITS;
        // The exponent is moved by a multiplication, which makes small numbers normal ones.
        let moved = (f32::from_bits(abs) * f32::from_bits((127 + REBIAS) << 23)).to_bits();
        let exponent_of_all_ones =
            u32::from(abs >= u32::from(INFINITY) << MORE_BITS) * f32::INFINITY.to_bits();
        f32::from_bits(sign | moved | exponent_of_all_ones)
    }

    /// The number that two bytes stand for.
    pub fn from_le_bytes(bytes: [u8; 2]) -> Self {
        Self(u16::from_le_bytes(bytes))
    }

    /// Its two bytes.
    pub fn to_le_bytes(self) -> [u8; 2] {
        self.0.to_le_bytes()
    }

    /// Whether it is neither finite nor not a number.
    pub fn is_infinite(self) -> bool {
        self.0 & 0x7fff == INFINITY
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_of_16_bits_is_what_the_crate_half_says_and_comes_back() {
        for bits in 0..=u16::MAX {
            let (ours, theirs) = (F16(bits), half::f16::from_bits(bits));
            assert_eq!(ours.is_infinite(), theirs.is_infinite());
            if theirs.is_nan() {
                assert!(ours.to_f32().is_nan() && F16::from_f32(ours.to_f32()).to_f32().is_nan());
            } else {
                assert_eq!(ours.to_f32().to_bits(), theirs.to_f32().to_bits());
                assert_eq!(F16::from_f32(ours.to_f32()), ours);
            }
        }
    }

    #[test]
    fn numbers_of_32_bits_are_rounded_as_the_crate_half_rounds_them() {
        let like_half = |value: f32| {
            let (ours, theirs) = (F16::from_f32(value), half::f16::from_f32(value));
            assert!(
                ours.0 == theirs.to_bits() || value.is_nan(),
                "{value:e} {:x}: {ours:?} {theirs:?}",
                value.to_bits()
            );
        };
        // Around every number of 16 bits, and around the middle of any two.
        for bits in 0..INFINITY {
            let (low, high) = (F16(bits).to_f32(), F16(bits + 1).to_f32().min(131_072.0));
            for value in [low, f32::midpoint(low, high)] {
                for near in [value.next_down(), value, value.next_up()] {
                    like_half(near);
                    like_half(-near);
                }
            }
        }
        // A walk through all of them.
        (0..=u32::MAX).step_by(9973).for_each(|bits| like_half(f32::from_bits(bits)));
    }
}
