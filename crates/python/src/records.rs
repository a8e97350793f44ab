//! Records as Python has them → records of the library.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use compact_artifact::Record;
use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyByteArrayMethods, PyBytes, PyDict, PyString};

use crate::errors::{about, invalid, wrong_type};
use crate::json::to_object;
use crate::text::text_of;
use crate::vectors::vector;

/// What a record is made of, when it is not given as a whole.
pub(crate) const PARTS: [&str; 7] = ["text", "blob", "key", "metadata", "fields", "embeddings", "expires_at"];

/// A record from a text, bytes, or a dict of [`PARTS`].
pub(crate) fn record(value: &Bound<'_, PyAny>) -> PyResult<Record> {
    if let Ok(text) = value.cast::<PyString>() {
        return Ok(Record::text(text_of(text)?));
    }
    if let Some(bytes) = bytes(value) {
        return Ok(Record::blob(bytes));
    }
    match value.cast::<PyDict>() {
        Ok(parts) => from_parts(parts),
        Err(_) => Err(wrong_type("a record", "a str, bytes, or a dict", value)),
    }
}

/// The record at `index` of several.
pub(crate) fn nth_record(value: &Bound<'_, PyAny>, index: usize) -> PyResult<Record> {
    record(value).map_err(|e| about(value.py(), e, &format!("record {index} of the batch")))
}

/// A record from the arguments of `add`: one that is given as a whole, or its parts.
pub(crate) fn from_arguments(
    whole: Option<&Bound<'_, PyAny>>,
    parts: Option<&Bound<'_, PyDict>>,
) -> PyResult<Record> {
    match (whole, parts) {
        (Some(whole), None) => record(whole),
        (None, Some(parts)) => from_parts(parts),
        (None, None) => Err(invalid("a record of nothing; expected a text, or `text` or `blob`")),
        (Some(whole), Some(parts)) => {
            // A text or bytes, and the rest of the record by name.
            let parts = parts.copy()?;
            let name = match (whole.is_instance_of::<PyString>(), bytes(whole)) {
                (true, _) => "text",
                (false, Some(_)) => "blob",
                (false, None) => {
                    return Err(wrong_type("a record beside its parts", "a str or bytes", whole));
                }
            };
            if parts.contains(name)? {
                return Err(invalid(format!("a record: `{name}` is given twice")));
            }
            parts.set_item(name, whole)?;
            from_parts(&parts)
        }
    }
}

fn from_parts(parts: &Bound<'_, PyDict>) -> PyResult<Record> {
    let part = |name: &str| -> PyResult<Option<Bound<'_, PyAny>>> {
        Ok(parts.get_item(name)?.filter(|value| !value.is_none()))
    };
    for name in parts.keys() {
        let known = name.extract::<&str>().is_ok_and(|name| PARTS.contains(&name));
        if !known {
            return Err(invalid(format!("a record: expected {}, found {}", PARTS.join(", "), name.repr()?)));
        }
    }
    let record = match (part("text")?, part("blob")?) {
        (Some(text), None) => Record::text(string(&text, "`text` of a record")?),
        (None, Some(blob)) => match bytes(&blob) {
            Some(bytes) => Record::blob(bytes),
            None => return Err(wrong_type("`blob` of a record", "bytes", &blob)),
        },
        (None, None) => return Err(invalid("a record without content; expected `text` or `blob`")),
        (Some(_), Some(_)) => {
            return Err(invalid("a record with a `text` and a `blob`; expected one of them"));
        }
    };
    let record = match part("key")? {
        Some(key) => record.key(string(&key, "`key` of a record")?),
        None => record,
    };
    let record = match part("metadata")? {
        Some(metadata) => record.metadata(to_object(&metadata, "`metadata` of a record")?),
        None => record,
    };
    let record = match part("expires_at")? {
        Some(time) => record.expires_at(point_in_time(&time)?),
        None => record,
    };
    let record = with_fields(record, part("fields")?.as_ref())?;
    with_embeddings(record, part("embeddings")?.as_ref())
}

/// The record with texts in fields, from a dict.
pub(crate) fn with_fields(mut record: Record, fields: Option<&Bound<'_, PyAny>>) -> PyResult<Record> {
    const WHAT: &str = "`fields` of a record";
    let Some(fields) = fields else { return Ok(record) };
    let fields = fields.cast::<PyDict>().map_err(|_| wrong_type(WHAT, "a dict of texts", fields))?;
    for (name, text) in fields {
        record = record.field(string(&name, WHAT)?, string(&text, WHAT)?);
    }
    Ok(record)
}

/// The record with vectors in spaces, from a dict.
fn with_embeddings(mut record: Record, embeddings: Option<&Bound<'_, PyAny>>) -> PyResult<Record> {
    const WHAT: &str = "`embeddings` of a record";
    let Some(embeddings) = embeddings else { return Ok(record) };
    let embeddings = embeddings
        .cast::<PyDict>()
        .map_err(|_| wrong_type(WHAT, "a dict of vectors by their spaces", embeddings))?;
    for (space, values) in embeddings {
        record = record.embedding(string(&space, WHAT)?, vector(&values, WHAT)?);
    }
    Ok(record)
}

/// A `datetime` with a time zone.
fn point_in_time(value: &Bound<'_, PyAny>) -> PyResult<SystemTime> {
    const WHAT: &str = "`expires_at` of a record";
    if !value.hasattr("utcoffset")? || !value.hasattr("timestamp")? {
        return Err(wrong_type(WHAT, "a datetime", value));
    }
    if value.call_method0("utcoffset")?.is_none() {
        let found = value.str()?;
        return Err(invalid(format!("{WHAT}: expected a datetime with a time zone, found {found}")));
    }
    let datetime = value.py().import("datetime")?;
    let utc = datetime.getattr("timezone")?.getattr("utc")?;
    let since = value.sub(datetime.getattr("datetime")?.call_method1("fromtimestamp", (0, utc))?)?;
    let part = |name| since.getattr(name)?.extract::<i64>();
    // Before 1970 the days are negative, and the rest is counted from where they begin.
    let seconds = part("days")? * 24 * 60 * 60 + part("seconds")?;
    let micros = since.getattr("microseconds")?.extract()?;
    // Of pandas alone.
    let nanos = since.getattr_opt("nanoseconds")?.map_or(Ok(0), |nanos| nanos.extract())?;
    let whole = Duration::from_secs(seconds.unsigned_abs());
    let time = if seconds < 0 { UNIX_EPOCH.checked_sub(whole) } else { UNIX_EPOCH.checked_add(whole) };
    let fraction = Duration::from_micros(micros) + Duration::from_nanos(nanos);
    time.and_then(|time| time.checked_add(fraction))
        .ok_or_else(|| invalid(format!("{WHAT}: expected a time that the system can tell, found {value}")))
}

/// A `str`.
pub(crate) fn string(value: &Bound<'_, PyAny>, what: &str) -> PyResult<String> {
    text_of(value.cast::<PyString>().map_err(|_| wrong_type(what, "a str", value))?)
}

/// `bytes` or a `bytearray`.
pub(crate) fn bytes(value: &Bound<'_, PyAny>) -> Option<Vec<u8>> {
    if let Ok(bytes) = value.cast::<PyBytes>() {
        return Some(bytes.as_bytes().to_vec());
    }
    value.cast::<PyByteArray>().ok().map(PyByteArrayMethods::to_vec)
}
