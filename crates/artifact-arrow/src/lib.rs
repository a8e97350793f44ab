//! Records as rows of [Apache Arrow](https://arrow.apache.org), both ways. It reads and writes no file.
//!
//! ```
//! use artifact_arrow::{Columns, Names, RowReader, write_batch};
//! use compact_artifact::{CompactArtifact, Record};
//! # let temp = tempfile::tempdir()?;
//! # let path = temp.path().join("notes.artifact");
//!
//! let artifact = CompactArtifact::create(&path)?;
//! artifact.add(Record::text("a small cat").key("cat").metadata(serde_json::json!({"year": 2026})))?;
//!
//! // Records → rows.
//! let snapshot = artifact.snapshot();
//! let columns = Columns::new([(&artifact, &snapshot)], &artifact.spaces())?.without(&["pack"]);
//! let entries = snapshot.records().collect::<Result<Vec<_>, _>>()?;
//! let batch = write_batch(&columns, &snapshot, "", &entries)?;
//! assert!(batch.column_by_name("year").is_some());
//!
//! // Rows → records.
//! let reader = RowReader::new(&batch.schema(), &Names { left_out: vec!["id".into()], ..Names::default() })?;
//! let row = reader.row(&batch, 0, 0)?;
//! assert_eq!((row.key.as_deref(), row.metadata["year"].as_i64()), (Some("cat"), Some(2026)));
//! artifact.destroy()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Records → rows: [`Columns`], [`write_batch`], [`write_batch_without_damaged`]
//!
//! | column | type | what |
//! |---|---|---|
//! | `id` | `UInt64` | the number of the record |
//! | `key` | `Utf8` | its key, or null |
//! | `text` | `Utf8` | the text; null for a blob |
//! | `blob` | `Binary` | the blob; null for a text. At most 256 MiB |
//! | `metadata` | `Utf8` | all of its metadata as an object of JSON |
//! | `pack` | `Utf8` | the name of the artifact that it is from |
//! | `field_NAME` | `Utf8` | a text beside the content, or null; a column for each field of the artifact |
//! | `vector_NAME` | `FixedSizeList<Float32>` | the vector in a space, or null; as near as it is kept |
//! | any other | `Boolean`, `Int64`, `Float64`, `Utf8` | a field of the metadata in which no record has several values and all have one type, numbers that fit; dates are `Utf8`. A field whose name is taken, or begins with `field_` or `vector_`, has no column |
//!
//! # Rows → records: [`RowReader`]
//!
//! Columns have the names above, or those of [`Names`]. All that is not listed there is a value of the metadata, in the place of the one that `metadata` has
//! there; null leaves that as it is, also as what an item of a dictionary or a run stands for:
//!
//! | type of Arrow | value of the metadata |
//! |---|---|
//! | null | none |
//! | `Boolean`, `Int8` to `Int64`, `UInt8` to `UInt64` | a bool, a number |
//! | `Float16`, `Float32`, `Float64` | a number; `NaN` and infinite ones are errors, since JSON has none |
//! | `Decimal32` to `Decimal256` | a number with up to 15 digits, a text with more |
//! | `Utf8`, `LargeUtf8`, `Utf8View` | a text |
//! | `Date32`, `Date64` | a date: `2026-02-03` |
//! | `Timestamp` | a text: `2026-02-03T04:05:06`, with 3, 6 or 9 digits of the second where it has a fraction; with a time zone a point in time, in UTC: `2026-02-03T04:05:06.500Z`. Years before 0 and after 9999 are errors, also in dates |
//! | lists | an array |
//! | `Struct`, `Map` with keys that are texts | an object |
//! | `Dictionary`, `RunEndEncoded` | as what it stands for |
//! | `Binary`, `Time`, `Duration`, `Interval`, `Union` | an error, which names the column |
//!
//! Keys may be whole numbers as well as texts. Vectors are lists of `Float16`, `Float32`, `Float64`, `Int8` or `UInt8`, all of one length.
#![forbid(unsafe_code)]

mod columns;
mod error;
mod reader;
mod values;
mod writer;

pub use columns::{Columns, Content, FIELD, VECTOR, ValueType};
pub use error::{Error, Result};
pub use reader::{Names, Row, RowContent, RowReader};
pub use values::first_value;
pub use writer::{MAX_BLOB, text_column, write_batch, write_batch_without_damaged};
