//! A directory, or a pack → a report on everything in it, also while a writer is at work.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::copies::{ManifestCopies, is_removable};
use super::generation::Verifier;
use crate::damage::Damage;
use crate::directory::Directory;
use crate::error::{Error, Result};
use crate::file::FileName;
use crate::id::ArtifactId;
use crate::log::orphans::check_orphans;
use crate::manifest::Manifest;
use crate::manifest::reader::{Manifests, newest, read_manifests};
use crate::options::{Options, VerifyLevel};
use crate::protocol::Step;
use crate::report::{Leftover, LeftoverKind, VerifyReport};
use crate::store::Store;
use crate::vfs::{Access, DiskVfs, Vfs};

impl Store {
    /// [`verify`] of the artifact that is open, wherever it lies.
    pub fn verify(&self, level: VerifyLevel) -> Result<VerifyReport> {
        let Directory { vfs, root, options, artifact, .. } = &self.directory;
        self.directory.check_place()?;
        let report = verify_one(vfs, root, level, options, Some(*artifact));
        self.directory.check_place()?;
        report
    }
}

/// Verifies an artifact, also beside its writer: then the newest generation. Changes nothing; needs no more memory than a few blocks.
///
/// An error means that there is no sound manifest to go by, or that the medium fails; damage is in the report.
pub fn verify(path: impl AsRef<Path>, level: VerifyLevel) -> Result<VerifyReport> {
    verify_in(Arc::new(DiskVfs), path, level, &Options::default())
}

/// Generations that are looked at, at the most, when a writer replaces one after the other meanwhile.
const TRIES: usize = 64;

/// [`verify`] in any file system; of the options only `memory_mapping` matters.
pub fn verify_in(
    vfs: Arc<dyn Vfs>,
    path: impl AsRef<Path>,
    level: VerifyLevel,
    options: &Options,
) -> Result<VerifyReport> {
    verify_one(&vfs, path.as_ref(), level, options, None)
}

/// [`verify_in`], of one artifact only if that is said.
fn verify_one(
    vfs: &Arc<dyn Vfs>,
    root: &Path,
    level: VerifyLevel,
    options: &Options,
    artifact: Option<ArtifactId>,
) -> Result<VerifyReport> {
    let mut sound = HashMap::new();
    let mut found = read_manifests(&**vfs, root, options)?;
    let mut tries = 0;
    loop {
        tries += 1;
        let is_another = |manifest: &Manifest| artifact.is_some_and(|artifact| artifact != manifest.artifact);
        if found.newest.as_ref().is_some_and(is_another) {
            return Err(Error::another_artifact(root));
        }
        let generation = found.highest;
        let mut result = verify_newest(vfs, root, level, options, found, &mut sound);
        if result.as_ref().is_ok_and(VerifyReport::is_sound) {
            return result;
        }
        // A writer removes what it has replaced: a file that the newest generation does not name is nobody's loss.
        found = read_manifests(&**vfs, root, options)?;
        if found.highest == generation || tries == TRIES {
            if let (Ok(report), Some(manifest)) = (&mut result, &found.newest)
                && found.highest != generation
            {
                let named: HashSet<PathBuf> =
                    manifest.files().map(|name| root.join(name.to_string())).collect();
                report.damage.retain(|damage| named.contains(&damage.path));
            }
            return result;
        }
    }
}

/// One pass over the newest generation. Sealed files that are in `sound` already are not read again.
fn verify_newest(
    vfs: &Arc<dyn Vfs>,
    root: &Path,
    level: VerifyLevel,
    options: &Options,
    found: Manifests,
    sound: &mut HashMap<FileName, VerifyReport>,
) -> Result<VerifyReport> {
    let names = found.names.clone();
    let (manifest, damaged) = newest(&**vfs, root, found)?;
    let directory = Directory::new(vfs.clone(), root, manifest.artifact, options, 0);
    let mut verifier = Verifier::new(&directory, level);
    verifier.sound = std::mem::take(sound);
    let walked = verifier.run(&manifest);
    let last_commit = verifier.last_commit;
    *sound = verifier.sound;
    walked?;
    let mut report = verifier.total;
    let copies = ManifestCopies { directory: &directory, manifest: &manifest, names: &names };
    copies.classify(&damaged, &mut report)?;
    if directory.options.steps.take(Step::CheckOrphans)
        && let Err(e) = check_orphans(&directory, &manifest, &names, &damaged, last_commit)
    {
        let opened = e.path().and_then(|path| vfs.open(path, Access::Read).ok());
        let len = opened.and_then(|file| file.len().ok()).unwrap_or(0);
        report.damage.push(whole_file(e, len)?);
    }
    let named: HashSet<FileName> = manifest.files().collect();
    let damaged: HashSet<PathBuf> = report.damage.iter().map(|damage| damage.path.clone()).collect();
    for &name in names.iter().filter(|name| name.id().is_some() && !named.contains(name)) {
        let path = directory.path(name);
        if !damaged.contains(&path) && is_removable(&directory, name) {
            report.left_by_crash.push(Leftover { path, kind: LeftoverKind::UnnamedFile });
        }
    }
    if let Some(container) = vfs.container().filter(|_| level > VerifyLevel::Headers)
        && let Err(e) = container.verify()
    {
        report.damage.push(whole_file(e, container.len())?);
    }
    Ok(report)
}

/// Damage that is not known to a place; an error of the medium is passed on.
fn whole_file(e: Error, len: u64) -> Result<Damage> {
    match e.path().map(Path::to_owned) {
        Some(path) if !e.is_io() => Ok(Damage::new(&path, 0..len, &e, 0..0)),
        _ => Err(e),
    }
}
