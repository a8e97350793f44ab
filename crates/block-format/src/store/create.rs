//! A directory without an artifact → an empty one. What fails leaves the directory as it was.

use std::io;
use std::path::Path;
use std::sync::Arc;

use super::open::{is_interrupted_creation, read_manifests, remove_others, take_lock};
use super::{Directory, Manifests, Sealed, Store};
use crate::error::{Error, ErrorKind, Result};
use crate::file::{FileName, LOCK};
use crate::id::{ArtifactId, FileId};
use crate::log::LogWriter;
use crate::manifest::Manifest;
use crate::options::Options;
use crate::protocol::Step;
use crate::vfs::Vfs;

/// What [`Store::create`] made beside the files that have a [`FileName`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct Creation {
    directory: bool,
    lock: bool,
}

impl Store {
    /// [`Store::create`] in any file system.
    pub fn create_in(vfs: Arc<dyn Vfs>, path: impl AsRef<Path>, options: Options) -> Result<Self> {
        let root = path.as_ref();
        options.check()?;
        let creation = make_directory(&*vfs, root)?;
        let lock = take_lock(&*vfs, root).map_err(|e| undo(&*vfs, root, creation, e))?;
        let found = no_artifact(&*vfs, root, &options).map_err(|e| undo(&*vfs, root, creation, e))?;
        let artifact = artifact_id(&options).map_err(|e| undo(&*vfs, root, creation, e))?;
        let used = found.names.iter().filter_map(|name| name.id());
        let next_file = used.map(|id| id.0.saturating_add(1)).max().unwrap_or(1);
        let mut directory = Directory::new(vfs.clone(), root, artifact, &options, next_file);
        directory.lock = Some(lock);
        match begin(&directory, &found) {
            Ok((log, catalog)) => {
                let store = Self::assemble(directory, Some(log), catalog, Sealed::default(), None);
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
        let Self { mut directory, creation, writer, published, .. } = self;
        directory.check_lock()?;
        let Some(lock) = directory.lock.take() else {
            let message = "opened for reading; only the writer can destroy the artifact";
            return Err(Error::new(ErrorKind::ReadOnly, message).at(&directory.root));
        };
        drop((writer, published)); // some systems remove no file that is open
        let creation = creation.unwrap_or(Creation { directory: false, lock: true });
        remove_artifact(&*directory.vfs, &directory.root, &[], creation)?;
        drop(lock);
        Ok(())
    }
}

impl Creation {
    /// Removes what has no [`FileName`]. The lock is held, if there is one.
    fn undo(self, vfs: &dyn Vfs, root: &Path) -> Result<()> {
        if self.lock {
            unlink(vfs, &root.join(LOCK))?;
        }
        if self.directory {
            let _ = vfs.remove_dir(root); // stays if somebody has put a file of their own there
        }
        Ok(())
    }
}

/// Removes what was made before anything was written, unless it is in the hands of another writer. Returns the error.
pub(crate) fn undo(vfs: &dyn Vfs, root: &Path, creation: Creation, e: Error) -> Error {
    if !matches!(e.kind(), ErrorKind::Locked | ErrorKind::AlreadyExists) {
        let _ = creation.undo(vfs, root); // the error says why
    }
    e
}

/// Refuses to write anything else into the directory of an artifact: the next open removes what has a name of ours.
pub(crate) fn refuse_inside_artifact(vfs: &dyn Vfs, destination: &Path) -> Result<()> {
    let parent = destination.parent().filter(|parent| !parent.as_os_str().is_empty());
    let parent = parent.unwrap_or(Path::new("."));
    // Where there is no such directory, whoever writes there says so.
    let names = vfs.list(parent).unwrap_or_default();
    if names.iter().any(|name| matches!(FileName::parse(name), Some(FileName::Manifest { .. }))) {
        let message = "expected a destination outside of the directory of an artifact; choose another folder";
        return Err(Error::invalid(message).at(destination));
    }
    Ok(())
}

/// Makes the directory, or makes sure that nothing is in it but what an artifact is made of.
pub(crate) fn make_directory(vfs: &dyn Vfs, root: &Path) -> Result<Creation> {
    let names = match vfs.list(root) {
        Ok(names) => names,
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            vfs.create_dir(root).map_err(|e| no_directory(e, root))?;
            return Ok(Creation { directory: true, lock: true });
        }
        Err(e) => return Err(no_directory(e, root)),
    };
    let mut others: Vec<&String> =
        names.iter().filter(|name| *name != LOCK && FileName::parse(name).is_none()).collect();
    others.sort_unstable();
    if let Some(first) = others.first() {
        let more = match others.len() - 1 {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let message = format!(
            "the directory holds other files (found {first:?}{more}); an artifact needs a new or an empty directory"
        );
        return Err(Error::new(ErrorKind::AlreadyExists, message).at(root));
    }
    Ok(Creation { directory: false, lock: !names.iter().any(|name| name == LOCK) })
}

/// The files of an interrupted creation, if there are any; an error if there is an artifact.
fn no_artifact(vfs: &dyn Vfs, root: &Path, options: &Options) -> Result<Manifests> {
    let found = read_manifests(vfs, root, options)?;
    if found.newest.is_some() || !is_interrupted_creation(vfs, root, &found)? {
        let message = "there is an artifact here already; open it, or choose another directory";
        return Err(Error::new(ErrorKind::AlreadyExists, message).at(root));
    }
    Ok(found)
}

fn no_directory(e: io::Error, root: &Path) -> Error {
    match e.kind() {
        io::ErrorKind::AlreadyExists | io::ErrorKind::NotADirectory => {
            Error::new(ErrorKind::AlreadyExists, "there is a file here; an artifact is a directory").at(root)
        }
        _ => Error::io(e, "creating the directory", root),
    }
}

/// Makes the directory of an artifact durable in its parent.
pub(crate) fn sync_parent(vfs: &dyn Vfs, root: &Path, options: &Options) -> Result<()> {
    let Some(parent) = root.parent().filter(|_| options.steps.take(Step::SyncParentDir)) else {
        return Ok(());
    };
    let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
    vfs.sync_dir(parent).map_err(|e| Error::io(e, "syncing the directory to disk", parent))
}

/// Writes an empty log and a manifest that names it.
fn begin(directory: &Directory, found: &Manifests) -> Result<(LogWriter, Manifest)> {
    sync_parent(&*directory.vfs, &directory.root, &directory.options)?;
    let artifact = directory.artifact;
    let (log, entry) = directory.create_log(0, 0)?;
    directory.sync_names(Step::SyncNewNames)?;
    let (segments, parts) = (Vec::new(), Vec::new());
    let next_file = FileId(0); // set when it is written
    let mut catalog =
        Manifest { artifact, generation: found.highest, next_file, segments, parts, logs: vec![entry] };
    let manifest = catalog.clone();
    directory.write_generation(&mut catalog, manifest)?;
    remove_others(directory, &found.names, &catalog);
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

/// Removes the files of an artifact but those in `keep`, and what else its creation made. The lock is held, and is the
/// last file that goes.
pub(crate) fn remove_artifact(
    vfs: &dyn Vfs,
    root: &Path,
    keep: &[FileName],
    creation: Creation,
) -> Result<()> {
    let names = vfs.list(root).map_err(|e| Error::io(e, "listing the directory", root))?;
    let mut files: Vec<FileName> = names.iter().filter_map(|name| FileName::parse(name)).collect();
    files.retain(|name| !keep.contains(name));
    // Manifests first, and for good if the disk lets us: nothing that names a file may outlive it, also when the power fails in between.
    let (manifests, others): (Vec<_>, Vec<_>) =
        files.iter().partition(|name| matches!(name, FileName::Manifest { .. }));
    let remove = |name: &FileName| unlink(vfs, &root.join(name.to_string()));
    manifests.iter().try_for_each(remove)?;
    if !manifests.is_empty() {
        let _ = vfs.sync_dir(root).or_else(|_| vfs.sync_dir(root));
    }
    others.iter().try_for_each(remove)?;
    creation.undo(vfs, root)
}

fn unlink(vfs: &dyn Vfs, path: &Path) -> Result<()> {
    match vfs.unlink(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(Error::io(e, "removing the file", path)),
        _ => Ok(()),
    }
}
