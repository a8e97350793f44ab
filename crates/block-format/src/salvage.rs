//! A damaged artifact → a new one with every record that is sound.

use std::collections::{BTreeMap, HashMap};
use std::io::Write;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use roaring::RoaringTreemap;

use crate::block::reader::deleted_ids;
use crate::block::{Block, BlockKind, Body};
use crate::damage::{Damage, sorted_and_merged};
use crate::directory::creation::refuse_inside_artifact;
use crate::directory::{Directory, file_len};
use crate::error::{Error, ErrorKind, Result};
use crate::file::layout::FILE_HEADER_LEN;
use crate::file::{FileHeader, FileName};
use crate::id::{ArtifactId, FileId, RecordId};
use crate::log::deletes::DeleteLists;
use crate::log::layout::{COMMIT_LEN, Commit};
use crate::manifest::reader::read_manifests;
use crate::manifest::{Manifest, PartEntry};
use crate::options::Options;
use crate::pack::PackVfs;
use crate::part::layout::decode_deletes;
use crate::part::{Part, PartKind};
use crate::report::SalvageReport;
use crate::room::make_room;
use crate::run::{BlockFile, Place, Run};
use crate::segment::layout::{FOOTER_LEN, Footer};
use crate::source::{Source, Window};
use crate::store::{Bulk, Record, Store};
use crate::vfs::{Access, DiskVfs, Vfs};
use crate::walk::{WalkedBlocks, next_sound};

/// Copies every sound record of the artifact at `from` into a new artifact at `to`, under its id, whatever is damaged or
/// missing: the manifest, file headers, tables, blocks. `from` is only read; deleted records stay behind. Parts of
/// kinds from 256 on are copied if all their checksums hold.
///
/// `from` may also be a packed artifact, of which any part is damaged or cut off.
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
    let directory = Directory::new(vfs, root, artifact, &options, 0);
    let mut salvage = Salvage {
        directory,
        manifest: found.newest,
        files: Vec::new(),
        parts: BTreeMap::new(),
        deletes: RoaringTreemap::new(),
        has_deletes: false,
        next_id: 0,
        doubtful: Vec::new(),
        report: SalvageReport::default(),
    };
    salvage.read(&found.names)?;
    let store = Store::create_unfinished(target, to, &options)?;
    if let Err(e) = salvage.write(&store).and_then(|()| salvage.write_parts(&store)) {
        let _ = store.destroy(); // the error that is returned says why
        return Err(e);
    }
    let damage = sorted_and_merged(salvage.report.damage);
    Ok((store, SalvageReport { damage, ..salvage.report }))
}

/// The identity that most file headers agree on.
fn identity(vfs: &dyn Vfs, root: &Path, names: &[FileName]) -> Result<ArtifactId> {
    let mut votes: HashMap<ArtifactId, usize> = HashMap::new();
    for name in names {
        let path = root.join(name.to_string());
        let Ok(file) = vfs.open(&path, Access::Read) else { continue };
        let mut bytes = [0; FILE_HEADER_LEN];
        if file.read_exact_at(&mut bytes, 0).is_ok()
            && let Ok(header) = FileHeader::decode(&bytes)
        {
            *votes.entry(header.artifact).or_default() += 1;
        }
    }
    let most = votes.into_iter().max_by_key(|&(artifact, count)| (count, artifact));
    let none = || {
        let message = "neither a manifest nor a file header holds: nothing says which artifact this was";
        Error::new(ErrorKind::NotAnArtifact, message).at(root)
    };
    most.map(|(artifact, _)| artifact).ok_or_else(none)
}

/// The footer of a segment of so many bytes, if it holds.
fn footer(file: &BlockFile, end: u64) -> Option<Footer> {
    let offset = end.checked_sub(FOOTER_LEN as u64)?;
    let bytes = file.source.read(offset, FOOTER_LEN as u64).ok()?;
    Footer::decode(bytes.first_chunk()?, &file.binding, offset).ok()
}

const COPIED_AT_ONCE: u64 = 256 << 10;

struct Salvage {
    directory: Directory,
    manifest: Option<Manifest>,
    files: Vec<Arc<dyn Run>>,
    /// Sound parts that are not ours, by kind, tag and file.
    parts: BTreeMap<(u32, u64, FileId), Part>,
    deletes: RoaringTreemap,
    /// A copy of the list of deleted ids that the manifest names is sound.
    has_deletes: bool,
    /// Ids below this one were given to records, as far as is known.
    next_id: u64,
    /// Commits that say so of later ids than they can have given out.
    doubtful: Vec<Claim>,
    report: SalvageReport,
}

/// Stretches in which no block was recognised, and the ids that may have been in them.
type Gaps = Vec<(Range<u64>, Range<u64>)>;

/// Where the ids in a gap end, until something behind it says.
const UNKNOWN: u64 = u64::MAX;

/// The ids in all gaps whose end is not known are below `id`.
fn end_gaps(gaps: &mut Gaps, id: u64) {
    let unknown = gaps.iter_mut().rev().take_while(|(_, ids)| ids.end == UNKNOWN);
    unknown.for_each(|(_, ids)| ids.end = id.max(ids.start));
}

/// What a commit says of ids.
struct Claim {
    next_id: u64,
    file: FileName,
    /// The blocks that it covers, and its own.
    bytes: Range<u64>,
}

impl Claim {
    /// Whether it gave out no more ids from `known` on than there are bytes for their records.
    fn is_credible(&self, known: u64) -> bool {
        self.next_id <= known.saturating_add(self.bytes.end - self.bytes.start)
    }
}

impl Salvage {
    /// Believes what commits say of ids, as far as blocks and other commits bear it out. The rest is damage.
    fn settle_doubtful(&mut self) {
        let mut doubtful = std::mem::take(&mut self.doubtful);
        doubtful.sort_unstable_by_key(|claim| claim.next_id);
        for claim in doubtful {
            if claim.is_credible(self.next_id) {
                self.next_id = self.next_id.max(claim.next_id);
                continue;
            }
            let message = format!(
                "expected a commit with ids below {}, which is all that were given out, found ids below {}",
                self.next_id, claim.next_id
            );
            let path = self.directory.path(claim.file);
            self.report.damage.push(Damage::new(&path, claim.bytes, &Error::damaged(message), 0..0));
        }
    }

    /// Finds every sound block and every deleted id.
    fn read(&mut self, names: &[FileName]) -> Result<()> {
        self.next_id = self.manifest.as_ref().map_or(0, Manifest::next_id);
        // Logs come first in this order: they say which ids were given out.
        for &name in names {
            match name {
                FileName::Log(_) | FileName::Segment(_) => self.read_blocks(name)?,
                FileName::Part(_) => {
                    self.settle_doubtful(); // logs and segments come before
                    self.read_part(name)?;
                }
                FileName::Manifest { .. } => {}
            }
        }
        self.settle_doubtful();
        self.name_missing(names);
        if let Some(manifest) = &self.manifest {
            let expected = manifest.parts.iter().any(|entry| entry.kind == PartKind::DELETES.0);
            self.report.deletes_incomplete |= expected && !self.has_deletes;
            let derived = manifest.parts.iter().filter(|entry| PartKind(entry.kind).is_derived());
            let lost = derived.filter(|entry| !self.parts.contains_key(&(entry.kind, entry.tag, entry.file)));
            self.report.lost_parts = lost.map(|entry| (PartKind(entry.kind), entry.tag)).collect();
        }
        Ok(())
    }

    /// Files that the manifest names and that are not there.
    fn name_missing(&mut self, names: &[FileName]) {
        let Some(manifest) = &self.manifest else { return };
        let sealed = manifest.segments.iter().map(|entry| entry.last_id.saturating_add(1)).max().unwrap_or(0);
        let segments = manifest.segments.iter().map(|entry| {
            let ids = entry.first_id..entry.last_id.saturating_add(1);
            (FileName::Segment(entry.file), entry.len, ids)
        });
        let logs = manifest.logs.iter().map(|entry| {
            let ids = sealed..entry.checkpoint.next_id.max(sealed);
            (FileName::Log(entry.file), entry.checkpoint.len, ids)
        });
        for (name, len, ids) in segments.chain(logs).filter(|(name, ..)| !names.contains(name)) {
            let missing = Error::new(ErrorKind::MissingFile, "the file is missing");
            self.report.damage.push(Damage::new(&self.directory.path(name), 0..len, &missing, ids));
            self.report.deletes_incomplete |= matches!(name, FileName::Log(_));
        }
    }

    fn open(&self, name: FileName) -> Result<Option<Source>> {
        let path = self.directory.path(name);
        let file = match self.directory.open(name, Access::Read) {
            Ok(file) => file,
            Err(e) if e.is_io() => return Err(e),
            Err(_) => return Ok(None),
        };
        let len = file_len(&*file, &path)?;
        Ok(Some(Source::file(&path, len, file)))
    }

    fn read_blocks(&mut self, name: FileName) -> Result<()> {
        let (Some(id), Some(source)) = (name.id(), self.open(name)?) else { return Ok(()) };
        let end = source.len();
        let file = self.directory.block_file(id, source);
        let mut window = Window::new(&file.source);
        // In a log, what no commit covers was never acknowledged, unless the manifest vouches for it.
        let logs = self.manifest.iter().flat_map(|manifest| &manifest.logs);
        let checkpoint = logs.filter(|entry| entry.file == id).map(|entry| entry.checkpoint.len).max();
        let mut covered_to = if matches!(name, FileName::Segment(_)) { end } else { checkpoint.unwrap_or(0) };
        let (mut places, mut deletes) = (Vec::new(), DeleteLists::default());
        let (mut at, mut next_id, mut gaps) = (FILE_HEADER_LEN as u64, 0, Gaps::new());
        while let Some((offset, header)) = next_sound(&file, &mut window, at, end)? {
            if offset > at {
                gaps.push((at..offset, next_id..UNKNOWN));
            }
            at = offset + header.block_len();
            if matches!(header.kind, BlockKind::Records | BlockKind::Frame) {
                end_gaps(&mut gaps, header.first_id);
            }
            if header.kind == BlockKind::Records {
                next_id = next_id.max(header.first_id.saturating_add(header.count.into()));
                self.next_id = self.next_id.max(next_id);
            }
            let place = Place { first_id: header.first_id, offset, len: header.block_len() };
            match header.kind {
                BlockKind::Records | BlockKind::Frame => {
                    make_room(&mut places, 1, "bytes of places of blocks")?;
                    places.push(place);
                }
                BlockKind::Dictionary => {} // found by those that need it
                BlockKind::Deletes => {
                    match file.read(place).and_then(|(header, raw)| deleted_ids(&header, &raw)) {
                        Ok(ids) => deletes.push(offset, ids),
                        Err(e) if is_no_damage(&e) => return Err(e),
                        Err(_) => self.report.deletes_incomplete = true,
                    }
                }
                BlockKind::Commit => {
                    let raw = match file.read(place) {
                        Ok((_, raw)) => raw,
                        Err(e) if e.is_io() => return Err(e),
                        Err(_) => Vec::default(),
                    };
                    if let Ok(payload) = <&[u8; COMMIT_LEN]>::try_from(&raw[..]) {
                        let commit = Commit::decode(payload);
                        let start = offset.saturating_sub(commit.covered_len);
                        self.report.deletes_incomplete |= deletes.count_from(start) != commit.deletes;
                        covered_to = covered_to.max(offset);
                        let claim = Claim { next_id: commit.next_id, file: name, bytes: start..at };
                        if claim.is_credible(self.next_id) {
                            next_id = next_id.max(claim.next_id);
                            self.next_id = self.next_id.max(next_id);
                            end_gaps(&mut gaps, next_id);
                        } else {
                            self.doubtful.push(claim);
                        }
                    }
                }
            }
        }
        if matches!(name, FileName::Segment(_)) {
            // Behind the blocks is a table; where nothing says where it begins, nothing says what is missing before it.
            let table = footer(&file, end).map_or(at, |footer| footer.table_offset);
            gaps.push((at..table, next_id..UNKNOWN));
        } else {
            gaps.push((at..covered_to, next_id..UNKNOWN));
            end_gaps(&mut gaps, self.next_id);
            // A commit of nothing but deletes may be in one.
            self.report.deletes_incomplete |=
                gaps.iter().any(|(bytes, _)| bytes.start < bytes.end.min(covered_to));
        }
        for (bytes, ids) in gaps.into_iter().filter(|(bytes, _)| bytes.start < bytes.end.min(covered_to)) {
            let unknown = Error::damaged("no block header holds where blocks should be");
            self.report.damage.push(Damage::new(file.path(), bytes, &unknown, ids));
        }
        places.retain(|place| place.offset < covered_to);
        self.deletes.extend(deletes.into_ids(covered_to));
        // A sound block in the wrong order would be one that somebody made.
        places.sort_by_key(|place| (place.first_id, place.offset));
        self.files.push(Arc::new(WalkedBlocks { file, places, next_id: u64::MAX }));
        Ok(())
    }

    /// Deleted ids of the current generation; without a manifest, of any: what was deleted once stays so. And the parts
    /// of callers; without a manifest, every one, since a part that is no longer needed is soon removed.
    fn read_part(&mut self, name: FileName) -> Result<()> {
        let (Some(id), Some(source)) = (name.id(), self.open(name)?) else { return Ok(()) };
        let named =
            self.manifest.as_ref().map(|manifest| manifest.parts.iter().find(|entry| entry.file == id));
        let entry = match named {
            Some(Some(entry)) => *entry,
            Some(None) => return Ok(()),
            None => PartEntry { file: id, len: source.len(), hash: 0, kind: PartKind::DELETES.0, tag: 0 },
        };
        let (unnamed, binding) = (named.is_none(), self.directory.binding(id));
        let opened = Part::open(source, binding, entry, self.directory.options.steps).and_then(|mut part| {
            if unnamed {
                let footer = part.footer()?;
                (part.entry.kind, part.entry.tag) = (footer.kind, footer.tag);
            }
            Ok(part)
        });
        let part = match opened {
            Ok(part) => part,
            Err(e) if e.is_io() => return Err(e),
            Err(_) => {
                self.report.deletes_incomplete |= unnamed;
                return Ok(());
            }
        };
        let checked = part.verify();
        if part.kind().is_derived() {
            match checked {
                Ok(()) => drop(self.parts.insert((part.kind().0, part.tag(), id), part)),
                Err(e) if e.is_io() => return Err(e),
                Err(_) if unnamed => self.report.lost_parts.push((part.kind(), part.tag())),
                Err(_) => {} // missed among those that the manifest names
            }
            return Ok(());
        }
        let end = self.manifest.as_ref().map_or(u64::MAX, |manifest| manifest.next_id().max(self.next_id));
        let ids = checked.and_then(|()| decode_deletes(&part.content()?, end));
        match ids {
            Ok(ids) => {
                self.deletes |= ids;
                self.has_deletes = true;
            }
            Err(e) if e.is_io() => return Err(e),
            // The manifest says below whether another copy was expected and found.
            Err(_) => self.report.deletes_incomplete |= unnamed,
        }
        Ok(())
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

    /// Copies sound records in the order of their ids, each once: a log and the segment it was sealed into may both be
    /// there.
    fn write(&mut self, store: &Store) -> Result<()> {
        let mut blocks: Vec<(u64, usize, usize)> = Vec::new();
        for (number, run) in self.files.iter().enumerate() {
            make_room(&mut blocks, run.block_count()?, "bytes of places of blocks")?;
            for index in 0..run.block_count()? {
                blocks.push((run.place(index)?.first_id, number, index));
            }
        }
        blocks.sort_unstable();
        let mut bulk = store.bulk()?;
        for (_, number, index) in blocks {
            let run = self.files[number].clone();
            self.copy_block(&mut bulk, &run, index)?;
        }
        self.report.lost.sort_unstable();
        self.report.lost.dedup();
        bulk.skip_to(self.next_id.max(bulk.end()));
        bulk.finish().map(drop)
    }

    fn copy_block(&mut self, bulk: &mut Bulk<'_>, run: &Arc<dyn Run>, index: usize) -> Result<()> {
        let place = run.place(index)?;
        let read = run.file().read(place).and_then(|(header, raw)| match header.kind {
            BlockKind::Records => Block::new(&header, raw).map(Some),
            _ => Ok(None),
        });
        let block = match read {
            Ok(Some(block)) => Arc::new(block),
            Ok(None) => return Ok(()),
            Err(e) if is_no_damage(&e) => return Err(e),
            Err(e) => {
                let (bytes, ids) =
                    (place.offset..place.offset + place.len, place.first_id..place.first_id + 1);
                self.report.damage.push(Damage::new(run.file().path(), bytes, &e, ids));
                self.report.lost.push(RecordId(place.first_id));
                return Ok(());
            }
        };
        for (id, body) in block.records() {
            if id < bulk.end() || self.deletes.contains(id) {
                continue;
            }
            let record = Record::new(RecordId(id), run, &block, index, body.clone());
            // A large record is read once before it is begun: a commit cannot take half of one back.
            if matches!(body, Body::Large(_))
                && let Err(e) = std::io::copy(&mut record.reader(), &mut std::io::sink())
            {
                let cause = e.get_ref().and_then(|cause| cause.downcast_ref::<Error>());
                if cause.is_none_or(is_no_damage) {
                    return Err(Error::io(e, "reading a record", run.file().path()));
                }
                self.report.lost.push(record.id());
                continue;
            }
            bulk.skip_to(id);
            bulk.put_reader(record.reader())?;
            self.report.records += 1;
        }
        Ok(())
    }
}

/// Whether the bytes may be sound: another time, or another build, reads them.
fn is_no_damage(e: &Error) -> bool {
    e.is_io() || matches!(e.kind(), ErrorKind::NewerFormat | ErrorKind::Unsupported)
}
