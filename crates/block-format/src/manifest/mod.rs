//! The manifest: which files make up one generation of the artifact.
//!
//! A generation is written as two identical files, synced one after the other, before anything it replaces is removed.
//! It lists sealed segments, parts and logs with their lengths and hashes, and for each log the *checkpoint* up to
//! which it was durable: shorter or other bytes than that are damage, what lies beyond is found by scanning.

pub(crate) mod layout;
pub(crate) mod reader;
pub(crate) mod writer;

use crate::error::{Error, Result};
use crate::file::FileName;
use crate::id::{ArtifactId, FileId};

/// One generation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Manifest {
    pub(crate) artifact: ArtifactId,
    pub(crate) generation: u64,
    /// No file with this number or a higher one was ever named by this or an earlier generation.
    pub(crate) next_file: FileId,
    pub(crate) segments: Vec<SegmentEntry>,
    pub(crate) parts: Vec<PartEntry>,
    /// In the order of their commits; the last one is active, the others take no more.
    pub(crate) logs: Vec<LogEntry>,
}

impl Manifest {
    /// The names of the files that it lists.
    pub(crate) fn files(&self) -> impl Iterator<Item = FileName> {
        let segments = self.segments.iter().map(|entry| FileName::Segment(entry.file));
        let parts = self.parts.iter().map(|entry| FileName::Part(entry.file));
        let logs = self.logs.iter().map(|entry| FileName::Log(entry.file));
        segments.chain(parts).chain(logs)
    }

    /// The id of the record that comes next: all others are below it.
    pub(crate) fn next_id(&self) -> u64 {
        self.logs.last().map_or(0, |entry| entry.checkpoint.next_id)
    }

    /// The smallest id that log `index` can have: the segments and logs before it have those below.
    pub(crate) fn first_id_in_log(&self, index: usize) -> u64 {
        let Some(entry) = self.logs.get(index) else { return 0 };
        let before = self.segments.partition_point(|segment| segment.last_id < entry.checkpoint.next_id);
        let segment = before.checked_sub(1).map_or(0, |last| self.segments[last].last_id + 1);
        let log = index.checked_sub(1).map_or(0, |last| self.logs[last].checkpoint.next_id);
        segment.max(log)
    }
}

/// A sealed segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SegmentEntry {
    pub(crate) file: FileId,
    pub(crate) len: u64,
    pub(crate) hash: u128,
    pub(crate) first_id: u64,
    pub(crate) last_id: u64,
    pub(crate) records: u64,
    /// Raw bytes of its blocks.
    pub(crate) raw_len: u64,
}

/// A part: an opaque file that belongs to this generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PartEntry {
    pub(crate) file: FileId,
    pub(crate) len: u64,
    pub(crate) hash: u128,
    pub(crate) kind: u32,
    pub(crate) tag: u64,
}

/// A log up to its checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LogEntry {
    pub(crate) file: FileId,
    pub(crate) checkpoint: Checkpoint,
}

/// A commit at which a log is known to be durable: how long it was, and the state of the artifact there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Checkpoint {
    pub(crate) len: u64,
    pub(crate) seq: u64,
    pub(crate) next_id: u64,
    pub(crate) chain: u128,
}

impl Checkpoint {
    /// The number of the commit behind this one, and the next id behind it if it adds so many records.
    pub(crate) fn after(&self, records: u64) -> Result<(u64, u64)> {
        let next_id = self.next_id.checked_add(records);
        let seq = self.seq.checked_add(1).filter(|&seq| seq < u64::MAX);
        seq.zip(next_id).ok_or_else(|| Error::invalid("all 2^64 ids, or numbers of commits, are used"))
    }
}
