//! How many bytes files take, and how many of them are those of deleted records.

use std::collections::HashSet;
use std::io;
use std::sync::Arc;

use roaring::RoaringTreemap;

use super::Store;
use super::read::Snapshot;
use crate::error::{Error, Result};
use crate::file::FileName;
use crate::file::layout::FILE_HEADER_LEN;
use crate::id::{FileId, RecordId};
use crate::manifest::Manifest;
use crate::part::layout::encoded_deletes_len;
use crate::run::{Place, Run};
use crate::segment::Segment;
use crate::segment::layout::{ENTRY_LEN, FOOTER_LEN};
use crate::vfs::Access;

/// The bytes of a segment or a log, and how many of them deleted records take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct FileUsage {
    /// The number of the file.
    pub file: FileId,
    /// Length of the file in bytes: of a log, up to the commit of the snapshot.
    pub len: u64,
    /// Stored bytes of deleted records, frames of large ones included; `len` if no record is left.
    pub dead_len: u64,
}

impl FileUsage {
    /// Bytes of `len` that records which are not deleted take, with headers and tables.
    pub fn live_len(&self) -> u64 {
        self.len - self.dead_len
    }
}

/// The bytes of all files of a snapshot, by kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DiskUsage {
    /// Sealed segments.
    pub segments: u64,
    /// Parts.
    pub parts: u64,
    /// Logs, each up to the commit of the snapshot.
    pub logs: u64,
    /// Both copies of the manifest.
    pub manifests: u64,
}

impl DiskUsage {
    /// The sum over all kinds.
    pub fn total(&self) -> u64 {
        [self.segments, self.parts, self.logs, self.manifests].into_iter().fold(0, u64::saturating_add)
    }
}

/// The most blocks of a file, among those with both deleted records and others, that are decoded to count their bytes: a sample of all.
const SAMPLE: usize = 64;

impl Store {
    /// Bytes of the directory that belong to the artifact and not to a snapshot: files that a crash left, or that are being written; what was committed after the snapshot;
    /// and files of earlier states that were not removed yet. Whoever opens the artifact for writing removes what a crash left. 0 for a pack.
    pub fn other_len(&self, snapshot: &Snapshot) -> Result<u64> {
        if self.as_pack().is_some() {
            return Ok(0);
        }
        let (state, usage) = (snapshot.state(), snapshot.disk_usage());
        let sealed = &state.sealed;
        let own: HashSet<FileName> =
            (sealed.segments.iter().map(|segment| FileName::Segment(segment.entry.file)))
                .chain(sealed.parts.iter().map(|part| FileName::Part(part.entry.file)))
                .collect();
        let (vfs, root) = (&self.directory.vfs, &self.directory.root);
        let names = vfs.list(root).map_err(|e| Error::io(e, "listing the directory", root))?;
        let (mut others, mut logs, mut manifests) = (0u64, 0u64, 0u64);
        for name in names.iter().filter_map(|name| FileName::parse(name)).filter(|name| !own.contains(name)) {
            let path = self.directory.path(name);
            let len = match vfs.open(&path, Access::Read).and_then(|file| file.len()) {
                Ok(len) => len,
                // Gone meanwhile, or no file.
                Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::InvalidInput) => 0,
                Err(e) => return Err(Error::io(e, "measuring", &path)),
            };
            let sum = match name {
                FileName::Log(_) => &mut logs,
                FileName::Manifest { .. } => &mut manifests,
                FileName::Segment(_) | FileName::Part(_) => &mut others,
            };
            *sum = sum.saturating_add(len);
        }
        // Logs may be longer than a snapshot knows of.
        let others = others.saturating_add(logs.saturating_sub(usage.logs));
        Ok(others.saturating_add(manifests.saturating_sub(usage.manifests)))
    }
}

impl Snapshot {
    /// The bytes of all files.
    pub fn disk_usage(&self) -> DiskUsage {
        let sealed = &self.state().sealed;
        let sum = |lens: &mut dyn Iterator<Item = u64>| lens.fold(0, u64::saturating_add);
        DiskUsage {
            segments: sum(&mut sealed.segments.iter().map(|segment| segment.entry.len)),
            parts: sum(&mut sealed.parts.iter().map(|part| part.entry.len)),
            logs: self.log_len(),
            manifests: 2 * Manifest::len_of(
                sealed.segments.len(),
                sealed.parts.len(),
                sealed.frozen.len() + 1,
            ),
        }
    }

    /// The bytes of all logs, each up to the commit of the snapshot.
    pub fn log_len(&self) -> u64 {
        let logs = self.state().sealed.frozen.iter().chain([&self.state().tail]);
        logs.fold(0, |sum, log| sum.saturating_add(log.len))
    }

    /// About how many bytes deleted records take in all segments: as [`segment_usage`](Self::segment_usage) says it, but that no block is decoded, and records
    /// of one block count as equally long.
    pub fn sealed_dead_len(&self) -> u64 {
        let deleted = self.deleted();
        let segments = self.state().sealed.segments.iter();
        let dead = segments.map(|segment| dead_len(&**segment, &deleted, part_in_records).unwrap_or(0));
        dead.fold(0, u64::saturating_add)
    }

    /// About how many bytes record `id` takes in a segment, deleted or not: its frames, and an equal share of its block. 0 if none has it.
    pub fn sealed_len_of(&self, id: RecordId) -> u64 {
        let has = |segment: &&Arc<Segment>| {
            segment.ids().is_some_and(|(first, last)| (first..=last).contains(&id.0))
        };
        let Some(segment) = self.state().sealed.segments.iter().find(has) else { return 0 };
        let len = || -> Result<u64> {
            let Some(index) = segment.find(id.0)? else { return Ok(0) };
            let place = segment.place(index)?;
            let frames = if place.first_id == id.0 { frames_len(&**segment, index, id.0)? } else { 0 };
            let header = segment.file().header(place.offset)?;
            Ok(frames.saturating_add(place.len / u64::from(header.count.max(1))))
        };
        len().unwrap_or(0)
    }

    /// How much of each segment deleted records take, in the order of [`segments`](Self::segments).
    ///
    /// Whole blocks and frames are told from the table of the segment; blocks with both kinds of records are decoded, up to 64 of
    /// them in a segment, and the others are taken to be like these. A block that is damaged counts as alive.
    pub fn segment_usage(&self) -> Vec<FileUsage> {
        let deleted = self.deleted();
        let usage = |segment: &Arc<Segment>| {
            let (file, len) = (segment.entry.file, segment.entry.len);
            let blocks = segment.block_count().unwrap_or(0);
            // A dictionary lies before the first block.
            let first = if blocks > 0 { segment.place(0).map_or(0, |place| place.offset) } else { 0 };
            let around =
                first.max(FILE_HEADER_LEN as u64) + FOOTER_LEN as u64 + blocks as u64 * ENTRY_LEN as u64;
            let dead_len = dead_len(&**segment, &deleted, part_in_bytes).unwrap_or(0);
            let nothing_is_left = dead_len > 0 && dead_len.saturating_add(around) >= len;
            FileUsage { file, len, dead_len: if nothing_is_left { len } else { dead_len } }
        };
        self.state().sealed.segments.iter().map(usage).collect()
    }

    /// How much of each log deleted records take, the active one last: see [`segment_usage`](Self::segment_usage).
    pub fn log_usage(&self) -> Vec<FileUsage> {
        let deleted = self.deleted();
        let state = self.state();
        let logs = state.sealed.frozen.iter().chain([&state.tail]);
        logs.map(|log| {
            let dead_len = dead_len(log, &deleted, part_in_bytes).unwrap_or(0).min(log.len);
            FileUsage { file: log.index.id, len: log.len, dead_len }
        })
        .collect()
    }
}

impl Snapshot {
    /// Length of the files that are mapped.
    pub fn mapped_bytes(&self) -> u64 {
        let sealed = &self.state().sealed;
        let sources = sealed.segments.iter().map(|segment| segment.source());
        let sources = sources.chain(sealed.parts.iter().map(|part| part.source()));
        sources.filter(|source| source.is_file_map()).fold(0, |sum, source| sum.saturating_add(source.len()))
    }

    /// Heap: where the blocks of logs are, dictionaries that were needed, tables of segments that are not mapped, deleted ids. Decoded blocks are in
    /// [`cache_stats`](Self::cache_stats).
    pub fn heap_bytes(&self) -> u64 {
        let sealed = &self.state().sealed;
        let tables: u64 = sealed.segments.iter().map(|segment| segment.heap_bytes()).sum();
        let logs = sealed.frozen.iter().chain([&self.state().tail]);
        tables + logs.map(|log| log.index.heap_bytes()).sum::<u64>() + encoded_deletes_len(&sealed.deletes)
    }
}

/// How much of such a block is deleted, and of how much. `None`: it cannot be read.
type DeadPart = fn(&dyn Run, &Mixed, &RoaringTreemap) -> Option<(u64, u64)>;

/// A block that may have deleted records and others.
struct Mixed {
    place: Place,
    /// One more than the largest id that can be in it.
    end: u64,
}

/// In bytes of the records, for which the block is decoded.
fn part_in_bytes(run: &dyn Run, block: &Mixed, deleted: &RoaringTreemap) -> Option<(u64, u64)> {
    let block = run.file().records(block.place).ok()?;
    let (mut dead, mut all) = (0, 0);
    for (id, len) in block.body_lens() {
        all += len;
        dead += if deleted.contains(id) { len } else { 0 };
    }
    Some((dead, all))
}

/// In records, as the head of the block counts them.
fn part_in_records(run: &dyn Run, block: &Mixed, deleted: &RoaringTreemap) -> Option<(u64, u64)> {
    let header = run.file().header(block.place.offset).ok()?;
    Some((deleted.range_cardinality(block.place.first_id..block.end), u64::from(header.count)))
}

/// Stored bytes of deleted records.
fn dead_len(run: &dyn Run, deleted: &RoaringTreemap, dead_part: DeadPart) -> Result<u64> {
    let (Some((first, last)), count) = (run.ids(), run.block_count()?) else { return Ok(0) };
    let mut ids = deleted.iter();
    ids.advance_to(first);
    let (mut dead, mut mixed) = (0u64, Vec::new());
    // Each step passes over a block.
    for _ in 0..=count {
        let Some(id) = ids.next().filter(|&id| id <= last) else { break };
        let Some(index) = run.find(id)? else {
            if count == 0 {
                break;
            }
            ids.advance_to(run.place(0)?.first_id);
            continue;
        };
        let place = run.place(index)?;
        let end = if index + 1 < count { run.place(index + 1)?.first_id } else { last.saturating_add(1) };
        if deleted.contains(place.first_id) {
            dead = dead.saturating_add(frames_len(run, index, place.first_id)?);
        }
        if deleted.range_cardinality(place.first_id..end) == end.saturating_sub(place.first_id) {
            dead = dead.saturating_add(place.len);
        } else {
            mixed.push(Mixed { place, end });
        }
        ids.advance_to(end);
    }
    Ok(dead.saturating_add(dead_len_within(run, &mixed, deleted, dead_part)))
}

/// The frames right before a block, of the large record that it begins with.
fn frames_len(run: &dyn Run, block: usize, id: u64) -> Result<u64> {
    let mut len = 0u64;
    for index in (0..block).rev() {
        let place = run.place(index)?;
        if place.first_id != id {
            break;
        }
        len = len.saturating_add(place.len);
    }
    Ok(len)
}

/// Bytes of deleted records in blocks that may have others too, estimated from a sample.
fn dead_len_within(run: &dyn Run, blocks: &[Mixed], deleted: &RoaringTreemap, dead_part: DeadPart) -> u64 {
    let (mut looked_at, mut dead) = (0u64, 0u64);
    for block in blocks.iter().step_by(blocks.len().div_ceil(SAMPLE).max(1)) {
        looked_at = looked_at.saturating_add(block.place.len);
        if let Some((part, whole)) = dead_part(run, block, deleted) {
            dead = dead.saturating_add(proportion(block.place.len, part, whole));
        }
    }
    let all = blocks.iter().fold(0u64, |sum, block| sum.saturating_add(block.place.len));
    proportion(all, dead, looked_at)
}

/// `bytes * part / whole`, rounded down.
fn proportion(bytes: u64, part: u64, whole: u64) -> u64 {
    if whole == 0 {
        return 0;
    }
    let scaled = u128::from(bytes) * u128::from(part.min(whole)) / u128::from(whole);
    u64::try_from(scaled).unwrap_or(bytes)
}
