//! A directory → a store, for writing or for reading.

use std::path::Path;
use std::sync::Arc;

use super::load::{Known, Loaded, load, load_beside_writer};
use super::state::Store;
use crate::directory::creation::take_lock;
use crate::error::{Error, ErrorKind, Result};
use crate::manifest::reader::{newest, read_manifests};
use crate::options::Options;
use crate::report::RecoveryReport;
use crate::vfs::{Vfs, disk_at};

impl Store {
    /// Opens an artifact for writing, and recovers it if it was not closed. There can be one writer at a time.
    pub fn open(path: impl AsRef<Path>, options: Options) -> Result<(Self, RecoveryReport)> {
        Self::open_in(disk_at(path.as_ref()), path, options)
    }

    /// Opens an artifact for reading, without a lock and without writing anything: beside a writer, from read-only
    /// media, or when damage keeps [`Store::open`] from writing. What is sound is served; [`Store::refresh`] sees
    /// later commits.
    ///
    /// A reader in another process than the writer may see a commit shortly before its sync returns.
    pub fn open_read_only(path: impl AsRef<Path>, options: Options) -> Result<(Self, RecoveryReport)> {
        Self::open_read_only_in(disk_at(path.as_ref()), path, options)
    }

    /// [`Store::open`] in any file system.
    pub fn open_in(
        vfs: Arc<dyn Vfs>,
        path: impl AsRef<Path>,
        options: Options,
    ) -> Result<(Self, RecoveryReport)> {
        options.check()?;
        Self::lock_and_open(vfs, path.as_ref(), &options, None)
    }

    /// Takes the lock, and opens what is there then.
    pub(super) fn lock_and_open(
        vfs: Arc<dyn Vfs>,
        root: &Path,
        options: &Options,
        known: Option<&Known>,
    ) -> Result<(Self, RecoveryReport)> {
        // Without an artifact, nothing is to be left behind: not even the lock.
        find_artifact(&*vfs, root, options)?;
        let lock = take_lock(&*vfs, root, options.busy_timeout)?;
        let found = read_manifests(&*vfs, root, options)?;
        let names = found.names.clone();
        let loaded = load(vfs, root, options, found, (known, true))?;
        if let Some(damage) = loaded.report.damage.iter().find(|damage| !damage.is_derived) {
            let message = format!(
                "{damage}. Nothing was changed: `open_read_only` serves what is sound, `verify` names what is \
                 damaged, `salvage` copies what is sound into a new artifact"
            );
            return Err(Error::damaged(message));
        }
        let (store, report) = loaded.into_writable(lock, &names)?;
        store.seal_interrupted()?;
        Ok((store, report))
    }

    /// [`Store::open_read_only`] in any file system.
    pub fn open_read_only_in(
        vfs: Arc<dyn Vfs>,
        path: impl AsRef<Path>,
        options: Options,
    ) -> Result<(Self, RecoveryReport)> {
        let root = path.as_ref();
        options.check()?;
        let Loaded { directory, manifest, sealed, active, report, history, .. } =
            load_beside_writer(&vfs, root, &options, None)?;
        let store = Self::for_reading(directory, manifest, sealed, active.written());
        store.history.lock().begin_with(history);
        Ok((store, report))
    }
}

/// Says if there is no artifact. A writer may publish a generation and remove the one before between our listing and our reading; what is really so is so every time.
fn find_artifact(vfs: &dyn Vfs, root: &Path, options: &Options) -> Result<()> {
    const TRIES: usize = 8;
    let find = || read_manifests(vfs, root, options).and_then(|found| newest(vfs, root, found));
    let mut found = find();
    for _ in 1..TRIES {
        match found {
            Err(e) if !e.is_io() && e.kind() != ErrorKind::NewerFormat => found = find(),
            _ => break,
        }
    }
    found.map(drop)
}
