//! The files that a manifest names → what is damaged in them.

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::findings::Findings;
use crate::block::layout::CodecId;
use crate::block::{Block, BlockKind, Body};
use crate::checksum::Hash128;
use crate::damage::Damage;
use crate::directory::Directory;
use crate::error::{Error, ErrorKind, Result};
use crate::file::layout::FILE_HEADER_LEN;
use crate::file::{FileKind, FileName};
use crate::log::reader::scan;
use crate::manifest::{LogEntry, Manifest, PartEntry, SegmentEntry};
use crate::options::VerifyLevel;
use crate::part::layout::decode_deletes;
use crate::part::{self, Part, PartKind};
use crate::protocol::Step;
use crate::report::{Leftover, LeftoverKind, VerifyReport};
use crate::run::{DICTIONARY_OFFSET, Place, Run, check_last_id, end_of_block};
use crate::segment::Segment;
use crate::segment::layout::FOOTER_LEN;
use crate::source::Source;
use crate::sparse;
use crate::walk::WalkedBlocks;

/// Verifies the files that a manifest names.
pub(crate) fn verify_generation(
    directory: &Directory,
    manifest: &Manifest,
    level: VerifyLevel,
) -> Result<VerifyReport> {
    let mut verifier = Verifier::new(directory, level);
    verifier.run(manifest)?;
    Ok(verifier.total)
}

pub(super) struct Verifier<'a> {
    directory: &'a Directory,
    level: VerifyLevel,
    /// Counts of the file that is being read, and the damage in it.
    report: VerifyReport,
    pub(super) found: Findings,
    /// The findings in the files before it.
    pub(super) total: VerifyReport,
    /// Sealed files without damage.
    pub(super) sound: HashMap<FileName, VerifyReport>,
    /// The newest commit in the logs.
    pub(super) last_commit: u64,
    /// The next id behind it.
    next_id: u64,
}

impl<'a> Verifier<'a> {
    pub(super) fn new(directory: &'a Directory, level: VerifyLevel) -> Self {
        let (report, total) = (VerifyReport::default(), VerifyReport { files: 2, ..VerifyReport::default() });
        Self {
            directory,
            level,
            report,
            found: Findings::default(),
            total,
            sound: HashMap::new(),
            last_commit: 0,
            next_id: 0,
        }
    }

    pub(super) fn run(&mut self, manifest: &Manifest) -> Result<()> {
        self.logs(manifest)?;
        let next_id = manifest.next_id().max(self.next_id);
        for entry in &manifest.segments {
            let lost = entry.first_id..entry.last_id.saturating_add(1);
            let name = FileName::Segment(entry.file);
            self.verify_sealed(name, entry.len, lost, false, |verifier| verifier.segment(entry))?;
        }
        for entry in &manifest.parts {
            let (name, is_derived) = (FileName::Part(entry.file), PartKind(entry.kind).is_derived());
            self.verify_sealed(name, entry.len, 0..0, is_derived, |verifier| verifier.part(entry, next_id))?;
        }
        self.excuse_damaged_deletes(manifest);
        Ok(())
    }

    fn logs(&mut self, manifest: &Manifest) -> Result<()> {
        let active = manifest.logs.len() - 1;
        for (index, entry) in manifest.logs.iter().enumerate() {
            let result = self.log(entry, manifest.first_id_in_log(index), index == active);
            let name = FileName::Log(entry.file);
            self.finish_file(name, entry.checkpoint.len, result, 0..entry.checkpoint.next_id)?;
            let report = self.finished_report();
            self.total.add(report);
        }
        Ok(())
    }

    /// A damaged list of deleted ids costs nothing while there is a sound one.
    fn excuse_damaged_deletes(&mut self, manifest: &Manifest) {
        let deletes = manifest.parts.iter().filter(|entry| entry.kind == PartKind::DELETES.0);
        let paths: HashSet<PathBuf> =
            deletes.map(|entry| self.directory.path(FileName::Part(entry.file))).collect();
        let damaged: HashSet<PathBuf> = self.total.damage.iter().map(|damage| damage.path.clone()).collect();
        if paths.iter().any(|path| !damaged.contains(path)) {
            let of_deletes = self.total.damage.iter_mut().filter(|damage| paths.contains(&damage.path));
            of_deletes.for_each(|damage| damage.is_derived = true);
        }
    }

    /// A file that never changes: read once.
    fn verify_sealed(
        &mut self,
        name: FileName,
        len: u64,
        lost: Range<u64>,
        is_derived: bool,
        read: impl FnOnce(&mut Self) -> Result<()>,
    ) -> Result<()> {
        if let Some(&VerifyReport { files, blocks, records, .. }) = self.sound.get(&name) {
            self.total.add(VerifyReport { files, blocks, records, ..VerifyReport::default() });
            return Ok(());
        }
        let result = read(self);
        self.finish_file(name, len, result, lost)?;
        let mut report = self.finished_report();
        report.damage.iter_mut().for_each(|damage| damage.is_derived = is_derived);
        if report.is_sound() {
            let VerifyReport { files, blocks, records, .. } = report;
            self.sound.insert(name, VerifyReport { files, blocks, records, ..VerifyReport::default() });
        }
        self.total.add(report);
        Ok(())
    }

    /// What was found in the file that was read.
    fn finished_report(&mut self) -> VerifyReport {
        VerifyReport { damage: self.found.take(), ..std::mem::take(&mut self.report) }
    }

    /// An error about a whole file is damage to it, unless the medium fails.
    fn finish_file(&mut self, name: FileName, len: u64, result: Result<()>, lost: Range<u64>) -> Result<()> {
        self.report.files += 1;
        match result {
            Err(e) if e.is_io() => Err(e),
            Err(e) => {
                let path = self.directory.path(name);
                let place = e.offset().unwrap_or(0)..len;
                self.found.push(Damage::new(&path, place, &e, lost));
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }

    fn open(&mut self, name: FileName, len: u64) -> Result<Source> {
        let path = self.directory.path(name);
        let (file, found) = self.directory.open_with_len(name)?;
        if found < len {
            let message = format!("expected {len} bytes, found {found}");
            return Err(Error::new(ErrorKind::Truncated, message).at_offset(found));
        }
        if found > len {
            let error = Error::damaged(format!("expected {len} bytes, found {found}"));
            self.found.push(Damage::new(&path, len..found, &error, 0..0));
        }
        sparse::check_allocated(&*file, &path, 0..len)?;
        Ok(Source::sealed(&path, len, file, self.directory.options.memory_mapping))
    }

    fn check_hash(&mut self, source: &Source, hashed: u64, expected: u128) -> Result<()> {
        if self.level < VerifyLevel::Checksums || !self.directory.options.steps.take(Step::CheckFileHash) {
            return Ok(());
        }
        // Damage that a checksum inside the file names is not named again.
        if !self.found.is_empty() {
            return Ok(());
        }
        let found = source.hash(hashed)?;
        if found != expected {
            let message = format!("expected file hash {expected:032x}, found {found:032x}");
            self.found.push(Damage::new(source.path(), 0..hashed, &Error::damaged(message), 0..0));
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
            let range = 0..FILE_HEADER_LEN as u64;
            self.found.push(Damage::new(&path, range, &e, 0..0));
        }
        if let Some(e) = segment.table_error()? {
            let start = e.offset().unwrap_or(0);
            self.found.push(Damage::new(&path, start..entry.len, e, 0..0));
        }
        let footer = match segment.footer() {
            Err(e) if e.is_io() => return Err(e),
            footer => footer.ok(), // what is wrong with it, the table says
        };
        if let Some(footer) = footer {
            let found = (footer.first_id, footer.last_id, footer.records, footer.raw_len, footer.hash);
            if found != (entry.first_id, entry.last_id, entry.records, entry.raw_len, entry.hash) {
                let start = entry.len - FOOTER_LEN as u64;
                let error = Error::new(ErrorKind::Foreign, "segment footer: not what the manifest says");
                self.found.push(Damage::new(&path, start..entry.len, &error, 0..0));
            }
        }
        for gap in segment.gaps()?.iter().filter(|gap| !gap.ids.is_empty()) {
            let error = Error::damaged("no block header holds where blocks should be");
            // Where there are no bytes between the blocks and the table, nothing says where those ids should be.
            let bytes = if gap.bytes.is_empty() { 0..entry.len } else { gap.bytes.clone() };
            self.found.push(Damage::new(&path, bytes, &error, gap.ids.clone()));
        }
        self.dictionary(&segment, &path)?;
        self.blocks(&segment, &path)?;
        self.check_hash(&segment.file().source, entry.len - FOOTER_LEN as u64, entry.hash)
    }

    /// The dictionary of a segment, without which most of its records are lost.
    fn dictionary(&mut self, segment: &Segment, path: &Path) -> Result<()> {
        if !segment.has_dictionary()? {
            return Ok(());
        }
        let read = if self.level < VerifyLevel::Checksums {
            segment.file().dictionary_header().map(drop)
        } else {
            segment.file().dictionary().map(drop)
        };
        match read {
            Err(e) if !e.is_io() => {
                let range = DICTIONARY_OFFSET..segment.place(0)?.offset;
                let lost = segment.entry.first_id..segment.entry.last_id.saturating_add(1);
                self.found.push(Damage::new(path, range, &e, lost));
                Ok(())
            }
            read => read,
        }
    }

    fn part(&mut self, entry: &PartEntry, next_id: u64) -> Result<()> {
        let source = self.open(FileName::Part(entry.file), entry.len)?;
        let binding = self.directory.binding(entry.file);
        let part = Part::open(source, binding, *entry, self.directory.options.steps)?;
        if self.level >= VerifyLevel::Checksums {
            part.verify()?;
            if part.kind() == PartKind::DELETES {
                decode_deletes(&part.content()?, next_id)?;
            }
        }
        let hashed = entry.len.saturating_sub(part::layout::FOOTER_LEN as u64);
        self.check_hash(part.source(), hashed, entry.hash)
    }

    fn log(&mut self, entry: &LogEntry, first_id: u64, active: bool) -> Result<()> {
        let name = FileName::Log(entry.file);
        let path = self.directory.path(name);
        let (opened, len) = self.directory.open_with_len(name)?;
        let len = if active { len } else { len.min(entry.checkpoint.len) };
        let file = self.directory.block_file(entry.file, Source::file(&path, len, opened));
        let chain = Hash128::chain_start(self.directory.artifact, entry.file);
        let found = scan(&file, Some(entry.checkpoint), first_id, chain)?;
        self.last_commit = self.last_commit.max(found.committed.seq);
        self.next_id = self.next_id.max(found.committed.next_id);
        let torn_len = found.torn_len();
        if torn_len > 0 {
            self.report.torn_len += torn_len;
            let kind = LeftoverKind::TornTail(torn_len);
            self.report.left_by_crash.push(Leftover { path: path.clone(), kind });
        }
        if let Err(e) = file.check_header(FileKind::Log, self.directory.artifact) {
            let range = 0..FILE_HEADER_LEN as u64;
            self.found.push(Damage::new(&path, range, &e, 0..0));
        }
        found.damage.into_iter().for_each(|damage| self.found.push(damage));
        let run = WalkedBlocks { file, places: found.places, next_id: found.committed.next_id };
        self.blocks(&run, &path)
    }

    /// Every block of a run: its checksums, and its records with their frames.
    fn blocks(&mut self, run: &dyn Run, path: &Path) -> Result<()> {
        let count = run.block_count()?;
        let mut frames = 0u64;
        for index in 0..count {
            let place = run.place(index)?;
            self.report.blocks += 1;
            match self.block(run, index, place, &mut frames) {
                Ok(()) => {}
                Err(e) if e.is_io() => return Err(e),
                Err(e) => {
                    if self.found.begins_at(place.offset) {
                        continue; // by the scan of the log
                    }
                    let lost =
                        place.first_id..end_of_block(run, index)?.max(place.first_id.saturating_add(1));
                    let range = place.offset..place.offset + place.len;
                    self.found.push(Damage::new(path, range, &e, lost));
                }
            }
        }
        Ok(())
    }

    fn block(&mut self, run: &dyn Run, index: usize, place: Place, frames: &mut u64) -> Result<()> {
        let file = run.file();
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
        // Without its dictionary it cannot be decoded, which is one damage and not that of every block.
        if header.codec == CodecId::ZstdDictionary && self.found.begins_at(DICTIONARY_OFFSET) {
            *frames = 0;
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
        let mut last = header.first_id;
        for (id, body) in block.records() {
            last = id;
            if let Body::Large(large) = body
                && u64::from(large.frame_count()) != before
            {
                let message = format!("record {id}: expected {} frames, found {before}", large.frame_count());
                return Err(Error::damaged(message).at_offset(place.offset));
            }
        }
        check_last_id(run, index, last)
    }
}
