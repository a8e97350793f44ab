//! Rows of any shape: which of their values are the key, the text and its fields; all others are metadata.

use serde_json::{Map, Value};

use super::{Content, Document, TITLE};

/// The names of the values that are not metadata.
#[derive(Debug, Clone, Default)]
pub(crate) struct Shape {
    key: Option<String>,
    text: Option<String>,
    fields: Vec<String>,
}

impl Shape {
    /// Names that are not given are `key` and `text`; `title` is a field beside those that are given.
    pub(crate) fn new(key: Option<String>, text: Option<String>, fields: Vec<String>) -> Self {
        Self { key, text, fields }
    }

    /// Whether lines of JSON have a shape of their own.
    pub(crate) fn is_given(&self) -> bool {
        self.key.is_some() || self.text.is_some()
    }

    /// The names of columns in files of columns.
    #[cfg(feature = "arrow")]
    pub(crate) fn columns(&self) -> artifact_arrow::Names {
        let fields = self.fields.clone();
        let (key, text) = (self.key().to_owned(), self.text().to_owned());
        artifact_arrow::Names { key, text, fields, ..artifact_arrow::Names::default() }
    }

    fn key(&self) -> &str {
        self.key.as_deref().unwrap_or("key")
    }

    fn text(&self) -> &str {
        self.text.as_deref().unwrap_or("text")
    }

    fn is_field(&self, name: &str) -> bool {
        name == TITLE || self.fields.iter().any(|field| field == name)
    }

    /// Whether the value of that name is a text, whatever it looks like.
    pub(crate) fn is_text(&self, name: &str) -> bool {
        name == self.key() || name == self.text() || self.is_field(name)
    }

    /// Whether these names have what a record needs. `what` is what has the names.
    pub(crate) fn check_names(&self, names: &[String], what: &str) -> Result<(), String> {
        let is_there = |name: &str| names.iter().any(|found| found == name);
        let first = names.iter().take(20).map(String::as_str).collect::<Vec<_>>().join(", ");
        let known = if first.is_empty() { "there is none".to_owned() } else { format!("there are {first}") };
        let missing =
            |option: &str, name: &str| Err(format!("no {what} {name:?}, which --{option} names; {known}"));
        if let Some(key) = self.key.as_deref().filter(|key| !is_there(key)) {
            return missing("key-field", key);
        }
        match &self.text {
            Some(text) if !is_there(text) => missing("text-field", text),
            None if !is_there("text") => {
                Err(format!("no {what} \"text\"; --text-field names another: {known}"))
            }
            _ => Ok(()),
        }
    }

    /// The record of a row.
    pub(crate) fn document(&self, row: Map<String, Value>) -> Result<Document, String> {
        let (mut key, mut text, mut fields, mut metadata) = (None, None, Vec::new(), Map::new());
        for (name, value) in row {
            if value.is_null() && self.is_text(&name) {
                continue;
            }
            if name == self.key() {
                key = Some(plain(&name, value)?);
            } else if name == self.text() {
                text = Some(plain(&name, value)?);
            } else if self.is_field(&name) {
                let field = plain(&name, value)?;
                let at = if name == TITLE { 0 } else { fields.len() };
                fields.insert(at, (name, field));
            } else {
                metadata.insert(name, value);
            }
        }
        let Some(text) = text else {
            return Err(format!("no {:?}, which is to be the text; --text-field names another", self.text()));
        };
        let document = Document { key, content: Content::Text(text), metadata, vectors: Vec::new(), fields };
        document.check()?;
        Ok(document)
    }
}

/// A value as a text.
fn plain(name: &str, value: Value) -> Result<String, String> {
    match value {
        Value::String(text) => Ok(text),
        Value::Number(number) => Ok(number.to_string()),
        Value::Bool(value) => Ok(value.to_string()),
        Value::Array(_) => Err(format!("{name:?} is an array; expected a text")),
        Value::Object(_) => Err(format!("{name:?} is an object; expected a text")),
        Value::Null => Err(format!("{name:?} is null; expected a text")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn document(shape: &Shape, row: Value) -> Result<Document, String> {
        let Value::Object(row) = row else { unreachable!() };
        shape.document(row)
    }

    #[test]
    fn what_is_not_named_is_metadata() {
        let shape = Shape::new(Some("id".to_owned()), Some("body".to_owned()), vec!["by".to_owned()]);
        let row = json!({"id": 7, "body": "men walk", "by": "nasa", "title": "moon", "text": "t", "year": 1969, "none": null});
        let found = document(&shape, row).unwrap();
        assert_eq!(found.key.as_deref(), Some("7"));
        assert_eq!(found.content, Content::Text("men walk".to_owned()));
        let field = |name: &str, text: &str| (name.to_owned(), text.to_owned());
        assert_eq!(found.fields, [field("title", "moon"), field("by", "nasa")]);
        assert_eq!(Value::Object(found.metadata), json!({"text": "t", "year": 1969, "none": null}));
    }

    #[test]
    fn a_name_that_is_not_there_is_told_with_those_that_are() {
        let check = |shape: Shape, names: &[&str]| {
            let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
            shape.check_names(&names, "column").unwrap_err()
        };
        let keyed = || Shape::new(Some("id".to_owned()), None, Vec::new());
        assert_eq!(check(keyed(), &["a", "b"]), "no column \"id\", which --key-field names; there are a, b");
        assert_eq!(check(keyed(), &[]), "no column \"id\", which --key-field names; there is none");
        let plain = || Shape::new(None, None, Vec::new());
        assert_eq!(check(plain(), &[]), "no column \"text\"; --text-field names another: there is none");
    }

    #[test]
    fn a_row_without_a_text_says_what_is_missing() {
        let shape = Shape::new(None, None, Vec::new());
        assert!(document(&shape, json!({"body": "x"})).unwrap_err().contains("--text-field"));
        assert!(document(&shape, json!({"text": null})).unwrap_err().contains("no \"text\""));
        assert!(document(&shape, json!({"text": ["x"]})).unwrap_err().contains("an array; expected a text"));
        assert_eq!(document(&shape, json!({"text": "x", "key": null})).unwrap().key, None);
    }
}
