//! Logs that no manifest names.

use std::collections::HashSet;

use super::reader::scan;
use crate::checksum::Hash128;
use crate::directory::{Directory, file_len};
use crate::error::{Error, Result};
use crate::file::FileName;
use crate::file::layout::FILE_HEADER_LEN;
use crate::id::FileId;
use crate::manifest::Manifest;
use crate::source::Source;
use crate::vfs::Access;

/// A log that the manifest does not name but that has later commits than any it names can only mean that a newer
/// manifest is lost: its commits were acknowledged.
pub(crate) fn check_orphans(
    directory: &Directory,
    manifest: &Manifest,
    names: &[FileName],
    damaged: &[(FileName, Error)],
    seq: u64,
) -> Result<()> {
    let named: HashSet<FileId> = manifest.logs.iter().map(|entry| entry.file).collect();
    for &name in names {
        let FileName::Log(id) = name else { continue };
        if named.contains(&id) {
            continue;
        }
        let path = directory.path(name);
        let file = match directory.open(name, Access::Read) {
            Ok(file) => file,
            Err(e) if e.is_io() => return Err(e),
            Err(_) => continue,
        };
        let len = file_len(&*file, &path)?;
        if len < FILE_HEADER_LEN as u64 {
            continue;
        }
        let blocks = directory.block_file(id, Source::file(&path, len, file));
        let scan = scan(&blocks, None, 0, Hash128::chain_start(directory.artifact, id))?;
        let found = scan.committed.seq;
        // A copy that recovery made and never put to use was not acknowledged by anybody.
        if found > seq && scan.adopted != Some(found) {
            let why = damaged.first().map_or(String::new(), |(_, e)| format!(" ({e})"));
            let message = format!(
                "this log has commit {found}, but the newest sound manifest ends at commit {seq}: a newer manifest \
                 is damaged{why}; `salvage` copies what is sound into a new artifact"
            );
            return Err(Error::damaged(message).at(&path));
        }
    }
    Ok(())
}
