//! The thread that seals when it is woken, and gives way to other writers.

use std::sync::Arc;
use std::thread::JoinHandle;

use super::core::Engine;
use super::policy;
use crate::api::error::{Error, Result};
use crate::api::options::Maintenance;

/// A thread that seals when it is woken, and gives way to other writers.
#[derive(Debug)]
pub(crate) struct Worker {
    engine: Arc<Engine>,
    thread: Option<JoinHandle<()>>,
}

impl Worker {
    /// Starts the thread if the artifact is to have one.
    pub(crate) fn start_if_wanted(engine: &Arc<Engine>) -> Result<Option<Self>> {
        let options = &engine.options;
        let is_wanted = options.maintenance == Maintenance::Background || options.idle_release.is_some();
        (is_wanted && !engine.read_only).then(|| Self::start(engine)).transpose()
    }

    fn start(engine: &Arc<Engine>) -> Result<Self> {
        let theirs = engine.clone();
        let work = move || {
            let interval = theirs.options.idle_release.map(policy::look_for_others_every);
            while let Some(is_woken) = theirs.signal.wait(interval) {
                if is_woken {
                    theirs.maintain();
                }
                theirs.release_if_idle();
            }
        };
        let thread = std::thread::Builder::new().name("compact-artifact".to_owned()).spawn(work);
        let thread = thread
            .map_err(|e| Error::no_thread(e, "open with another `Maintenance`, or without `idle_release`"))?;
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
