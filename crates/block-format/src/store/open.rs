//! A directory → the newest state that holds. Recovery only ever adds files: what it found is copied into a new log and
//! synced before it is served, because it may be in the page cache only, and a sync that failed once says nothing the
//! second time.

use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use parking_lot::{Condvar, Mutex, RwLock};
use roaring::RoaringTreemap;

use super::edit::{frozen_view, verbatim};
use super::{Directory, Gate, Sealed, State, Store, Writer};
use crate::block::writer::{EncodedBlock, RawBlocks};
use crate::cache::BlockCache;
use crate::callers::Callers;
use crate::checksum::Hash128;
use crate::error::{Error, ErrorKind, Result};
use crate::file::layout::FILE_HEADER_LEN;
use crate::file::{FileHeader, FileKind, FileName, LOCK};
use crate::id::FileId;
use crate::log::reader::{Scan, scan};
use crate::log::writer::CommitMark;
use crate::log::{LogView, LogWriter};
use crate::manifest::layout::MAX_LEN;
use crate::manifest::{Checkpoint, LogEntry, Manifest, PartEntry, SegmentEntry};
use crate::options::Options;
use crate::part::{Part, PartKind};
use crate::protocol::Step;
use crate::segment::Segment;
use crate::source::Source;
use crate::verify::Damage;
use crate::vfs::{Access, Vfs, VfsFile, VfsLock};

/// What opening found, beyond what a closed artifact has.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct RecoveryReport {
    /// Commits that were in the log behind the manifest's checkpoint: the artifact was not closed after them.
    pub commits_recovered: u64,
    /// Records in them.
    pub records_recovered: u64,
    /// Bytes behind the last commit: of one that was never acknowledged.
    pub dropped_len: u64,
    /// Files that no generation names and that were removed: of a commit or an edit that never finished.
    pub removed_files: Vec<PathBuf>,
    /// Copies of the manifest that were missing or damaged and were written anew.
    pub manifests_rewritten: Vec<PathBuf>,
    /// Damage that was met. Where it [is derived](Damage::is_derived), the artifact opens all the same; otherwise only
    /// [`Store::open_read_only`] goes on in spite of it. `verify` looks everywhere.
    pub damage: Vec<Damage>,
}

impl RecoveryReport {
    /// Whether the artifact was found as it was closed.
    pub fn is_clean(&self) -> bool {
        self.commits_recovered == 0
            && self.dropped_len == 0
            && self.removed_files.is_empty()
            && self.manifests_rewritten.is_empty()
            && self.damage.is_empty()
    }
}

/// An open that failed, as a sentence.
pub(super) fn opening(e: io::Error, path: &Path) -> Error {
    match e.kind() {
        io::ErrorKind::NotFound => {
            let message = "a file of the artifact is missing; `salvage` keeps what the other files hold";
            Error::new(ErrorKind::MissingFile, message).at(path)
        }
        io::ErrorKind::InvalidInput | io::ErrorKind::IsADirectory => {
            Error::new(ErrorKind::NotAnArtifact, "expected a regular file").at(path)
        }
        _ => Error::io(e, "opening the file", path),
    }
}

/// The manifests found in a directory.
#[derive(Debug)]
pub(crate) struct Manifests {
    /// The newest one that holds.
    pub(crate) newest: Option<Manifest>,
    /// Copies that do not hold, or that are missing beside their twin.
    pub(crate) damaged: Vec<(FileName, Error)>,
    /// The highest generation that any name mentions.
    pub(crate) highest: u64,
    pub(crate) names: Vec<FileName>,
}

/// Lists a directory and reads its manifests.
pub(crate) fn read_manifests(vfs: &dyn Vfs, root: &Path, options: &Options) -> Result<Manifests> {
    let listed = vfs.list(root).map_err(|e| match e.kind() {
        io::ErrorKind::NotFound => {
            Error::new(ErrorKind::NotFound, "there is no artifact here; `create` makes one").at(root)
        }
        io::ErrorKind::NotADirectory | io::ErrorKind::InvalidInput => {
            let message = "expected the directory of an artifact, found a file";
            Error::new(ErrorKind::NotAnArtifact, message).at(root)
        }
        _ => Error::io(e, "listing the directory", root),
    })?;
    let mut names: Vec<FileName> = listed.iter().filter_map(|name| FileName::parse(name)).collect();
    names.sort_unstable();
    let generation_of = |name: &FileName| match name {
        FileName::Manifest { generation, .. } => Some(*generation),
        _ => None,
    };
    let mut generations: Vec<u64> = names.iter().filter_map(generation_of).collect();
    generations.dedup();
    let highest = generations.last().copied().unwrap_or(0);
    let mut found = Manifests { newest: None, damaged: Vec::new(), highest, names };
    for &generation in generations.iter().rev() {
        for copy in 0..2 {
            let name = FileName::Manifest { generation, copy };
            match read_manifest(vfs, &root.join(name.to_string()), generation, options) {
                Ok(manifest) => found.newest = found.newest.or(Some(manifest)),
                Err(e) if e.kind() == ErrorKind::NewerFormat || e.is_io() => return Err(e),
                Err(e) => found.damaged.push((name, e)),
            }
        }
        if found.newest.is_some() {
            break;
        }
    }
    Ok(found)
}

fn read_manifest(vfs: &dyn Vfs, path: &Path, generation: u64, options: &Options) -> Result<Manifest> {
    let file = vfs.open(path, Access::Read).map_err(|e| opening(e, path))?;
    let len = file.len().map_err(|e| Error::io(e, "asking for the length", path))?;
    if len > MAX_LEN {
        return Err(
            Error::damaged(format!("manifest: expected at most {MAX_LEN} bytes, found {len}")).at(path)
        );
    }
    let source = Source::file(path, len, file);
    let manifest = Manifest::decode(&source.read(0, len)?, options.steps).map_err(|e| e.at(path))?;
    let foreign = |message: String| Err(Error::new(ErrorKind::Foreign, message).at(path));
    if manifest.generation != generation {
        return foreign(format!("expected generation {generation}, found {}", manifest.generation));
    }
    check_sense(&manifest).map_err(|e| e.at(path))?;
    Ok(manifest)
}

/// A hash can be right over nonsense that somebody made: nothing behind this asks again.
fn check_sense(manifest: &Manifest) -> Result<()> {
    let fault = |message: &str| Err(Error::damaged(format!("manifest: {message}")));
    let Manifest { next_file, segments, parts, logs, .. } = manifest;
    let files = segments.iter().map(|entry| entry.file).chain(parts.iter().map(|entry| entry.file));
    let files: Vec<FileId> = files.chain(logs.iter().map(|entry| entry.file)).collect();
    if files.iter().collect::<HashSet<_>>().len() != files.len() || files.iter().any(|file| file >= next_file)
    {
        return fault("a file number twice, or one that was not given out");
    }
    if logs.is_empty() || logs.iter().any(|entry| entry.checkpoint.len < FILE_HEADER_LEN as u64) {
        return fault("no log, or one without a header");
    }
    let ordered = |entry: &SegmentEntry| entry.first_id <= entry.last_id && entry.last_id < u64::MAX;
    if !segments.iter().all(ordered) || segments.windows(2).any(|pair| pair[0].last_id >= pair[1].first_id) {
        return fault("segments overlap or repeat ids");
    }
    Ok(())
}

impl Store {
    /// [`Store::open`] in any file system.
    pub fn open_in(
        vfs: Arc<dyn Vfs>,
        path: impl AsRef<Path>,
        options: Options,
    ) -> Result<(Self, RecoveryReport)> {
        let root = path.as_ref();
        options.check()?;
        // Without an artifact, nothing is to be left behind: not even the lock.
        read_manifests(&*vfs, root, &options).and_then(|found| newest(&*vfs, root, found))?;
        let lock = take_lock(&*vfs, root)?;
        let found = read_manifests(&*vfs, root, &options)?;
        let names = found.names.clone();
        let loaded = load(vfs, root, &options, found, None)?;
        if let Some(damage) = loaded.report.damage.iter().find(|damage| !damage.is_derived) {
            let message = format!(
                "{damage}. Nothing was changed: `open_read_only` serves what is sound, `verify` names what is \
                 damaged, `salvage` copies what is sound into a new artifact"
            );
            return Err(Error::damaged(message));
        }
        let (store, report) = loaded.adopt(lock, &names)?;
        store.seal_interrupted()?;
        Ok((store, report))
    }

    /// [`Store::open_read_only`] in any file system.
    pub fn open_read_only_in(
        vfs: Arc<dyn Vfs>,
        path: impl AsRef<Path>,
        options: Options,
    ) -> Result<(Self, RecoveryReport)> {
        let root = path.as_ref();
        options.check()?;
        let (loaded, _) = load_beside_writer(&vfs, root, &options, None)?;
        let Loaded { directory, manifest, sealed, tail, report, .. } = loaded;
        Ok((Self::assemble(directory, None, manifest, sealed, Some(tail)), report))
    }

    /// Sees what was committed since this reader opened the artifact or called this; for a writer there is nothing to
    /// do. Returns whether anything changed.
    pub fn refresh(&self) -> Result<bool> {
        if self.directory.lock.is_some() {
            return Ok(false);
        }
        let _one_at_a_time = self.maintenance.lock();
        let vfs = self.directory.vfs.clone();
        let (loaded, _) = load_beside_writer(
            &vfs,
            &self.directory.root,
            &self.directory.options,
            Some(&self.directory.cache),
        )?;
        let Loaded { manifest, sealed, tail: (tail, committed), .. } = loaded;
        let mut published = self.published.write();
        let changed = published.seq != committed.seq || manifest.generation != self.catalog.lock().generation;
        *self.catalog.lock() = manifest;
        let (seq, next_id) = (committed.seq, committed.next_id);
        *published = Arc::new(State { seq, next_id, sealed: Arc::new(sealed), tail });
        Ok(changed)
    }

    /// Makes everything durable and records that the artifact was closed, so that opening it again is quick and any
    /// damage from then on is noticed. A log of some length is sealed first, if that is automatic.
    ///
    /// Dropping the store instead loses nothing that was acknowledged; the next open then recovers.
    pub fn close(self) -> Result<()> {
        if self.directory.lock.is_none() {
            return Ok(());
        }
        self.callers.check()?;
        self.sync()?;
        let logs_len = {
            let state = self.published.read();
            state.tail.len + state.sealed.frozen.iter().map(|log| log.len).sum::<u64>()
        };
        if self.directory.options.auto_seal && logs_len > SEAL_AT_CLOSE {
            self.seal()?;
        }
        let mut writer = self.writer()?;
        if writer.log.has_uncommitted() {
            self.rotate(&mut writer)?;
        }
        let mut catalog = self.catalog.lock();
        let committed = writer.log.committed();
        if catalog.logs.last().is_some_and(|entry| entry.checkpoint == committed) {
            return Ok(());
        }
        let mut manifest = catalog.clone();
        if let Some(last) = manifest.logs.last_mut() {
            last.checkpoint = committed;
        }
        self.directory.write_generation(&mut catalog, manifest)
    }

    pub(super) fn assemble(
        directory: Directory,
        writing: Option<LogWriter>,
        catalog: Manifest,
        sealed: Sealed,
        tail: Option<(LogView, Checkpoint)>,
    ) -> Self {
        let writer = writing.map(|log| Writer { log, failed: None });
        let written = writer.as_ref().map(super::write_path::Written::of);
        let (tail, committed) = match (written, tail) {
            (Some(written), _) => (written.tail, written.committed),
            (None, Some(tail)) => tail,
            (None, None) => unreachable!("a reader is given its tail"),
        };
        let (seq, next_id) = (committed.seq, committed.next_id);
        let segment_len = directory.options.segment_len;
        Self {
            directory,
            creation: None,
            callers: Callers::default(),
            maintenance: Mutex::default(),
            writer: Mutex::new(writer),
            catalog: Mutex::new(catalog),
            gate: Mutex::new(Gate { synced: seq, ..Gate::default() }),
            gate_changed: Condvar::new(),
            published: RwLock::new(Arc::new(State { seq, next_id, sealed: Arc::new(sealed), tail })),
            seal_due_at: AtomicU64::new(segment_len),
        }
    }
}

/// A log longer than this is sealed when the artifact is closed, so that the next open need not scan it.
const SEAL_AT_CLOSE: u64 = 1 << 20;

pub(crate) fn take_lock(vfs: &dyn Vfs, root: &Path) -> Result<Box<dyn VfsLock>> {
    let path = root.join(LOCK);
    vfs.lock(&path).map_err(|e| match e.kind() {
        io::ErrorKind::WouldBlock => {
            let message = "another writer has the artifact open; wait for it, or use `open_read_only`";
            Error::new(ErrorKind::Locked, message).at(root)
        }
        io::ErrorKind::InvalidInput => {
            let message = "expected the lock, a regular file, found a link or something else; remove it";
            Error::new(ErrorKind::NotAnArtifact, message).at(&path)
        }
        _ => Error::io(e, "locking", &path),
    })
}

/// Whether what lies in a directory without a sound manifest is the beginning of a creation that never finished: then
/// nothing was ever acknowledged here.
pub(super) fn is_interrupted_creation(vfs: &dyn Vfs, root: &Path, found: &Manifests) -> Result<bool> {
    // Manifests go first when a creation is undone: parts without any are what is left of that.
    let has_manifest = found.names.iter().any(|name| matches!(name, FileName::Manifest { .. }));
    for &name in &found.names {
        match name {
            FileName::Segment(_) => return Ok(false),
            FileName::Part(_) if has_manifest => return Ok(false),
            FileName::Part(_) | FileName::Manifest { .. } => {}
            FileName::Log(_) => {
                let path = root.join(name.to_string());
                let file = vfs.open(&path, Access::Read).map_err(|e| opening(e, &path))?;
                let len = file.len().map_err(|e| Error::io(e, "asking for the length", &path))?;
                if len > FILE_HEADER_LEN as u64 {
                    return Ok(false);
                }
            }
        }
    }
    Ok(true)
}

/// The newest manifest, or why there is none.
pub(crate) fn newest(
    vfs: &dyn Vfs,
    root: &Path,
    mut found: Manifests,
) -> Result<(Manifest, Vec<(FileName, Error)>)> {
    if let Some(manifest) = found.newest.take() {
        return Ok((manifest, found.damaged));
    }
    if is_interrupted_creation(vfs, root, &found)? {
        let message = "there is no artifact here, or its creation never finished; `create` makes one";
        return Err(Error::new(ErrorKind::NotFound, message).at(root));
    }
    let why = found.damaged.first().map_or(String::new(), |(_, e)| format!(" ({e})"));
    let message =
        format!("no copy of the manifest holds{why}; `salvage` copies what is sound into a new artifact");
    Err(Error::damaged(message).at(root))
}

/// What a directory holds, before anything is changed.
pub(crate) struct Loaded {
    directory: Directory,
    manifest: Manifest,
    sealed: Sealed,
    /// The active log as it was found.
    active: LogEntry,
    file: Arc<dyn VfsFile>,
    scan: Scan,
    tail: (LogView, Checkpoint),
    manifests_to_rewrite: Vec<FileName>,
    report: RecoveryReport,
}

fn load_beside_writer(
    vfs: &Arc<dyn Vfs>,
    root: &Path,
    options: &Options,
    cache: Option<&Arc<BlockCache>>,
) -> Result<(Loaded, u64)> {
    // A writer may publish a generation and remove what it replaces between our listing and our opening; or be in the
    // middle of writing one. What is really damaged is so every time.
    const TRIES: usize = 8;
    let mut tries = 0;
    loop {
        tries += 1;
        let found = read_manifests(&**vfs, root, options)?;
        let generation = found.highest;
        match load(vfs.clone(), root, options, found, cache) {
            Ok(loaded) if loaded.report.damage.is_empty() || tries == TRIES => {
                return Ok((loaded, generation));
            }
            Err(e) if tries == TRIES || e.kind() == ErrorKind::NewerFormat => return Err(e),
            _ => {}
        }
    }
}

/// Reads everything that opening needs: manifest, headers, and the logs behind their checkpoints.
fn load(
    vfs: Arc<dyn Vfs>,
    root: &Path,
    options: &Options,
    found: Manifests,
    cache: Option<&Arc<BlockCache>>,
) -> Result<Loaded> {
    let names = found.names.clone();
    let next_free =
        names.iter().filter_map(|name| name.id()).map(|id| id.0.saturating_add(1)).max().unwrap_or(1);
    let highest = found.highest;
    let (mut manifest, damaged) = newest(&*vfs, root, found)?;
    let next_file = manifest.next_file.0.max(next_free);
    let mut directory = Directory::new(vfs, root, manifest.artifact, options, next_file);
    if let Some(cache) = cache {
        directory.cache = cache.clone();
    }
    let mut report = RecoveryReport::default();
    let mut sealed = sealed_from(&directory, &manifest)?;
    report.damage.extend(sealed.parts.iter().filter_map(|part| Damage::of_part(part)));
    let mut active = None;
    let last = manifest.logs.len() - 1;
    for (index, &entry) in manifest.logs.iter().enumerate() {
        let (file, scan) = scan_log(&directory, entry, index == last)?;
        if scan.deletes_lost {
            let why = scan.damage.first().map_or(String::new(), |damaged| format!(" ({})", damaged.error));
            let message = format!(
                "a list of deleted records may be damaged{why}, so that nobody can say which records are alive; \
                 `salvage` copies what is sound into a new artifact"
            );
            return Err(Error::damaged(message).at(&directory.path(FileName::Log(entry.file))));
        }
        report.damage.extend(Damage::of_scan(&scan, directory.path(FileName::Log(entry.file))));
        let log = directory.log_index(entry.file, file.clone(), scan.lost());
        log.extend(scan.places.iter().copied());
        scan.deletes.iter().for_each(|&(id, seq)| log.delete([id], seq));
        let view = frozen_view(log, scan.committed);
        if index == last {
            active = Some((entry, file, scan, view));
        } else {
            sealed.frozen.push(view);
        }
    }
    let Some((active, file, scan, view)) = active else {
        return Err(Error::damaged("manifest: no log").at(root)); // refused by `check_sense`
    };
    if options.steps.take(Step::CheckOrphans) {
        check_orphans(&directory, &manifest, &names, &damaged, scan.committed.seq)?;
    }
    manifest.generation = highest;
    let manifests_to_rewrite = damaged.into_iter().map(|(name, _)| name).collect();
    let tail = (view, scan.committed);
    Ok(Loaded { directory, manifest, sealed, active, file, scan, tail, manifests_to_rewrite, report })
}

/// The segments and parts that a manifest names, opened; logs are not looked at.
pub(crate) fn sealed_from(directory: &Directory, manifest: &Manifest) -> Result<Sealed> {
    let options = &directory.options;
    let open = |name: FileName, len: u64| {
        let path = directory.path(name);
        let file = directory.open(name, Access::Read)?;
        let found = file.len().map_err(|e| Error::io(e, "asking for the length", &path))?;
        if found < len && options.steps.take(Step::CheckLength) {
            let message =
                format!("expected {len} bytes, found {found}; `salvage` keeps what the file still holds");
            return Err(Error::new(ErrorKind::Truncated, message).at(&path));
        }
        Ok(Source::sealed(&path, len.min(found), file, options.memory_mapping))
    };
    let lost = |name: FileName, entry: &PartEntry, e: Error| {
        Part::lost(&directory.path(name), directory.binding(entry.file), *entry, options.steps, e)
    };
    let mut sealed = Sealed::default();
    for entry in &manifest.segments {
        let source = open(FileName::Segment(entry.file), entry.len)?;
        let file = directory.block_file(entry.file, source);
        sealed.segments.push(Arc::new(Segment::open(file, directory.artifact, *entry)?));
    }
    for entry in &manifest.parts {
        let (name, binding) = (FileName::Part(entry.file), directory.binding(entry.file));
        let opened =
            open(name, entry.len).and_then(|source| Part::open(source, binding, *entry, options.steps));
        let part = match opened {
            // Its owner can make it again, so that it is no reason to refuse the records.
            Err(e) if is_replaceable(*entry) && !e.is_io() => lost(name, entry, e),
            opened => opened?,
        };
        if part.kind() != PartKind::DELETES {
            sealed.parts.push(Arc::new(part));
            continue;
        }
        match read_deletes(&part) {
            Ok(ids) => {
                sealed.deletes = Arc::new(ids);
                sealed.parts.push(Arc::new(part));
            }
            Err(e) if e.is_io() => return Err(e),
            Err(e) => sealed.parts.push(Arc::new(lost(name, entry, e))),
        }
    }
    check_deletes(&sealed)?;
    Ok(sealed)
}

/// Whether a part that cannot be read is no reason to refuse the records: its owner can make it again, or there is a second copy.
fn is_replaceable(entry: PartEntry) -> bool {
    PartKind(entry.kind).is_derived() || entry.kind == PartKind::DELETES.0
}

/// The set of deleted ids is not derived from anything: without a sound copy, records would come back.
fn check_deletes(sealed: &Sealed) -> Result<()> {
    let mut copies = sealed.parts.iter().filter(|part| part.kind() == PartKind::DELETES);
    let why = copies.clone().find_map(|part| part.fault());
    let (Some(why), true) = (why, copies.all(|part| part.fault().is_some())) else { return Ok(()) };
    let message = format!(
        "no copy of the list of deleted records is sound ({}), so that nobody can say which records are alive; `salvage` keeps all \
         records, those that were deleted among them",
        why.message()
    );
    let error = Error::new(why.kind(), message);
    Err(match why.path() {
        Some(path) => error.at(path),
        None => error,
    })
}

/// One copy of the set of deleted ids.
fn read_deletes(part: &Part) -> Result<RoaringTreemap> {
    part.verify()?;
    let content = part.content()?;
    RoaringTreemap::deserialize_from(&content[..])
        .map_err(|e| Error::damaged(format!("set of deleted ids: {e}")).at(part.source().path()))
}

fn scan_log(directory: &Directory, entry: LogEntry, active: bool) -> Result<(Arc<dyn VfsFile>, Scan)> {
    let name = FileName::Log(entry.file);
    let path = directory.path(name);
    let file = directory.open(name, Access::Read)?;
    let len = file.len().map_err(|e| Error::io(e, "asking for the length", &path))?;
    // A frozen log takes no more: what lies behind its checkpoint was given up.
    let len = if active { len } else { len.min(entry.checkpoint.len) };
    let blocks = directory.block_file(entry.file, Source::file(&path, len, file.clone()));
    let chain = Hash128::chain_start(directory.artifact, entry.file);
    let header = FileHeader { kind: FileKind::Log, artifact: directory.artifact, file: entry.file };
    let mut scan = scan(&blocks, Some(entry.checkpoint), chain)?;
    if let Err(e) = check_header(&header, &blocks.source, directory) {
        if e.is_io() || matches!(e.kind(), ErrorKind::Foreign | ErrorKind::NewerFormat) {
            return Err(e);
        }
        // The blocks are bound to the same identity, which the manifest has too.
        let damaged = crate::log::reader::Damaged { range: 0..FILE_HEADER_LEN as u64, error: e, lost: 0..0 };
        scan.damage.insert(0, damaged);
    }
    Ok((file, scan))
}

pub(crate) fn check_header(header: &FileHeader, source: &Source, directory: &Directory) -> Result<()> {
    let bytes = source.read(0, FILE_HEADER_LEN as u64)?;
    let bytes: &[u8; FILE_HEADER_LEN] =
        bytes.first_chunk().ok_or_else(|| Error::damaged("file header: cut off"))?;
    header.check(bytes, directory.options.steps).map_err(|e| e.at(source.path()))
}

/// A log that the manifest does not name but that has later commits than any it names can only mean that a newer
/// manifest is lost: its commits were acknowledged.
pub(crate) fn check_orphans(
    directory: &Directory,
    manifest: &Manifest,
    names: &[FileName],
    damaged: &[(FileName, Error)],
    seq: u64,
) -> Result<()> {
    for &name in names {
        let FileName::Log(id) = name else { continue };
        if manifest.logs.iter().any(|entry| entry.file == id) {
            continue;
        }
        let path = directory.path(name);
        let Ok(file) = directory.open(name, Access::Read) else { continue };
        let len = file.len().map_err(|e| Error::io(e, "asking for the length", &path))?;
        if len < FILE_HEADER_LEN as u64 {
            continue;
        }
        let blocks = directory.block_file(id, Source::file(&path, len, file));
        let scan = scan(&blocks, None, Hash128::chain_start(directory.artifact, id))?;
        let found = scan.committed.seq;
        // A copy that recovery made and never put to use was not acknowledged by anybody.
        if found > seq && scan.adopted != Some(found) {
            let why = damaged.first().map_or(String::new(), |(_, e)| format!(" ({e})"));
            let message = format!(
                "this log has commit {found}, but the newest sound manifest ends at commit {seq}: a newer manifest \
                 is damaged{why}; `salvage` copies what is sound into a new artifact"
            );
            return Err(Error::damaged(message).at(&path));
        }
    }
    Ok(())
}

impl Loaded {
    /// Makes the store writable: goes on in the log if it was closed, otherwise copies it into a new one.
    fn adopt(self, lock: Box<dyn VfsLock>, names: &[FileName]) -> Result<(Store, RecoveryReport)> {
        let Self {
            mut directory,
            mut manifest,
            sealed,
            active,
            file,
            scan,
            tail,
            manifests_to_rewrite,
            mut report,
        } = self;
        directory.lock = Some(lock);
        let name = FileName::Log(active.file);
        let adopts = directory.options.steps.take(Step::AdoptByCopy);
        let closed = scan.file_len == active.checkpoint.len || !adopts;
        let log = if closed {
            drop(file);
            let file = directory.open(name, Access::Append)?;
            let index = tail.0.index.clone();
            LogWriter::new(&directory.path(name), file, directory.binding(active.file), index, scan.committed)
        } else {
            report.commits_recovered = scan.committed.seq - active.checkpoint.seq;
            report.records_recovered = scan.committed.next_id - active.checkpoint.next_id;
            report.dropped_len = scan.torn_len();
            let log = copy_log(&directory, &tail.0, &scan)?;
            directory.sync_names(Step::SyncNewNames)?;
            manifest.logs.pop();
            manifest.logs.push(LogEntry { file: log.index().id, checkpoint: log.committed() });
            log
        };
        let mut catalog = manifest.clone();
        let superseded = names.iter().any(
            |name| matches!(name, FileName::Manifest { generation, .. } if *generation != manifest.generation),
        );
        if !closed || !manifests_to_rewrite.is_empty() || superseded {
            directory.write_generation(&mut catalog, manifest)?;
            report.manifests_rewritten =
                manifests_to_rewrite.into_iter().map(|name| directory.path(name)).collect();
        }
        report.removed_files = remove_others(&directory, names, &catalog);
        report.removed_files.retain(|path| *path != directory.path(name));
        Ok((Store::assemble(directory, Some(log), catalog, sealed, None), report))
    }
}

/// Copies what commits cover into a new log, as one commit, and syncs it.
fn copy_log(directory: &Directory, old: &LogView, scan: &Scan) -> Result<LogWriter> {
    const AT_ONCE: u64 = 4 << 20;
    let committed = scan.committed;
    let (mut log, _) = directory.create_log(committed.seq, committed.next_id)?;
    if scan.places.is_empty() && scan.deletes.is_empty() {
        return Ok(log);
    }
    let mut deletes: Vec<u64> = scan.deletes.iter().map(|&(id, _)| id).collect();
    deletes.sort_unstable();
    deletes.dedup();
    let mut lists = RawBlocks::default();
    lists.push_deletes(&deletes);
    let mut pending: Vec<EncodedBlock> = directory.encode(&lists)?;
    let mut pending_len = 0;
    for &place in &scan.places {
        let (header, stored) = old.index.file.open(place)?;
        pending.push(verbatim(&header, &stored, 0));
        pending_len += place.len;
        if pending_len >= AT_ONCE {
            log.append(&std::mem::take(&mut pending), 0)?;
            pending_len = 0;
        }
    }
    let mark = CommitMark { seq: committed.seq, sync_floor: committed.seq, next_id: committed.next_id };
    log.commit(&pending, 0, mark)?;
    log.index().delete(deletes, committed.seq);
    directory.sync_data(Step::SyncNewLog, &**log.file(), log.path())?;
    Ok(log)
}

/// Removes files of ours that the manifest does not name, and returns those that were not manifests.
pub(super) fn remove_others(directory: &Directory, names: &[FileName], manifest: &Manifest) -> Vec<PathBuf> {
    let generation = manifest.generation;
    let manifests = (0..2).map(|copy| FileName::Manifest { generation, copy });
    let named: HashSet<FileName> = manifest.files().chain(manifests).collect();
    let mut removed = Vec::new();
    for &name in names.iter().filter(|name| !named.contains(name)) {
        directory.remove(name);
        if name.id().is_some() {
            removed.push(directory.path(name));
        }
    }
    removed
}
