//! Read everything, believe nothing, name every place that is not what was written there.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::block::{Block, BlockKind};
use crate::checksum::Hash128;
use crate::error::{Error, ErrorKind, Result};
use crate::file::{FileHeader, FileKind, FileName};
use crate::id::{ArtifactId, RecordId};
use crate::log::reader::{Scan, scan};
use crate::manifest::{LogEntry, Manifest, PartEntry, SegmentEntry};
use crate::options::Options;
use crate::part::{Part, PartKind};
use crate::protocol::Step;
use crate::run::{BlockFile, Place, Run};
use crate::segment::Segment;
use crate::segment::layout::FOOTER_LEN;
use crate::source::Source;
use crate::store::{Directory, check_header, read_manifests};
use crate::vfs::{Access, DiskVfs, Vfs};

/// How thoroughly [`verify`] reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum VerifyLevel {
    /// Manifests, file headers, tables, logs and the headers of all blocks.
    Headers,
    /// And every stored byte, against its checksum and its file's hash.
    Checksums,
    /// And every block decoded, every record found, every large record whole.
    Decode,
}

/// What [`verify`] read and found.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct VerifyReport {
    /// Files looked at.
    pub files: u64,
    /// Blocks of records and frames in them.
    pub blocks: u64,
    /// Records in those blocks, deleted ones included; counted at [`VerifyLevel::Decode`].
    pub records: u64,
    /// Bytes behind the last commit of an artifact that was not closed: no damage, the next open drops them.
    pub torn_len: u64,
    /// Every place that is not what was written there.
    pub damage: Vec<Damage>,
}

/// A place that is not what was written there.
#[derive(Debug)]
#[non_exhaustive]
pub struct Damage {
    /// The file.
    pub path: PathBuf,
    /// The bytes of it that cannot be trusted.
    pub range: Range<u64>,
    /// What does not hold.
    pub error: Error,
    /// Ids of which some may be lost with it; empty where none are.
    pub lost: Range<RecordId>,
    /// The file is a part whose content its owner can make again: [`Edit::drop_part`](crate::Edit::drop_part) is all that it needs.
    pub is_derived: bool,
}

impl Damage {
    fn new(path: &Path, range: Range<u64>, error: Error, lost: Range<u64>) -> Self {
        Self {
            path: path.to_owned(),
            range,
            error,
            lost: RecordId(lost.start)..RecordId(lost.end),
            is_derived: false,
        }
    }

    /// A part of which nothing can be read.
    pub(crate) fn of_part(part: &Part) -> Option<Self> {
        let fault = part.fault()?;
        let range = fault.offset().unwrap_or(0)..part.entry.len;
        let damage = Self::new(part.source().path(), range, fault.again(), 0..0);
        Some(Self { is_derived: true, ..damage })
    }

    /// The damage that a scan of a log found.
    pub(crate) fn of_scan(scan: &Scan, path: PathBuf) -> impl Iterator<Item = Self> {
        scan.damage.iter().map(move |found| {
            let mut error = Error::new(found.error.kind(), found.error.message());
            error = error.at_offset(found.error.offset().unwrap_or(found.range.start));
            Self::new(&path, found.range.clone(), error, found.lost.clone())
        })
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Range { start, end } = self.range;
        write!(f, "{}: bytes {start} to {end}: {}", self.path.display(), self.error.message())?;
        if self.lost.start < self.lost.end {
            write!(f, " (records {} to {})", self.lost.start, self.lost.end.0 - 1)?;
        }
        Ok(())
    }
}

/// Verifies an artifact that nobody is writing to. Changes nothing; needs no more memory than a few blocks.
///
/// An error means that there is no sound manifest to go by, or that the medium fails; damage is in the report.
pub fn verify(path: impl AsRef<Path>, level: VerifyLevel) -> Result<VerifyReport> {
    verify_in(Arc::new(DiskVfs), path, level, &Options::default())
}

/// [`verify`] in any file system; of the options only `memory_mapping` matters.
pub fn verify_in(
    vfs: Arc<dyn Vfs>,
    path: impl AsRef<Path>,
    level: VerifyLevel,
    options: &Options,
) -> Result<VerifyReport> {
    let root = path.as_ref();
    let found = read_manifests(&*vfs, root, options)?;
    let Some(manifest) = found.newest else {
        let damaged = found.damaged.into_iter().next().map(|(_, e)| e);
        let none = || Error::new(ErrorKind::NotFound, "there is no artifact here").at(root);
        return Err(damaged.unwrap_or_else(none));
    };
    let directory = Directory::new(vfs, root, manifest.artifact, options, 0);
    let mut report = verify_generation(&directory, &manifest, level)?;
    for (name, error) in found.damaged {
        let path = directory.path(name);
        report.damage.push(Damage::new(&path, 0..u64::MAX, error, 0..0));
    }
    Ok(report)
}

/// Verifies the files that a manifest names.
pub(crate) fn verify_generation(
    directory: &Directory,
    manifest: &Manifest,
    level: VerifyLevel,
) -> Result<VerifyReport> {
    let mut verifier = Verifier { directory, level, report: VerifyReport::default() };
    verifier.run(manifest)?;
    Ok(verifier.report)
}

struct Verifier<'a> {
    directory: &'a Directory,
    level: VerifyLevel,
    report: VerifyReport,
}

impl Verifier<'_> {
    fn run(&mut self, manifest: &Manifest) -> Result<()> {
        self.report.files += 2;
        for entry in &manifest.segments {
            let lost = entry.first_id..entry.last_id + 1;
            let result = self.segment(entry);
            self.note(FileName::Segment(entry.file), entry.len, result, lost)?;
        }
        for entry in &manifest.parts {
            let (before, result) = (self.report.damage.len(), self.part(entry));
            self.note(FileName::Part(entry.file), entry.len, result, 0..0)?;
            let found = &mut self.report.damage[before..];
            for damage in found {
                damage.is_derived = PartKind(entry.kind).is_derived();
            }
        }
        let active = manifest.logs.len() - 1;
        for (index, entry) in manifest.logs.iter().enumerate() {
            let result = self.log(entry, index == active);
            let name = FileName::Log(entry.file);
            self.note(name, entry.checkpoint.len, result, 0..entry.checkpoint.next_id)?;
        }
        Ok(())
    }

    /// An error about a whole file is damage to it, unless the medium fails.
    fn note(&mut self, name: FileName, len: u64, result: Result<()>, lost: Range<u64>) -> Result<()> {
        self.report.files += 1;
        match result {
            Err(e) if e.is_io() => Err(e),
            Err(e) => {
                let path = self.directory.path(name);
                let place = e.offset().unwrap_or(0)..len;
                self.report.damage.push(Damage::new(&path, place, e, lost));
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }

    fn open(&mut self, name: FileName, len: u64) -> Result<Source> {
        let path = self.directory.path(name);
        let file = self.directory.open(name, Access::Read)?;
        let found = file.len().map_err(|e| Error::io(e, "asking for the length", &path))?;
        if found < len {
            let message = format!("expected {len} bytes, found {found}");
            return Err(Error::new(ErrorKind::Truncated, message).at_offset(found));
        }
        if found > len {
            let error = Error::damaged(format!("expected {len} bytes, found {found}"));
            self.report.damage.push(Damage::new(&path, len..found, error, 0..0));
        }
        Ok(Source::sealed(&path, len, file, self.directory.options.memory_mapping))
    }

    fn check_hash(&mut self, source: &Source, hashed: u64, expected: u128) -> Result<()> {
        if self.level < VerifyLevel::Checksums || !self.directory.options.steps.take(Step::CheckFileHash) {
            return Ok(());
        }
        let found = source.hash(hashed)?;
        // What a checksum inside already names is not named again.
        if found != expected && !self.report.damage.iter().any(|damage| damage.path == source.path()) {
            let message = format!("expected file hash {expected:032x}, found {found:032x}");
            self.report.damage.push(Damage::new(source.path(), 0..hashed, Error::damaged(message), 0..0));
        }
        Ok(())
    }

    fn segment(&mut self, entry: &SegmentEntry) -> Result<()> {
        let name = FileName::Segment(entry.file);
        let path = self.directory.path(name);
        let source = self.open(name, entry.len)?;
        let file = self.directory.block_file(entry.file, source);
        let segment = Segment::open(file, self.directory.artifact, *entry)?;
        if let Err(e) = segment.check_header(self.directory.artifact) {
            let range = 0..crate::file::layout::FILE_HEADER_LEN as u64;
            self.report.damage.push(Damage::new(&path, range, e, 0..0));
        }
        if let Some(e) = segment.table_error()? {
            let start = e.offset().unwrap_or(0);
            let error = Error::new(e.kind(), e.message()).at_offset(start);
            self.report.damage.push(Damage::new(&path, start..entry.len, error, 0..0));
        }
        if let Ok(footer) = segment.footer() {
            let found = (footer.first_id, footer.last_id, footer.records, footer.raw_len, footer.hash);
            if found != (entry.first_id, entry.last_id, entry.records, entry.raw_len, entry.hash) {
                let start = entry.len - FOOTER_LEN as u64;
                let error = Error::new(ErrorKind::Foreign, "segment footer: not what the manifest says");
                self.report.damage.push(Damage::new(&path, start..entry.len, error, 0..0));
            }
        }
        for lost in segment.lost() {
            let error = Error::damaged("blocks between sound ones are damaged beyond recognition");
            self.report.damage.push(Damage::new(&path, 0..entry.len, error, lost));
        }
        self.blocks(&segment, &path)?;
        self.check_hash(&segment.file().source, entry.len - FOOTER_LEN as u64, entry.hash)
    }

    fn part(&mut self, entry: &PartEntry) -> Result<()> {
        let source = self.open(FileName::Part(entry.file), entry.len)?;
        let binding = self.directory.binding(entry.file);
        let part = Part::open(source, binding, *entry, self.directory.options.steps)?;
        if self.level >= VerifyLevel::Checksums {
            part.verify()?;
        }
        let hashed = entry.len.saturating_sub(crate::part::layout::FOOTER_LEN as u64);
        self.check_hash(part.source(), hashed, entry.hash)
    }

    fn log(&mut self, entry: &LogEntry, active: bool) -> Result<()> {
        let name = FileName::Log(entry.file);
        let path = self.directory.path(name);
        let opened = self.directory.open(name, Access::Read)?;
        let len = opened.len().map_err(|e| Error::io(e, "asking for the length", &path))?;
        let len = if active { len } else { len.min(entry.checkpoint.len) };
        let file = self.directory.block_file(entry.file, Source::file(&path, len, opened));
        let found = scan(&file, Some(entry.checkpoint), self.chain_start(entry))?;
        self.report.torn_len += found.torn_len();
        let header = FileHeader { kind: FileKind::Log, artifact: self.directory.artifact, file: entry.file };
        if let Err(e) = check_header(&header, &file.source, self.directory) {
            let range = 0..crate::file::layout::FILE_HEADER_LEN as u64;
            self.report.damage.push(Damage::new(&path, range, e, 0..0));
        }
        self.report.damage.extend(Damage::of_scan(&found, path.clone()));
        let run = Walked { file, places: found.places, next_id: found.committed.next_id };
        self.blocks(&run, &path)
    }

    fn chain_start(&self, entry: &LogEntry) -> u128 {
        let artifact: ArtifactId = self.directory.artifact;
        Hash128::chain_start(artifact, entry.file)
    }

    /// Every block of a run: its checksums, and its records with their frames.
    fn blocks(&mut self, run: &dyn Run, path: &Path) -> Result<()> {
        let count = run.block_count()?;
        let mut frames = 0u64;
        for index in 0..count {
            let place = run.place(index)?;
            self.report.blocks += 1;
            match self.block(run.file(), place, &mut frames) {
                Ok(()) => {}
                Err(e) if e.is_io() => return Err(e),
                Err(e) => {
                    let named = |damage: &Damage| damage.path == path && damage.range.contains(&place.offset);
                    if self
                        .report
                        .damage
                        .iter()
                        .any(|damage| named(damage) && damage.range.start == place.offset)
                    {
                        continue; // by the scan of the log
                    }
                    let next = if index + 1 < count { run.place(index + 1)?.first_id } else { run_end(run) };
                    let lost = place.first_id..next.max(place.first_id.saturating_add(1));
                    self.report.damage.push(Damage::new(
                        path,
                        place.offset..place.offset + place.len,
                        e,
                        lost,
                    ));
                }
            }
        }
        Ok(())
    }

    fn block(&mut self, file: &BlockFile, place: Place, frames: &mut u64) -> Result<()> {
        let (header, stored) = file.open(place)?;
        if self.level < VerifyLevel::Checksums {
            return Ok(());
        }
        if header.kind == BlockKind::Frame && self.level < VerifyLevel::Decode {
            *frames += 1;
        }
        header
            .check_payload(&stored, &file.binding, place.offset, file.steps)
            .map_err(|e| e.at(file.path()))?;
        if self.level < VerifyLevel::Decode {
            return Ok(());
        }
        let raw = file.decode(&header, &stored, place.offset)?;
        if header.kind == BlockKind::Frame {
            if u64::from(header.count) != *frames {
                let message =
                    format!("expected frame {frames} of record {}, found {}", header.first_id, header.count);
                *frames = u64::from(header.count) + 1;
                return Err(Error::damaged(message).at_offset(place.offset));
            }
            *frames += 1;
            return Ok(());
        }
        if header.kind != BlockKind::Records {
            let message = format!("expected a block of records, found {:?}", header.kind);
            return Err(Error::damaged(message).at_offset(place.offset));
        }
        let block = Block::new(&header, raw).map_err(|e| e.at_offset(place.offset))?;
        self.report.records += u64::from(block.count());
        let before = std::mem::take(frames);
        for (id, body) in block.records() {
            if let crate::block::Body::Large(large) = body
                && u64::from(large.frame_count()) != before
            {
                let message = format!("record {id}: expected {} frames, found {before}", large.frame_count());
                return Err(Error::damaged(message).at_offset(place.offset));
            }
        }
        Ok(())
    }
}

/// One more than the largest id that can be in a run.
fn run_end(run: &dyn Run) -> u64 {
    run.ids().map_or(0, |(_, last)| last.saturating_add(1))
}

/// Blocks found by walking a file.
#[derive(Debug)]
pub(crate) struct Walked {
    pub(crate) file: BlockFile,
    pub(crate) places: Vec<Place>,
    pub(crate) next_id: u64,
}

impl Run for Walked {
    fn file(&self) -> &BlockFile {
        &self.file
    }

    fn block_count(&self) -> Result<usize> {
        Ok(self.places.len())
    }

    fn place(&self, index: usize) -> Result<Place> {
        Ok(self.places[index])
    }

    fn lost(&self) -> Vec<Range<u64>> {
        Vec::new()
    }

    fn ids(&self) -> Option<(u64, u64)> {
        Some((self.places.first()?.first_id, self.next_id.saturating_sub(1)))
    }
}
