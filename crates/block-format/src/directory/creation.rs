//! A directory becomes that of an artifact, and stops being one: made, locked, and cleared again when something fails.

use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::error::{Error, ErrorKind, Result};
use crate::file::{DESTROYED, FileName, LOCK, UNFINISHED, WAIT};
use crate::options::Options;
use crate::protocol::Step;
use crate::vfs::{Vfs, VfsLock};

/// The things that [`Store::create`](crate::Store::create) made beside files with a [`FileName`]: whether the directory, whether the lock, and which
/// mark.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Creation {
    pub(crate) directory: bool,
    pub(crate) lock: bool,
    pub(crate) mark: Mark,
}

/// What says that there is no artifact, whatever files there are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Mark {
    #[default]
    None,
    /// It is not finished.
    Unfinished,
    /// It is destroyed, which another call may have to go on with; there may be the other mark as well.
    Destroyed,
}

impl Creation {
    /// Removes what has no [`FileName`]. The lock is held, if there is one.
    fn undo(self, vfs: &dyn Vfs, root: &Path) -> Result<()> {
        if self.mark != Mark::None {
            unlink(vfs, &root.join(UNFINISHED))?;
        }
        if self.mark == Mark::Destroyed {
            let _ = vfs.sync_dir(root); // what is left must not outlive the mark, if the disk lets us
            remove_destroyed_mark(vfs, root)?;
        }
        if self.lock {
            unlink(vfs, &root.join(WAIT))?;
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

/// Refuses a path without a name.
fn refuse_empty(path: &Path) -> Result<()> {
    if path.as_os_str().is_empty() {
        return Err(Error::invalid("an empty path; expected the name of a new directory or file"));
    }
    Ok(())
}

/// Refuses to write anything else into the directory of an artifact: the next open removes what has a name of ours.
pub(crate) fn refuse_inside_artifact(vfs: &dyn Vfs, destination: &Path) -> Result<()> {
    refuse_empty(destination)?;
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
    refuse_empty(root)?;
    let names = match vfs.list(root) {
        Ok(names) => names,
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            vfs.create_dir(root).map_err(|e| {
                let leads_nowhere = || vfs.list(root).is_err_and(|e| e.kind() == io::ErrorKind::NotFound);
                if e.kind() == io::ErrorKind::AlreadyExists && leads_nowhere() {
                    let message =
                        "there is a link here that leads nowhere; remove it, or choose another place";
                    return Error::new(ErrorKind::AlreadyExists, message).at(root);
                }
                no_directory(e, root)
            })?;
            return Ok(Creation { directory: true, lock: true, ..Creation::default() });
        }
        Err(e) => return Err(no_directory(e, root)),
    };
    let mut others: Vec<&String> = names
        .iter()
        .filter(|name| {
            ![LOCK, WAIT, UNFINISHED, DESTROYED].contains(&name.as_str()) && FileName::parse(name).is_none()
        })
        .collect();
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
    Ok(Creation { lock: !names.iter().any(|name| name == LOCK), ..Creation::default() })
}

/// Why there can be no directory of an artifact.
fn no_directory(e: io::Error, root: &Path) -> Error {
    match e.kind() {
        io::ErrorKind::AlreadyExists | io::ErrorKind::NotADirectory => {
            Error::new(ErrorKind::AlreadyExists, "there is a file here; an artifact is a directory").at(root)
        }
        _ => Error::io(e, "creating the directory", root),
    }
}

/// From here on the artifact cannot be opened. Durable with the names of the directory.
pub(crate) fn mark_unfinished(vfs: &dyn Vfs, root: &Path) -> Result<()> {
    make_mark(vfs, &root.join(UNFINISHED))
}

/// What is left was not destroyed.
pub(crate) fn remove_destroyed_mark(vfs: &dyn Vfs, root: &Path) -> Result<()> {
    unlink(vfs, &root.join(DESTROYED))
}

fn make_mark(vfs: &dyn Vfs, path: &Path) -> Result<()> {
    match vfs.create_new(path) {
        Err(e) if e.kind() != io::ErrorKind::AlreadyExists => Err(Error::io(e, "creating the file", path)),
        _ => Ok(()),
    }
}

/// From here on the artifact can be opened.
pub(crate) fn mark_finished(vfs: &dyn Vfs, root: &Path) -> Result<()> {
    unlink(vfs, &root.join(UNFINISHED))
}

/// Makes the directory of an artifact durable in its parent.
pub(crate) fn sync_parent(vfs: &dyn Vfs, root: &Path, options: &Options) -> Result<()> {
    let Some(parent) = root.parent().filter(|_| options.steps.take(Step::SyncParentDir)) else {
        return Ok(());
    };
    let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
    vfs.sync_dir(parent).map_err(|e| Error::io(e, "syncing the directory to disk", parent))
}

/// How often somebody who waits for a lock asks for it.
const ASK_AGAIN: Duration = Duration::from_millis(5);

/// Takes the lock of the writer, for which it waits up to `timeout`. Of several who wait, one at a time has the lock of those who wait and asks for the
/// other: so a writer sees that somebody waits, and cannot come before them when it wants to write again.
pub(crate) fn take_lock(vfs: &dyn Vfs, root: &Path, timeout: Duration) -> Result<Box<dyn VfsLock>> {
    let begun = Instant::now();
    let mut turn = None;
    loop {
        if turn.is_none() && !timeout.is_zero() {
            turn =
                some_unless_held(vfs.lock(&root.join(WAIT))).map_err(|e| lock_error(e, vfs, root, WAIT))?;
        }
        let left = timeout.saturating_sub(begun.elapsed());
        if turn.is_some() || left.is_zero() {
            match vfs.lock(&root.join(LOCK)) {
                Err(e) if e.kind() == io::ErrorKind::WouldBlock && !left.is_zero() => {}
                taken => return taken.map_err(|e| lock_error(e, vfs, root, LOCK)),
            }
        }
        std::thread::sleep(ASK_AGAIN.min(left));
    }
}

/// Whether somebody waits for the lock of the writer.
pub(crate) fn is_waited_for(vfs: &dyn Vfs, root: &Path) -> bool {
    matches!(some_unless_held(vfs.lock(&root.join(WAIT))), Ok(None))
}

fn some_unless_held(lock: io::Result<Box<dyn VfsLock>>) -> io::Result<Option<Box<dyn VfsLock>>> {
    match lock {
        Err(e) if e.kind() == io::ErrorKind::WouldBlock => Ok(None),
        lock => lock.map(Some),
    }
}

fn lock_error(e: io::Error, vfs: &dyn Vfs, root: &Path, name: &str) -> Error {
    let path = root.join(name);
    match e.kind() {
        io::ErrorKind::WouldBlock => {
            let holder = match vfs.lock_holder(&path) {
                Some(process) if process == std::process::id() => " in this process".to_owned(),
                Some(process) => format!(", process {process},"),
                None => String::new(),
            };
            let message =
                format!("another writer{holder} has the artifact open; wait for it, or use `open_read_only`");
            Error::new(ErrorKind::Locked, message).at(root)
        }
        io::ErrorKind::InvalidInput => {
            let message = "expected the lock, a regular file, found a link or something else; remove it";
            Error::new(ErrorKind::NotAnArtifact, message).at(&path)
        }
        _ => Error::io(e, "locking", &path),
    }
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
    if creation.mark == Mark::Destroyed {
        // A disk that is full takes no mark, and is no reason to stay full.
        let _ = make_mark(vfs, &root.join(DESTROYED)).and_then(|()| sync_names(vfs, root));
    }
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

fn sync_names(vfs: &dyn Vfs, root: &Path) -> Result<()> {
    vfs.sync_dir(root).map_err(|e| Error::io(e, "syncing the directory to disk", root))
}

fn unlink(vfs: &dyn Vfs, path: &Path) -> Result<()> {
    match vfs.unlink(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(Error::io(e, "removing the file", path)),
        _ => Ok(()),
    }
}
