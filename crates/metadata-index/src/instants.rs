//! Points in time of the standard library and of other crates as values of filters.

use std::time::SystemTime;

use crate::date::Date;
use crate::error::{Error, Result};
use crate::value::{FilterValue, Scalar};

/// A point in time by its seconds since 1970 UTC and nanoseconds.
fn instant(seconds: Option<i64>, nanos: u32) -> Result<FilterValue> {
    let date = seconds.and_then(|seconds| Date::new(seconds, nanos));
    date.map(|date| FilterValue(Scalar::DateTime(date)))
        .ok_or_else(|| Error::invalid_filter("a point in time outside of the years 0000 to 9999"))
}

/// Fails outside of the years 0000 to 9999.
///
/// ```
/// use std::time::SystemTime;
///
/// use metadata_index::{Filter, FilterValue};
///
/// # fn main() -> metadata_index::Result<()> {
/// let now = FilterValue::try_from(SystemTime::now())?;
/// let metadata = serde_json::json!({"at": now}); // a string, as RFC 3339 has it
/// let earlier = Filter::field("at").lt(now);
/// # let _ = (metadata, earlier);
/// # Ok(()) }
/// ```
impl TryFrom<SystemTime> for FilterValue {
    type Error = Error;

    fn try_from(time: SystemTime) -> Result<Self> {
        match time.duration_since(SystemTime::UNIX_EPOCH) {
            Ok(since) => instant(i64::try_from(since.as_secs()).ok(), since.subsec_nanos()),
            Err(before) => {
                let before = before.duration();
                let (more, nanos) = match before.subsec_nanos() {
                    0 => (0, 0),
                    nanos => (1, 1_000_000_000 - nanos),
                };
                let seconds = i64::try_from(before.as_secs()).ok();
                instant(seconds.and_then(|seconds| seconds.checked_neg()?.checked_sub(more)), nanos)
            }
        }
    }
}

/// Fails outside of the years 0000 to 9999.
#[cfg(feature = "jiff")]
impl TryFrom<jiff::Timestamp> for FilterValue {
    type Error = Error;

    fn try_from(time: jiff::Timestamp) -> Result<Self> {
        // Both of one sign there.
        let (seconds, nanos) = (time.as_second(), i64::from(time.subsec_nanosecond()));
        let seconds = seconds + nanos.div_euclid(1_000_000_000);
        instant(Some(seconds), u32::try_from(nanos.rem_euclid(1_000_000_000)).unwrap_or(0))
    }
}

/// Fails outside of the years 0000 to 9999. A leap second is the second before it.
#[cfg(feature = "chrono")]
impl<Tz: chrono::TimeZone> TryFrom<chrono::DateTime<Tz>> for FilterValue {
    type Error = Error;

    fn try_from(time: chrono::DateTime<Tz>) -> Result<Self> {
        // A leap second has more than a second of nanoseconds.
        instant(Some(time.timestamp()), time.timestamp_subsec_nanos().min(999_999_999))
    }
}

/// As metadata have it: a point in time is a string of RFC 3339.
impl serde::Serialize for FilterValue {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            Scalar::Bool(value) => serializer.serialize_bool(*value),
            Scalar::Int(value) => match (i64::try_from(*value), u64::try_from(*value)) {
                (Ok(value), _) => serializer.serialize_i64(value),
                (_, Ok(value)) => serializer.serialize_u64(value),
                _ => serializer.serialize_i128(*value),
            },
            Scalar::Float(value) => serializer.serialize_f64(*value),
            Scalar::String(value) => serializer.serialize_str(value),
            Scalar::DateTime(value) => serializer.collect_str(value),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn text(value: FilterValue) -> String {
        serde_json::to_value(value).unwrap().as_str().unwrap().to_owned()
    }

    #[test]
    fn a_point_in_time_is_the_text_that_rfc_3339_has_for_it() {
        let at = |seconds, nanos| SystemTime::UNIX_EPOCH + Duration::new(seconds, nanos);
        let before = |seconds, nanos| SystemTime::UNIX_EPOCH - Duration::new(seconds, nanos);
        for (time, expected) in [
            (at(0, 0), "1970-01-01T00:00:00Z"),
            (at(1_777_777_777, 120_000_000), "2026-05-03T03:09:37.12Z"),
            (before(0, 1), "1969-12-31T23:59:59.999999999Z"),
            (before(1, 500_000_000), "1969-12-31T23:59:58.5Z"),
            (before(62_167_219_200, 0), "0000-01-01T00:00:00Z"),
            (at(253_402_300_799, 0), "9999-12-31T23:59:59Z"),
        ] {
            let value = FilterValue::try_from(time).unwrap();
            assert_eq!(value, FilterValue::datetime(expected).unwrap());
            assert_eq!(text(value), expected);
        }
        assert!(FilterValue::try_from(at(253_402_300_800, 0)).is_err());
        assert!(FilterValue::try_from(before(62_167_219_200, 1)).is_err());
        assert!(FilterValue::try_from(at(1 << 60, 0)).is_err());
    }

    #[cfg(feature = "jiff")]
    #[test]
    fn a_timestamp_of_jiff_is_the_time_that_it_says() {
        for text in ["2026-05-03T03:09:37.12Z", "1969-12-31T23:59:58.5Z", "0001-01-01T00:00:00Z"] {
            let time: jiff::Timestamp = text.parse().unwrap();
            assert_eq!(FilterValue::try_from(time).unwrap(), FilterValue::datetime(text).unwrap());
        }
        assert!(FilterValue::try_from(jiff::Timestamp::MIN).is_err(), "a year before 0000");
    }

    #[cfg(feature = "chrono")]
    #[test]
    fn a_time_of_chrono_is_the_time_that_it_says() {
        for text in ["2026-05-03T05:09:37.12+02:00", "1969-12-31T23:59:58.5Z"] {
            let time = chrono::DateTime::parse_from_rfc3339(text).unwrap();
            assert_eq!(FilterValue::try_from(time).unwrap(), FilterValue::datetime(text).unwrap());
        }
        assert!(FilterValue::try_from(chrono::DateTime::<chrono::Utc>::MAX_UTC).is_err());
    }
}
