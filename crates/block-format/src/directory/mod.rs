//! The directory of one artifact: how its files are named, created, opened, synced and removed.
//!
//! Everything that reads or writes a file of the artifact is handed a [`Directory`], which has what they all need: the file system, the
//! options, the codec, the cache and the threads.

pub(crate) mod creation;

use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;

use crate::block::codec::Codec;
use crate::block::dictionary::Encoder;
use crate::block::writer::{BlockLimits, EncodedBlock, RawBlocks};
use crate::cache::BlockCache;
use crate::checksum::Binding;
use crate::error::{Error, ErrorKind, Result};
use crate::file::{FileName, LOCK};
use crate::id::{ArtifactId, FileId};
use crate::observer::observed;
use crate::options::Options;
use crate::protocol::Step;
use crate::run::BlockFile;
use crate::source::Source;
use crate::vfs::{Access, Vfs, VfsFile, VfsLock};
use crate::workers::Workers;

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
    /// The directory itself, held from when it was opened on, so that another one at its path is told from it.
    pub(crate) place: Option<Arc<dyn VfsFile>>,
    /// Held as long as somebody may write here.
    lock: Mutex<Option<Box<dyn VfsLock>>>,
    pub(crate) next_file: AtomicU64,
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
            cache: Arc::new(BlockCache::new(
                options.cache_bytes,
                options.block_len,
                options.observer.clone(),
            )),
            workers: Arc::new(Workers::new(options.threads.clone())),
            place: None,
            lock: Mutex::default(),
            next_file: AtomicU64::new(next_file),
        }
    }

    /// Refuses to write when the lock that is held is not the one at its path any more.
    pub(crate) fn check_lock(&self) -> Result<()> {
        let lock = self.lock.lock();
        let Some(lock) = lock.as_ref().filter(|_| self.options.steps.take(Step::CheckLock)) else {
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

    /// Holds the directory that is at the path.
    pub(crate) fn hold(&mut self) -> Result<()> {
        let held = self.vfs.hold(&self.root);
        self.place = held.map_err(|e| Error::io(e, "opening the directory", &self.root))?;
        Ok(())
    }

    /// Refuses another directory than the one that is held, as far as the file system tells.
    pub(crate) fn check_place(&self) -> Result<()> {
        let Some(place) = &self.place else { return Ok(()) };
        let is_at = self.vfs.is_at(&**place, &self.root);
        let is_there = is_at.map_err(|e| Error::io(e, "looking at the directory", &self.root))?;
        // Where there is none, whoever reads it says so.
        if is_there || self.vfs.list(&self.root).is_err() {
            return Ok(());
        }
        Err(Error::another_artifact(&self.root))
    }

    /// This directory, held by a writer.
    pub(crate) fn locked(self, lock: Box<dyn VfsLock>) -> Self {
        Self { lock: Mutex::new(Some(lock)), ..self }
    }

    /// Whether this process may write here.
    pub(crate) fn is_locked(&self) -> bool {
        self.lock.lock().is_some()
    }

    /// Gives the lock away.
    pub(crate) fn take_lock(&self) -> Option<Box<dyn VfsLock>> {
        self.lock.lock().take()
    }

    /// Goes on where another value for the same directory ends.
    pub(crate) fn take_over(&self, other: &Self) {
        self.next_file.store(other.next_file.load(Ordering::Relaxed), Ordering::Relaxed);
        *self.lock.lock() = other.take_lock();
    }

    pub(crate) fn path(&self, name: FileName) -> PathBuf {
        self.root.join(name.to_string())
    }

    pub(crate) fn binding(&self, file: FileId) -> Binding {
        Binding::new(self.artifact, file).with_place(self.options.steps.take(Step::CheckPlace))
    }

    /// A number that no file has or had.
    pub(crate) fn next_file(&self) -> Result<FileId> {
        self.take_files(1).map(|files| FileId(files.start))
    }

    /// So many numbers that no file has or had.
    pub(crate) fn take_files(&self, count: u64) -> Result<Range<u64>> {
        let given =
            self.next_file.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |next| next.checked_add(count));
        let used = |_| Error::damaged("a file here has the last of all 2^64 numbers").at(&self.root);
        given.map(|first| first..first + count).map_err(used)
    }

    pub(crate) fn create(&self, name: FileName) -> Result<Arc<dyn VfsFile>> {
        self.check_lock()?;
        let path = self.path(name);
        self.vfs.create_new(&path).map_err(|e| Error::io(e, "creating the file", &path))
    }

    pub(crate) fn open(&self, name: FileName, access: Access) -> Result<Arc<dyn VfsFile>> {
        let path = self.path(name);
        self.vfs.open(&path, access).map_err(|e| open_error(e, &path))
    }

    /// A file for reading, and its length.
    pub(crate) fn open_with_len(&self, name: FileName) -> Result<(Arc<dyn VfsFile>, u64)> {
        let file = self.open(name, Access::Read)?;
        let len = file_len(&*file, &self.path(name))?;
        Ok((file, len))
    }

    /// Removes a file that nothing refers to. That it stays, for now, does no harm: the next open tries again.
    pub(crate) fn remove(&self, name: FileName) {
        let _ = self.vfs.unlink(&self.path(name));
    }

    /// Removes a file that the caller has just created, and that no manifest names, so that a disk that is full does not fill up with them. Not where another writer may have
    /// created one of that name meanwhile.
    pub(crate) fn take_back(&self, name: FileName) {
        if self.check_lock().is_ok() {
            self.remove(name);
        }
    }

    /// Removes a file that the caller has just created, if it is there. Whether it will not come back.
    pub(crate) fn remove_for_good(&self, name: FileName) -> bool {
        let is_gone = || match self.vfs.unlink(&self.path(name)) {
            Err(e) => e.kind() == io::ErrorKind::NotFound,
            Ok(()) => true,
        };
        self.check_lock().is_ok() && is_gone() && self.vfs.sync_dir(&self.root).is_ok()
    }

    pub(crate) fn sync_data(&self, step: Step, file: &dyn VfsFile, path: &Path) -> Result<()> {
        if !self.options.steps.take(step) {
            return Ok(());
        }
        let sync = || file.sync_data().map_err(|e| Error::io(e, "syncing the file to disk", path));
        observed(self.options.observer.as_ref(), |observer, took| observer.file_was_synced(took), sync)
    }

    pub(crate) fn sync_names(&self, step: Step) -> Result<()> {
        if !self.options.steps.take(step) {
            return Ok(());
        }
        let failed = |e| Error::io(e, "syncing the directory to disk", &self.root);
        self.vfs.sync_dir(&self.root).map_err(failed)
    }

    /// The means to read the blocks of a file.
    pub(crate) fn block_file(&self, id: FileId, source: Source) -> BlockFile {
        let (binding, codec, cache) = (self.binding(id), self.codec.clone(), self.cache.clone());
        BlockFile {
            id,
            source,
            binding,
            codec,
            cache,
            steps: self.options.steps,
            dictionary: OnceLock::new(),
        }
    }

    /// Compresses blocks, by several threads if there is enough for them.
    pub(crate) fn encode(&self, blocks: &RawBlocks) -> Result<Vec<EncodedBlock>> {
        self.encode_with(blocks, &self.codec, None)
    }

    /// [`encode`](Self::encode) by a thread of the workers' pool.
    pub(crate) fn encode_in_pool(&self, blocks: &RawBlocks) -> Result<Vec<EncodedBlock>> {
        blocks.encode(&self.codec, None, blocks.is_worth_dividing())
    }

    /// [`encode`](Self::encode) with another codec, and with the dictionary of the segment that the blocks go to.
    pub(crate) fn encode_with(
        &self,
        blocks: &RawBlocks,
        codec: &Codec,
        dictionary: Option<&Encoder>,
    ) -> Result<Vec<EncodedBlock>> {
        if blocks.is_worth_dividing() {
            return self.workers.run(|divided| blocks.encode(codec, dictionary, divided));
        }
        blocks.encode(codec, dictionary, false)
    }

    /// How records are cut into blocks.
    pub(crate) fn limits(&self) -> BlockLimits {
        let Options { block_len, inline_max, frame_len, .. } = self.options;
        BlockLimits {
            block_len: block_len as usize,
            small_len: block_len as usize,
            inline_max: inline_max as usize,
            frame_len: frame_len as usize,
        }
    }
}

/// An open that failed, as a sentence.
pub(crate) fn open_error(e: io::Error, path: &Path) -> Error {
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

pub(crate) fn file_len(file: &dyn VfsFile, path: &Path) -> Result<u64> {
    file.len().map_err(|e| Error::io(e, "asking for the length", path))
}
