//! Values of Arrow ↔ values of metadata.

use std::ops::RangeInclusive;

use arrow_array::cast::AsArray;
use arrow_array::temporal_conversions::as_datetime;
use arrow_array::types::{
    ArrowTimestampType, Date32Type, Date64Type, Decimal32Type, Decimal64Type, Decimal128Type, Decimal256Type,
    Float16Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType,
    UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrayRef, downcast_dictionary_array, downcast_run_array};
use arrow_schema::{DataType, FieldRef, TimeUnit};
use chrono::{Datelike, NaiveDateTime};
use compact_artifact::MAX_METADATA_LEN;
use serde_json::{Map, Number, Value};

/// Digits that every number of 64 bits with a point has.
const EXACT_DIGITS: u8 = 15;

/// The first value at a path in metadata, which has several where there are arrays. Names may have dots in them.
pub fn first_value<'m>(metadata: &'m Map<String, Value>, path: &str) -> Option<&'m Value> {
    find(metadata, path, &|_| true)
}

/// The first value at a path for which `is_sought` is true.
fn find<'m>(
    metadata: &'m Map<String, Value>,
    path: &str,
    is_sought: &dyn Fn(&Value) -> bool,
) -> Option<&'m Value> {
    metadata.iter().find_map(|(name, value)| {
        let rest = path.strip_prefix(name.as_str())?;
        match rest.strip_prefix('.') {
            None if rest.is_empty() => {
                items_of(value).iter().find(|value| is_scalar(value) && is_sought(value))
            }
            Some(rest) => items_of(value)
                .iter()
                .filter_map(Value::as_object)
                .find_map(|object| find(object, rest, is_sought)),
            None => None,
        }
    })
}

/// The values of an array, or the value itself.
fn items_of(value: &Value) -> &[Value] {
    value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice)
}

fn is_scalar(value: &Value) -> bool {
    !matches!(value, Value::Array(_) | Value::Object(_) | Value::Null)
}

/// Gives a path in metadata a value: what a column says is newer than the metadata that was read with it. Where it has that value already and no other, it stays as it is:
/// an export says 5 also of an array that is `[5]`.
pub(crate) fn put(metadata: &mut Map<String, Value>, path: &str, value: Value) {
    let is_other = |there: &Value| !is_same(there, &value);
    if first_value(metadata, path).is_some() && find(metadata, path, &is_other).is_none() {
        return;
    }
    if !metadata.contains_key(path)
        && let Some(there) = nested(metadata, path)
    {
        *there = value;
    } else {
        metadata.insert(path.to_owned(), value);
    }
}

/// The value at a path of several names, to be changed: where [`first_value`] finds it, or an empty place of that name.
fn nested<'m>(metadata: &'m mut Map<String, Value>, path: &str) -> Option<&'m mut Value> {
    metadata.iter_mut().find_map(|(name, value)| match (path.strip_prefix(name.as_str())?, value) {
        ("", Value::Object(_)) => None,
        ("", value) => Some(value),
        (rest, Value::Object(object)) => nested(object, rest.strip_prefix('.')?),
        (rest, Value::Array(values)) => {
            let path = rest.strip_prefix('.')?;
            values.iter_mut().filter_map(Value::as_object_mut).find_map(|object| nested(object, path))
        }
        _ => None,
    })
}

/// Whether two values are the same, numbers in whatever form.
fn is_same(a: &Value, b: &Value) -> bool {
    match (whole(a), whole(b)) {
        (None, None) => a == b,
        (a, b) => a == b,
    }
}

/// A whole number, as JSON writes them or as a float.
fn whole(value: &Value) -> Option<i128> {
    #[expect(clippy::cast_possible_truncation, reason = "below 2^127, and without a fraction")]
    let of_float =
        |float: f64| (float.fract() == 0.0 && float.abs() < 2f64.powi(127)).then_some(float as i128);
    let of_integer = value.as_i64().map(i128::from).or_else(|| value.as_u64().map(i128::from));
    of_integer.or_else(|| value.as_f64().and_then(of_float))
}

/// Whether values of that type can be metadata.
pub(crate) fn is_metadata(data_type: &DataType) -> bool {
    match data_type {
        DataType::Null
        | DataType::Boolean
        | DataType::Date32
        | DataType::Date64
        | DataType::Timestamp(..) => true,
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
            is_metadata(item.data_type())
        }
        DataType::Struct(fields) => fields.iter().all(|field| is_metadata(field.data_type())),
        DataType::Map(entries, _) => match entries.data_type() {
            DataType::Struct(fields) => {
                let [key, value] = fields.as_ref() else { return false };
                is_text(key.data_type()) && is_metadata(value.data_type())
            }
            _ => false,
        },
        DataType::Dictionary(_, value) => is_metadata(value),
        DataType::RunEndEncoded(_, value) => is_metadata(value.data_type()),
        other => is_text(other) || other.is_numeric(),
    }
}

/// A name that two fields of a struct have, at any depth: an object has one value of each name.
pub(crate) fn repeated_name(data_type: &DataType) -> Option<&str> {
    match data_type {
        DataType::Struct(fields) => {
            let repeated = |(at, field): &(usize, &FieldRef)| {
                fields.iter().take(*at).any(|before| before.name() == field.name())
            };
            let here = fields.iter().enumerate().find(repeated).map(|(_, field)| field.name().as_str());
            here.or_else(|| fields.iter().find_map(|field| repeated_name(field.data_type())))
        }
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::FixedSizeList(item, _)
        | DataType::Map(item, _)
        | DataType::RunEndEncoded(_, item) => repeated_name(item.data_type()),
        DataType::Dictionary(_, value) => repeated_name(value),
        _ => None,
    }
}

pub(crate) fn is_text(data_type: &DataType) -> bool {
    match data_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => true,
        DataType::Dictionary(_, value) => is_text(value),
        DataType::RunEndEncoded(_, value) => is_text(value.data_type()),
        _ => false,
    }
}

/// Where the value of a row is, which is in another array if the row is of a dictionary or of runs; none where it is null.
pub(crate) fn place(array: &dyn Array, row: usize) -> Option<(&dyn Array, usize)> {
    if array.is_null(row) {
        return None;
    }
    downcast_dictionary_array!(
        array => place(array.values(), array.key(row)?),
        DataType::Null => None,
        DataType::RunEndEncoded(..) => downcast_run_array!(
            array => place(array.values(), array.get_physical_index(row)),
            _ => None
        ),
        _ => Some((array, row))
    )
}

/// A value as JSON.
pub(crate) fn value(array: &dyn Array, row: usize) -> Result<Value, String> {
    let Some((array, row)) = place(array, row) else { return Ok(Value::Null) };
    Ok(match array.data_type() {
        DataType::Boolean => array.as_boolean().value(row).into(),
        DataType::Utf8 => array.as_string::<i32>().value(row).into(),
        DataType::LargeUtf8 => array.as_string::<i64>().value(row).into(),
        DataType::Utf8View => array.as_string_view().value(row).into(),
        DataType::Date32 | DataType::Date64 | DataType::Timestamp(..) => time(array, row)?.into(),
        DataType::List(_) | DataType::LargeList(_) | DataType::FixedSizeList(..) => {
            let items = items(array, row).ok_or_else(|| "a list that is none".to_owned())?;
            // Lists of nulls take no room in a file.
            if items.len() > MAX_METADATA_LEN {
                let len = items.len();
                return Err(format!("a list of {len} values; metadata has {MAX_METADATA_LEN} bytes at most"));
            }
            (0..items.len()).map(|at| value(&items, at)).collect::<Result<_, _>>()?
        }
        DataType::Struct(fields) => {
            let members = array.as_struct().columns().iter().zip(fields);
            let member =
                |(column, field): (&ArrayRef, &FieldRef)| Ok((field.name().clone(), value(column, row)?));
            Value::Object(members.map(member).collect::<Result<_, String>>()?)
        }
        DataType::Map(..) => object(array, row)?,
        _ => number(array, row)?,
    })
}

fn number(array: &dyn Array, row: usize) -> Result<Value, String> {
    macro_rules! whole {
        ($kind:ty) => {
            Ok(array.as_primitive::<$kind>().value(row).into())
        };
    }
    macro_rules! decimal {
        ($kind:ty, $precision:expr) => {
            decimal(array.as_primitive::<$kind>().value_as_string(row), $precision)
        };
    }
    match array.data_type() {
        DataType::Int8 => whole!(Int8Type),
        DataType::Int16 => whole!(Int16Type),
        DataType::Int32 => whole!(Int32Type),
        DataType::Int64 => whole!(Int64Type),
        DataType::UInt8 => whole!(UInt8Type),
        DataType::UInt16 => whole!(UInt16Type),
        DataType::UInt32 => whole!(UInt32Type),
        DataType::UInt64 => whole!(UInt64Type),
        DataType::Float16 => float(array.as_primitive::<Float16Type>().value(row).to_f64()),
        DataType::Float32 => float(f64::from(array.as_primitive::<Float32Type>().value(row))),
        DataType::Float64 => float(array.as_primitive::<Float64Type>().value(row)),
        DataType::Decimal32(precision, _) => decimal!(Decimal32Type, *precision),
        DataType::Decimal64(precision, _) => decimal!(Decimal64Type, *precision),
        DataType::Decimal128(precision, _) => decimal!(Decimal128Type, *precision),
        DataType::Decimal256(precision, _) => decimal!(Decimal256Type, *precision),
        other => Err(unfit(other)),
    }
}

/// What a column of that type cannot be.
pub(crate) fn unfit(data_type: &DataType) -> String {
    format!("{data_type} cannot be metadata; cast it to texts or numbers, or leave it out")
}

fn float(value: f64) -> Result<Value, String> {
    let number = Number::from_f64(value).map(Value::Number);
    number.ok_or_else(|| format!("expected numbers that are finite, as JSON has them, found {value}"))
}

fn decimal(text: String, precision: u8) -> Result<Value, String> {
    if precision > EXACT_DIGITS {
        return Ok(text.into());
    }
    match text.parse::<i64>() {
        Ok(whole) => Ok(whole.into()),
        Err(_) => float(text.parse().map_err(|_| format!("a decimal that is none: {text}"))?),
    }
}

fn time(array: &dyn Array, row: usize) -> Result<String, String> {
    // Those that filters and sorting know as times.
    const YEARS: RangeInclusive<i32> = 0..=9999;
    fn at<T: ArrowTimestampType>(array: &dyn Array, row: usize) -> Option<NaiveDateTime> {
        as_datetime::<T>(array.as_primitive::<T>().value(row))
    }
    let is_known = |at: &NaiveDateTime| YEARS.contains(&at.year());
    let date = |at: Option<NaiveDateTime>| at.filter(is_known).map(|at| at.date().to_string());
    let text = match array.data_type() {
        DataType::Date32 => {
            date(as_datetime::<Date32Type>(i64::from(array.as_primitive::<Date32Type>().value(row))))
        }
        DataType::Date64 => date(as_datetime::<Date64Type>(array.as_primitive::<Date64Type>().value(row))),
        DataType::Timestamp(unit, zone) => {
            let at = match unit {
                TimeUnit::Second => at::<TimestampSecondType>(array, row),
                TimeUnit::Millisecond => at::<TimestampMillisecondType>(array, row),
                TimeUnit::Microsecond => at::<TimestampMicrosecondType>(array, row),
                TimeUnit::Nanosecond => at::<TimestampNanosecondType>(array, row),
            };
            let zone = if zone.is_some() { "Z" } else { "" };
            at.filter(is_known).map(|at| format!("{}{zone}", at.format("%Y-%m-%dT%H:%M:%S%.f")))
        }
        other => return Err(unfit(other)),
    };
    text.ok_or_else(|| "a point in time beyond the calendar, which has the years 0 to 9999".to_owned())
}

fn object(array: &dyn Array, row: usize) -> Result<Value, String> {
    let entries = array.as_map().value(row);
    let [keys, values] = entries.columns() else { return Err("a map that is none".to_owned()) };
    let mut object = Map::new();
    for at in 0..entries.len() {
        let Value::String(key) = value(keys, at)? else {
            return Err("a map whose keys are no texts".to_owned());
        };
        if object.contains_key(&key) {
            return Err(format!("a map with two values of {key:?}"));
        }
        object.insert(key, value(values, at)?);
    }
    Ok(Value::Object(object))
}

/// The values of a list.
pub(crate) fn items(array: &dyn Array, row: usize) -> Option<ArrayRef> {
    Some(match array.data_type() {
        DataType::List(_) => array.as_list::<i32>().value(row),
        DataType::LargeList(_) => array.as_list::<i64>().value(row),
        DataType::FixedSizeList(..) => array.as_fixed_size_list().value(row),
        _ => return None,
    })
}

/// Whether a column of that type has vectors.
pub(crate) fn is_vector(data_type: &DataType) -> bool {
    match data_type {
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
            item.data_type().is_floating() || matches!(item.data_type(), DataType::Int8 | DataType::UInt8)
        }
        _ => false,
    }
}

pub(crate) fn vector(array: &dyn Array, row: usize) -> Result<Vec<f32>, String> {
    let expected =
        || format!("expected lists of float32, float64, float16, int8 or uint8, found {}", array.data_type());
    let values = items(array, row).ok_or_else(expected)?;
    if values.null_count() > 0 {
        return Err("a vector with a missing value".to_owned());
    }
    macro_rules! numbers {
        ($kind:ty) => {
            values.as_primitive::<$kind>().values().iter()
        };
    }
    Ok(match values.data_type() {
        DataType::Float32 => values.as_primitive::<Float32Type>().values().to_vec(),
        #[expect(
            clippy::cast_possible_truncation,
            reason = "what is too large becomes infinite, and is refused then"
        )]
        DataType::Float64 => numbers!(Float64Type).map(|&value| value as f32).collect(),
        DataType::Float16 => numbers!(Float16Type).map(|value| value.to_f32()).collect(),
        DataType::Int8 => numbers!(Int8Type).map(|&value| f32::from(value)).collect(),
        DataType::UInt8 => numbers!(UInt8Type).map(|&value| f32::from(value)).collect(),
        _ => return Err(expected()),
    })
}

#[cfg(test)]
mod tests {
    use arrow_array::{Date32Array, Date64Array, NullArray, TimestampNanosecondArray, TimestampSecondArray};
    use serde_json::json;

    use super::*;

    #[test]
    fn a_column_replaces_an_array_unless_its_value_is_all_that_the_array_has() {
        let put = |mut metadata: Value, path: &str, value: Value| {
            put(metadata.as_object_mut().unwrap(), path, value);
            metadata
        };
        for other in [json!([5, 6]), json!([6, 5]), json!([6]), json!([]), json!(6), json!([{"a": 5}])] {
            assert_eq!(put(json!({"m": other}), "m", json!(5)), json!({"m": 5}), "{other}");
        }
        for same in [json!(5), json!(5.0), json!([5]), json!([5, 5.0]), json!([null, 5])] {
            assert_eq!(put(json!({"m": same}), "m", json!(5)), json!({"m": same}));
        }
        assert_eq!(put(json!({"by": {"n": [1, 2]}}), "by.n", json!(1)), json!({"by": {"n": 1}}));
        assert_eq!(
            put(json!({"by": [{"n": 1}, {"n": 2}]}), "by.n", json!(3)),
            json!({"by": [{"n": 3}, {"n": 2}]})
        );
    }

    #[test]
    fn whole_numbers_that_differ_are_not_the_same() {
        const TWO_63: u64 = 1 << 63;
        const FLOAT: f64 = 9_223_372_036_854_775_808.0;
        for (there, column) in [
            (json!(TWO_63), json!(TWO_63 + 1)),
            (json!(FLOAT), json!(TWO_63 + 1)),
            (json!(i64::MAX), json!(TWO_63)),
            (json!(i64::MAX), json!(FLOAT)),
            (json!(9_007_199_254_740_993_i64), json!(9_007_199_254_740_992.0)),
            (json!(1), json!(1.5)),
            (json!(1e300), json!(1e301)),
        ] {
            for (there, column) in [(&there, &column), (&column, &there)] {
                let mut metadata = json!({"m": there}).as_object().unwrap().clone();
                put(&mut metadata, "m", column.clone());
                assert_eq!(metadata["m"], *column);
                assert!(is_same(there, there) && !is_same(there, column), "{there} {column}");
            }
        }
        assert!(is_same(&json!(TWO_63), &json!(FLOAT)) && is_same(&json!(-0.0), &json!(0)));
    }

    #[test]
    fn fractions_of_a_second_have_3_6_or_9_digits() {
        let nanos = TimestampNanosecondArray::from(vec![0, 500_000_000, 1_000, 1]);
        let texts = [0, 1, 2, 3].map(|row| value(&nanos, row).unwrap());
        let expected = ["", ".500", ".000001", ".000000001"].map(|part| format!("1970-01-01T00:00:00{part}"));
        assert_eq!(texts, expected);
    }

    #[test]
    fn times_before_the_year_0_and_after_9999_are_errors() {
        const YEAR_0: i64 = -62_167_219_200;
        const YEAR_10_000: i64 = 253_402_300_800;
        let seconds =
            TimestampSecondArray::from(vec![YEAR_0, YEAR_10_000 - 1, YEAR_0 - 1, YEAR_10_000, i64::MAX]);
        let at = |array: &dyn Array, row| value(array, row).map(|at| at.as_str().unwrap().to_owned());
        assert_eq!(at(&seconds, 0).unwrap(), "0000-01-01T00:00:00");
        assert_eq!(at(&seconds, 1).unwrap(), "9999-12-31T23:59:59");
        let zoned = seconds.clone().with_timezone("UTC");
        for row in 2..5 {
            assert!(at(&seconds, row).unwrap_err().contains("beyond the calendar"));
            assert!(at(&zoned, row).unwrap_err().contains("beyond the calendar"));
        }
        let days = i32::try_from(YEAR_10_000 / 86_400).unwrap();
        let days = Date32Array::from(vec![days - 1, days, i32::MIN]);
        let millis = Date64Array::from(vec![YEAR_10_000 * 1000 - 1, YEAR_10_000 * 1000, i64::MIN]);
        for array in [&days as &dyn Array, &millis] {
            assert_eq!(at(array, 0).unwrap(), "9999-12-31");
            assert!(at(array, 1).is_err() && at(array, 2).is_err());
        }
        assert_eq!(
            at(&TimestampNanosecondArray::from(vec![i64::MIN]), 0).unwrap(),
            "1677-09-21T00:12:43.145224192"
        );
    }

    #[test]
    fn lists_of_more_values_than_metadata_has_bytes_are_errors() {
        let nulls = std::sync::Arc::new(NullArray::new(1 << 30));
        let item = std::sync::Arc::new(arrow_schema::Field::new_list_field(DataType::Null, true));
        let lists = arrow_array::FixedSizeListArray::new(item, 1 << 30, nulls, None);
        assert!(value(&lists, 0).unwrap_err().contains("a list of 1073741824 values"));
    }
}
