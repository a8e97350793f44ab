//! Numbers in intervals of one width: where the interval of a number begins.

use std::cmp::Ordering;

use serde_json::{Number, Value};

/// Integers of JSON are below.
const INTEGERS: f64 = 18_446_744_073_709_551_616.0; // 2^64
/// The most decimal places of which the power of ten is a float.
const MAX_PLACES: i32 = 22;

/// The width of intervals.
pub(super) struct Width {
    nearest: f64,
    /// The width if it is whole.
    whole: Option<i128>,
    /// The width as it is written: so many, divided by a power of ten. 17 tenths are 1.7, and 17 * 0.1 is more than that.
    decimal: (f64, f64),
}

/// Where an interval begins.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Begin {
    Whole(i128),
    Float(f64),
}

impl Width {
    pub(super) fn new(width: f64) -> Self {
        Self { nearest: width, whole: whole(width), decimal: decimal(width).unwrap_or((width, 1.0)) }
    }

    /// Where the interval begins that a number lies in, given as `Column::number` does: never behind it, and for greater numbers not before. `None`
    /// beyond what floats reach.
    pub(super) fn begin(&self, nearest: f64, difference: i128) -> Option<Begin> {
        if let (Some(width), Some(floor)) = (self.whole, whole(nearest.floor())) {
            return Some(Begin::Whole((floor + difference).div_euclid(width) * width));
        }
        let number = if difference < 0 { nearest.next_down() } else { nearest };
        let mut nth = (number / self.nearest).floor();
        // The division rounds, and so does the multiplication.
        if self.multiple(nth) > number {
            nth -= 1.0;
        } else if self.multiple(nth + 1.0) <= number {
            nth += 1.0;
        }
        let begin = self.multiple(nth);
        let begin = begin.is_finite().then(|| begin.min(number))?;
        Some(whole(begin).map_or(Begin::Float(begin), Begin::Whole))
    }

    fn multiple(&self, nth: f64) -> f64 {
        nth * self.decimal.0 / self.decimal.1
    }
}

impl Begin {
    pub(super) fn compare(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Whole(a), Self::Whole(b)) => a.cmp(b),
            _ => self.nearest().total_cmp(&other.nearest()),
        }
    }

    /// In JSON, without a fraction if it is whole.
    pub(super) fn value(&self) -> Option<Value> {
        let integer = match self {
            Self::Whole(whole) => Number::from_i128(*whole),
            Self::Float(_) => None,
        };
        integer.or_else(|| Number::from_f64(self.nearest())).map(Value::Number)
    }

    #[expect(clippy::cast_precision_loss, reason = "the nearest is asked for")]
    fn nearest(&self) -> f64 {
        match *self {
            Self::Whole(whole) => whole as f64,
            Self::Float(float) => float,
        }
    }
}

/// The integer that a float is.
#[expect(clippy::cast_possible_truncation, reason = "checked against the range")]
fn whole(float: f64) -> Option<i128> {
    (float.fract() == 0.0 && float.abs() <= INTEGERS).then_some(float as i128)
}

/// A number with decimal places as it is written: an integer, and the power of ten that divides it.
fn decimal(number: f64) -> Option<(f64, f64)> {
    let written = format!("{number:e}");
    let (digits, exponent) = written.split_once('e')?;
    let (before, behind) = digits.split_once('.').unwrap_or((digits, ""));
    let places = i32::try_from(behind.len()).ok()? - exponent.parse::<i32>().ok()?;
    let digits = format!("{before}{behind}").parse().ok()?;
    (1..=MAX_PLACES).contains(&places).then(|| (digits, 10f64.powi(places)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn label(width: f64, number: f64) -> String {
        Width::new(width).begin(number, 0).and_then(|begin| begin.value()).unwrap().to_string()
    }

    #[test]
    fn intervals_begin_at_multiples_as_they_are_written() {
        for tenth in -3_000..3_000 {
            let number = f64::from(tenth) / 10.0;
            assert_eq!(label(0.1, number).parse(), Ok(number));
            assert_eq!(label(0.1, number.next_down()).parse(), Ok(f64::from(tenth - 1) / 10.0));
        }
        let labels = [(0.1, 1.75), (0.25, 0.9), (0.5, 2.0), (3.0, -0.5), (2.5, -1.0), (1e-3, 0.0015)];
        let labels = labels.map(|(width, number)| label(width, number));
        assert_eq!(labels, ["1.7", "0.75", "2", "-3", "-2.5", "0.001"]);
        assert_eq!(label(0.5, 9_007_199_254_740_994.0), "9007199254740994");
    }

    proptest! {
        #[test]
        fn no_interval_begins_behind_its_number_or_before_one_of_a_lesser_number(
            a in any::<f64>(), ulps in 0u64..1_000, integer in any::<i64>(), width in 1e-9f64..1e9, is_whole in any::<bool>(),
        ) {
            let width = Width::new(if is_whole { width.ceil() } else { width });
            prop_assume!(a.is_finite());
            let b = (0..ulps).fold(a, |b, _| b.next_up());
            prop_assume!(b.is_finite());
            for (lesser, greater) in [(a, b), (a.min(1e18), b.min(1e18))] {
                let (first, second) = (width.begin(lesser, 0), width.begin(greater, 0));
                if let (Some(first), Some(second)) = (first, second) {
                    prop_assert!(first.nearest() <= lesser && second.nearest() <= greater);
                    prop_assert!(first.compare(&second).is_le());
                }
            }
            #[expect(clippy::cast_precision_loss, reason = "the difference says what is lost")]
            let nearest = integer as f64;
            let begin = width.begin(nearest, i128::from(integer) - whole(nearest).unwrap()).unwrap();
            match begin {
                Begin::Whole(begin) => prop_assert!(begin <= integer.into()),
                Begin::Float(begin) => prop_assert!(begin <= nearest),
            }
        }
    }
}
