//! Everything durable, and a manifest that says so.

use super::state::{Store, Writer};
use crate::error::Result;

/// A log longer than this is sealed when the artifact is closed, so that the next open need not scan it.
const SEAL_AT_CLOSE: u64 = 1 << 20;

impl Store {
    /// Makes everything durable and records that the artifact was closed, so that opening it again is quick and any
    /// damage from then on is noticed. A log of some length is sealed first, if that is automatic.
    ///
    /// Dropping the store instead loses nothing that was acknowledged; the next open then recovers.
    pub fn close(self) -> Result<()> {
        if !self.directory.is_locked() {
            return Ok(());
        }
        self.callers.check()?;
        self.sync()?;
        let logs_len = {
            let state = self.published.read();
            state.tail.len + state.sealed.frozen.iter().map(|log| log.len).sum::<u64>()
        };
        if self.directory.options.auto_seal && logs_len > SEAL_AT_CLOSE {
            self.seal()?;
        }
        self.checkpoint(&mut *self.writer()?)
    }

    /// Records how far the log is durable, which is all of it.
    pub(super) fn checkpoint(&self, writer: &mut Writer) -> Result<()> {
        if writer.log.has_uncommitted() {
            self.rotate(writer)?;
        }
        let mut catalog = self.catalog.lock();
        let committed = writer.log.committed();
        if catalog.logs.last().is_some_and(|entry| entry.checkpoint == committed) {
            return Ok(());
        }
        let mut manifest = catalog.clone();
        if let Some(last) = manifest.logs.last_mut() {
            last.checkpoint = committed;
        }
        let written = self.directory.write_generation(&mut catalog, manifest);
        written.map_err(|failed| self.fail_unless_unwritten(writer, failed))
    }
}
