//! A value of a field as its key has it: in the order of values, and back to JSON.

use serde_json::{Map, Number, Value as Json};

use crate::fields::{self, Found};
use crate::layout::{self, INDEXED_LEN, Tag};

/// A value that a field has somewhere. Values are in the order of sorting: false, true, numbers, strings by their bytes, points in time.
///
/// Of a string of more than 256 bytes the index has the first 256 and a hash: such strings are told apart, and those that begin with the same
/// 256 bytes are in the order of their hashes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FieldValue {
    pub(crate) tag: Tag,
    pub(crate) bytes: Vec<u8>,
}

impl FieldValue {
    /// The value in JSON: a whole number without a fraction, a point in time as text of RFC 3339 in UTC, and of a long string the first 256
    /// bytes (see [`is_cut`](Self::is_cut)).
    #[must_use]
    pub fn to_json(&self) -> Json {
        match self.tag {
            Tag::Bool => Json::Bool(self.bytes == [1]),
            Tag::Number => self.number().map_or(Json::Null, Json::Number),
            Tag::Date => layout::decode_point(&self.bytes).map_or(Json::Null, |point| point.text().into()),
            Tag::String | Tag::DateText | Tag::Exists | Tag::RecordKey => {
                let head = &self.bytes[..self.bytes.len().min(INDEXED_LEN)];
                String::from_utf8_lossy(head).trim_end_matches('\u{fffd}').into()
            }
        }
    }

    /// Whether it is a string of which [`to_json`](Self::to_json) gives only the beginning.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        self.tag == Tag::String && self.bytes.len() > INDEXED_LEN
    }

    /// The string of metadata that has this value in a field: the whole of one that is [cut](Self::is_cut).
    #[must_use]
    pub fn find_in(&self, field: &str, metadata: &Map<String, Json>) -> Option<String> {
        let mut found = None;
        fields::visit(metadata, &mut |path, at| {
            if let Found::Scalar { value: Json::String(string), .. } = at
                && path == field
                && layout::encode_string(string) == self.bytes
            {
                found = Some(string.clone());
            }
        });
        found
    }

    fn number(&self) -> Option<Number> {
        let (nearest, whole) = layout::decode_number(&self.bytes)?;
        match whole {
            Some(whole) => Number::from_i128(whole).or_else(|| Number::from_f64(nearest)),
            None => Number::from_f64(nearest),
        }
    }
}
