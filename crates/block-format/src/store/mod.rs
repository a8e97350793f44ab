//! An artifact's directory as a whole: who may write, what is visible, which files make it up.
//!
//! Locks are taken in this order: `maintenance` (one edit at a time), `writer` (the end of the log), `catalog` (the
//! manifest), `gate` (who waits for which sync), `published` (held for the swap of one pointer). Readers take the last
//! one only.

mod bulk;
mod create;
mod edit;
mod open;
mod read_path;
mod usage;
mod write_path;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::{Condvar, Mutex, RwLock};
use roaring::RoaringTreemap;

use crate::block::codec::Codec;
use crate::block::writer::{Cut, EncodedBlock, RawBlocks};
use crate::cache::{BlockCache, CacheStats};
use crate::callers::Callers;
use crate::checksum::Binding;
use crate::error::{Error, ErrorKind, Result};
use crate::file::{FileName, LOCK};
use crate::id::{ArtifactId, CommitSeq, FileId};
use crate::log::{LogIndex, LogView, LogWriter};
use crate::manifest::Manifest;
use crate::options::Options;
use crate::part::Part;
use crate::protocol::{Step, Steps};
use crate::run::{BlockFile, Run};
use crate::segment::Segment;
use crate::source::Source;
use crate::verify::{VerifyLevel, VerifyReport, verify_in};
use crate::vfs::{Access, DiskVfs, Vfs, VfsFile, VfsLock};
use crate::workers::Workers;

pub use bulk::Bulk;
pub(crate) use create::{make_directory, refuse_inside_artifact, remove_artifact, sync_parent, undo};
pub use edit::{Edit, SegmentInfo};
pub use open::RecoveryReport;
pub(crate) use open::{Manifests, check_header, check_orphans, newest, read_manifests, take_lock};
pub use read_path::{ContentReader, Record, Records, Snapshot};
pub use usage::{DiskUsage, FileUsage};
pub use write_path::{Batch, Receipt};

/// An artifact, opened by its one writer or by any number of readers. See the [crate page](crate).
#[derive(Debug)]
pub struct Store {
    directory: Directory,
    /// What `create` made; `None` in a store that was opened.
    creation: Option<create::Creation>,
    callers: Callers,
    maintenance: Mutex<()>,
    writer: Mutex<Option<Writer>>,
    catalog: Mutex<Manifest>,
    gate: Mutex<Gate>,
    gate_changed: Condvar,
    published: RwLock<Arc<State>>,
    /// Length of the logs at which the next automatic seal is due.
    seal_due_at: AtomicU64,
}

/// The end of the log. `None` in a store opened for reading.
#[derive(Debug)]
struct Writer {
    log: LogWriter,
    /// Why nothing more may be written.
    failed: Option<String>,
}

/// Who waits for which sync.
#[derive(Debug, Default)]
struct Gate {
    /// The newest commit known to be durable.
    synced: u64,
    /// Somebody is about to sync for all.
    has_leader: bool,
    /// Somebody does not want to wait for company.
    urgent: bool,
    failed: Option<String>,
}

/// What readers see: one commit.
#[derive(Debug)]
struct State {
    seq: u64,
    next_id: u64,
    sealed: Arc<Sealed>,
    tail: LogView,
}

/// All but the active log.
#[derive(Debug, Default)]
pub(crate) struct Sealed {
    pub(crate) segments: Vec<Arc<Segment>>,
    pub(crate) frozen: Vec<LogView>,
    pub(crate) parts: Vec<Arc<Part>>,
    pub(crate) deletes: Arc<RoaringTreemap>,
}

impl Sealed {
    /// Segments and frozen logs that have records, in the order of their ids.
    pub(crate) fn runs(&self) -> Vec<Arc<dyn Run>> {
        let segments = self.segments.iter().map(|segment| Arc::clone(segment) as Arc<dyn Run>);
        let frozen = self.frozen.iter().map(|log| -> Arc<dyn Run> { Arc::new(log.clone()) });
        let mut runs: Vec<_> = segments.chain(frozen).filter(|run| run.ids().is_some()).collect();
        runs.sort_by_key(|run| run.ids());
        runs
    }
}

/// The directory, and what every file in it needs to be read or written.
#[derive(Debug)]
pub(crate) struct Directory {
    pub(crate) vfs: Arc<dyn Vfs>,
    pub(crate) root: PathBuf,
    pub(crate) artifact: ArtifactId,
    pub(crate) options: Options,
    pub(crate) codec: Arc<Codec>,
    pub(crate) cache: Arc<BlockCache>,
    pub(crate) workers: Arc<Workers>,
    /// Held as long as somebody may write here.
    pub(crate) lock: Option<Box<dyn VfsLock>>,
    next_file: AtomicU64,
}

impl Directory {
    pub(crate) fn new(
        vfs: Arc<dyn Vfs>,
        root: &Path,
        artifact: ArtifactId,
        options: &Options,
        next_file: u64,
    ) -> Self {
        Self {
            vfs,
            root: root.to_owned(),
            artifact,
            options: options.clone(),
            codec: Arc::new(Codec::new(options.compression)),
            cache: Arc::new(BlockCache::new(options.cache_bytes, options.block_len)),
            workers: Arc::new(Workers::new(options.threads.clone())),
            lock: None,
            next_file: AtomicU64::new(next_file),
        }
    }

    /// Refuses to write when the lock that is held is not the one at its path any more.
    pub(crate) fn check_lock(&self) -> Result<()> {
        let Some(lock) = self.lock.as_ref().filter(|_| self.options.steps.take(Step::CheckLock)) else {
            return Ok(());
        };
        let path = self.root.join(LOCK);
        if lock.is_held().map_err(|e| Error::io(e, "looking at the lock", &path))? {
            return Ok(());
        }
        let message = "the lock was removed or replaced since it was taken, or this process was forked from the one that took it, so \
                       that another writer may be at work; nothing was written: open the artifact again";
        Err(Error::new(ErrorKind::Locked, message).at(&path))
    }

    pub(crate) fn path(&self, name: FileName) -> PathBuf {
        self.root.join(name.to_string())
    }

    pub(crate) fn binding(&self, file: FileId) -> Binding {
        Binding::new(self.artifact, file).at_any_place_unless(self.options.steps.take(Step::CheckPlace))
    }

    /// A number that no file has or had.
    pub(crate) fn next_file(&self) -> Result<FileId> {
        let given =
            self.next_file.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |next| next.checked_add(1));
        let used = |_| Error::damaged("a file here has the last of all 2^64 numbers").at(&self.root);
        given.map(FileId).map_err(used)
    }

    pub(crate) fn create(&self, name: FileName) -> Result<Arc<dyn VfsFile>> {
        self.check_lock()?;
        let path = self.path(name);
        self.vfs.create_new(&path).map_err(|e| Error::io(e, "creating the file", &path))
    }

    pub(crate) fn open(&self, name: FileName, access: Access) -> Result<Arc<dyn VfsFile>> {
        let path = self.path(name);
        self.vfs.open(&path, access).map_err(|e| open::opening(e, &path))
    }

    /// Removes a file that nothing refers to. That it stays, for now, does no harm: the next open tries again.
    pub(crate) fn remove(&self, name: FileName) {
        let _ = self.vfs.unlink(&self.path(name));
    }

    pub(crate) fn sync_data(&self, step: Step, file: &dyn VfsFile, path: &Path) -> Result<()> {
        if !self.options.steps.take(step) {
            return Ok(());
        }
        file.sync_data().map_err(|e| Error::io(e, "syncing the file to disk", path))
    }

    pub(crate) fn sync_names(&self, step: Step) -> Result<()> {
        if !self.options.steps.take(step) {
            return Ok(());
        }
        let failed = |e| Error::io(e, "syncing the directory to disk", &self.root);
        self.vfs.sync_dir(&self.root).map_err(failed)
    }

    /// What is needed to read the blocks of a file.
    pub(crate) fn block_file(&self, id: FileId, source: Source) -> BlockFile {
        let (binding, codec, cache) = (self.binding(id), self.codec.clone(), self.cache.clone());
        BlockFile { id, source, binding, codec, cache, steps: self.options.steps }
    }

    /// Compresses blocks, by several threads if there is enough for them.
    pub(crate) fn encode(&self, blocks: &RawBlocks) -> Result<Vec<EncodedBlock>> {
        if blocks.is_worth_dividing() {
            return self.workers.run(|divided| blocks.encode(&self.codec, divided));
        }
        blocks.encode(&self.codec, false)
    }

    /// How records are cut into blocks.
    pub(crate) fn cut(&self) -> Cut {
        let Options { block_len, inline_max, frame_len, .. } = self.options;
        Cut { block_len: block_len as usize, inline_max: inline_max as usize, frame_len: frame_len as usize }
    }

    /// A log that was just created or found: its index, over a file that is read by position as it grows.
    fn log_index(
        &self,
        id: FileId,
        file: Arc<dyn VfsFile>,
        lost: Vec<std::ops::Range<u64>>,
    ) -> Arc<LogIndex> {
        let source = Source::file(&self.path(FileName::Log(id)), u64::MAX, file);
        Arc::new(LogIndex::new(id, self.block_file(id, source), lost))
    }
}

impl Store {
    /// Creates an artifact in the directory `path`, whose parent exists, and opens it for writing. A directory that is
    /// there already must be empty, or hold what an interrupted creation left. What fails leaves nothing behind.
    pub fn create(path: impl AsRef<Path>, options: Options) -> Result<Self> {
        Self::create_in(Arc::new(DiskVfs), path, options)
    }

    /// Opens an artifact for writing, and recovers it if it was not closed. There can be one writer at a time.
    pub fn open(path: impl AsRef<Path>, options: Options) -> Result<(Self, RecoveryReport)> {
        Self::open_in(Arc::new(DiskVfs), path, options)
    }

    /// Opens an artifact for reading, without a lock and without writing anything: beside a writer, from read-only
    /// media, or when damage keeps [`Store::open`] from writing. What is sound is served; [`Store::refresh`] sees
    /// later commits.
    ///
    /// A reader in another process than the writer may see a commit shortly before its sync returns.
    pub fn open_read_only(path: impl AsRef<Path>, options: Options) -> Result<(Self, RecoveryReport)> {
        Self::open_read_only_in(Arc::new(DiskVfs), path, options)
    }

    /// What the cache of decoded blocks holds, and how often it helped.
    pub fn cache_stats(&self) -> CacheStats {
        self.directory.cache.stats()
    }

    /// Lets go of all decoded blocks.
    pub fn clear_cache(&self) {
        self.directory.cache.clear();
    }

    /// Who may call this store.
    pub fn callers(&self) -> &Callers {
        &self.callers
    }

    /// The threads that work for this store.
    pub fn workers(&self) -> &Arc<Workers> {
        &self.directory.workers
    }

    /// The identity of the artifact.
    pub fn artifact(&self) -> ArtifactId {
        self.directory.artifact
    }

    /// [`verify`](crate::verify) of the artifact that is open, wherever it lies.
    pub fn verify(&self, level: VerifyLevel) -> Result<VerifyReport> {
        let Directory { vfs, root, options, .. } = &self.directory;
        verify_in(vfs.clone(), root, level, options)
    }

    pub(crate) fn steps(&self) -> Steps {
        self.directory.options.steps
    }

    /// The pack that this store was opened from, if it was.
    pub fn as_pack(&self) -> Option<&crate::PackVfs> {
        self.directory.vfs.as_pack()
    }

    /// Where the artifact is.
    pub fn path(&self) -> &Path {
        &self.directory.root
    }

    /// An immutable view of the newest commit. Takes no lock that a writer holds while it works.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot::new(self.published.read().clone())
    }

    /// The newest visible commit.
    pub fn last_commit(&self) -> CommitSeq {
        CommitSeq(self.published.read().seq)
    }
}
