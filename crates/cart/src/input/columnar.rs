//! Files of columns: Parquet and Arrow IPC are read, Parquet is written.

use std::error::Error;
use std::fs::File;
use std::io::{BufReader, Read, Seek};
use std::path::{Path, PathBuf};

use arrow_array::RecordBatch;
use arrow_ipc::reader::{FileReader, StreamReader};
use arrow_schema::{ArrowError, Schema, SchemaRef};
use artifact_arrow::{
    Columns, Content as ColumnContent, Error as RowError, Row, RowContent, RowReader,
    write_batch_without_damaged,
};
use compact_artifact::{Entry, Snapshot};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder,
};
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::metadata::{KeyValue, ParquetMetaData, RowGroupMetaData};
use parquet::file::properties::WriterProperties;

use super::shape::Shape;
use super::{Content, Document, TITLE, int96, ipc_lengths, open, parquet_footer, parquet_pages};
use crate::failure::{Failure, Result};
use crate::output::{WRITTEN_WITHOUT, check_new_file};

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
/// What files of Feather begin with that are no Arrow IPC.
const FEATHER_V1_MAGIC: &[u8] = b"FEA1";

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
            let next = || batches.next().transpose().map_err(Box::<dyn Error>::from);
            match guarded(next).map_err(|e| self.damaged(e.as_ref()))? {
                None => return Ok(None),
                Some(batch) => self.batch = Some(batch),
            }
        }
    }

    fn failure(&self, error: &RowError) -> Failure {
        Failure::failed(error).at(self.path.display())
    }

    fn damaged(&self, error: &dyn Error) -> Failure {
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
fn parquet(mut file: File) -> Result<Opened, Box<dyn Error>> {
    parquet_footer::check(&mut file)?;
    let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
    let mut metadata = ArrowReaderMetadata::load(&file, options.clone())?;
    check_compression(metadata.metadata())?;
    parquet_pages::check(&mut file, metadata.metadata())?;
    if let Some(schema) = int96::with_microseconds(metadata.schema(), metadata.parquet_schema()) {
        metadata = ArrowReaderMetadata::try_new(metadata.metadata().clone(), options.with_schema(schema))?;
    }
    let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(file, metadata);
    let schema = builder.schema().clone();
    let values = builder.metadata().file_metadata().key_value_metadata();
    let is_export = values.is_some_and(|values| values.iter().any(|value| value.key == MARK));
    let batches = builder.with_batch_size(BATCH_ROWS).build()?.map(|batch| batch.and_then(validated));
    Ok(Opened { schema, is_export, batches: Box::new(batches) })
}

/// Looks at the strings of columns that are said to be JSON: `parquet` gives them out as UTF-8 without a look of its own.
fn validated(batch: RecordBatch) -> Result<RecordBatch, ArrowError> {
    for (field, column) in batch.schema_ref().fields().iter().zip(batch.columns()) {
        let wrong = |e| ArrowError::ParquetError(format!("column {:?}: {e}", field.name()));
        column.to_data().validate_full().map_err(wrong)?;
    }
    Ok(batch)
}

fn check_compression(metadata: &ParquetMetaData) -> Result<(), String> {
    for column in metadata.row_groups().iter().flat_map(RowGroupMetaData::columns) {
        let compression = match column.compression() {
            Compression::BROTLI(_) => "Brotli",
            Compression::LZO => "LZO",
            _ => continue,
        };
        let name = column.column_path().string();
        return Err(format!(
            "column {name:?} is compressed with {compression}; expected Snappy, gzip, LZ4, Zstandard or no compression"
        ));
    }
    Ok(())
}

fn ipc(mut file: File) -> Result<Opened, Box<dyn Error>> {
    let mut begins = Vec::new();
    file.by_ref().take(IPC_MAGIC.len() as u64).read_to_end(&mut begins)?;
    if begins.starts_with(FEATHER_V1_MAGIC) {
        return Err("a file of Feather V1, which is not read; write it as V2, which is Arrow IPC".into());
    }
    let is_file = begins == IPC_MAGIC;
    if is_file {
        ipc_lengths::check_file(&mut file)?;
    } else {
        ipc_lengths::check_stream(&mut file)?;
    }
    file.rewind()?;
    let file = BufReader::new(file);
    if is_file {
        let reader = FileReader::try_new(file, None)?;
        return Ok(Opened { schema: reader.schema(), is_export: false, batches: Box::new(reader) });
    }
    let reader = StreamReader::try_new(file, None)?;
    Ok(Opened { schema: reader.schema(), is_export: false, batches: Box::new(reader) })
}

/// Calls a library that panics at some damaged files: that is an error like any other.
fn guarded<T>(call: impl FnOnce() -> Result<T, Box<dyn Error>>) -> Result<T, Box<dyn Error>> {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let called = std::panic::catch_unwind(std::panic::AssertUnwindSafe(call));
    std::panic::set_hook(hook);
    called.unwrap_or_else(|_| Err("the file is damaged".into()))
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
    RowReader::new(schema, &names).map_err(|e| {
        let hint = match &e {
            artifact_arrow::Error::Column { name, .. } if *name == names.key => {
                "--key-field names the column of keys"
            }
            _ => "--text-field names the column of texts, --vector-field one of vectors",
        };
        Failure::usage(e).and(hint)
    })
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
    /// Embeddings that could not be read.
    unread: u64,
}

impl<'a> Writer<'a> {
    /// Vectors that a model makes of the texts again are left out.
    pub(crate) fn create(path: &'a Path, columns: &Columns, snapshot: &'a Snapshot) -> Result<Self> {
        let mut columns = columns.without(&["pack"]);
        for content in &mut columns.contents {
            if let ColumnContent::Vector(name) = content {
                *content = ColumnContent::GivenVector(std::mem::take(name));
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
        Ok(Self { path, columns, snapshot, to, held: Vec::new(), held_len: 0, unread: 0 })
    }

    pub(crate) fn add(&mut self, entry: Entry) -> Result<()> {
        self.held_len += entry.len();
        self.held.push(entry);
        if self.held.len() == BATCH_ROWS || self.held_len >= BATCH_BYTES { self.write() } else { Ok(()) }
    }

    fn write(&mut self) -> Result<()> {
        self.held_len = 0;
        let held = std::mem::take(&mut self.held);
        let written = write_batch_without_damaged(&self.columns, self.snapshot, "", &held);
        let (batch, damaged) = written.map_err(|e| match e {
            RowError::Artifact(e) => e.into(),
            e => Failure::failed(e),
        })?;
        self.unread += damaged.len() as u64;
        for e in damaged {
            Failure::from(e).warn(WRITTEN_WITHOUT);
        }
        self.to.write(&batch).map_err(|e| Failure::failed(e).at(self.path.display()))
    }

    /// Ends the file, which is on disk then: how many embeddings could not be read, each of which was named.
    pub(crate) fn finish(mut self) -> Result<u64> {
        self.write()?;
        let path = self.path.display();
        let file = self.to.into_inner().map_err(|e| Failure::failed(e).at(&path))?;
        file.sync_all().map_err(|e| Failure::failed(e).at(&path))?;
        Ok(self.unread)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::types::{Int32Type, Int64Type};
    use arrow_array::{
        ArrayRef, BooleanArray, DictionaryArray, Int32Array, ListArray, RunArray, StringArray,
        StringViewArray, StructArray,
    };
    use arrow_ipc::CompressionType;
    use arrow_ipc::writer::{FileWriter, IpcWriteOptions, StreamWriter};
    use arrow_schema::{DataType, Field};

    use super::*;

    /// Rows with columns of many kinds; without runs of equal values, which Parquet does not have.
    fn table(has_runs: bool) -> RecordBatch {
        let texts =
            Arc::new(StringArray::from(vec!["a cat", "a dog", "one bird of many birds, birds, birds"]));
        let numbers = [Some(vec![Some(1), None]), None, Some(vec![])];
        let lists = ListArray::from_iter_primitive::<Int64Type, _, _>(numbers);
        let field = |name: &str| Arc::new(Field::new(name, DataType::Utf8, true));
        let structs = StructArray::from(vec![(field("name"), texts.clone() as ArrayRef)]);
        let dictionary: DictionaryArray<Int32Type> = vec![Some("x"), None, Some("x")].into_iter().collect();
        let mut columns: Vec<(&str, ArrayRef)> = vec![
            ("text", texts.clone()),
            ("view", Arc::new(StringViewArray::from_iter_values(texts.iter().flatten()))),
            ("lists", Arc::new(lists)),
            ("by", Arc::new(structs)),
            ("word", Arc::new(dictionary)),
            ("ok", Arc::new(BooleanArray::from(vec![Some(true), None, Some(false)]))),
        ];
        if has_runs {
            let runs = RunArray::try_new(&Int32Array::from(vec![2, 3]), &Int32Array::from(vec![7, 8]));
            columns.push(("runs", Arc::new(runs.unwrap())));
        }
        let columns = columns.into_iter().map(|(name, array)| (name, array, true));
        RecordBatch::try_from_iter_with_nullable(columns).unwrap()
    }

    fn ipc_file(compression: Option<CompressionType>) -> Vec<u8> {
        let (mut file, table) = (Vec::new(), table(true));
        let options = IpcWriteOptions::default().try_with_compression(compression).unwrap();
        let mut writer = FileWriter::try_new_with_options(&mut file, &table.schema(), options).unwrap();
        writer.write(&table).unwrap();
        writer.finish().unwrap();
        drop(writer);
        file
    }

    fn ipc_stream(compression: Option<CompressionType>) -> Vec<u8> {
        let (mut stream, table) = (Vec::new(), table(true));
        let options = IpcWriteOptions::default().try_with_compression(compression).unwrap();
        let mut writer = StreamWriter::try_new_with_options(&mut stream, &table.schema(), options).unwrap();
        writer.write(&table).unwrap();
        writer.finish().unwrap();
        drop(writer);
        stream
    }

    fn parquet_file() -> Vec<u8> {
        let (mut file, table) = (Vec::new(), table(false));
        let mut writer = ArrowWriter::try_new(&mut file, table.schema(), None).unwrap();
        writer.write(&table).unwrap();
        writer.close().unwrap();
        file
    }

    /// How many records there are, or the error.
    fn read(path: &Path) -> Result<usize> {
        let mut rows = Rows::open(path, &Shape::default(), &[])?;
        let mut count = 0;
        while rows.next_document()?.is_some() {
            count += 1;
        }
        Ok(count)
    }

    /// Gives a file one wrong byte, or one wrong number of 64 bits, at each of its places.
    fn damage(name: &str, bytes: &[u8]) {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        assert_eq!(read(&path).unwrap(), 3, "{name}");
        for at in 0..bytes.len() {
            let mut damaged = bytes.to_vec();
            damaged[at] ^= [1, 0x80, 0xff][at % 3];
            std::fs::write(&path, damaged).unwrap();
            let _ = read(&path);
            if at % 8 == 0 && at + 8 <= bytes.len() {
                for number in [1 << 40, i64::MAX, -1] {
                    let mut damaged = bytes.to_vec();
                    damaged[at..at + 8].copy_from_slice(&number.to_le_bytes());
                    std::fs::write(&path, damaged).unwrap();
                    let _ = read(&path);
                }
            }
            std::fs::write(&path, &bytes[..at]).unwrap();
            let _ = read(&path);
        }
    }

    // What ends the program ends the test.

    #[test]
    fn a_damaged_file_of_arrow_is_an_error_or_read_and_ends_no_program() {
        damage("x.arrow", &ipc_file(None));
        damage("x.arrow", &ipc_file(Some(CompressionType::ZSTD)));
    }

    #[test]
    fn a_damaged_stream_of_arrow_is_an_error_or_read_and_ends_no_program() {
        damage("x.arrow", &ipc_stream(None));
        damage("x.arrow", &ipc_stream(Some(CompressionType::LZ4_FRAME)));
    }

    #[test]
    fn a_damaged_file_of_parquet_is_an_error_or_read_and_ends_no_program() {
        damage("x.parquet", &parquet_file());
    }
}
