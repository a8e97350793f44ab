//! The arguments of a tool: each is read once, with a sentence on what was expected, and none is left over.

use std::ops::RangeInclusive;

use compact_artifact::RecordId;
use serde_json::{Map, Value};

use super::artifacts::{Artifacts, Served};
use super::message::Params;
use crate::failure::{Failure, Result};
use crate::input::values::Name;
use crate::output::shortened;

/// Arguments that were not read yet, and the names of those that were.
#[derive(Debug)]
pub(super) struct Arguments {
    left: Params,
    known: Vec<&'static str>,
}

impl Arguments {
    pub(super) fn new(arguments: Params) -> Self {
        Self { left: arguments, known: Vec::new() }
    }

    /// A value that is given; null is none.
    fn take(&mut self, name: &'static str) -> Option<Value> {
        self.known.push(name);
        self.left.remove(name).filter(|value| !value.is_null())
    }

    pub(super) fn text(&mut self, name: &'static str) -> Result<Option<String>> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(expected(name, "a string", &other)),
        }
    }

    pub(super) fn flag(&mut self, name: &'static str) -> Result<Option<bool>> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(flag)),
            Some(other) => Err(expected(name, "true or false", &other)),
        }
    }

    pub(super) fn integer(&mut self, name: &'static str, range: RangeInclusive<u64>) -> Result<Option<u64>> {
        let Some(value) = self.take(name) else { return Ok(None) };
        let wrong =
            || expected(name, &format!("an integer from {} to {}", range.start(), range.end()), &value);
        integer(&value).filter(|number| range.contains(number)).map(Some).ok_or_else(wrong)
    }

    pub(super) fn object(&mut self, name: &'static str) -> Result<Option<Map<String, Value>>> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::Object(object)) => Ok(Some(object)),
            Some(other) => Err(expected(name, "an object", &other)),
        }
    }

    pub(super) fn texts(&mut self, name: &'static str, most: usize) -> Result<Option<Vec<String>>> {
        let Some(value) = self.take(name) else { return Ok(None) };
        let wrong = || expected(name, &format!("an array of up to {most} strings"), &value);
        let values = value.as_array().filter(|values| values.len() <= most).ok_or_else(wrong)?;
        values
            .iter()
            .map(|value| value.as_str().map(str::to_owned).ok_or_else(wrong))
            .collect::<Result<_>>()
            .map(Some)
    }

    pub(super) fn integers(&mut self, name: &'static str, most: usize) -> Result<Option<Vec<u64>>> {
        let Some(value) = self.take(name) else { return Ok(None) };
        let wrong = || expected(name, &format!("an array of up to {most} integers"), &value);
        let values = value.as_array().filter(|values| values.len() <= most).ok_or_else(wrong)?;
        values.iter().map(|value| integer(value).ok_or_else(wrong)).collect::<Result<_>>().map(Some)
    }

    /// The artifact that is named, or the only one.
    pub(super) fn artifact<'a>(&mut self, artifacts: &'a Artifacts) -> Result<&'a Served> {
        let name = self.text("artifact")?;
        match (&name, artifacts.all()) {
            (None, [only]) => Ok(only),
            (None, _) => Err(Failure::usage(format_args!("`artifact`: expected {}", names(artifacts)))),
            (Some(name), _) => artifacts.named(name).ok_or_else(|| {
                let found = Value::from(name.as_str());
                expected("artifact", &names(artifacts), &found)
            }),
        }
    }

    /// A record by `key` or by `id`.
    pub(super) fn record(&mut self) -> Result<Name> {
        match (self.text("key")?, self.integer("id", 0..=u64::MAX)?) {
            (Some(key), None) => Ok(Name::Key(key)),
            (None, Some(id)) => Ok(Name::Id(RecordId(id))),
            (None, None) => Err(Failure::usage("expected `key` or `id`, found neither")),
            (Some(_), Some(_)) => Err(Failure::usage("expected `key` or `id`, found both")),
        }
    }

    /// Refuses arguments that were not read.
    pub(super) fn finish(self) -> Result<()> {
        let Some(name) = self.left.keys().next() else { return Ok(()) };
        let known = self.known.join(", ");
        let name = shortened(name, 60);
        Err(Failure::usage(format_args!("there is no argument {name:?}; expected some of {known}")))
    }
}

/// An integer, also where it is written as `10.0`, which is one in JSON Schema.
fn integer(value: &Value) -> Option<u64> {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a whole number below 2^53")]
    let whole = |float: f64| {
        (float.fract() == 0.0 && (0.0..9_007_199_254_740_992.0).contains(&float)).then_some(float as u64)
    };
    value.as_u64().or_else(|| value.as_f64().filter(|_| value.is_f64()).and_then(whole))
}

fn names(artifacts: &Artifacts) -> String {
    format!("one of {}", artifacts.names().join(", "))
}

fn expected(name: &str, what: &str, found: &Value) -> Failure {
    Failure::usage(format_args!("`{name}`: expected {what}, found {}", shortened(&found.to_string(), 60)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn arguments(value: Value) -> Arguments {
        let Value::Object(map) = value else { unreachable!() };
        Arguments::new(map)
    }

    #[test]
    fn arguments_are_what_is_expected_or_an_error_says_what_is() {
        let mut given = arguments(json!({
            "k": 10.0, "text": "a", "filter": {"x": 1}, "none": null, "fields": ["a", "b"], "ids": [1, 2], "flag": true,
        }));
        assert_eq!(given.integer("k", 1..=100).unwrap(), Some(10));
        assert_eq!(given.text("text").unwrap().as_deref(), Some("a"));
        assert_eq!(given.object("filter").unwrap().unwrap()["x"], 1);
        assert_eq!(given.text("none").unwrap(), None);
        assert_eq!(given.texts("fields", 2).unwrap().unwrap(), ["a", "b"]);
        assert_eq!(given.integers("ids", 2).unwrap().unwrap(), [1, 2]);
        assert_eq!(given.flag("flag").unwrap(), Some(true));
        given.finish().unwrap();
        for (value, expected) in [
            (json!({"x": "10"}), "`x`: expected an integer from 1 to 100, found \"10\""),
            (json!({"x": 0}), "`x`: expected an integer from 1 to 100, found 0"),
            (json!({"x": 1.5}), "found 1.5"),
            (json!({"x": -1}), "found -1"),
        ] {
            let failure = arguments(value).integer("x", 1..=100).unwrap_err();
            assert!(failure.message().contains(expected), "{}", failure.message());
        }
        let failure = arguments(json!({"fields": ["a", 1]})).texts("fields", 2).unwrap_err();
        assert!(failure.message().contains("an array of up to 2 strings, found [\"a\",1]"));
    }

    #[test]
    fn an_argument_that_nobody_reads_is_an_error() {
        let mut given = arguments(json!({"text": "a", "limit": 3}));
        given.text("text").unwrap();
        let failure = given.finish().unwrap_err();
        assert_eq!(failure.message(), "there is no argument \"limit\"; expected some of text");
    }
}
