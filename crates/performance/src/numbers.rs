//! How numbers and times are written.

/// Three digits, with the unit that fits.
fn scaled(value: f64, units: &[(f64, &str)]) -> String {
    let unit = units.iter().find(|(size, _)| value >= *size).or(units.last());
    let (size, name) = unit.copied().unwrap_or((1.0, ""));
    let value = value / size;
    let space = if name.is_empty() { "" } else { " " };
    match value {
        v if v >= 100.0 => format!("{v:.0}{space}{name}"),
        v if v >= 10.0 => format!("{v:.1}{space}{name}"),
        v => format!("{v:.2}{space}{name}"),
    }
}

pub(crate) fn seconds(value: f64) -> String {
    scaled(value, &[(1.0, "s"), (1e-3, "ms"), (1e-6, "us"), (1e-9, "ns")])
}

pub(crate) fn bytes(value: f64) -> String {
    scaled(value, &[(1e9, "GB"), (1e6, "MB"), (1e3, "kB"), (1.0, "B")])
}

/// A number of things: whole from 100 on, with a comma between thousands.
pub(crate) fn count(value: f64) -> String {
    if value < 100.0 {
        return format!("{value:.1}").trim_end_matches(".0").to_owned();
    }
    let digits = format!("{value:.0}");
    let mut grouped = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at) % 3 == 0 {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// `1 thread`, `2 threads`.
pub(crate) fn several(n: u64, what: &str) -> String {
    #[expect(clippy::cast_precision_loss, reason = "numbers of things are small")]
    let number = count(n as f64);
    let ending = if n == 1 { "" } else { "s" };
    format!("{number} {what}{ending}")
}

/// A time in seconds since 1970, in UTC: `2026-04-12 09:30`. The days by Hinnant, "chrono-compatible low-level date algorithms".
pub(crate) fn date(unix_seconds: u64) -> String {
    let (days, second) = (unix_seconds / 86_400, unix_seconds % 86_400);
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02} {:02}:{:02}", second / 3600, second / 60 % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        assert_eq!(date(0), "1970-01-01 00:00");
        assert_eq!(date(951_782_399), "2000-02-28 23:59");
        assert_eq!(date(951_782_400), "2000-02-29 00:00");
        assert_eq!(date(1_776_000_600), "2026-04-12 13:30");
        assert_eq!(date(4_107_542_400), "2100-03-01 00:00");
    }

    #[test]
    fn numbers_are_written_with_three_digits_and_their_unit() {
        assert_eq!(seconds(0.000_001_234), "1.23 us");
        assert_eq!(seconds(0.0456), "45.6 ms");
        assert_eq!(seconds(123.4), "123 s");
        assert_eq!(seconds(0.0), "0.00 ns");
        assert_eq!(bytes(1_234_567.0), "1.23 MB");
        assert_eq!(
            (count(3.0), count(3.25), count(1_234_567.4)),
            ("3".into(), "3.2".into(), "1,234,567".into())
        );
        assert_eq!(
            (several(1, "thread"), several(1_000, "record")),
            ("1 thread".into(), "1,000 records".into())
        );
    }
}
