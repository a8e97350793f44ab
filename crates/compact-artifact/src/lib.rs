//! Keeps texts, blobs, metadata and embeddings in one place, and finds them again offline: by words, by metadata, by meaning, or all at once.
//!
//! One library, in process: no server, no network, no download. What it stores is compressed, checksummed and safe from crashes; what it
//! finds, it finds in indexes that are searched where they lie on disk.
//!
//! ```
//! use std::sync::Arc;
//!
//! use compact_artifact::{CompactArtifact, Filter, Query, Record, StaticEmbedder};
//! use serde_json::json;
//!
//! # fn main() -> compact_artifact::Result<()> {
//! # let temp = tempfile::tempdir()?;
//! # let path = temp.path().join("notes.artifact");
//! // Texts are embedded by the model of the library; vectors of other models are as welcome.
//! let artifact = CompactArtifact::options().embedder(Arc::new(StaticEmbedder::built_in()?)).create(&path)?;
//!
//! // One commit: all of it, or nothing. It is on disk when the call returns.
//! artifact.add_batch([
//!     Record::text("a cat sat on the mat").key("cat").metadata(json!({"year": 2024})),
//!     Record::text("dogs chase cats").key("dog").metadata(json!({"year": 2026})),
//!     Record::text("the stock market fell").key("market").metadata(json!({"year": 2026})),
//! ])?;
//!
//! // Words, meaning and a filter in one query: no word need be the same.
//! let query = Query::text("pets and animals").filter(Filter::field("year").gte(2025)).k(1).snippet(80);
//! let found = artifact.search(&query)?;
//! assert_eq!(found.hits[0].snippet.as_ref().map(|snippet| snippet.text.as_str()), Some("dogs chase cats"));
//!
//! artifact.upsert(Record::text("dogs sleep").key("dog"))?; // takes the place of the record with this key
//! artifact.delete_key("market")?;
//! artifact.close()?;
//!
//! let artifact = CompactArtifact::open_read_only(&path)?;
//! assert_eq!(artifact.len(), 2);
//! # Ok(()) }
//! ```
//!
//! # The ideas, in the order of the data
//!
//! - A [`Record`] is content (a text or a blob), and what it is found by: a key, fields of text, metadata, embeddings in **vector spaces**. Its [`RecordId`]
//!   is given out in ascending order and never reused.
//! - A [`Batch`] is committed as a whole or not at all; batches that many threads write at the same time share one sync. What a commit
//!   promises is its [`Durability`].
//! - What was committed is found at once: it is the **tail**, indexed in memory. [Sealing](CompactArtifact::seal) turns the tail into
//!   segments of compressed blocks and a **shard**: postings of words, rows of metadata, a graph of vectors. It happens by itself.
//! - A [`Snapshot`] is one commit as readers see it. It never waits for the writer, and the writer never for it.
//! - A [`Query`] asks for words, for nearness to vectors or to a record, with a [`Filter`]; several lists become one by [`Fusion`].
//! - Words are those of the text and of its [fields](Record::field), `title` for one. They are compared by their English stems, and rank texts without the commonest of them,
//!   unless [another language](Options::language) or [none](Options::no_language) was named when the artifact was created, or [later](CompactArtifact::set_language).
//! - An **embedder**, given in the options, embeds texts as they are added and the texts of queries: [`Query::text`] asks by words and by meaning. A model of English is
//!   a part of the library; its name and hash are kept in the artifact, which can move to another one (`reembed`).
//! - Metadata are JSON, and so are filters when they come as text; [`json`] reads both, strictly. A date is a string that is an RFC 3339 timestamp
//!   or a day, and [`FilterValue::datetime`], or `{"$date": "2026-04-12"}`, compares with it as a point in time: see [`Filter`].
//! - Deleted records are not found from their commit on; [`CompactArtifact::compact`] returns their space, in bounded memory.
//! - [`CompactArtifact::pack`] makes one immutable file of an artifact, which opens from a path, from inside another file, or from memory.
//!
//! # Limits
//!
//! One writer at a time, any number of readers in any number of processes. Keys up to 1 KiB, metadata up to 1 MiB, nested up to 100 deep, with
//! paths of fields up to 1 KiB, texts up to 64 MiB, blobs of any length. 2^32 - 1 records in a shard. Vectors of 1 to 65,536 dimensions, in 1,024
//! spaces in the life of an artifact, dropped ones and those of earlier models included. Little-endian processors.
//!
//! # Features
//!
//! On by default:
//!
//! - `analyzers`: `MemoryAnalyzer` says who holds memory, `LatencyAnalyzer` where the time of calls goes.
//! - `built-in-model`: a model that is a part of the library, `StaticEmbedder::built_in`; and `embedder`, a part of that: texts are embedded by a model, see
//!   `Options::embedder`.
//! - `cache`: blocks, results of queries and embeddings of texts are kept.
//! - `dictionaries`: small records are sealed with a dictionary of their segment. Without it they are read all the same.
//! - `facets`: `Query::order_by`, `total`, `facet`, `group_by` and `fields`.
//! - `similar`: neighbours of records are stored, see [`Options::precompute_similar`].
//! - `stemmers`: stems of words in 18 languages.
//!
//! Off by default: `async`: calls that are awaited, `search_async` for one; `chrono` and `jiff`: points in time of those crates in filters and metadata; `hnsw_rs` takes over indexes of that crate; `lz4`: that codec;
//! `metrics`: durations, counts and sizes for that crate; `tracing`: spans for that crate; `testing`: file systems that crash and fail.
#![forbid(unsafe_code)]

mod api;
mod artifact;
mod engine;
mod federated;
mod fields;
mod following;
mod format;
mod instruments;
mod language;
mod meaning;
mod pins;
mod progress;
mod protocol;
#[cfg(feature = "async")]
mod requests;
mod schema;
mod search;
mod shard;
mod sharing;
mod snapshot;
mod spaces;
mod state;
mod trace;

pub use api::batch::{Batch, Receipt};
pub use api::caches::{CacheOptions, CacheStats, CacheUse};
pub use api::changes::{Change, Changes};
pub use api::compaction::CompactionPolicy;
pub use api::damage::Damage;
pub use api::entry::{Entry, EntryReader};
pub use api::error::{Error, ErrorKind, Result};
pub use api::facet::{Facet, FacetCount, FacetCounts, Order, Total};
pub use api::federated::{
    Candidates, FederatedHit, FederatedResults, QueryStatistics, SearchList, SearchListHit, SearchLists,
};
pub use api::options::{Maintenance, Options};
pub use api::patch::MetadataPatch;
pub use api::query::{Clause, Fusion, Query};
pub use api::record::{MAX_FIELDS_LEN, MAX_KEY_LEN, MAX_METADATA_LEN, MAX_TEXT_LEN, Record};
#[cfg(feature = "embedder")]
pub use api::reports::ReembedReport;
pub use api::reports::{
    CompactReport, PackReport, RecoveryReport, ReindexReport, SalvageReport, SealReport, UnpackReport,
    VerifyReport,
};
pub use api::results::{
    Explain, Hit, ListExplain, ListPlace, MetadataField, SearchResults, Snippet, UnknownField,
};
pub use api::schema::Schema;
pub use api::space::{MAX_SPACE_NAME_LEN, MEANING, Originals, Quantization, Space, SpaceModel, SpaceOptions};
pub use api::stats::{MemoryStats, SpaceStats, Stats};
pub use api::text_options::TextOptions;
pub use artifact::CompactArtifact;
pub use block_format::{
    CommitSeq, Compression, Durability, RangeSource, RangeStatistics, RecordId, VerifyLevel,
};
pub use engine::{BatchOptions, BatchReport, BatchWriter, salvage, unpack, verify};
pub use federated::{rank_lists, search_snapshots, too_narrow};
#[cfg(feature = "analyzers")]
pub use instruments::latency::{Bottleneck, BottleneckKind, LatencyAnalyzer, LatencyReport};
#[cfg(feature = "analyzers")]
pub use instruments::memory::{Holder, HolderKind, Leak, MemoryAnalyzer, MemoryReport, ReleasedMemory};
pub use lexical_index::{Language, Match, Occur, Query as WordQuery};
pub use metadata_index::{
    DateUnit, Error as MetadataError, ErrorKind as MetadataErrorKind, Field, Filter, FilterValue,
    Type as FieldType, check_metadata, json,
};
#[cfg(feature = "async")]
pub use requests::Request;
pub use snapshot::Snapshot;
#[cfg(feature = "embedder")]
pub use text_embedder::{Embedder, Embeddings, Error as EmbedderError, ModelHash, StaticEmbedder};
pub use vector_index::{MAX_DIMENSION, Metric};

/// The steps that tests leave out to see that they are missed.
#[cfg(feature = "testing")]
pub use protocol::Step;

/// The steps of the store that tests leave out to see that they are missed.
#[cfg(feature = "testing")]
pub use block_format::Step as StoreStep;
/// The file systems that tests put in the place of the disk.
#[cfg(feature = "testing")]
pub use block_format::vfs;

/// What is pasted from the documents for users must compile, and do what it says.
#[cfg(all(doctest, feature = "built-in-model", feature = "async"))]
mod documents {
    #[doc = include_str!("../../../README.md")]
    mod readme {}
    #[doc = include_str!("../../../docs/guide/src/first-steps.md")]
    mod first_steps {}
    #[doc = include_str!("../../../docs/guide/src/everyday.md")]
    mod everyday {}
    #[doc = include_str!("../../../docs/guide/src/processes.md")]
    mod processes {}
    #[doc = include_str!("../../../docs/guide/src/backup.md")]
    mod backup {}
    #[doc = include_str!("../../../docs/guide/src/errors.md")]
    mod errors {}
    #[doc = include_str!("../../../docs/guide/src/measuring.md")]
    mod measuring {}
    #[doc = include_str!("../../../docs/guide/src/names.md")]
    mod names {}
}
