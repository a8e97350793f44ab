//! Bytes in, the same bytes out, whatever happens in between.
//!
//! An append-only store of records in compressed, checksummed blocks, with a crash contract that is written down
//! ([`Durability`], `docs/FORMAT.md`) and tested state by state. It is the lower half of `CompactArtifact`, and useful
//! alone wherever records are numbered, written once, read often, and must not be lost. It is *not* a key-value store:
//! the store numbers the records.
//!
//! ```
//! use block_format::{Durability, Options, Store};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let temp = tempfile::tempdir()?;
//! # let path = temp.path().join("notes.artifact");
//! let store = Store::create(&path, Options::new())?;
//!
//! // One commit: all of it, or nothing.
//! let mut batch = store.batch();
//! batch.put(b"first")?;
//! batch.put(b"second")?;
//! let receipt = store.commit(batch, Durability::Sync)?; // on disk when it returns
//! store.delete(receipt.first_id)?;
//! store.close()?;
//!
//! let (store, report) = Store::open(&path, Options::new())?;
//! assert!(report.is_clean());
//! let records: Vec<_> = store.snapshot().records().collect::<Result<_, _>>()?;
//! assert_eq!(records[0].bytes()?, &b"second"[..]);
//! # Ok(()) }
//! ```
//!
//! # The ideas, in the order of the data
//!
//! - A **record** is any bytes. Its [`RecordId`] is given out in order and never reused. Small records are packed into a
//!   **block** of about 48 KiB, compressed with zstd and checksummed; one above 1 MiB becomes **frames**, written from a
//!   [`Read`](std::io::Read) and read back as one, or by range.
//! - A **commit** appends blocks and a commit record to the **log** in one write and syncs it. The record carries a hash
//!   chained over everything before it, and the newest commit known to be on disk: so a torn tail, which is dropped,
//!   is told from damage to what was acknowledged, which is an error.
//! - **Sealing** turns the log into immutable **segments**, which are memory-mapped. [`Store::bulk`] writes those
//!   directly. Other files can be listed beside them as **parts** ([`Store::edit`]).
//! - A **manifest** names the files of a generation. No file is ever renamed, truncated or overwritten.
//! - A **snapshot** is one commit as readers see it; it never waits for the writer.
//! - [`Store::open`] recovers by writing new files only. [`verify`] names every damaged place, [`salvage`] keeps
//!   every sound record.
//!
//! # Limits
//!
//! One writer at a time, in one process (an OS lock); any number of readers in any number of processes. Up to 2^64
//! records, 1 MiB in one block, 2^32 - 1 frames in a record. Damage to the newest commits can be told from a write
//! that a crash tore only where a later commit is sound, or [`Store::close`] has followed. Damage is noticed, not repaired.
//!
//! # Features
//!
//! `cache` (on by default): decoded blocks are kept, see [`Options::cache_bytes`]. `dictionaries` (on by default): segments are given dictionaries, see [`Options::sealed_level`]. `lz4`: that codec. `testing`: the file systems that crash and fail, for the tests of crates built on this one.

mod block;
mod bounded_cache;
mod cache;
mod callers;
mod checksum;
mod damage;
mod directory;
#[cfg(test)]
mod docs;
mod error;
mod file;
#[doc(hidden)]
pub mod host;
mod id;
mod log;
mod manifest;
mod observer;
mod options;
mod pack;
mod part;
mod protocol;
mod ranges;
mod report;
mod room;
mod run;
mod salvage;
mod segment;
mod source;
mod sparse;
mod store;
mod verify;
pub mod vfs;
mod walk;
mod workers;

pub use bounded_cache::{BoundedCache, CacheStats};
pub use callers::{Callers, Inside, calling_thread, work_for};
pub use damage::Damage;
pub use error::{Error, ErrorKind, Result};
pub use id::{ArtifactId, CommitSeq, FileId, RecordId};
pub use observer::Observer;
pub use options::{Compression, Durability, Options, VerifyLevel};
pub use pack::{PackReport, PackVfs, UnpackReport};
pub use part::{Part, PartKind, PartWriter};
#[cfg(feature = "testing")]
pub use protocol::Step;
pub use ranges::{RangeReader, RangeSource, RangeStatistics};
pub use report::{Leftover, LeftoverKind, RecoveryReport, SalvageReport, VerifyReport};
pub use salvage::{salvage, salvage_in, salvage_unfinished};
pub use segment::SegmentInfo;
pub use store::{
    Batch, Bulk, CompressedBatch, ContentReader, DiskUsage, Edit, FileUsage, KeptFile, LogsToSeal, Receipt,
    Record, Records, SealedLogs, Since, Snapshot, Store,
};
pub use verify::{verify, verify_in};
pub use workers::{Offered, Workers};

#[cfg(test)]
fn test_hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .filter_map(|n| char::from_digit(n.into(), 16))
        .collect()
}

/// Bytes that do not compress.
#[cfg(test)]
fn test_noise(len: usize) -> Vec<u8> {
    let hash = |i: usize| xxhash_rust::xxh3::xxh3_64(&(i as u64).to_le_bytes()).to_le_bytes();
    (0..len.div_ceil(8)).flat_map(hash).take(len).collect()
}
