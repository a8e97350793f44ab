//! Files of columns: Parquet and Arrow IPC are read, Parquet is written.

use std::fs::File;
use std::io::{BufReader, Read, Seek};
use std::path::{Path, PathBuf};

use arrow_array::RecordBatch;
use arrow_ipc::reader::{FileReader, StreamReader};
use arrow_schema::{ArrowError, Schema, SchemaRef};
use artifact_arrow::{Columns, Content as ColumnContent, Error, Row, RowContent, RowReader, write_batch};
use compact_artifact::{Entry, Snapshot, Space};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::{ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;

use super::shape::Shape;
use super::{Content, Document, TITLE, open};
use crate::failure::{Failure, Result};
use crate::output::check_new_file;

/// Rows that are read or written at a time, at most.
const BATCH_ROWS: usize = 1024;
/// Bytes of contents that are written at a time, unless one record has more.
const BATCH_BYTES: u64 = 4 << 20;
/// Bytes of a row group that is written.
const GROUP_BYTES: usize = 64 << 20;
/// A key in the metadata of a file that is an export.
const MARK: &str = "compact_artifact";
/// What files of Arrow IPC begin with, unless they are streams.
const IPC_MAGIC: &[u8] = b"ARROW1";

/// The records of a file, read in batches.
pub(crate) struct Rows {
    batches: Box<dyn Iterator<Item = Result<RecordBatch, ArrowError>>>,
    reader: RowReader,
    batch: Option<RecordBatch>,
    /// The next row of the batch.
    at: usize,
    /// Rows before the batch.
    before: u64,
    path: PathBuf,
}

impl Rows {
    pub(crate) fn open(path: &Path, shape: &Shape, vectors: &[(String, String)]) -> Result<Self> {
        let file = open(path)?;
        let opened = guarded(|| if is_parquet(path) { parquet(file) } else { ipc(file) });
        let Opened { schema, is_export, batches } =
            opened.map_err(|e| Failure::failed(e).at(path.display()))?;
        let reader = reader(&schema, is_export, shape, vectors).map_err(|e| e.at(path.display()))?;
        Ok(Self { batches, reader, batch: None, at: 0, before: 0, path: path.to_owned() })
    }

    /// The next record, and the number of its row, from 0.
    pub(crate) fn next_document(&mut self) -> Result<Option<(u64, Document)>> {
        loop {
            if let Some(batch) = self.batch.as_ref().filter(|batch| self.at < batch.num_rows()) {
                let row = self.reader.row(batch, self.at, self.before).map_err(|e| self.failure(&e))?;
                let number = self.before + self.at as u64;
                self.at += 1;
                return Ok(Some((number, document(row))));
            }
            self.before += self.batch.take().map_or(0, |batch| batch.num_rows() as u64);
            self.at = 0;
            let batches = &mut self.batches;
            match guarded(|| batches.next().transpose()).map_err(|e| self.damaged(&e))? {
                None => return Ok(None),
                Some(batch) => self.batch = Some(batch),
            }
        }
    }

    fn failure(&self, error: &Error) -> Failure {
        Failure::failed(error).at(self.path.display())
    }

    fn damaged(&self, error: &ArrowError) -> Failure {
        Failure::failed(error).at(format_args!("{}: behind row {}", self.path.display(), self.before))
    }
}

/// A file that was opened.
struct Opened {
    schema: SchemaRef,
    is_export: bool,
    batches: Box<dyn Iterator<Item = Result<RecordBatch, ArrowError>>>,
}

/// What is in the format itself, and not the schema of Arrow that a writer may have added: damaged, that one ends the library in a panic.
fn parquet(file: File) -> Result<Opened, ArrowError> {
    let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
    let builder = ParquetRecordBatchReaderBuilder::try_new_with_options(file, options)?;
    let schema = builder.schema().clone();
    let values = builder.metadata().file_metadata().key_value_metadata();
    let is_export = values.is_some_and(|values| values.iter().any(|value| value.key == MARK));
    let batches = builder.with_batch_size(BATCH_ROWS).build()?;
    Ok(Opened { schema, is_export, batches: Box::new(batches) })
}

fn ipc(mut file: File) -> Result<Opened, ArrowError> {
    let mut begins = Vec::new();
    file.by_ref().take(IPC_MAGIC.len() as u64).read_to_end(&mut begins)?;
    file.rewind()?;
    let file = BufReader::new(file);
    if begins == IPC_MAGIC {
        let reader = FileReader::try_new(file, None)?;
        return Ok(Opened { schema: reader.schema(), is_export: false, batches: Box::new(reader) });
    }
    let reader = StreamReader::try_new(file, None)?;
    Ok(Opened { schema: reader.schema(), is_export: false, batches: Box::new(reader) })
}

/// Calls a library that panics at some damaged files: that is an error like any other.
fn guarded<T>(call: impl FnOnce() -> Result<T, ArrowError>) -> Result<T, ArrowError> {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let called = std::panic::catch_unwind(std::panic::AssertUnwindSafe(call));
    std::panic::set_hook(hook);
    called.unwrap_or_else(|_| Err(ArrowError::ParseError("the file is damaged".to_owned())))
}

pub(crate) fn is_parquet(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("parquet"))
}

fn reader(
    schema: &Schema,
    is_export: bool,
    shape: &Shape,
    vectors: &[(String, String)],
) -> Result<RowReader> {
    let there: Vec<String> = schema.fields().iter().map(|field| field.name().clone()).collect();
    if shape.is_given() {
        shape.check_names(&there, "column").map_err(Failure::usage)?;
    }
    if let Some((column, _)) = vectors.iter().find(|(column, _)| !there.contains(column)) {
        return Err(Failure::usage(format_args!("no column {column:?}, which --vector-field names")));
    }
    let mut names = shape.columns();
    names.vectors = vectors.to_vec();
    // Beside metadata as a whole, it may be one of them.
    if !there.contains(&names.metadata) {
        names.fields.push(TITLE.to_owned());
    }
    if is_export {
        names.left_out.push("id".to_owned());
    }
    let hint = "--text-field names the column of texts, --vector-field one of vectors";
    RowReader::new(schema, &names).map_err(|e| Failure::usage(e).and(hint))
}

fn document(row: Row) -> Document {
    let Row { key, content, metadata, vectors, fields } = row;
    let content = match content {
        RowContent::Text(text) => Content::Text(text),
        RowContent::Blob(bytes) => Content::Blob(bytes),
    };
    Document { key, content, metadata, vectors, fields }
}

/// Writes records into a file of Parquet, which must not be there.
pub(crate) struct Writer<'a> {
    path: &'a Path,
    columns: Columns,
    snapshot: &'a Snapshot,
    to: ArrowWriter<File>,
    held: Vec<Entry>,
    held_len: u64,
}

impl<'a> Writer<'a> {
    /// In spaces of which a model makes the vectors of texts, only blobs have some.
    pub(crate) fn create(
        path: &'a Path,
        columns: &Columns,
        spaces: &[Space],
        snapshot: &'a Snapshot,
    ) -> Result<Self> {
        let mut columns = columns.without(&["pack"]);
        for content in &mut columns.contents {
            if let ColumnContent::Vector(name) = content
                && spaces.iter().any(|space| space.name() == name && space.model().is_some())
            {
                *content = ColumnContent::BlobVector(std::mem::take(name));
            }
        }
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .set_max_row_group_bytes(Some(GROUP_BYTES))
            .set_key_value_metadata(Some(vec![KeyValue::new(MARK.to_owned(), "1".to_owned())]))
            .build();
        check_new_file(path)?;
        let file = File::create_new(path).map_err(|e| Failure::failed(e).at(path.display()))?;
        let to = ArrowWriter::try_new(file, columns.schema.clone(), Some(properties))
            .map_err(|e| Failure::failed(e).at(path.display()))?;
        Ok(Self { path, columns, snapshot, to, held: Vec::new(), held_len: 0 })
    }

    pub(crate) fn add(&mut self, entry: Entry) -> Result<()> {
        self.held_len += entry.len();
        self.held.push(entry);
        if self.held.len() == BATCH_ROWS || self.held_len >= BATCH_BYTES { self.write() } else { Ok(()) }
    }

    fn write(&mut self) -> Result<()> {
        self.held_len = 0;
        let held = std::mem::take(&mut self.held);
        let batch = write_batch(&self.columns, self.snapshot, "", &held).map_err(|e| match e {
            Error::Artifact(e) => e.into(),
            e => Failure::failed(e),
        })?;
        self.to.write(&batch).map_err(|e| Failure::failed(e).at(self.path.display()))
    }

    /// Ends the file, which is on disk then.
    pub(crate) fn finish(mut self) -> Result<()> {
        self.write()?;
        let path = self.path.display();
        let file = self.to.into_inner().map_err(|e| Failure::failed(e).at(&path))?;
        file.sync_all().map_err(|e| Failure::failed(e).at(&path))
    }
}
