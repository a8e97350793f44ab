//! The fields of metadata: which paths lead to which values, and what is refused before it is indexed.

use serde_json::{Map, Value as Json};

use crate::error::{Error, ErrorKind, Result};
use crate::json;
use crate::value::FilterValue;

/// The longest path of a field in bytes.
pub(crate) const MAX_PATH_LEN: usize = 1024;

/// What [`visit`] finds at a path.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Found<'a> {
    /// Anything but `null`: the field exists.
    Field,
    /// A bool, a number or a string.
    Scalar { value: &'a Json, in_array: bool },
    /// An object, or an array that is an element of an array: no value of the field.
    Nested,
}

/// Calls `found` for every path in metadata, and for every scalar there.
///
/// `{"a": {"b": 1}, "c": [2, [3]]}` has the fields `a`, `a.b` and `c`, and the scalars 1 at `a.b` and, in an array, 2 at `c`. Arrays in
/// arrays are not looked into.
pub(crate) fn visit<'a>(metadata: &'a Map<String, Json>, found: &mut dyn FnMut(&str, Found<'a>)) {
    metadata.iter().for_each(|(name, value)| visit_value(&mut name.clone(), value, found));
}

fn visit_value<'a>(path: &mut String, value: &'a Json, found: &mut dyn FnMut(&str, Found<'a>)) {
    if value.is_null() {
        return;
    }
    found(path, Found::Field);
    match value {
        Json::Object(map) => {
            found(path, Found::Nested);
            visit_members(path, map, found);
        }
        Json::Array(elements) => {
            for element in elements {
                match element {
                    Json::Object(map) => {
                        found(path, Found::Nested);
                        visit_members(path, map, found);
                    }
                    Json::Array(_) => found(path, Found::Nested),
                    Json::Null => {}
                    scalar => found(path, Found::Scalar { value: scalar, in_array: true }),
                }
            }
        }
        scalar => found(path, Found::Scalar { value: scalar, in_array: false }),
    }
}

fn visit_members<'a>(path: &mut String, map: &'a Map<String, Json>, found: &mut dyn FnMut(&str, Found<'a>)) {
    let parent_len = path.len();
    for (name, value) in map {
        path.push('.');
        path.push_str(name);
        visit_value(path, value, found);
        path.truncate(parent_len);
    }
}

/// Checks metadata before they are stored: arrays and objects are nested at most [`MAX_DEPTH`](json::MAX_DEPTH) deep, paths of fields have
/// at most 1,024 bytes, and numbers have a 64-bit form.
///
/// Writers call it before they store, and readers after they have read, so that what is accepted is read back.
///
/// Its error has the kind [`TooLarge`](ErrorKind::TooLarge), or [`InvalidArgument`](ErrorKind::InvalidArgument) for a number.
///
/// ```
/// use metadata_index::check_metadata;
/// use serde_json::json;
///
/// assert!(check_metadata(json!({"year": 2026}).as_object().unwrap()).is_ok());
/// assert!(check_metadata(json!({"n".repeat(2_000): 1}).as_object().unwrap()).is_err());
/// ```
pub fn check_metadata(metadata: &Map<String, Json>) -> Result<()> {
    let about = |e: Error| e.about("metadata");
    metadata.values().try_for_each(|value| json::check_depth(value, 1)).map_err(about)?;
    let mut checked = Ok(());
    visit(metadata, &mut |path, found| {
        if path.len() > MAX_PATH_LEN && checked.is_ok() {
            let len = path.len();
            let message =
                format!("metadata: the path of a field of {len} bytes; expected at most {MAX_PATH_LEN}");
            checked = Err(Error::new(ErrorKind::TooLarge, message));
        }
        if let Found::Scalar { value: number @ Json::Number(_), .. } = found
            && FilterValue::from_json(number).is_none()
        {
            let message = format!("metadata: the number {number} in {path:?}; expected one of 64 bits");
            checked = Err(Error::new(ErrorKind::InvalidArgument, message));
        }
    });
    checked
}
