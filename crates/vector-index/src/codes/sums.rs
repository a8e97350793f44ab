//! Sums over codes. They wrap, since checks for overflow keep compilers from vector instructions; as many codes as a vector has do not overflow.

#![expect(clippy::inline_always, reason = "compiled for the instructions of their callers")]

use crate::wide::widest;

widest! {
    /// The sum of codes.
    pub(crate) fn sum_of(codes: &[i8]) -> i32 = sum
}

widest! {
    /// The sum of codes without their signs.
    pub(crate) fn absolute_sum(codes: &[i8]) -> i32 = absolute
}

widest! {
    /// The sum of the products of codes with others.
    pub(crate) fn dot_of(a: &[i8], b: &[i8]) -> i32 = dot
}

/// The sum of the squares of codes.
pub(crate) fn squared_sum(codes: &[i8]) -> i32 {
    dot_of(codes, codes)
}

#[inline(always)]
fn sum(codes: &[i8]) -> i32 {
    codes.iter().fold(0i32, |sum, &code| sum.wrapping_add(i32::from(code)))
}

#[inline(always)]
fn absolute(codes: &[i8]) -> i32 {
    codes.iter().fold(0i32, |sum, &code| sum.wrapping_add(i32::from(code).wrapping_abs()))
}

#[inline(always)]
fn dot(a: &[i8], b: &[i8]) -> i32 {
    a.iter().zip(b).fold(0i32, |sum, (&a, &b)| sum.wrapping_add(i32::from(a).wrapping_mul(i32::from(b))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MAX_DIMENSION;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn wider_instructions_give_the_same_sums(pairs in prop::collection::vec((any::<i8>(), any::<i8>()), 0..300)) {
            let (a, b): (Vec<i8>, Vec<i8>) = pairs.into_iter().unzip();
            prop_assert_eq!([sum_of(&a), absolute_sum(&a), dot_of(&a, &b)], [sum(&a), absolute(&a), dot(&a, &b)]);
        }
    }

    #[test]
    fn sums_of_the_longest_vector_of_the_largest_codes_do_not_wrap() {
        let codes = vec![i8::MIN; MAX_DIMENSION];
        assert_eq!((squared_sum(&codes), dot_of(&codes, &codes)), (1 << 30, 1 << 30));
        assert_eq!(absolute_sum(&codes), 1 << 23);
        assert_eq!(sum_of(&codes), -(1 << 23));
    }
}
