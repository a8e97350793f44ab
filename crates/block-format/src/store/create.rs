//! A directory without an artifact → an empty one. What fails leaves the directory as it was.

use std::path::Path;
use std::sync::Arc;

use super::recover::remove_others;
use super::state::{Sealed, Store};
use crate::directory::Directory;
use crate::directory::creation::{
    Creation, Mark, make_directory, mark_finished, mark_unfinished, remove_artifact, remove_destroyed_mark,
    sync_parent, take_lock, undo,
};
use crate::error::{Error, ErrorKind, Result};
use crate::id::{ArtifactId, FileId};
use crate::log::LogWriter;
use crate::manifest::Manifest;
use crate::manifest::reader::{Manifests, is_interrupted_creation, read_manifests};
use crate::options::Options;
use crate::protocol::Step;
use crate::vfs::{Vfs, disk_at};

impl Store {
    /// Creates an artifact in the directory `path`, whose parent exists, and opens it for writing. A directory that is
    /// there already must be empty, or hold what an interrupted creation left. What fails leaves nothing behind.
    pub fn create(path: impl AsRef<Path>, options: Options) -> Result<Self> {
        Self::create_in(disk_at(path.as_ref()), path, options)
    }

    /// [`Store::create`] in any file system.
    pub fn create_in(vfs: Arc<dyn Vfs>, path: impl AsRef<Path>, options: Options) -> Result<Self> {
        Self::create_at(vfs, path.as_ref(), &options, None)
    }

    /// [`create_in`](Self::create_in) of an artifact that nobody can open before [`finish_creation`](Self::finish_creation), and whose commits come
    /// behind number `seq`. It takes the place of one that was not finished.
    pub(crate) fn create_unfinished(
        vfs: Arc<dyn Vfs>,
        root: &Path,
        options: &Options,
        seq: u64,
    ) -> Result<Self> {
        Self::create_at(vfs, root, options, Some(seq))
    }

    /// Lets everybody open an artifact that [`salvage_unfinished`](crate::salvage_unfinished) made. Durable on return.
    pub fn finish_creation(&self) -> Result<()> {
        self.directory.check_lock()?;
        if !self.is_locked() {
            let message = "its lock was given away before it was complete";
            return Err(Error::new(ErrorKind::Locked, message).at(&self.directory.root));
        }
        mark_finished(&*self.directory.vfs, &self.directory.root)?;
        self.directory.sync_names(Step::SyncNewNames)
    }

    fn create_at(
        vfs: Arc<dyn Vfs>,
        root: &Path,
        options: &Options,
        unfinished_behind: Option<u64>,
    ) -> Result<Self> {
        let unfinished = unfinished_behind.is_some();
        options.check()?;
        let mut creation = make_directory(&*vfs, root)?;
        let lock =
            take_lock(&*vfs, root, options.busy_timeout).map_err(|e| undo(&*vfs, root, creation, e))?;
        let found =
            no_artifact(&*vfs, root, options, unfinished).map_err(|e| undo(&*vfs, root, creation, e))?;
        if unfinished && !found.are_unfinished {
            creation.mark = Mark::Unfinished;
        }
        let artifact = artifact_id(options).map_err(|e| undo(&*vfs, root, creation, e))?;
        let used = found.names.iter().filter_map(|name| name.id());
        let next_file = used.map(|id| id.0.saturating_add(1)).max().unwrap_or(1);
        let mut directory = Directory::new(vfs.clone(), root, artifact, options, next_file).locked(lock);
        match directory.hold().and_then(|()| begin(&directory, &found, unfinished_behind)) {
            Ok((log, catalog)) => {
                let store = Self::for_writing(directory, log, catalog, Sealed::default());
                Ok(Self { creation: Some(creation), ..store })
            }
            Err(e) => {
                // The error that is returned says why; what cannot be removed is taken for an interrupted creation.
                let _ = remove_artifact(&*vfs, root, &found.names, creation);
                Err(e)
            }
        }
    }

    /// Removes the artifact: the files that the format gives names to, and no others. The directory goes as well if
    /// this very store [created](Store::create) it and nothing else is in it.
    ///
    /// For undoing a creation after which something else failed. A reader that has the artifact open can go on reading.
    pub fn destroy(self) -> Result<()> {
        let Self { directory, creation, writer, published, .. } = self;
        directory.check_lock()?;
        let Some(lock) = directory.take_lock() else {
            let message = "opened for reading; only the writer can destroy the artifact";
            return Err(Error::new(ErrorKind::ReadOnly, message).at(&directory.root));
        };
        drop((writer, published)); // some systems remove no file that is open
        let creation = creation.unwrap_or(Creation { lock: true, ..Creation::default() });
        let creation = Creation { mark: Mark::Destroyed, ..creation };
        remove_artifact(&*directory.vfs, &directory.root, &[], creation)?;
        drop(lock);
        Ok(())
    }
}

/// The files of an interrupted creation, if there are any; an error if there is an artifact. One that is not finished is taken for an interrupted creation
/// if `unfinished`.
fn no_artifact(vfs: &dyn Vfs, root: &Path, options: &Options, unfinished: bool) -> Result<Manifests> {
    let found = read_manifests(vfs, root, options)?;
    if found.are_unfinished && unfinished {
        return Ok(found);
    }
    found.check_finished(root)?;
    if found.newest.is_some() || !is_interrupted_creation(vfs, root, &found)? {
        let message = "there is an artifact here already; open it, or choose another directory";
        return Err(Error::new(ErrorKind::AlreadyExists, message).at(root));
    }
    Ok(found)
}

/// Writes an empty log and a manifest that names it.
fn begin(
    directory: &Directory,
    found: &Manifests,
    unfinished_behind: Option<u64>,
) -> Result<(LogWriter, Manifest)> {
    sync_parent(&*directory.vfs, &directory.root, &directory.options)?;
    if found.are_destroyed {
        mark_finished(&*directory.vfs, &directory.root)?;
    }
    if unfinished_behind.is_some() {
        mark_unfinished(&*directory.vfs, &directory.root)?;
    }
    let artifact = directory.artifact;
    let (log, entry) = LogWriter::create(directory, unfinished_behind.unwrap_or(0), 0)?;
    directory.sync_names(Step::SyncNewNames)?;
    let (segments, parts) = (Vec::new(), Vec::new());
    let next_file = FileId(0); // set when it is written
    let mut catalog =
        Manifest { artifact, generation: found.highest, next_file, segments, parts, logs: vec![entry] };
    let manifest = catalog.clone();
    directory.write_generation(&mut catalog, manifest).map_err(|failed| failed.error)?;
    remove_others(directory, &found.names, &catalog);
    if found.are_destroyed {
        directory.sync_names(Step::SyncNewNames)?; // or what is left could outlive the mark
        remove_destroyed_mark(&*directory.vfs, &directory.root)?;
        directory.sync_names(Step::SyncNewNames)?;
    }
    Ok((log, catalog))
}

fn artifact_id(options: &Options) -> Result<ArtifactId> {
    if let Some(id) = options.artifact_of_seed() {
        return Ok(id);
    }
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)
        .map_err(|e| Error::new(ErrorKind::Io, format!("the system gives no random bytes: {e}")))?;
    Ok(ArtifactId(bytes))
}
