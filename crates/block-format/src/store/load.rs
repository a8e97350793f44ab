//! A manifest → the files that it names, opened and scanned. Nothing is changed here.

use std::path::Path;
use std::sync::Arc;

use roaring::RoaringTreemap;

use super::state::{Sealed, Written};
use crate::cache::BlockCache;
use crate::checksum::Hash128;
use crate::damage::Damage;
use crate::directory::Directory;
use crate::error::{Error, ErrorKind, Result};
use crate::file::layout::FILE_HEADER_LEN;
use crate::file::{FileKind, FileName};
use crate::log::orphans::check_orphans;
use crate::log::reader::scan;
use crate::log::scan::Scan;
use crate::log::{LogIndex, LogView};
use crate::manifest::reader::{Manifests, newest, read_manifests};
use crate::manifest::{LogEntry, Manifest, PartEntry};
use crate::options::Options;
use crate::part::layout::decode_deletes;
use crate::part::{Part, PartKind};
use crate::protocol::Step;
use crate::report::RecoveryReport;
use crate::segment::Segment;
use crate::source::Source;
use crate::vfs::{Vfs, VfsFile};

/// An artifact as it was found, before anything is changed.
pub(super) struct Loaded {
    pub(super) directory: Directory,
    pub(super) manifest: Manifest,
    pub(super) sealed: Sealed,
    /// The active log as it was found.
    pub(super) active: ActiveLog,
    pub(super) manifests_to_rewrite: Vec<FileName>,
    pub(super) report: RecoveryReport,
}

/// The log that takes commits, as it was found.
pub(super) struct ActiveLog {
    pub(super) entry: LogEntry,
    pub(super) file: Arc<dyn VfsFile>,
    pub(super) scan: Scan,
    pub(super) view: LogView,
}

impl ActiveLog {
    /// All that its commits cover.
    pub(super) fn written(&self) -> Written {
        Written { committed: self.scan.committed, tail: self.view.clone() }
    }
}

/// [`load`] while a writer may be at work, with the cache of an earlier load if there is one.
pub(super) fn load_beside_writer(
    vfs: &Arc<dyn Vfs>,
    root: &Path,
    options: &Options,
    cache: Option<&Arc<BlockCache>>,
) -> Result<Loaded> {
    // A writer may publish a generation and remove what it replaces between our listing and our opening; or be in the
    // middle of writing one. What is really damaged is so every time.
    const TRIES: usize = 8;
    let mut tries = 0;
    loop {
        tries += 1;
        let found = read_manifests(&**vfs, root, options)?;
        match load(vfs.clone(), root, options, found, cache) {
            Ok(loaded) if loaded.report.damage.is_empty() || tries == TRIES => return Ok(loaded),
            Err(e) if tries == TRIES || e.kind() == ErrorKind::NewerFormat => return Err(e),
            _ => {}
        }
    }
}

/// Reads everything that opening needs: manifest, headers, and the logs behind their checkpoints.
pub(super) fn load(
    vfs: Arc<dyn Vfs>,
    root: &Path,
    options: &Options,
    found: Manifests,
    cache: Option<&Arc<BlockCache>>,
) -> Result<Loaded> {
    let names = found.names.clone();
    let numbers = names.iter().filter_map(|name| name.id()).map(|id| id.0.saturating_add(1));
    let next_free = numbers.max().unwrap_or(1);
    let highest = found.highest;
    let (mut manifest, damaged) = newest(&*vfs, root, found)?;
    let next_file = manifest.next_file.0.max(next_free);
    let mut directory = Directory::new(vfs, root, manifest.artifact, options, next_file);
    if let Some(cache) = cache {
        directory.cache = cache.clone();
    }
    let mut report = RecoveryReport::default();
    let mut sealed = open_sealed(&directory, &manifest)?;
    report.damage.extend(sealed.parts.iter().filter_map(|part| part.damage()));
    let active = load_logs(&directory, &manifest, &mut sealed, &mut report)?;
    if options.steps.take(Step::CheckOrphans) {
        check_orphans(&directory, &manifest, &names, &damaged, active.scan.committed.seq)?;
    }
    manifest.generation = highest;
    let manifests_to_rewrite = damaged.into_iter().map(|(name, _)| name).collect();
    Ok(Loaded { directory, manifest, sealed, active, manifests_to_rewrite, report })
}

/// Scans the logs; frozen ones go to `sealed`.
fn load_logs(
    directory: &Directory,
    manifest: &Manifest,
    sealed: &mut Sealed,
    report: &mut RecoveryReport,
) -> Result<ActiveLog> {
    let mut active = None;
    let last = manifest.logs.len() - 1;
    for (index, &entry) in manifest.logs.iter().enumerate() {
        let (file, scan) = scan_log(directory, entry, index == last)?;
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
        if index == last {
            active = Some(ActiveLog { entry, file, scan, view });
        } else {
            sealed.frozen.push(view);
        }
    }
    active.ok_or_else(|| Error::damaged("manifest: no log").at(&directory.root)) // refused when it was read
}

/// The segments and parts that a manifest names; logs are not looked at.
fn open_sealed(directory: &Directory, manifest: &Manifest) -> Result<Sealed> {
    let mut sealed = Sealed::default();
    for entry in &manifest.segments {
        let source = open_source(directory, FileName::Segment(entry.file), entry.len)?;
        let file = directory.block_file(entry.file, source);
        sealed.segments.push(Arc::new(Segment::open(file, directory.artifact, *entry)?));
    }
    for entry in &manifest.parts {
        let part = open_part(directory, *entry)?;
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
    Part::lost(&path, binding, entry, directory.options.steps, e)
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
    decode_deletes(&content).map_err(|e| e.at(part.source().path()))
}

fn scan_log(directory: &Directory, entry: LogEntry, active: bool) -> Result<(Arc<dyn VfsFile>, Scan)> {
    let name = FileName::Log(entry.file);
    let path = directory.path(name);
    let (file, len) = directory.open_with_len(name)?;
    // A frozen log takes no more: what lies behind its checkpoint was given up.
    let len = if active { len } else { len.min(entry.checkpoint.len) };
    let blocks = directory.block_file(entry.file, Source::file(&path, len, file.clone()));
    let chain = Hash128::chain_start(directory.artifact, entry.file);
    let mut scan = scan(&blocks, Some(entry.checkpoint), chain)?;
    if let Err(e) = blocks.check_header(FileKind::Log, directory.artifact) {
        if e.is_io() || matches!(e.kind(), ErrorKind::Foreign | ErrorKind::NewerFormat) {
            return Err(e);
        }
        // The blocks are bound to the same identity, which the manifest has too.
        scan.damage.insert(0, Damage::new(&path, 0..FILE_HEADER_LEN as u64, &e, 0..0));
    }
    Ok((file, scan))
}
