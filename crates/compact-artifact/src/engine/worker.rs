//! The thread that seals when it is woken.

use std::sync::Arc;
use std::thread::JoinHandle;

use super::core::Engine;
use crate::api::error::{Error, Result};
use crate::api::options::Maintenance;

/// A thread that seals when it is woken.
#[derive(Debug)]
pub(crate) struct Worker {
    engine: Arc<Engine>,
    thread: Option<JoinHandle<()>>,
}

impl Worker {
    /// Starts the thread if the artifact is to have one.
    pub(crate) fn start_if_wanted(engine: &Arc<Engine>) -> Result<Option<Self>> {
        let is_wanted = engine.options.maintenance == Maintenance::Background && !engine.read_only;
        is_wanted.then(|| Self::start(engine)).transpose()
    }

    fn start(engine: &Arc<Engine>) -> Result<Self> {
        let theirs = engine.clone();
        let work = move || {
            while theirs.signal.wait() {
                theirs.maintain();
            }
        };
        let thread = std::thread::Builder::new().name("compact-artifact".to_owned()).spawn(work);
        let thread = thread.map_err(|e| Error::no_thread(e, "open with another `Maintenance`"))?;
        Ok(Self { engine: engine.clone(), thread: Some(thread) })
    }

    fn join(&mut self) {
        if self.engine.callers.check_process().is_err() {
            return; // a forked process has no such thread
        }
        self.engine.signal.stop();
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.join();
    }
}
