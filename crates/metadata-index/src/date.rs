//! Dates: which strings are points in time, and in bytes that are in the order of time.
//!
//! A date is a timestamp of RFC 3339, `2026-01-31T12:00:00.5+02:00`, or a day, `2026-01-31`, which is its midnight in UTC. Years go from 0000 to
//! 9999, seconds have any number of digits (the text has up to [`MAX_LEN`] bytes), and a leap second, `23:59:60` in UTC, is later than the
//! second before it and earlier than the next.

use std::fmt;

/// The longest text of a date in bytes.
pub(crate) const MAX_LEN: usize = 256;

const DAY: i64 = 24 * 60 * 60;
/// The seconds of the years 0000 to 9999 in UTC. Dates with an offset may lie up to a day outside.
const YEARS: std::ops::Range<i64> = -719_528 * DAY..2_932_897 * DAY;

/// A point in time. Equal points are the same time, and the order is that of time.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Point {
    /// Seconds since 1970 UTC; of a leap second those of the second before it.
    pub(crate) seconds: i64,
    /// Whether it lies in a leap second: after every fraction of the second before it.
    pub(crate) is_leap: bool,
    /// Decimal digits of the fraction, as ASCII, without zeros at the end.
    pub(crate) fraction: Vec<u8>,
}

/// A point in time, with the text that it was given as.
#[derive(Debug, Clone)]
pub(crate) struct Date {
    text: String,
    point: Point,
}

impl Date {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        point(text).map(|point| Self { text: text.to_owned(), point })
    }

    /// A point in time by its seconds since 1970 UTC and nanoseconds; `None` outside of the years 0000 to 9999.
    pub(crate) fn new(seconds: i64, nanos: u32) -> Option<Self> {
        let digits = format!("{nanos:09}");
        let fraction = digits.trim_end_matches('0').as_bytes().to_vec();
        let point = Point { seconds, is_leap: false, fraction };
        YEARS.contains(&seconds).then(|| Self { text: point.text(), point })
    }

    pub(crate) fn point(&self) -> &Point {
        &self.point
    }
}

impl PartialEq for Date {
    fn eq(&self, other: &Self) -> bool {
        self.point == other.point
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The point in time of a text that is a date; `None` for any other text.
pub(crate) fn point(text: &str) -> Option<Point> {
    if text.len() > MAX_LEN {
        return None;
    }
    let (date, rest) = text.as_bytes().split_first_chunk::<10>()?;
    let midnight = days_since_1970(date)? * DAY;
    let rest = match rest {
        [] => return Some(Point { seconds: midnight, is_leap: false, fraction: Vec::new() }),
        [b'T' | b't' | b' ', rest @ ..] => rest,
        _ => return None,
    };
    let ([h0, h1, b':', m0, m1, b':', s0, s1], rest) = rest.split_first_chunk::<8>()? else { return None };
    let (hour, minute, second) = (number(&[*h0, *h1])?, number(&[*m0, *m1])?, number(&[*s0, *s1])?);
    let (fraction, rest) = fraction(rest)?;
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let minute_start = midnight + hour * 3600 + minute * 60 - offset(rest)?;
    let is_leap = second == 60;
    if is_leap && (minute_start + 60).rem_euclid(DAY) != 0 {
        return None;
    }
    Some(Point { seconds: minute_start + second.min(59), is_leap, fraction: fraction.to_vec() })
}

/// Splits `.250Z` into the digits of the fraction without zeros at the end, `25`, and the rest, `Z`.
fn fraction(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let [b'.', text @ ..] = text else { return Some((&[], text)) };
    let (digits, rest) = text.split_at(text.iter().take_while(|byte| byte.is_ascii_digit()).count());
    let significant = digits.iter().rposition(|&digit| digit != b'0').map_or(0, |last| last + 1);
    (!digits.is_empty()).then_some((&digits[..significant], rest))
}

/// Seconds that local time is ahead of UTC: `+02:00` is 7200.
fn offset(text: &[u8]) -> Option<i64> {
    let [sign, h0, h1, b':', m0, m1] = text else { return matches!(text, [b'Z' | b'z']).then_some(0) };
    let (hours, minutes) = (number(&[*h0, *h1])?, number(&[*m0, *m1])?);
    if hours > 23 || minutes > 59 {
        return None;
    }
    let ahead = hours * 3600 + minutes * 60;
    match sign {
        b'+' => Some(ahead),
        b'-' => Some(-ahead),
        _ => None,
    }
}

fn number(digits: &[u8]) -> Option<i64> {
    digits
        .iter()
        .try_fold(0, |value, digit| digit.is_ascii_digit().then(|| value * 10 + i64::from(digit - b'0')))
}

/// Days from 1970-01-01 to a day of the Gregorian calendar.
fn days_since_1970(text: &[u8; 10]) -> Option<i64> {
    let [y0, y1, y2, y3, b'-', m0, m1, b'-', d0, d1] = text else { return None };
    let (year, month, day) = (number(&[*y0, *y1, *y2, *y3])?, number(&[*m0, *m1])?, number(&[*d0, *d1])?);
    let is_leap_year = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let lengths = [31, 28 + i64::from(is_leap_year), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let before = usize::try_from(month - 1).ok().filter(|&before| before < 12)?;
    if !(1..=lengths[before]).contains(&day) {
        return None;
    }
    // Leap days of the years before this one, year 0 included.
    let last = year - 1;
    let leap_days = last.div_euclid(4) - last.div_euclid(100) + last.div_euclid(400) + 1;
    let in_year = lengths[..before].iter().sum::<i64>() + day - 1;
    Some(year * 365 + leap_days + in_year - 719_528)
}

impl Point {
    /// As text of RFC 3339 in UTC; where the year in UTC is not one of 0000 to 9999, with the largest offset, by which it is.
    pub(crate) fn text(&self) -> String {
        const LARGEST: i64 = 23 * 3600 + 59 * 60;
        let (ahead, offset) = match self.seconds {
            seconds if seconds < YEARS.start => (LARGEST, "+23:59"),
            seconds if seconds >= YEARS.end => (-LARGEST, "-23:59"),
            _ => (0, "Z"),
        };
        let local = self.seconds + ahead;
        let (year, month, day) = civil(local.div_euclid(DAY));
        let of_day = local.rem_euclid(DAY);
        let second = of_day % 60 + i64::from(self.is_leap);
        let mut text =
            format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{second:02}", of_day / 3600, of_day / 60 % 60);
        if !self.fraction.is_empty() {
            text.push('.');
            text.push_str(&String::from_utf8_lossy(&self.fraction));
        }
        text.push_str(offset);
        text
    }
}

/// A part of the calendar, in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum DateUnit {
    /// From one January to the next.
    Year,
    /// A month of a year.
    Month,
    /// A day.
    Day,
    /// An hour of a day.
    Hour,
}

/// A year from 0000 to 9999, month, day or hour in UTC. In the order of time among those of one unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Period {
    unit: DateUnit,
    year: i64,
    month: i64,
    day: i64,
    hour: i64,
}

impl Period {
    /// The one that a second since 1970 lies in; before the year 0000 the first one, and after 9999 the last.
    pub(crate) fn new(seconds: i64, unit: DateUnit) -> Self {
        let seconds = seconds.clamp(YEARS.start, YEARS.end - 1);
        let (year, month, day) = civil(seconds.div_euclid(DAY));
        let hour = seconds.rem_euclid(DAY) / 3600;
        let from = |least: DateUnit, value: i64| if unit >= least { value } else { 0 };
        let (month, day) = (from(DateUnit::Month, month), from(DateUnit::Day, day));
        Self { unit, year, month, day, hour: from(DateUnit::Hour, hour) }
    }
}

impl fmt::Display for Period {
    /// `2026`, `2026-01`, `2026-01-31`, `2026-01-31T12:00:00Z`: where it begins.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { unit, year, month, day, hour } = self;
        match unit {
            DateUnit::Year => write!(f, "{year:04}"),
            DateUnit::Month => write!(f, "{year:04}-{month:02}"),
            DateUnit::Day => write!(f, "{year:04}-{month:02}-{day:02}"),
            DateUnit::Hour => write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:00:00Z"),
        }
    }
}

/// Year, month and day of the Gregorian calendar of a day counted from 1970-01-01.
fn civil(days: i64) -> (i64, i64, i64) {
    // 400 years have 146,097 days; counted from a first of March, the leap day is the last day of a year.
    let days = days + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (era * 400 + year_of_era + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn dates_are_in_the_order_of_time_over_the_whole_range() {
        let ordered = [
            "0000-01-01T00:00:00+23:59",
            "0000-01-01",
            "0000-03-01T00:00:00Z",
            "1969-12-31T23:59:59.9Z",
            "1970-01-01",
            "2016-12-31T23:59:59Z",
            "2016-12-31T23:59:59.999999999999999999999Z",
            "2016-12-31T23:59:60Z",
            "2016-12-31T15:59:60.5-08:00",
            "2017-01-01",
            "2026-04-12T08:30:00+02:00",
            "2026-04-12T07:00:00Z",
            "2026-04-12 07:00:00.1z",
            "2026-04-12t07:00:00.1000000000000000000001Z",
            "9999-12-31T23:59:59Z",
            "9999-12-31T23:59:59-23:59",
        ];
        for pair in ordered.windows(2) {
            assert!(point(pair[0]).unwrap() < point(pair[1]).unwrap(), "{pair:?}");
        }
        for date in ordered.map(|text| point(text).unwrap()) {
            assert_eq!(point(&date.text()).as_ref(), Some(&date), "a date that is shown can be asked for");
            let day = Period::new(date.seconds, DateUnit::Day).to_string();
            assert!(point(&day).is_some(), "{day}");
        }
        for (one, other) in [
            ("2021-06-01", "2021-06-01T00:00:00Z"),
            ("2021-06-01", "2021-05-31T22:30:00.000-01:30"),
            ("2021-06-01T00:00:00.50Z", "2021-06-01T00:00:00.5-00:00"),
        ] {
            assert_eq!(Date::parse(one), Date::parse(other));
        }
    }

    #[test]
    fn what_is_no_date_is_none() {
        for text in [
            "",
            "2021",
            "2021-06",
            "2021-6-01",
            "2021-02-29",
            "1900-02-29",
            "2021-13-01",
            "2021-00-01",
            "2021-06-31",
            "2021-06-00",
            "2021-06-01T",
            "2021-06-01T10:00:00",
            "2021-06-01T10:00Z",
            "2021-06-01T24:00:00Z",
            "2021-06-01T10:60:00Z",
            "2021-06-01T10:00:61Z",
            "2021-06-01T10:00:60Z",
            "2021-06-01T10:00:00.Z",
            "2021-06-01T10:00:00+24:00",
            "2021-06-01T10:00:00+0200",
            "2021-06-01T10:00:00Z ",
            "+2021-06-01",
            "2021-06-01Z",
            "12021-06-01",
            "２０２１-06-01",
        ] {
            assert!(point(text).is_none(), "{text}");
        }
        let digits = |count: usize| format!("2021-06-01T10:00:00.{}Z", "1".repeat(count));
        assert!(point(&digits(MAX_LEN - 21)).is_some() && point(&digits(MAX_LEN - 20)).is_none());
    }

    proptest! {
        #[test]
        fn a_date_is_the_time_that_jiff_says(year in 0i16..10_000, month in 0u8..14, day in 0u8..33, second in 0u32..86_400, nanos in 0u32..1_000_000_000, offset in -86_399i32..86_400) {
            let (ahead, minutes) = (if offset < 0 { '-' } else { '+' }, offset.abs() / 60);
            let text = format!(
                "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{nanos:09}{ahead}{:02}:{:02}",
                second / 3600, second / 60 % 60, second % 60, minutes / 60, minutes % 60
            );
            let ours = point(&text);
            match text.parse::<jiff::Timestamp>() {
                Ok(theirs) => {
                    let digits = format!("{:09}", theirs.as_nanosecond().rem_euclid(1_000_000_000));
                    let seconds = i64::try_from(theirs.as_nanosecond().div_euclid(1_000_000_000)).unwrap();
                    let fraction = digits.trim_end_matches('0').as_bytes().to_vec();
                    prop_assert_eq!(&ours, &Some(Point { seconds, is_leap: false, fraction }), "{}", text);
                    let back = ours.unwrap().text();
                    prop_assert_eq!(back.parse::<jiff::Timestamp>().unwrap(), theirs, "{}", back);
                    for (unit, len) in [(DateUnit::Year, 4), (DateUnit::Month, 7), (DateUnit::Day, 10), (DateUnit::Hour, 13)] {
                        prop_assert_eq!(&Period::new(seconds, unit).to_string()[..len], &back[..len]);
                    }
                }
                // jiff ends a day before the year 10000.
                Err(_) => prop_assert!(ours.is_none() || text.starts_with("9999-12-3"), "{}", text),
            }
        }
    }
}
