//! Files that a person names to be written: never one that is there already, and never beside the files of an artifact.

use std::path::Path;

use crate::failure::{Failure, Result};
use crate::interrupt::is_manifest;

/// Refuses a path at which there is something already, or that is in the folder of an artifact.
pub(crate) fn check_new_file(path: &Path) -> Result<()> {
    if path.symlink_metadata().is_ok() {
        return Err(Failure::failed("there is a file here already; choose another name").at(path.display()));
    }
    check_new_folder(path)
}

/// Refuses a path in the folder of an artifact.
pub(crate) fn check_new_folder(path: &Path) -> Result<()> {
    check_folder(path.parent().unwrap_or(path)).map_err(|failure| failure.at(path.display()))
}

/// Refuses the folder of an artifact. Where there is no folder, whoever writes there says so.
pub(crate) fn check_folder(folder: &Path) -> Result<()> {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let mut names = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.file_name());
    if names.any(|name| name.to_str().is_some_and(is_manifest)) {
        return Err(Failure::failed(
            "this is the folder of an artifact, which holds nothing else; choose another folder",
        ));
    }
    Ok(())
}
