//! Rows → records.

use std::collections::HashMap;
use std::str::FromStr;

use artifact_arrow::{Row, RowContent, RowReader, VECTOR};
use compact_artifact::{CompactArtifact, MEANING, Metric, Options, Originals, Record, SpaceOptions, json};
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::Schema;
use datafusion::common::{Result, plan_datafusion_err};
use serde_json::Value;

use crate::external;

/// What becomes of each column.
#[derive(Debug)]
pub(crate) struct Mapping {
    rows: RowReader,
    /// Each space, and its dimension.
    spaces: Vec<(String, SpaceOptions)>,
    /// Whether there are vectors of texts, which the embedder makes anew.
    pub(crate) has_meaning: bool,
}

/// Names of columns, and how vectors are compared.
#[derive(Debug, Clone)]
pub(crate) struct Names {
    pub(crate) key: String,
    pub(crate) text: String,
    pub(crate) blob: String,
    pub(crate) metadata: String,
    /// The column of vectors of the space `vectors`, beside those whose names begin with `vector_`.
    pub(crate) space: Option<String>,
    pub(crate) metric: Metric,
    /// `None`: nothing was said.
    pub(crate) originals: Option<Originals>,
}

impl Default for Names {
    fn default() -> Self {
        let [key, text, blob, metadata] = ["key", "text", "blob", "metadata"].map(str::to_owned);
        Self { key, text, blob, metadata, space: None, metric: Metric::Cosine, originals: None }
    }
}

impl Names {
    /// The options of a `COPY`.
    pub(crate) fn from_options(options: &HashMap<String, String>) -> Result<Self> {
        let mut names = Self::default();
        for (option, value) in options {
            let value = value.clone();
            match option.strip_prefix("format.").unwrap_or(option) {
                "key" => names.key = value,
                "text" => names.text = value,
                "blob" => names.blob = value,
                "metadata" => names.metadata = value,
                "space" => names.space = Some(value),
                "metric" => names.metric = parsed::<Metric>("metric", &value)?,
                "originals" => names.originals = Some(parsed::<Originals>("originals", &value)?),
                other => {
                    return Err(plan_datafusion_err!(
                        "no option {other:?}; expected key, text, blob, metadata, space, metric or originals"
                    ));
                }
            }
        }
        Ok(names)
    }

    /// What [`from_options`](Self::from_options) makes the same of.
    pub(crate) fn to_options(&self) -> HashMap<String, String> {
        let Self { key, text, blob, metadata, space, metric, originals } = self.clone();
        let texts = [("key", key), ("text", text), ("blob", blob), ("metadata", metadata)];
        let originals = originals.map(|originals| ("originals", originals.to_string()));
        let space = space.map(|space| ("space", space));
        let all = texts.into_iter().chain([("metric", metric.to_string())]).chain(originals).chain(space);
        all.map(|(option, value)| (option.to_owned(), value)).collect()
    }

    /// What a table of packs has and no record is left out, and what the embedder makes.
    fn columns(&self) -> artifact_arrow::Names {
        let Self { key, text, blob, metadata, space, .. } = self.clone();
        artifact_arrow::Names {
            key,
            text,
            blob,
            metadata,
            vectors: space.map(|column| (column, "vectors".to_owned())).into_iter().collect(),
            fields: Vec::new(),
            left_out: vec!["id".to_owned(), "pack".to_owned(), meaning()],
        }
    }
}

fn parsed<T: FromStr>(option: &str, value: &str) -> Result<T>
where
    T::Err: std::fmt::Display,
{
    value.parse().map_err(|e| plan_datafusion_err!("option {option}: {e}"))
}

impl Mapping {
    pub(crate) fn new(schema: &Schema, names: &Names) -> Result<Self> {
        let asked = [
            (&names.key, "key"),
            (&names.text, "text"),
            (&names.blob, "blob"),
            (&names.metadata, "metadata"),
        ];
        let asked = asked.into_iter().map(|(name, option)| (name.as_str(), option));
        for (name, option) in asked.chain(names.space.as_deref().map(|name| (name, "space"))) {
            if name != option && schema.column_with_name(name).is_none() {
                return Err(plan_datafusion_err!("option {option}: there is no column {name:?}"));
            }
        }
        let rows = RowReader::new(schema, &names.columns()).map_err(external)?;
        let space = |(name, dimension): &(String, Option<usize>)| {
            let dimension = dimension.ok_or_else(|| {
                plan_datafusion_err!(
                    "space {name:?}: expected a FixedSizeList, which says how long vectors are"
                )
            })?;
            let space = SpaceOptions::new(dimension, names.metric);
            let space = names.originals.map_or(space, |originals| space.originals(originals));
            Ok((name.clone(), space))
        };
        let spaces = rows.spaces().iter().map(space).collect::<Result<Vec<_>>>()?;
        Ok(Self { rows, spaces, has_meaning: schema.column_with_name(&meaning()).is_some() })
    }

    pub(crate) fn add_spaces(&self, options: Options) -> Options {
        self.spaces.iter().fold(options, |options, (name, space)| options.space(name.clone(), *space))
    }

    /// Gives an artifact the fields of texts that it does not have by its options.
    pub(crate) fn add_fields(&self, artifact: &CompactArtifact) -> compact_artifact::Result<()> {
        let known = artifact.fields();
        let new = self.rows.fields().iter().filter(|name| known.iter().all(|(known, _)| known != *name));
        new.into_iter().try_for_each(|name| artifact.add_field(name, 1))
    }

    /// A row of a batch, before which there were so many rows.
    pub(crate) fn row(&self, batch: &RecordBatch, row: usize, before: u64) -> Result<Row> {
        self.rows.row(batch, row, before).map_err(external)
    }
}

/// Rows that become records together.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    rows: Vec<Row>,
    bytes: u64,
}

impl Rows {
    pub(crate) fn push(&mut self, row: Row) {
        let content = match &row.content {
            RowContent::Text(text) => text.len(),
            RowContent::Blob(bytes) => bytes.len(),
        };
        let vectors: usize = row.vectors.iter().map(|(_, vector)| size_of_val(vector.as_slice())).sum();
        let fields: usize = row.fields.iter().map(|(_, text)| text.len()).sum();
        let metadata: usize =
            row.metadata.iter().map(|(name, value)| name.len() + json::held_bytes(value)).sum();
        let key = row.key.as_ref().map_or(0, String::len);
        self.bytes += (content + vectors + fields + metadata + key) as u64;
        self.rows.push(row);
    }

    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Bytes that they hold in memory, about.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// A number that follows from the rows.
    pub(crate) fn seed(&self) -> u64 {
        let mut hasher = blake3::Hasher::new();
        let mut add = |bytes: &[u8]| {
            hasher.update(format!("{} ", bytes.len()).as_bytes()).update(bytes);
        };
        for row in &self.rows {
            add(row.key.as_deref().unwrap_or_default().as_bytes());
            match &row.content {
                RowContent::Text(text) => add(text.as_bytes()),
                RowContent::Blob(bytes) => add(bytes),
            }
            add(Value::Object(row.metadata.clone()).to_string().as_bytes());
            for (space, vector) in &row.vectors {
                add(space.as_bytes());
                add(format!("{vector:?}").as_bytes());
            }
            for (field, text) in &row.fields {
                add(field.as_bytes());
                add(text.as_bytes());
            }
        }
        hasher.finalize().as_bytes().iter().take(8).fold(0, |seed, &byte| seed << 8 | u64::from(byte))
    }

    pub(crate) fn into_records(self) -> impl Iterator<Item = Record> {
        self.rows.into_iter().map(Record::from)
    }
}

/// The column that has the vectors of texts.
fn meaning() -> String {
    format!("{VECTOR}{MEANING}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bytes_of_rows_are_those_of_all_that_they_have() {
        let long = || "x".repeat(1000);
        let row = Row {
            key: None,
            content: RowContent::Text("t".to_owned()),
            metadata: serde_json::Map::new(),
            vectors: Vec::new(),
            fields: Vec::new(),
        };
        for row in [
            Row { key: Some(long()), ..row.clone() },
            Row { content: RowContent::Text(long()), ..row.clone() },
            Row { metadata: [("n".to_owned(), long().into())].into_iter().collect(), ..row.clone() },
            Row { metadata: [(long(), Value::Null)].into_iter().collect(), ..row.clone() },
            Row { vectors: vec![("v".to_owned(), vec![1.0; 250])], ..row.clone() },
            Row { fields: vec![("title".to_owned(), long())], ..row.clone() },
        ] {
            let mut rows = Rows::default();
            rows.push(row.clone());
            assert!(rows.bytes() >= 1000, "{row:?}");
        }
    }

    #[test]
    fn the_identity_of_a_pack_follows_from_all_that_its_first_rows_have() {
        let row = Row {
            key: Some("a".to_owned()),
            content: RowContent::Text("t".to_owned()),
            metadata: serde_json::Map::new(),
            vectors: vec![("v".to_owned(), vec![1.0, 2.0])],
            fields: vec![("title".to_owned(), "x".to_owned())],
        };
        let seed = |row: &Row| {
            let mut rows = Rows::default();
            rows.push(row.clone());
            rows.seed()
        };
        let changed = [
            Row { key: None, ..row.clone() },
            Row { content: RowContent::Blob(b"u".to_vec()), ..row.clone() },
            Row { metadata: [("n".to_owned(), 1.into())].into_iter().collect(), ..row.clone() },
            Row { vectors: vec![("v".to_owned(), vec![1.0, 3.0])], ..row.clone() },
            Row { vectors: vec![("w".to_owned(), vec![1.0, 2.0])], ..row.clone() },
            Row { fields: vec![("title".to_owned(), "y".to_owned())], ..row.clone() },
        ];
        assert_eq!(seed(&row), seed(&row.clone()));
        for other in &changed {
            assert_ne!(seed(&row), seed(other), "{other:?}");
        }
    }
}
