//! The content of the disk: directories, names and files as a process sees them, and the events that brought them there.

use std::collections::{BTreeMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A call that changes something or makes it durable. Files are numbered in the order of their creation.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "the fields are what the calls of `Vfs` are given")]
pub enum Event {
    CreateDir { path: PathBuf },
    Create { path: PathBuf, file: usize },
    Unlink { path: PathBuf },
    RemoveDir { path: PathBuf },
    SyncDir { path: PathBuf },
    Write { file: usize, offset: usize, bytes: Arc<[u8]> },
    Sync { file: usize },
    SyncFailed { file: usize },
}

#[derive(Default)]
pub(super) struct Disk {
    /// The durable state before the first event.
    pub(super) base: State,
    pub(super) live: State,
    pub(super) events: Vec<Event>,
    /// Files put in place or removed without an event, each with the number of events before it.
    pub(super) placed: Vec<(usize, Placed)>,
    /// Numbers of files.
    pub(super) locked: HashSet<usize>,
    pub(super) read_only: bool,
}

#[derive(Default, Clone)]
pub(super) struct State {
    pub(super) dirs: HashSet<PathBuf>,
    pub(super) names: BTreeMap<PathBuf, usize>,
    pub(super) files: Vec<Arc<Vec<u8>>>,
}

/// A name, and the file that it has from now on with its content, or none.
#[derive(Clone)]
pub(super) struct Placed {
    pub(super) path: PathBuf,
    pub(super) file: Option<(usize, Arc<Vec<u8>>)>,
}

impl State {
    /// The root is always there.
    pub(super) fn has_dir(&self, path: &Path) -> bool {
        path.parent().is_none() || self.dirs.contains(path)
    }

    pub(super) fn place(&mut self, placed: Placed) {
        let Placed { path, file } = placed;
        let Some((file, bytes)) = file else {
            self.names.remove(&path);
            return;
        };
        if file == self.files.len() {
            self.files.push(bytes);
        } else {
            self.files[file] = bytes;
        }
        self.names.insert(path, file);
    }
}

impl Disk {
    pub(super) fn change(&mut self, event: Event) -> io::Result<()> {
        if self.read_only {
            return Err(io::ErrorKind::ReadOnlyFilesystem.into());
        }
        self.events.push(event);
        Ok(())
    }

    /// There is nothing of this name, and a directory that it could be in.
    pub(super) fn is_free(&self, path: &Path) -> io::Result<()> {
        if self.live.has_dir(path) || self.live.names.contains_key(path) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        if !path.parent().is_some_and(|dir| self.live.has_dir(dir)) {
            return Err(io::ErrorKind::NotFound.into());
        }
        Ok(())
    }

    pub(super) fn create(&mut self, path: &Path) -> io::Result<usize> {
        self.is_free(path)?;
        let file = self.live.files.len();
        self.change(Event::Create { path: path.to_owned(), file })?;
        self.live.files.push(Arc::default());
        self.live.names.insert(path.to_owned(), file);
        Ok(file)
    }

    pub(super) fn place(&mut self, placed: Placed) {
        if self.events.is_empty() {
            self.base.place(placed.clone());
        } else {
            self.placed.push((self.events.len(), placed.clone()));
        }
        self.live.place(placed);
    }
}

/// Writes `new` over the bytes at `offset`; what lies between the end and `offset` reads as zeros.
pub(super) fn write_at(bytes: &mut Vec<u8>, offset: usize, new: &[u8]) {
    if bytes.len() < offset + new.len() {
        bytes.resize(offset + new.len(), 0);
    }
    bytes[offset..offset + new.len()].copy_from_slice(new);
}
