//! Records as columns: lists and arrays with a value for each.

use compact_artifact::Record;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyString};
use serde_json::{Map, Value};

use crate::errors::{invalid, is_no_exception, wrong_type};
use crate::json::to_object;
use crate::records::string;
use crate::text::Text;
use crate::vectors::{Matrix, matrix};

/// All of one length, and without anything of Python, so that records are made of them without the interpreter.
pub(crate) struct Columns {
    len: usize,
    texts: Option<Vec<Option<String>>>,
    keys: Option<Vec<Option<String>>>,
    metadata: Option<Vec<Option<Map<String, Value>>>>,
    embeddings: Vec<(String, Matrix)>,
}

/// The values of a column that was given, each with its number.
fn column<T>(
    columns: &Bound<'_, PyDict>,
    name: &str,
    read: impl Fn(&Bound<'_, PyAny>, &str) -> PyResult<T>,
) -> PyResult<Option<Vec<Option<T>>>> {
    let Some(column) = columns.get_item(name)?.filter(|column| !column.is_none()) else {
        return Ok(None);
    };
    if column.is_instance_of::<PyString>()
        || column.is_instance_of::<PyBytes>()
        || column.is_instance_of::<PyDict>()
    {
        return Err(wrong_type(name, "a list or an array, with a value for each record", &column));
    }
    let what = name.trim_end_matches('s');
    let value = |(row, value): (usize, PyResult<Bound<'_, PyAny>>)| match value? {
        value if value.is_none() => Ok(None),
        // Which value it is is written only for an error.
        value => {
            let in_batch = |_| read(&value, &format!("{what} {row} of the batch"));
            match read(&value, what) {
                Err(e) if is_no_exception(value.py(), &e) => Err(e),
                read => read.or_else(in_batch).map(Some),
            }
        }
    };
    column.try_iter()?.enumerate().map(value).collect::<PyResult<_>>().map(Some)
}

/// A value, which is taken out of its column.
fn taken<T>(column: &mut Option<Vec<Option<T>>>, row: usize) -> Option<T> {
    column.as_mut()?.get_mut(row)?.take()
}

impl Columns {
    /// Columns from arguments by name.
    pub(crate) fn read(columns: &Bound<'_, PyDict>) -> PyResult<Self> {
        for name in columns.keys() {
            if !["texts", "keys", "metadata", "embeddings"].contains(&&*name.extract::<Text>()?) {
                let message =
                    format!("no column {}; expected texts, keys, metadata, embeddings", name.repr()?);
                return Err(PyTypeError::new_err(message));
            }
        }
        let mut embeddings = Vec::new();
        if let Some(spaces) = columns.get_item("embeddings")?.filter(|spaces| !spaces.is_none()) {
            let spaces = spaces
                .cast::<PyDict>()
                .map_err(|_| wrong_type("embeddings", "a dict of arrays by their spaces", &spaces))?;
            for (space, values) in spaces {
                let space = string(&space, "the name of a space")?;
                let rows = matrix(&values, &format!("embeddings of {space:?}"))?;
                embeddings.push((space, rows));
            }
        }
        let mut columns = Self {
            len: 0,
            texts: column(columns, "texts", string)?,
            keys: column(columns, "keys", string)?,
            metadata: column(columns, "metadata", to_object)?,
            embeddings,
        };
        columns.len = columns.common_len()?;
        columns.check_content()?;
        Ok(columns)
    }

    /// Refuses records with neither a text nor an embedding.
    fn check_content(&self) -> PyResult<()> {
        if !self.embeddings.is_empty() {
            return Ok(());
        }
        let Some(texts) = &self.texts else {
            return Err(invalid("a batch without content; expected the columns texts or embeddings"));
        };
        match texts.iter().position(Option::is_none) {
            None => Ok(()),
            Some(row) => {
                Err(invalid(format!("text {row} of the batch: a record without content; found None")))
            }
        }
    }

    /// The length of all columns that there are.
    fn common_len(&self) -> PyResult<usize> {
        let lists = [
            ("texts", self.texts.as_ref().map(Vec::len)),
            ("keys", self.keys.as_ref().map(Vec::len)),
            ("metadata", self.metadata.as_ref().map(Vec::len)),
        ];
        let given = lists.into_iter().filter_map(|(name, len)| Some((name.to_owned(), len?)));
        let arrays = self.embeddings.iter();
        let lens: Vec<(String, usize)> = given
            .chain(arrays.map(|(space, rows)| (format!("embeddings of {space:?}"), rows.rows())))
            .collect();
        let Some((first, len)) = lens.first() else {
            let message =
                "a batch of nothing; expected records, an Arrow table, or columns: texts, embeddings";
            return Err(invalid(message));
        };
        match lens.iter().find(|(_, other)| other != len) {
            None => Ok(*len),
            Some((other, found)) => Err(invalid(format!(
                "columns of one length are expected: {first} have {len} values, {other} have {found}"
            ))),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// A record, which is taken out of the columns; one without a text is an empty blob.
    pub(crate) fn take(&mut self, row: usize) -> Record {
        let mut record = match taken(&mut self.texts, row) {
            Some(text) => Record::text(text),
            None => Record::blob([]),
        };
        if let Some(key) = taken(&mut self.keys, row) {
            record = record.key(key);
        }
        if let Some(metadata) = taken(&mut self.metadata, row) {
            record = record.metadata(metadata);
        }
        for (space, rows) in &self.embeddings {
            record = record.embedding(space.as_str(), rows.row(row));
        }
        record
    }
}
