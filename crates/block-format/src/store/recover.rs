//! An artifact that was not closed → one that can be written to.
//!
//! Recovery only ever adds files: what it found is copied into a new log and synced before it is served, because it may be in the page
//! cache only, and a sync that failed once says nothing the second time.

use std::collections::HashSet;
use std::path::PathBuf;

use super::load::{ActiveLog, Loaded};
use super::rewrite::verbatim;
use super::state::Store;
use crate::block::writer::{EncodedBlock, RawBlocks};
use crate::directory::Directory;
use crate::error::Result;
use crate::file::FileName;
use crate::log::writer::CommitMark;
use crate::log::{LogView, LogWriter};
use crate::manifest::{Checkpoint, LogEntry, Manifest};
use crate::protocol::Step;
use crate::report::RecoveryReport;
use crate::run::Run;
use crate::vfs::{Access, VfsLock};

impl Loaded {
    /// Makes the store writable: goes on in the log if it was closed, otherwise copies it into a new one.
    pub(super) fn into_writable(
        self,
        lock: Box<dyn VfsLock>,
        names: &[FileName],
    ) -> Result<(Store, RecoveryReport)> {
        let Self {
            directory,
            mut manifest,
            sealed,
            active,
            manifests_to_rewrite,
            mut report,
            history,
            highest,
        } = self;
        manifest.generation = highest;
        let is_other =
            |name: &FileName| matches!(name, FileName::Manifest { generation, .. } if *generation != highest);
        let superseded = names.iter().any(is_other);
        let directory = directory.locked(lock);
        if !superseded {
            // A disk may be full of it. With other manifests there, this one may not have reached the disk, and one of those then counts.
            remove_others(&directory, names, &manifest);
        }
        let ActiveLog { entry, file, scan, view } = active;
        let name = FileName::Log(entry.file);
        let adopts = directory.options.steps.take(Step::AdoptByCopy);
        let closed = scan.file_len == entry.checkpoint.len || !adopts;
        let log = if closed {
            drop(file);
            let file = directory.open(name, Access::Append)?;
            let binding = directory.binding(entry.file);
            LogWriter::new(&directory.path(name), file, binding, view.index, scan.committed)
        } else {
            report.commits_recovered = scan.committed.seq - entry.checkpoint.seq;
            report.records_recovered = scan.committed.next_id - entry.checkpoint.next_id;
            report.dropped_len = scan.torn_len();
            let log = copy_log(&directory, &view, scan.committed)?;
            directory
                .sync_names(Step::SyncNewNames)
                .inspect_err(|_| directory.take_back(FileName::Log(log.index().id)))?;
            manifest.logs.pop();
            manifest.logs.push(LogEntry { file: log.index().id, checkpoint: log.committed() });
            log
        };
        let mut catalog = manifest.clone();
        if !closed || !manifests_to_rewrite.is_empty() || superseded {
            directory.write_generation(&mut catalog, manifest).map_err(|failed| failed.error)?;
            report.manifests_rewritten =
                manifests_to_rewrite.into_iter().map(|name| directory.path(name)).collect();
        }
        report.removed_files = remove_others(&directory, names, &catalog);
        report.removed_files.retain(|path| *path != directory.path(name));
        let store = Store::for_writing(directory, log, catalog, sealed);
        store.history.lock().begin_with(history);
        Ok((store, report))
    }
}

/// Copies what commits cover into a new log, as one commit, and syncs it. An error leaves no file behind.
fn copy_log(directory: &Directory, old: &LogView, committed: Checkpoint) -> Result<LogWriter> {
    let (mut log, _) = LogWriter::create(directory, committed.seq, committed.next_id)?;
    copy_into(&mut log, directory, old, committed)
        .inspect_err(|_| directory.take_back(FileName::Log(log.index().id)))?;
    Ok(log)
}

fn copy_into(log: &mut LogWriter, directory: &Directory, old: &LogView, committed: Checkpoint) -> Result<()> {
    const AT_ONCE: u64 = 4 << 20;
    let mut deletes = old.index.deleted(committed.seq);
    if old.blocks == 0 && deletes.is_empty() {
        return Ok(());
    }
    deletes.sort_unstable();
    let mut lists = RawBlocks::default();
    lists.push_deletes(&deletes);
    let mut pending: Vec<EncodedBlock> = directory.encode(&lists)?;
    let mut pending_len = 0;
    for block in 0..old.blocks {
        let place = old.place(block)?;
        let file = &old.index.file;
        let (header, stored) = file.open(place)?;
        // It held when it was scanned; the copy gets a checksum of its own.
        let checked = header.check_payload(&stored, &file.binding, place.offset, file.steps);
        checked.map_err(|e| e.at(file.path()))?;
        pending.push(verbatim(&header, &stored, 0)?);
        pending_len += place.len;
        if pending_len >= AT_ONCE {
            log.append(&std::mem::take(&mut pending), 0)?;
            pending_len = 0;
        }
    }
    let mark = CommitMark { seq: committed.seq, sync_floor: committed.seq, next_id: committed.next_id };
    log.commit(&pending, 0, mark)?;
    log.index().delete(deletes, committed.seq);
    directory.sync_data(Step::SyncNewLog, &**log.file(), log.path())
}

/// Removes files of ours that the manifest does not name, and returns those that were not manifests.
pub(super) fn remove_others(directory: &Directory, names: &[FileName], manifest: &Manifest) -> Vec<PathBuf> {
    let generation = manifest.generation;
    let manifests = (0..2).map(|copy| FileName::Manifest { generation, copy });
    let named: HashSet<FileName> = manifest.files().chain(manifests).collect();
    let mut removed = Vec::new();
    for &name in names.iter().filter(|name| !named.contains(name)) {
        directory.remove(name);
        if name.id().is_some() {
            removed.push(directory.path(name));
        }
    }
    removed
}
