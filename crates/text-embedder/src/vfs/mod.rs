//! The file system as this crate sees it: whether a path is a folder, and files that are mapped or read as a whole.

mod map;

use std::fs::File;
use std::io::Read;
use std::path::Path;

use crate::error::{Error, ErrorKind, Result, is_absence};

pub(crate) use map::Map;

/// Whether there is a folder at a path.
pub(crate) fn is_folder(path: &Path) -> Result<bool> {
    let metadata = std::fs::metadata(path).map_err(|error| Error::io(error, path))?;
    Ok(metadata.is_dir())
}

/// Whether there is nothing at a path.
pub(crate) fn is_missing(path: &Path) -> bool {
    std::fs::metadata(path).is_err_and(|error| is_absence(&error))
}

/// Maps a file for reading.
pub(crate) fn map(path: &Path) -> Result<Map> {
    let file = open(path)?;
    map::map(&file).map_err(|error| Error::io(error, path))
}

/// Reads a file of at most `limit` bytes.
pub(crate) fn read(path: &Path, limit: u64) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open(path)?.take(limit + 1).read_to_end(&mut bytes).map_err(|error| Error::io(error, path))?;
    if bytes.len() as u64 > limit {
        let message = format!("{} is longer than {limit} bytes", path.display());
        return Err(Error::new(ErrorKind::TooLarge, message));
    }
    Ok(bytes)
}

/// Opens a regular file.
fn open(path: &Path) -> Result<File> {
    let file = File::open(path).map_err(|error| Error::io(error, path))?;
    let metadata = file.metadata().map_err(|error| Error::io(error, path))?;
    if !metadata.is_file() {
        return Err(Error::new(ErrorKind::NotAModel, format!("{} is no file", path.display())));
    }
    Ok(file)
}
