//! Sums over codes. They wrap, since checks for overflow keep compilers from vector instructions; as many codes as a vector has do not overflow.

/// The sum of what codes become, each at most 128^2.
#[inline]
pub(crate) fn sum_of(codes: &[i8], each: impl Fn(i32) -> i32) -> i32 {
    codes.iter().fold(0i32, |sum, &code| sum.wrapping_add(each(i32::from(code))))
}

/// The sum of the squares of codes.
pub(crate) fn squared_sum(codes: &[i8]) -> i32 {
    sum_of(codes, |code| code.wrapping_mul(code))
}

/// The sum of the products of codes with others.
pub(crate) fn dot_of(a: &[i8], b: &[i8]) -> i32 {
    a.iter().zip(b).fold(0i32, |sum, (&a, &b)| sum.wrapping_add(i32::from(a).wrapping_mul(i32::from(b))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MAX_DIMENSION;

    #[test]
    fn sums_of_the_longest_vector_of_the_largest_codes_do_not_wrap() {
        let codes = vec![i8::MIN; MAX_DIMENSION];
        assert_eq!((squared_sum(&codes), dot_of(&codes, &codes)), (1 << 30, 1 << 30));
        assert_eq!(sum_of(&codes, i32::wrapping_abs), 1 << 23);
        assert_eq!(sum_of(&codes, |code| code), -(1 << 23));
    }
}
