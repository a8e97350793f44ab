//! The lock of the writer, given up to another process and taken back.

use super::state::Store;
use crate::directory::creation::is_waited_for;
use crate::error::Result;
use crate::report::RecoveryReport;

impl Store {
    /// Whether this store may write now: it was opened for that, and did not [release](Self::release) the lock.
    pub fn is_locked(&self) -> bool {
        self.directory.is_locked()
    }

    /// Whether somebody waits for this writer to let go: see [`Options::busy_timeout`](crate::Options::busy_timeout).
    pub fn is_waited_for(&self) -> bool {
        is_waited_for(&*self.directory.vfs, &self.directory.root)
    }

    /// Makes everything durable as [`close`](Self::close) does, without sealing, and lets another process write. What is visible stays so; until
    /// [`reacquire`](Self::reacquire) this store is one for reading, which [`refresh`](Self::refresh) makes see what others commit.
    pub fn release(&self) -> Result<()> {
        let _no_edit = self.maintenance.lock();
        self.callers.check()?;
        loop {
            self.sync()?;
            let mut guard = self.writer.lock();
            let Some(writer) = guard.as_mut() else { return Ok(()) };
            if self.sync_gate.lock().synced >= writer.log.committed().seq {
                self.checkpoint(writer)?;
                *self.position.lock() = writer.log.committed();
                *guard = None;
                break;
            }
        }
        drop(self.directory.take_lock());
        Ok(())
    }

    /// Takes the lock back, for which it waits as long as the options say, and opens anew what is there then. What others committed meanwhile is visible when it
    /// returns; snapshots stay as they are.
    pub fn reacquire(&self) -> Result<RecoveryReport> {
        let _no_edit = self.maintenance.lock();
        self.callers.check()?;
        let before = &self.directory;
        if before.is_locked() {
            return Ok(RecoveryReport::default());
        }
        before.check_place()?;
        let (store, report) =
            Self::lock_and_open(before.vfs.clone(), &before.root, &before.options, Some(&self.known()))?;
        let Self { directory, writer, catalog, sync_gate, published, history, .. } = store;
        before.take_over(&directory);
        *self.writer.lock() = writer.into_inner();
        *self.catalog.lock() = catalog.into_inner();
        *self.sync_gate.lock() = sync_gate.into_inner();
        self.history.lock().join(history.into_inner());
        *self.published.write() = published.into_inner();
        Ok(report)
    }
}
