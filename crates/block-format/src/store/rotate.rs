//! The active log ends and a new one begins.

use std::sync::Arc;

use super::state::{Sealed, State, Store, Writer};
use crate::error::{Error, Result};
use crate::file::FileName;
use crate::log::LogWriter;
use crate::manifest::Manifest;
use crate::protocol::Step;

impl Store {
    /// Ends the active log and begins a new one.
    pub(super) fn rotate(&self, writer: &mut Writer) -> Result<()> {
        let synced = self.directory.sync_data(Step::SyncCheckpoint, &**writer.log.file(), writer.log.path());
        synced.map_err(|e| self.fail(writer, e))?;
        let written = writer.written();
        self.publish(&written);
        self.synced(written.committed.seq);
        if written.is_empty() && !writer.log.has_uncommitted() {
            return Ok(());
        }
        self.catalog.lock().check_len(1)?; // before anything is written, so that the writer can go on
        let old = FileName::Log(writer.log.index().id);
        let (log, entry) =
            LogWriter::create(&self.directory, written.committed.seq, written.committed.next_id)?;
        let new = FileName::Log(entry.file);
        let take_back = |_: &Error| self.directory.take_back(new);
        self.directory.sync_names(Step::SyncNewNames).inspect_err(take_back)?;
        let mut catalog = self.catalog.lock();
        let mut manifest = catalog.clone();
        if let Some(last) = manifest.logs.last_mut() {
            last.checkpoint = written.committed;
        }
        if written.is_empty() {
            manifest.logs.pop();
        }
        manifest.logs.push(entry);
        if let Err(failed) = self.directory.write_generation(&mut catalog, manifest) {
            if failed.left_nothing {
                take_back(&failed.error);
            }
            return Err(self.fail_unless_unwritten(writer, failed));
        }
        drop(catalog);
        writer.log = log;
        let tail = writer.written().tail;
        let mut published = self.published.write();
        let State { seq, next_id, ref sealed, .. } = **published;
        let mut frozen = sealed.frozen.clone();
        if !written.is_empty() {
            frozen.push(written.tail);
        }
        let sealed = Sealed {
            segments: sealed.segments.clone(),
            frozen,
            parts: sealed.parts.clone(),
            deletes: sealed.deletes.clone(),
        };
        *published = Arc::new(State { seq, next_id, sealed: Arc::new(sealed), tail });
        drop(published);
        if manifest_forgets(&self.catalog.lock(), old) {
            self.directory.remove(old);
        }
        Ok(())
    }
}

fn manifest_forgets(manifest: &Manifest, name: FileName) -> bool {
    manifest.logs.iter().all(|entry| FileName::Log(entry.file) != name)
}
