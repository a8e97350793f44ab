//! Read everything, believe nothing, name every place that is not what was written there.

use std::collections::{HashMap, HashSet};
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
use crate::store::{Directory, Manifests, check_header, check_orphans, newest, read_manifests};
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
    /// What a crash left, or a writer that is at work: no damage. The next open for writing clears it.
    pub left_by_crash: Vec<Leftover>,
    /// Every place that is not what was written there.
    pub damage: Vec<Damage>,
}

impl VerifyReport {
    /// Whether there is no damage.
    pub fn is_sound(&self) -> bool {
        self.damage.is_empty()
    }

    fn add(&mut self, other: Self) {
        self.files += other.files;
        self.blocks += other.blocks;
        self.records += other.records;
        self.torn_len += other.torn_len;
        self.left_by_crash.extend(other.left_by_crash);
        self.damage.extend(other.damage);
    }
}

/// What an interrupted change left behind. Nothing that was acknowledged is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Leftover {
    /// The file.
    pub path: PathBuf,
    /// What it is.
    pub kind: LeftoverKind,
}

/// The sort of a [`Leftover`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum LeftoverKind {
    /// A copy of the manifest that is missing or half written: its twin, or the generation before, is in force.
    ManifestCopy,
    /// A manifest of an earlier generation.
    OldManifest,
    /// A log, segment or part that the manifest does not name.
    UnnamedFile,
    /// So many bytes behind the last commit of a log.
    TornTail(u64),
}

impl fmt::Display for Leftover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.path.display())?;
        match self.kind {
            LeftoverKind::ManifestCopy => f.write_str("a copy of the manifest that was not finished"),
            LeftoverKind::OldManifest => f.write_str("the manifest of an earlier generation"),
            LeftoverKind::UnnamedFile => {
                f.write_str("a file of a change that was not finished, or was replaced")
            }
            LeftoverKind::TornTail(len) => write!(f, "{len} bytes of a commit that was not finished"),
        }
    }
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
    /// Nothing is lost: the file is a part whose content its owner can make again, after [`Edit::drop_part`](crate::Edit::drop_part), or the
    /// list of deleted ids, of which there is a second copy; the next edit writes it anew.
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

/// Verifies an artifact, also beside its writer: then the newest generation. Changes nothing; needs no more memory than a few blocks.
///
/// An error means that there is no sound manifest to go by, or that the medium fails; damage is in the report.
pub fn verify(path: impl AsRef<Path>, level: VerifyLevel) -> Result<VerifyReport> {
    verify_in(Arc::new(DiskVfs), path, level, &Options::default())
}

/// Generations that are looked at, at the most, when a writer replaces one after the other meanwhile.
const TRIES: usize = 64;

/// [`verify`] in any file system; of the options only `memory_mapping` matters.
pub fn verify_in(
    vfs: Arc<dyn Vfs>,
    path: impl AsRef<Path>,
    level: VerifyLevel,
    options: &Options,
) -> Result<VerifyReport> {
    let root = path.as_ref();
    let mut sound = HashMap::new();
    let mut found = read_manifests(&*vfs, root, options)?;
    let mut tries = 0;
    loop {
        tries += 1;
        let generation = found.highest;
        let mut result = verify_newest(&vfs, root, level, options, found, &mut sound);
        if result.as_ref().is_ok_and(VerifyReport::is_sound) {
            return result;
        }
        // A writer removes what it has replaced: a file that the newest generation does not name is nobody's loss.
        found = read_manifests(&*vfs, root, options)?;
        if found.highest == generation || tries == TRIES {
            if let (Ok(report), Some(manifest)) = (&mut result, &found.newest)
                && found.highest != generation
            {
                let named: HashSet<PathBuf> =
                    manifest.files().map(|name| root.join(name.to_string())).collect();
                report.damage.retain(|damage| named.contains(&damage.path));
            }
            return result;
        }
    }
}

/// One pass over the newest generation. Sealed files that are in `sound` already are not read again.
fn verify_newest(
    vfs: &Arc<dyn Vfs>,
    root: &Path,
    level: VerifyLevel,
    options: &Options,
    found: Manifests,
    sound: &mut HashMap<FileName, VerifyReport>,
) -> Result<VerifyReport> {
    let names = found.names.clone();
    let (manifest, damaged) = newest(&**vfs, root, found)?;
    let directory = Directory::new(vfs.clone(), root, manifest.artifact, options, 0);
    let mut verifier = Verifier::new(&directory, level);
    verifier.sound = std::mem::take(sound);
    let walked = verifier.run(&manifest);
    let last_commit = verifier.last_commit;
    *sound = verifier.sound;
    walked?;
    let mut report = verifier.total;
    let copies = ManifestCopies { directory: &directory, manifest: &manifest, names: &names };
    copies.judge(&damaged, &mut report)?;
    if directory.options.steps.take(Step::CheckOrphans)
        && let Err(e) = check_orphans(&directory, &manifest, &names, &damaged, last_commit)
    {
        let opened = e.path().and_then(|path| vfs.open(path, Access::Read).ok());
        let len = opened.and_then(|file| file.len().ok()).unwrap_or(0);
        report.damage.push(whole_file(e, len)?);
    }
    let named: HashSet<FileName> = manifest.files().collect();
    for &name in names.iter().filter(|name| name.id().is_some() && !named.contains(name)) {
        let path = directory.path(name);
        if !report.damage.iter().any(|damage| damage.path == path) {
            report.left_by_crash.push(Leftover { path, kind: LeftoverKind::UnnamedFile });
        }
    }
    if let Some(pack) = vfs.as_pack().filter(|_| level > VerifyLevel::Headers)
        && let Err(e) = pack.verify()
    {
        report.damage.push(whole_file(e, pack.len())?);
    }
    Ok(report)
}

/// Damage that is not known to a place; an error of the medium is passed on.
fn whole_file(e: Error, len: u64) -> Result<Damage> {
    match e.path().map(Path::to_owned) {
        Some(path) if !e.is_io() => Ok(Damage::new(&path, 0..len, e, 0..0)),
        _ => Err(e),
    }
}

/// The copies of manifests in a directory, beside the one that is in force.
struct ManifestCopies<'a> {
    directory: &'a Directory,
    manifest: &'a Manifest,
    names: &'a [FileName],
}

impl ManifestCopies<'_> {
    /// Tells what a crash left from damage.
    fn judge(&self, unsound: &[(FileName, Error)], report: &mut VerifyReport) -> Result<()> {
        for (name, error) in unsound {
            let path = self.directory.path(*name);
            if self.is_unfinished(*name, error)? {
                report.left_by_crash.push(Leftover { path, kind: LeftoverKind::ManifestCopy });
            } else {
                let len = self.directory.open(*name, Access::Read).ok().and_then(|file| file.len().ok());
                let len = len.unwrap_or(0).max(self.manifest.encode().len() as u64);
                report.damage.push(Damage::new(&path, 0..len, error.again(), 0..0));
            }
        }
        let is_old = |name: &&FileName| matches!(name, FileName::Manifest { generation, .. } if *generation < self.manifest.generation);
        let old = self.names.iter().filter(is_old);
        report.left_by_crash.extend(
            old.map(|&name| Leftover { path: self.directory.path(name), kind: LeftoverKind::OldManifest }),
        );
        Ok(())
    }

    /// Whether a copy is missing or does not hold because writing its generation was interrupted. Copy 0 is synced before copy 1 is
    /// begun, and the generation before is removed when both are durable.
    fn is_unfinished(&self, name: FileName, error: &Error) -> Result<bool> {
        let FileName::Manifest { generation, copy } = name else { return Ok(false) };
        if self.directory.vfs.as_pack().is_some() {
            return Ok(false);
        }
        let is_missing = error.kind() == ErrorKind::MissingFile;
        if generation > self.manifest.generation {
            let twin = FileName::Manifest { generation, copy: 1 - copy };
            return Ok(is_missing || !self.names.contains(&twin));
        }
        let is_older =
            |name: &FileName| matches!(name, FileName::Manifest { generation: old, .. } if *old < generation);
        let was_removed = !self.names.iter().any(is_older);
        Ok((copy == 1 || is_missing) && (!was_removed || (generation == 1 && self.log_is_new()?)))
    }

    /// Whether nothing was committed yet: the first generation was written, and perhaps not finished.
    fn log_is_new(&self) -> Result<bool> {
        let Some(entry) = self.manifest.logs.last() else { return Ok(false) };
        let name = FileName::Log(entry.file);
        let file = self.directory.open(name, Access::Read)?;
        let len =
            file.len().map_err(|e| Error::io(e, "asking for the length", &self.directory.path(name)))?;
        Ok(len <= crate::file::layout::FILE_HEADER_LEN as u64)
    }
}

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

struct Verifier<'a> {
    directory: &'a Directory,
    level: VerifyLevel,
    /// Of the file that is being read.
    report: VerifyReport,
    /// Of the files before it.
    total: VerifyReport,
    /// Sealed files without damage.
    sound: HashMap<FileName, VerifyReport>,
    /// The newest commit in the logs.
    last_commit: u64,
}

impl<'a> Verifier<'a> {
    fn new(directory: &'a Directory, level: VerifyLevel) -> Self {
        let (report, total) = (VerifyReport::default(), VerifyReport { files: 2, ..VerifyReport::default() });
        Self { directory, level, report, total, sound: HashMap::new(), last_commit: 0 }
    }

    fn run(&mut self, manifest: &Manifest) -> Result<()> {
        for entry in &manifest.segments {
            let lost = entry.first_id..entry.last_id.saturating_add(1);
            let name = FileName::Segment(entry.file);
            self.sealed(name, entry.len, lost, false, |verifier| verifier.segment(entry))?;
        }
        for entry in &manifest.parts {
            let (name, is_derived) = (FileName::Part(entry.file), PartKind(entry.kind).is_derived());
            self.sealed(name, entry.len, 0..0, is_derived, |verifier| verifier.part(entry))?;
        }
        self.judge_deletes(manifest);
        let active = manifest.logs.len() - 1;
        for (index, entry) in manifest.logs.iter().enumerate() {
            let result = self.log(entry, index == active);
            let name = FileName::Log(entry.file);
            self.end_file(name, entry.checkpoint.len, result, 0..entry.checkpoint.next_id)?;
            self.total.add(std::mem::take(&mut self.report));
        }
        Ok(())
    }

    /// A damaged list of deleted ids costs nothing while there is a sound one.
    fn judge_deletes(&mut self, manifest: &Manifest) {
        let deletes = manifest.parts.iter().filter(|entry| entry.kind == PartKind::DELETES.0);
        let paths: Vec<PathBuf> =
            deletes.map(|entry| self.directory.path(FileName::Part(entry.file))).collect();
        let damaged: HashSet<PathBuf> = self.total.damage.iter().map(|damage| damage.path.clone()).collect();
        if paths.iter().any(|path| !damaged.contains(path)) {
            let of_deletes = self.total.damage.iter_mut().filter(|damage| paths.contains(&damage.path));
            of_deletes.for_each(|damage| damage.is_derived = true);
        }
    }

    /// A file that never changes: read once.
    fn sealed(
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
        self.end_file(name, len, result, lost)?;
        let mut report = std::mem::take(&mut self.report);
        report.damage.iter_mut().for_each(|damage| damage.is_derived = is_derived);
        if report.is_sound() {
            let VerifyReport { files, blocks, records, .. } = report;
            self.sound.insert(name, VerifyReport { files, blocks, records, ..VerifyReport::default() });
        }
        self.total.add(report);
        Ok(())
    }

    /// An error about a whole file is damage to it, unless the medium fails.
    fn end_file(&mut self, name: FileName, len: u64, result: Result<()>, lost: Range<u64>) -> Result<()> {
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
        self.last_commit = self.last_commit.max(found.committed.seq);
        let torn_len = found.torn_len();
        if torn_len > 0 {
            self.report.torn_len += torn_len;
            let kind = LeftoverKind::TornTail(torn_len);
            self.report.left_by_crash.push(Leftover { path: path.clone(), kind });
        }
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
