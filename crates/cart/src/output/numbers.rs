//! Figures as people read them.
#![expect(clippy::cast_precision_loss, reason = "three digits are shown")]

use std::time::Duration;

/// `1234567` as `1,234,567`.
pub(crate) fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.char_indices() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `1 hit`, `2 hits`.
pub(crate) fn several(n: u64, what: &str) -> String {
    let ending = match (n, what) {
        (1, _) => "",
        (_, "index" | "loss" | "match") => "es",
        _ => "s",
    };
    format!("{} {what}{ending}", count(n))
}

/// Bytes in decimal units, three digits.
pub(crate) fn bytes(n: u64) -> String {
    const UNITS: [&str; 5] = ["kB", "MB", "GB", "TB", "PB"];
    if n < 1000 {
        return format!("{n} B");
    }
    let mut value = n as f64 / 1e3;
    let mut unit = 0;
    while value >= 999.5 && unit + 1 < UNITS.len() {
        value /= 1e3;
        unit += 1;
    }
    format!("{} {}", three_digits(value), UNITS[unit])
}

/// A duration in the unit that suits it, three digits.
pub(crate) fn time(t: Duration) -> String {
    let seconds = t.as_secs_f64();
    let (value, unit) = match seconds {
        s if s < 1e-6 => (s * 1e9, "ns"),
        s if s < 1e-3 => (s * 1e6, "µs"),
        s if s < 1.0 => (s * 1e3, "ms"),
        s => (s, "s"),
    };
    format!("{} {unit}", three_digits(value))
}

/// How many a second.
pub(crate) fn rate(n: u64, t: Duration) -> u64 {
    let per_second = n as f64 / t.as_secs_f64().max(1e-9);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a cast of a float saturates"
    )]
    let whole = per_second.round() as u64;
    whole
}

fn three_digits(value: f64) -> String {
    match value {
        v if v < 9.995 => format!("{v:.2}"),
        v if v < 99.95 => format!("{v:.1}"),
        v => format!("{v:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_three_digits_and_a_unit() {
        assert_eq!(count(0), "0");
        assert_eq!(count(999), "999");
        assert_eq!(count(1_234_567), "1,234,567");
        assert_eq!(several(1, "hit"), "1 hit");
        assert_eq!(several(1000, "index"), "1,000 indexes");
        assert_eq!(bytes(999), "999 B");
        assert_eq!(bytes(1000), "1.00 kB");
        assert_eq!(bytes(999_600), "1.00 MB");
        assert_eq!(bytes(25_800_000), "25.8 MB");
        assert_eq!(time(Duration::from_micros(345)), "345 µs");
        assert_eq!(time(Duration::from_millis(1_500)), "1.50 s");
        assert_eq!(rate(100, Duration::from_millis(500)), 200);
    }
}
