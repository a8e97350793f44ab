//! A manifest → the files that it names, opened and scanned. Nothing is changed here.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use roaring::RoaringTreemap;

use super::history::History;
use super::state::{Sealed, Written};
use crate::cache::BlockCache;
use crate::checksum::Hash128;
use crate::damage::{Damage, sorted_and_merged};
use crate::directory::{Directory, file_len};
use crate::error::{Error, ErrorKind, Result};
use crate::file::layout::FILE_HEADER_LEN;
use crate::file::{FileKind, FileName};
use crate::id::FileId;
use crate::log::orphans::check_orphans;
use crate::log::reader::{scan, scan_on};
use crate::log::scan::Scan;
use crate::log::{LogIndex, LogView};
use crate::manifest::reader::{Manifests, newest, read_manifests};
use crate::manifest::{Checkpoint, LogEntry, Manifest, PartEntry};
use crate::options::Options;
use crate::part::layout::decode_deletes;
use crate::part::{Part, PartKind};
use crate::protocol::Step;
use crate::report::RecoveryReport;
use crate::segment::Segment;
use crate::source::Source;
use crate::vfs::{Access, Vfs, VfsFile};

/// What an earlier load opened: files that are still the same are not opened again, and logs are read on from where they ended.
pub(super) struct Known {
    /// The directory that is held.
    pub(super) place: Option<Arc<dyn VfsFile>>,
    pub(super) manifest: Manifest,
    pub(super) cache: Arc<BlockCache>,
    pub(super) sealed: Arc<Sealed>,
    /// The log that took commits, and where it ended.
    pub(super) tail: LogView,
    pub(super) position: Checkpoint,
}

/// An artifact as it was found, before anything is changed.
pub(super) struct Loaded {
    pub(super) directory: Directory,
    pub(super) manifest: Manifest,
    pub(super) sealed: Sealed,
    /// The active log as it was found.
    pub(super) active: ActiveLog,
    pub(super) manifests_to_rewrite: Vec<FileName>,
    pub(super) report: RecoveryReport,
    /// What the commits of its logs did.
    pub(super) history: History,
    /// The highest generation that a file is named after: one that is being written, or never was, among them.
    pub(super) highest: u64,
}

/// The log that takes commits, as it was found.
pub(super) struct ActiveLog {
    pub(super) entry: LogEntry,
    pub(super) file: Arc<dyn VfsFile>,
    pub(super) scan: Scan,
    pub(super) view: LogView,
}

impl ActiveLog {
    /// A log that takes no more, as it was read before.
    fn unchanged(entry: LogEntry, log: &LogView) -> Option<Self> {
        let file = log.index.file.source.as_file()?.clone();
        Some(Self { entry, file, scan: Scan::nothing_behind(entry.checkpoint), view: log.clone() })
    }

    /// All that its commits cover.
    pub(super) fn written(&self) -> Written {
        Written { committed: self.scan.committed, tail: self.view.clone() }
    }
}

/// [`load`] while a writer may be at work.
pub(super) fn load_beside_writer(
    vfs: &Arc<dyn Vfs>,
    root: &Path,
    options: &Options,
    known: Option<&Known>,
) -> Result<Loaded> {
    // A writer may publish a generation and remove what it replaces between our listing and our opening; or be in the
    // middle of writing one. What is really damaged is so every time.
    const TRIES: usize = 8;
    let mut tries = 0;
    loop {
        tries += 1;
        let found = read_manifests(&**vfs, root, options)?;
        // What there is to say about damage, a load of everything says.
        let loaded = load(vfs.clone(), root, options, found, (known, tries == 1));
        match loaded.and_then(|loaded| loaded.directory.check_place().map(|()| loaded)) {
            Ok(loaded) if loaded.report.damage.is_empty() || tries == TRIES => return Ok(loaded),
            Err(e) if tries == TRIES || e.kind() == ErrorKind::NewerFormat => return Err(e),
            Err(e) if e.kind() == ErrorKind::Foreign && known.is_some() => return Err(e),
            _ => {}
        }
    }
}

/// Reads everything that opening needs: manifest, headers, and the logs behind their checkpoints. What is known is gone on from, or read anew all the same.
pub(super) fn load(
    vfs: Arc<dyn Vfs>,
    root: &Path,
    options: &Options,
    found: Manifests,
    (known, goes_on): (Option<&Known>, bool),
) -> Result<Loaded> {
    let names = found.names.clone();
    let numbers = names.iter().filter_map(|name| name.id()).map(|id| id.0.saturating_add(1));
    let next_free = numbers.max().unwrap_or(1);
    let highest = found.highest;
    let (manifest, damaged) = newest(&*vfs, root, found)?;
    let next_file = manifest.next_file.0.max(next_free);
    let mut directory = Directory::new(vfs, root, manifest.artifact, options, next_file);
    match known {
        Some(known) => {
            directory.place.clone_from(&known.place);
            directory.check_place()?;
            check_descent(known, &manifest, &directory)?;
            directory.cache = known.cache.clone();
        }
        None => directory.hold()?,
    }
    let read_before = known.map_or(0, |known| known.position.seq);
    let known = known.filter(|_| goes_on);
    let mut report = RecoveryReport::default();
    let mut history =
        known.and_then(|known| rest_of_old_log(&directory, &manifest, known)).unwrap_or_default();
    let (frozen, active) = load_logs(&directory, &manifest, known, (&mut report, &mut history))?;
    let next_id = manifest.next_id().max(active.scan.committed.next_id);
    if active.scan.committed.seq < read_before {
        return Err(commit_is_gone(read_before).at(&directory.path(FileName::Log(active.entry.file))));
    }
    let sealed = Sealed { frozen, ..open_sealed(&directory, &manifest, known, next_id)? };
    report.damage.extend(sealed.parts.iter().filter_map(|part| part.damage()));
    if options.steps.take(Step::CheckOrphans) {
        check_orphans(&directory, &manifest, &names, &damaged, active.scan.committed.seq)?;
    }
    report.damage = sorted_and_merged(report.damage);
    let manifests_to_rewrite = damaged.into_iter().map(|(name, _)| name).collect();
    Ok(Loaded { directory, manifest, sealed, active, manifests_to_rewrite, report, history, highest })
}

/// Refuses what does not go on from what was open, although it is in the same directory.
fn check_descent(known: &Known, manifest: &Manifest, directory: &Directory) -> Result<()> {
    let before = &known.manifest;
    let segments: HashMap<_, _> = before.segments.iter().map(|entry| (entry.file, entry)).collect();
    let parts: HashMap<_, _> = before.parts.iter().map(|entry| (entry.file, entry)).collect();
    // A number is given to one file.
    let is_another = manifest.artifact != before.artifact
        || manifest
            .segments
            .iter()
            .any(|entry| segments.get(&entry.file).is_some_and(|&known| known != entry))
        || manifest.parts.iter().any(|entry| parts.get(&entry.file).is_some_and(|&known| known != entry));
    if is_another {
        return Err(Error::another_artifact(&directory.root));
    }
    for entry in &manifest.logs {
        let mut logs = known.sealed.frozen.iter().chain([&known.tail]);
        let Some(log) = logs.find(|log| log.index.id == entry.file) else {
            if entry.checkpoint.seq < known.position.seq {
                return Err(commit_is_gone(known.position.seq).at(&directory.path(FileName::Log(entry.file))));
            }
            continue;
        };
        if !is_in_place(directory, log)? {
            directory.open(FileName::Log(entry.file), Access::Read)?; // it may be missing
            return Err(Error::another_artifact(&directory.root));
        }
    }
    Ok(())
}

/// Whether an open log is the file at its path.
pub(super) fn is_in_place(directory: &Directory, log: &LogView) -> Result<bool> {
    let Some(file) = log.index.file.source.as_file() else { return Ok(true) };
    let path = directory.path(FileName::Log(log.index.id));
    directory.vfs.is_at(&**file, &path).map_err(|e| Error::io(e, "looking at a log", &path))
}

/// Says that the newest commit that was read before is not there any more.
fn commit_is_gone(seq: u64) -> Error {
    let message = format!(
        "commit {seq} was read here and is not there any more: it was lost before it was durable, the file is damaged, or an earlier copy was put in \
         its place; open the artifact anew"
    );
    Error::damaged(message)
}

/// Scans the logs: the frozen ones, and the active one.
fn load_logs(
    directory: &Directory,
    manifest: &Manifest,
    known: Option<&Known>,
    (report, history): (&mut RecoveryReport, &mut History),
) -> Result<(Vec<LogView>, ActiveLog)> {
    let (mut frozen, mut active) = (Vec::new(), None);
    let last = manifest.logs.len() - 1;
    for (index, &entry) in manifest.logs.iter().enumerate() {
        let is_active = index == last;
        if let Some(log) = known.and_then(|known| read_on(directory, entry, is_active, known)) {
            history.join(History::from_scan(&log.scan));
            if is_active {
                active = Some(log);
            } else {
                frozen.push(log.view);
            }
            continue;
        }
        let (file, scan) = scan_log(directory, entry, manifest.first_id_in_log(index), is_active)?;
        history.join(History::from_scan(&scan));
        if scan.deletes_lost {
            let why = scan.damage.first().map_or(String::new(), |damage| format!(" ({})", damage.message));
            let message = format!(
                "a list of deleted records may be damaged{why}, so that nobody can say which records are alive; \
                 `salvage` copies what is sound into a new artifact"
            );
            return Err(Error::damaged(message).at(&directory.path(FileName::Log(entry.file))));
        }
        report.damage.extend(scan.damage.iter().cloned());
        let log = LogIndex::open(directory, entry.file, file.clone(), scan.lost());
        log.extend(scan.places.iter().copied());
        scan.deletes.iter().for_each(|&(id, seq)| log.delete([id], seq));
        let view = LogView::whole(log, scan.committed);
        if is_active {
            active = Some(ActiveLog { entry, file, scan, view });
        } else {
            frozen.push(view);
        }
    }
    let active = active.ok_or_else(|| Error::damaged("manifest: no log").at(&directory.root))?; // refused when it was read
    Ok((frozen, active))
}

/// A log that was read before, read on from where it ended. `None` where it was not, or where there is anything to say about damage.
fn read_on(directory: &Directory, entry: LogEntry, is_active: bool, known: &Known) -> Option<ActiveLog> {
    let is_it = |log: &&LogView| log.index.id == entry.file;
    if let Some(log) = known.sealed.frozen.iter().find(is_it) {
        let is_same = !is_active && log.len == entry.checkpoint.len;
        return is_same.then(|| ActiveLog::unchanged(entry, log))?;
    }
    let tail = Some(&known.tail).filter(is_it)?;
    continue_log(directory, entry, is_active, tail, known.position)
}

/// Reads on in the log that took commits, from `position`.
pub(super) fn continue_log(
    directory: &Directory,
    entry: LogEntry,
    is_active: bool,
    before: &LogView,
    position: Checkpoint,
) -> Option<ActiveLog> {
    let index = &before.index;
    let file = index.file.source.as_file()?.clone();
    let path = directory.path(FileName::Log(entry.file));
    let len = file_len(&*file, &path).ok()?;
    let len = if is_active { len } else { len.min(entry.checkpoint.len) };
    let begins_anywhere = position.len == FILE_HEADER_LEN as u64 && entry.checkpoint != position;
    if len < position.len || begins_anywhere || !index.lost().is_empty() {
        return None;
    }
    let blocks = directory.block_file(entry.file, Source::file(&path, len, file.clone()));
    let scan = scan_on(&blocks, entry.checkpoint, position).ok()?;
    if !scan.damage.is_empty() || scan.deletes_lost || !is_active && scan.committed != entry.checkpoint {
        return None;
    }
    index.forget_from(before.blocks);
    index.extend(scan.places.iter().copied());
    scan.deletes.iter().for_each(|&(id, seq)| index.delete([id], seq));
    let view = LogView::whole(index.clone(), scan.committed);
    Some(ActiveLog { entry, file, scan, view })
}

/// What was committed to the log that took commits after it was last read, if the manifest does not name it any more. Its file may be removed; it is open.
fn rest_of_old_log(directory: &Directory, manifest: &Manifest, known: &Known) -> Option<History> {
    let id = known.tail.index.id;
    if manifest.logs.iter().any(|entry| entry.file == id) {
        return None;
    }
    let entry = LogEntry { file: id, checkpoint: known.position };
    let file = known.tail.index.file.source.as_file()?.clone();
    let path = directory.path(FileName::Log(id));
    let len = file_len(&*file, &path).ok().filter(|&len| len >= known.position.len)?;
    let blocks = directory.block_file(id, Source::file(&path, len, file));
    let scan = scan_on(&blocks, entry.checkpoint, known.position).ok()?;
    (scan.damage.is_empty() && !scan.deletes_lost).then(|| History::from_scan(&scan))
}

/// The segments and parts that a manifest names; logs are not looked at. Ids below `next_id` have been given out.
fn open_sealed(
    directory: &Directory,
    manifest: &Manifest,
    known: Option<&Known>,
    next_id: u64,
) -> Result<Sealed> {
    let mut sealed = Sealed::default();
    let before = known.map(|known| &*known.sealed);
    for entry in &manifest.segments {
        let place = |before: &&Sealed| {
            before.segments.binary_search_by_key(&entry.first_id, |segment| segment.entry.first_id).ok()
        };
        let same = before.and_then(|before| before.segments.get(place(&before)?));
        if let Some(segment) = same.filter(|segment| segment.entry == *entry) {
            sealed.segments.push(segment.clone());
            continue;
        }
        let source = open_source(directory, FileName::Segment(entry.file), entry.len)?;
        let file = directory.block_file(entry.file, source);
        sealed.segments.push(Arc::new(Segment::open(file, directory.artifact, *entry)?));
    }
    let known_parts = before.iter().flat_map(|before| &before.parts);
    let known_parts: HashMap<FileId, &Arc<Part>> = known_parts.map(|part| (part.entry.file, part)).collect();
    for entry in &manifest.parts {
        let is_same = |part: &&&Arc<Part>| part.entry == *entry && part.fault().is_none();
        if let Some((before, &part)) = before.zip(known_parts.get(&entry.file).filter(is_same)) {
            if part.kind() == PartKind::DELETES {
                sealed.deletes = before.deletes.clone();
            }
            sealed.parts.push(part.clone());
            continue;
        }
        let part = open_part(directory, *entry)?;
        if part.kind() != PartKind::DELETES {
            sealed.parts.push(Arc::new(part));
            continue;
        }
        match read_deletes(&part, next_id) {
            Ok(ids) => {
                sealed.deletes = Arc::new(ids);
                sealed.parts.push(Arc::new(part));
            }
            Err(e) if e.is_io() => return Err(e),
            Err(e) => sealed.parts.push(Arc::new(lost_part(directory, *entry, e))),
        }
    }
    check_deletes(&sealed)?;
    Ok(sealed)
}

/// A sealed file that is at least as long as the manifest says.
fn open_source(directory: &Directory, name: FileName, len: u64) -> Result<Source> {
    let path = directory.path(name);
    let (file, found) = directory.open_with_len(name)?;
    let options = &directory.options;
    if found < len && options.steps.take(Step::CheckLength) {
        let message =
            format!("expected {len} bytes, found {found}; `salvage` keeps what the file still holds");
        return Err(Error::new(ErrorKind::Truncated, message).at(&path));
    }
    Ok(Source::sealed(&path, len.min(found), file, options.memory_mapping))
}

fn open_part(directory: &Directory, entry: PartEntry) -> Result<Part> {
    let (name, binding) = (FileName::Part(entry.file), directory.binding(entry.file));
    let opened = open_source(directory, name, entry.len)
        .and_then(|source| Part::open(source, binding, entry, directory.options.steps));
    match opened {
        // Its owner can make it again, so that it is no reason to refuse the records.
        Err(e) if is_replaceable(entry) && !e.is_io() => Ok(lost_part(directory, entry, e)),
        opened => opened,
    }
}

fn lost_part(directory: &Directory, entry: PartEntry, e: Error) -> Part {
    let (path, binding) = (directory.path(FileName::Part(entry.file)), directory.binding(entry.file));
    Part::lost(&path, binding, entry, directory.options.steps, e.into_damage())
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
fn read_deletes(part: &Part, next_id: u64) -> Result<RoaringTreemap> {
    part.verify()?;
    let content = part.content()?;
    decode_deletes(&content, next_id).map_err(|e| e.at(part.source().path()))
}

fn scan_log(
    directory: &Directory,
    entry: LogEntry,
    first_id: u64,
    active: bool,
) -> Result<(Arc<dyn VfsFile>, Scan)> {
    let name = FileName::Log(entry.file);
    let path = directory.path(name);
    let (file, len) = directory.open_with_len(name)?;
    // A frozen log takes no more: what lies behind its checkpoint was given up.
    let len = if active { len } else { len.min(entry.checkpoint.len) };
    let blocks = directory.block_file(entry.file, Source::file(&path, len, file.clone()));
    let chain = Hash128::chain_start(directory.artifact, entry.file);
    let mut scan = scan(&blocks, Some(entry.checkpoint), first_id, chain)?;
    if let Err(e) = blocks.check_header(FileKind::Log, directory.artifact) {
        if e.is_io() || matches!(e.kind(), ErrorKind::Foreign | ErrorKind::NewerFormat) {
            return Err(e);
        }
        // The blocks are bound to the same identity, which the manifest has too.
        scan.damage.insert(0, Damage::new(&path, 0..FILE_HEADER_LEN as u64, &e, 0..0));
    }
    Ok((file, scan))
}
