//! A damaged artifact → a new one with every record that is sound.
//!
//! What the newest sound manifest names is read as opening reads it, only that damage is passed over; files that it does not name stand in for what is damaged in
//! those that it does. Where no manifest holds, or a newer one is lost, all files are read, and a newer one is believed before an older one.

mod files;
mod logs;
mod merge;
mod parts;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::Write;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use roaring::RoaringTreemap;

use self::merge::{Entry, Merge, SpokenFor};
use crate::block::layout::{HEADER_LEN, MAX_RAW_LEN};
use crate::damage::{Damage, merged_ranges, sorted_and_merged};
use crate::directory::creation::refuse_inside_artifact;
use crate::directory::{Directory, open_error};
use crate::error::{Error, ErrorKind, Result};
use crate::file::layout::FILE_HEADER_LEN;
use crate::file::{FileHeader, FileName};
use crate::id::{ArtifactId, FileId, RecordId};
use crate::manifest::Manifest;
use crate::manifest::reader::read_manifests;
use crate::options::Options;
use crate::pack::PackVfs;
use crate::part::Part;
use crate::report::SalvageReport;
use crate::run::Run;
use crate::source::Window;
use crate::store::{Record, Store};
use crate::vfs::{Access, DiskVfs, Vfs};

/// Copies every sound record of the artifact at `from` into a new artifact at `to`, under its id, whatever is damaged or
/// missing: the manifest, file headers, tables, blocks. `from` is only read; deleted records stay behind. Parts of
/// kinds from 256 on are copied if all their checksums hold.
///
/// `from` may also be a packed artifact, of which any part is damaged or cut off.
///
/// Its commits have numbers that none of `from` had.
///
/// The new artifact can be opened when everything is copied. What an interruption leaves at `to` cannot, and the next call with that `to` begins anew.
pub fn salvage(from: impl AsRef<Path>, to: impl AsRef<Path>, options: Options) -> Result<SalvageReport> {
    finished(salvage_unfinished(from, to, options)?)
}

/// [`salvage`] for a caller who adds to the new artifact: it cannot be opened before [`Store::finish_creation`].
pub fn salvage_unfinished(
    from: impl AsRef<Path>,
    to: impl AsRef<Path>,
    options: Options,
) -> Result<(Store, SalvageReport)> {
    let (from, disk) = (from.as_ref(), Arc::new(DiskVfs));
    if DiskVfs.open(from, Access::Read).is_err() {
        return salvage_between(disk.clone(), from, disk, to.as_ref(), options);
    }
    let pack = PackVfs::open_damaged(from, &options)?;
    salvage_between(Arc::new(pack), from, disk, to.as_ref(), options)
}

fn finished((store, report): (Store, SalvageReport)) -> Result<SalvageReport> {
    if let Err(e) = store.finish_creation() {
        let _ = store.destroy(); // the error that is returned says why
        return Err(e);
    }
    store.close()?;
    Ok(report)
}

/// [`salvage`] in any file system.
pub fn salvage_in(
    vfs: Arc<dyn Vfs>,
    from: impl AsRef<Path>,
    to: impl AsRef<Path>,
    options: Options,
) -> Result<SalvageReport> {
    finished(salvage_between(vfs.clone(), from.as_ref(), vfs, to.as_ref(), options)?)
}

fn salvage_between(
    vfs: Arc<dyn Vfs>,
    root: &Path,
    target: Arc<dyn Vfs>,
    to: &Path,
    options: Options,
) -> Result<(Store, SalvageReport)> {
    refuse_inside_artifact(&*target, to)?;
    let found = read_manifests(&*vfs, root, &options)?;
    found.check_finished(root)?;
    let artifact = match &found.newest {
        Some(manifest) => manifest.artifact,
        None => identity(&*vfs, root, &found.names)?,
    };
    let mut salvage = Salvage {
        directory: Directory::new(vfs, root, artifact, &options, 0),
        next_id: found.newest.as_ref().map_or(0, Manifest::next_id),
        last_seq: found
            .newest
            .iter()
            .flat_map(|manifest| &manifest.logs)
            .map(|entry| entry.checkpoint.seq)
            .max()
            .unwrap_or(0),
        is_current: found.newest.is_some() && found.newest_fault.is_none(),
        manifest: found.newest,
        names: found.names,
        runs: Vec::new(),
        spoken_for: Vec::new(),
        parts: BTreeMap::new(),
        deletes: RoaringTreemap::new(),
        has_deletes: false,
        lost: BTreeSet::new(),
        report: SalvageReport::default(),
    };
    salvage.read(&found.damaged)?;
    let store = Store::create_unfinished(target, to, &options, salvage.first_seq())?;
    if let Err(e) = salvage.write(&store).and_then(|()| salvage.write_parts(&store)) {
        let _ = store.destroy(); // the error that is returned says why
        return Err(e);
    }
    Ok((store, salvage.into_report()))
}

/// The identity that most file headers agree on.
fn identity(vfs: &dyn Vfs, root: &Path, names: &[FileName]) -> Result<ArtifactId> {
    let mut votes: HashMap<ArtifactId, usize> = HashMap::new();
    for name in names {
        let path = root.join(name.to_string());
        let mut bytes = [0; FILE_HEADER_LEN];
        let file = vfs.open(&path, Access::Read).map_err(|e| open_error(e, &path));
        let read = file.and_then(|file| match file.read_exact_at(&mut bytes, 0) {
            Err(e) if e.kind() != std::io::ErrorKind::UnexpectedEof => {
                Err(Error::io(e, "reading the header", &path))
            }
            read => Ok(read.is_ok()),
        });
        match read {
            Err(e) if e.is_io() => return Err(e),
            Ok(true) => {
                if let Ok(header) = FileHeader::decode(&bytes) {
                    *votes.entry(header.artifact).or_default() += 1;
                }
            }
            Ok(false) | Err(_) => {}
        }
    }
    let most = votes.into_iter().max_by_key(|&(artifact, count)| (count, artifact));
    let none = || {
        let message = "neither a manifest nor a file header holds: nothing says which artifact this was";
        Error::new(ErrorKind::NotAnArtifact, message).at(root)
    };
    most.map(|(artifact, _)| artifact).ok_or_else(none)
}

const COPIED_AT_ONCE: u64 = 256 << 10;

struct Salvage {
    directory: Directory,
    manifest: Option<Manifest>,
    /// The manifest is the newest that there was: what it does not name was replaced, or never finished.
    is_current: bool,
    names: Vec<FileName>,
    /// What has records. For a record that several have, the first is asked first.
    runs: Vec<Arc<dyn Run>>,
    /// Ids, and the number of the run from which on all are asked only for what is missing of them, in the order of the first ids.
    spoken_for: Vec<(Range<u64>, usize)>,
    /// Sound parts that are not ours, by kind, tag and file.
    parts: BTreeMap<(u32, u64, FileId), Part>,
    deletes: RoaringTreemap,
    /// A copy of the list of deleted ids that the manifest names is sound.
    has_deletes: bool,
    /// Ids below this one were given to records, as far as is known.
    next_id: u64,
    /// The largest number of a commit that was found.
    last_seq: u64,
    /// Ids of records that cannot be read.
    lost: BTreeSet<u64>,
    report: SalvageReport,
}

/// More commits than a log has: each takes some hundred bytes.
const LOST_COMMITS: u64 = 1 << 32;

impl Salvage {
    /// The commit that the new artifact begins behind. No commit of the damaged one has this number or a later one, those that were lost
    /// among them: who knows one of them is not told that it is a commit of the new one.
    fn first_seq(&self) -> u64 {
        self.last_seq.saturating_add(LOST_COMMITS).min(u64::MAX - LOST_COMMITS)
    }

    /// Copies sound parts, in the order of kind and tag.
    fn write_parts(&mut self, store: &Store) -> Result<()> {
        store.edit(|edit| {
            for part in self.parts.values() {
                edit.write_part(part.kind(), part.tag(), |out| {
                    let (mut window, mut at) = (Window::new(part.source()), 0);
                    while at < part.len() {
                        let step = (part.len() - at).min(COPIED_AT_ONCE);
                        out.write_all(window.read(at, step)?)?;
                        at += step;
                    }
                    Ok(())
                })?;
            }
            Ok(())
        })?;
        self.report.parts = self.parts.len() as u64;
        Ok(())
    }

    /// Copies sound records in the order of their ids, each once, from the first file that has it sound.
    fn write(&mut self, store: &Store) -> Result<()> {
        let runs = std::mem::take(&mut self.runs);
        let mut spoken_for = SpokenFor::from_ranges(std::mem::take(&mut self.spoken_for));
        let missing = self.report.damage.iter().map(|damage| damage.lost.start.0..damage.lost.end.0);
        let mut missing = merged_ranges(missing.collect()).into_iter().peekable();
        // Ids from the one that is looked at up to here may have been in bytes that do not hold.
        let mut missing_to = 0;
        let mut merge = Merge::from_runs(runs.clone())?;
        let mut bulk = store.bulk()?;
        while let Some((number, entry)) = merge.next()? {
            let is_spoken_for = number >= spoken_for.first_behind(entry.first_id());
            let record = match entry {
                Entry::Record(record) => record,
                Entry::Damaged { .. } if is_spoken_for => continue,
                Entry::Damaged { bytes, ids, error } => {
                    let first = ids.start;
                    missing_to = missing_to.max(ids.end);
                    self.report.damage.push(Damage::new(runs[number].file().path(), bytes, &error, ids));
                    if first >= bulk.end() && !self.deletes.contains(first) {
                        self.lost.insert(first);
                    }
                    continue;
                }
            };
            let id = record.id().0;
            while let Some(range) = missing.next_if(|range| range.start <= id) {
                missing_to = missing_to.max(range.end);
            }
            let is_replaced = is_spoken_for && id >= missing_to;
            if id < bulk.end() || is_replaced || self.deletes.contains(id) {
                continue;
            }
            if !is_sound(&record)? {
                self.lost.insert(id);
                missing_to = missing_to.max(id + 1);
                continue;
            }
            self.lost.remove(&id);
            // Whether the files before it had it no more, since it was deleted, they cannot say.
            self.report.deletes_incomplete |= is_spoken_for;
            bulk.skip_to(id);
            bulk.put_reader(record.reader())?;
            self.report.records += 1;
        }
        bulk.skip_to(self.next_id.max(bulk.end()));
        bulk.finish().map(drop)
    }

    fn into_report(self) -> SalvageReport {
        let Self { lost, next_id, mut report, .. } = self;
        for Damage { lost, .. } in &mut report.damage {
            lost.end = lost.end.min(RecordId(next_id)).max(lost.start);
        }
        let damage = sorted_and_merged(std::mem::take(&mut report.damage));
        SalvageReport { damage, lost: lost.into_iter().map(RecordId).collect(), ..report }
    }
}

/// Whether all of a record can be read. A commit cannot take half of one back: a large one is read once before it is begun.
fn is_sound(record: &Record) -> Result<bool> {
    let Some(path) = record.frames_path() else { return Ok(true) };
    let Err(e) = std::io::copy(&mut record.reader(), &mut std::io::sink()) else { return Ok(true) };
    let cause = e.get_ref().and_then(|cause| cause.downcast_ref::<Error>());
    if cause.is_none_or(is_no_damage) {
        return Err(Error::io(e, "reading a record", path));
    }
    Ok(false)
}

/// Whether the bytes may be sound: another time, or another build, reads them.
fn is_no_damage(e: &Error) -> bool {
    e.is_io() || matches!(e.kind(), ErrorKind::NewerFormat | ErrorKind::Unsupported)
}

/// How many records blocks of so many bytes can have, at the most.
fn records_in(bytes: u64) -> u64 {
    const IN_BLOCK: u64 = MAX_RAW_LEN as u64 / 2; // each has an entry of two bytes
    bytes.div_ceil(HEADER_LEN as u64).saturating_mul(IN_BLOCK)
}
