//! A pack → a directory that can be written to.

use std::path::Path;
use std::sync::Arc;

use super::PackVfs;
use crate::directory::creation::{
    make_directory, refuse_inside_artifact, remove_artifact, sync_parent, take_lock, undo,
};
use crate::directory::{Directory, file_len};
use crate::error::{Error, ErrorKind, Result};
use crate::file::{FileName, LOCK, WAIT};
use crate::manifest::Manifest;
use crate::manifest::reader::read_manifests;
use crate::options::{Options, VerifyLevel};
use crate::protocol::Step;
use crate::source::{Source, Window};
use crate::verify::verify_generation;
use crate::vfs::{Access, DiskVfs, Vfs};

/// The size of what unpacking wrote.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnpackReport {
    /// Files of the new directory, manifests included.
    pub files: u64,
    /// Their length in bytes, without the manifests.
    pub bytes: u64,
}

const COPIED_AT_ONCE: u64 = 256 << 10;

impl PackVfs {
    /// Makes a directory artifact of the pack, which [`Store::open`](crate::Store::open) can write to. `to` must be an empty directory, or not
    /// exist while its parent does. Everything is verified before and after it is copied, and durable on return.
    ///
    /// The new artifact has the records, ids and identity of the packed one: checksums are bound to the identity, and the files are the same.
    /// Like the copy of a directory, it must not exchange files with the original. The manifest is written last, so what an interruption
    /// leaves does not open; an error leaves no files behind.
    pub fn unpack(&self, to: impl AsRef<Path>, options: &Options) -> Result<UnpackReport> {
        self.unpack_in(Arc::new(DiskVfs), to, options)
    }

    /// [`unpack`](Self::unpack) into any file system.
    pub fn unpack_in(
        &self,
        vfs: Arc<dyn Vfs>,
        to: impl AsRef<Path>,
        options: &Options,
    ) -> Result<UnpackReport> {
        let root = to.as_ref();
        self.verify()?;
        let found = read_manifests(self, self.path(), options)?;
        let none = || Error::damaged("no copy of the manifest holds; `salvage` keeps what is sound");
        let manifest = found.newest.ok_or_else(|| none().at(self.path()))?;
        refuse_inside_artifact(&*vfs, root)?;
        refuse_occupied(&*vfs, root)?;
        let creation = make_directory(&*vfs, root)?;
        let undone = |e| undo(&*vfs, root, creation, e);
        let lock = take_lock(&*vfs, root, options.busy_timeout).map_err(undone)?;
        refuse_occupied(&*vfs, root).map_err(undone)?; // by another who had the lock before
        let target = Directory::new(vfs.clone(), root, manifest.artifact, options, manifest.next_file.0);
        let target = target.locked(lock);
        let written = sync_parent(&*vfs, root, options).and_then(|()| self.copy_all(&target, &manifest));
        if written.is_err() {
            let _ = remove_artifact(&*vfs, root, &[], creation); // the error that is returned says why
        }
        written
    }

    fn copy_all(&self, target: &Directory, manifest: &Manifest) -> Result<UnpackReport> {
        let mut report = UnpackReport { files: 2, bytes: 0 };
        for name in manifest.files() {
            report.bytes += self.copy_file(target, name)?;
            report.files += 1;
        }
        target.sync_names(Step::SyncNewNames)?;
        if target.options.steps.take(Step::CheckUnpacked) {
            let found = verify_generation(target, manifest, VerifyLevel::Checksums)?;
            if let Some(damage) = found.damage.first() {
                let message = format!("read back after unpacking: {damage}");
                return Err(Error::damaged(message).at(&target.root));
            }
        }
        let mut none = Manifest { generation: 0, ..manifest.clone() };
        target.write_generation(&mut none, manifest.clone()).map_err(|failed| failed.error)?;
        Ok(report)
    }

    fn copy_file(&self, target: &Directory, name: FileName) -> Result<u64> {
        let (from, to) = (self.path().join(name.to_string()), target.path(name));
        let missing =
            |_| Error::new(ErrorKind::MissingFile, "the pack lacks a file of its manifest").at(&from);
        let file = self.open_file(&name.to_string(), Access::Read).map_err(missing)?;
        let len = file_len(&*file, &from)?;
        let source = Source::file(&from, len, file);
        let copy = target.create(name)?;
        let (mut window, mut at) = (Window::new(&source), 0);
        while at < len {
            let step = (len - at).min(COPIED_AT_ONCE);
            let written = copy.write_all_at(window.read(at, step)?, at);
            written.map_err(|e| Error::io(e, "writing", &to).at_offset(at))?;
            at += step;
        }
        target.sync_data(Step::SyncUnpacked, &*copy, &to)?;
        Ok(len)
    }
}

/// A destination with files in it is refused before anything is created there; the lock that an earlier attempt left is no obstacle.
fn refuse_occupied(vfs: &dyn Vfs, root: &Path) -> Result<()> {
    let names = match vfs.list(root) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        // `make_directory` says so.
        Err(e) if e.kind() == std::io::ErrorKind::NotADirectory => return Ok(()),
        names => names.map_err(|e| Error::io(e, "listing the directory", root))?,
    };
    match names.iter().find(|name| ![LOCK, WAIT].contains(&name.as_str())) {
        None => Ok(()),
        Some(name) => {
            let message =
                format!("expected an empty directory, or none, found {name:?} in it; choose another");
            Err(Error::new(ErrorKind::AlreadyExists, message).at(root))
        }
    }
}
