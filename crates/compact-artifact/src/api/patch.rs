//! Metadata that change in part.

use serde_json::{Map, Value};

use crate::api::error::{Error, Result};
use metadata_index::check_metadata;

/// What of the metadata of a record changes: a JSON merge patch ([RFC 7396](https://www.rfc-editor.org/rfc/rfc7396)). Objects are merged, `null` removes a
/// field, and everything else, arrays included, takes the place of what was there.
///
/// ```
/// # use compact_artifact::{CompactArtifact, MetadataPatch, Record};
/// use serde_json::json;
///
/// # fn main() -> compact_artifact::Result<()> {
/// # let temp = tempfile::tempdir()?;
/// # let artifact = CompactArtifact::create(temp.path().join("a"))?;
/// let id = artifact.add(Record::text("call Ada").metadata(json!({"done": false, "due": "2026-05-01", "by": {"name": "Max", "age": 9}})))?;
/// artifact.update(id, json!({"done": true, "due": null, "by": {"age": 10}}))?;
/// let metadata = artifact.get(id)?.expect("it is there").metadata()?;
/// assert_eq!(serde_json::Value::from(metadata), json!({"done": true, "by": {"name": "Max", "age": 10}}));
///
/// artifact.update(id, MetadataPatch::new().set("done", false).remove("by"))?;
/// assert_eq!(serde_json::Value::from(artifact.get(id)?.expect("it is there").metadata()?), json!({"done": false}));
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, PartialEq)]
#[must_use = "a patch changes nothing until it is handed to `update`"]
pub struct MetadataPatch(Value);

impl MetadataPatch {
    /// A patch that changes nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Gives a field a value, or merges an object into it.
    pub fn set(mut self, field: impl Into<String>, value: impl Into<Value>) -> Self {
        if let Value::Object(fields) = &mut self.0 {
            fields.insert(field.into(), value.into());
        }
        self
    }

    /// Removes a field; that there is none is no error.
    pub fn remove(self, field: impl Into<String>) -> Self {
        self.set(field, Value::Null)
    }

    /// What is wrong with a patch whatever it is applied to.
    pub(crate) fn check(&self) -> Result<()> {
        match &self.0 {
            Value::Object(fields) => Ok(check_metadata(fields)?),
            other => {
                let message = format!("a change of metadata: expected a JSON object, found {other}");
                Err(Error::invalid(message))
            }
        }
    }

    /// Changes metadata. The patch was checked, so that it is not nested deeper than metadata may be.
    pub(crate) fn apply(&self, metadata: &mut Map<String, Value>) {
        if let Value::Object(fields) = &self.0 {
            merge(metadata, fields);
        }
    }
}

impl Default for MetadataPatch {
    fn default() -> Self {
        Self(Value::Object(Map::new()))
    }
}

/// As JSON: an object with the fields that change.
impl From<Value> for MetadataPatch {
    fn from(patch: Value) -> Self {
        Self(patch)
    }
}

/// The fields that change.
impl From<Map<String, Value>> for MetadataPatch {
    fn from(fields: Map<String, Value>) -> Self {
        Self(Value::Object(fields))
    }
}

/// `MergePatch` of RFC 7396, section 2.
fn merge(target: &mut Map<String, Value>, patch: &Map<String, Value>) {
    for (name, value) in patch {
        match value {
            Value::Null => drop(target.remove(name)),
            Value::Object(fields) => {
                let inner = target.entry(name).or_insert(Value::Null);
                if !inner.is_object() {
                    *inner = Value::Object(Map::new());
                }
                if let Value::Object(inner) = inner {
                    merge(inner, fields);
                }
            }
            other => drop(target.insert(name.clone(), other.clone())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_examples_of_rfc_7396_that_are_objects_come_out_as_it_says() {
        // Appendix A, without those whose target or patch is no object.
        for (target, patch, result) in [
            (json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "b"}), json!({"b": "c"}), json!({"a": "b", "b": "c"})),
            (json!({"a": "b"}), json!({"a": null}), json!({})),
            (json!({"a": "b", "b": "c"}), json!({"a": null}), json!({"b": "c"})),
            (json!({"a": ["b"]}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "c"}), json!({"a": ["b"]}), json!({"a": ["b"]})),
            (json!({"a": {"b": "c"}}), json!({"a": {"b": "d", "c": null}}), json!({"a": {"b": "d"}})),
            (json!({"a": [{"b": "c"}]}), json!({"a": [1]}), json!({"a": [1]})),
            (json!({"e": null}), json!({"a": 1}), json!({"e": null, "a": 1})),
            (json!({}), json!({"a": {"bb": {"ccc": null}}}), json!({"a": {"bb": {}}})),
        ] {
            let (Value::Object(mut changed), shown) = (target.clone(), patch.clone()) else { unreachable!() };
            MetadataPatch::from(patch).apply(&mut changed);
            assert_eq!(Value::Object(changed), result, "{target} {shown}");
        }
    }

    #[test]
    fn what_is_no_object_or_nested_too_deep_is_no_patch() {
        assert!(MetadataPatch::from(json!([1])).check().is_err());
        assert!(MetadataPatch::from(Value::Null).check().is_err());
        let deep = (0..200).fold(json!(1), |inner, _| json!({"a": inner}));
        assert!(MetadataPatch::from(deep).check().is_err());
        assert!(MetadataPatch::new().set("a", json!({"b": null})).check().is_ok());
    }
}
