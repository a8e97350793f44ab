//! The thread that seals when it is woken, compacts when it is quiet, and gives way to other writers.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Instant;

use super::core::Engine;
use super::policy;
use crate::api::error::{Error, Result};
use crate::api::options::Maintenance;

/// What handles of one artifact share: a thread that seals when it is woken, compacts when it is quiet, and gives way to other writers; or none.
#[derive(Debug)]
pub(crate) struct Worker {
    engine: Arc<Engine>,
    thread: Option<JoinHandle<()>>,
}

impl Worker {
    pub(crate) fn without_thread(engine: Arc<Engine>) -> Self {
        Self { engine, thread: None }
    }

    /// Starts the thread if the artifact is to have one.
    pub(crate) fn start_if_wanted(engine: Arc<Engine>) -> Result<Self> {
        let options = &engine.options;
        let is_wanted = options.maintenance == Maintenance::Background || options.idle_release.is_some();
        if is_wanted && !engine.read_only { Self::start(engine) } else { Ok(Self::without_thread(engine)) }
    }

    fn start(engine: Arc<Engine>) -> Result<Self> {
        let theirs = engine.clone();
        let work = move || {
            let quiet = policy::quiet(&theirs.options);
            let to_others = theirs.options.idle_release.map(policy::look_for_others_every);
            let is_background = theirs.options.maintenance == Maintenance::Background;
            let (mut looked_at, mut pace) = (None, (Instant::now(), 0));
            let mut last = (theirs.state().records.seq(), Instant::now());
            loop {
                let is_unlinked = is_background && theirs.has_unlinked();
                let look = is_unlinked.then_some(policy::LOOK_AT_PACE);
                let interval = quiet.into_iter().chain(to_others).chain(look).min();
                let Some(is_woken) = theirs.signal.wait(interval) else { break };
                if is_woken && is_background {
                    theirs.maintain();
                } else if is_unlinked {
                    theirs.link_when_slow(&mut pace);
                }
                theirs.release_if_idle();
                let now = theirs.state().records.seq();
                if now != last.0 {
                    last = (now, Instant::now());
                } else if quiet.is_some_and(|quiet| last.1.elapsed() >= quiet) {
                    theirs.maintain_when_quiet(&mut looked_at);
                    last = (theirs.state().records.seq(), Instant::now());
                }
            }
        };
        let thread = std::thread::Builder::new().name("compact-artifact".to_owned()).spawn(work);
        let thread = thread
            .map_err(|e| Error::no_thread(e, "open it with other maintenance, or without idle release"))?;
        Ok(Self { engine, thread: Some(thread) })
    }

    /// The engine, at which no thread is at work any more.
    pub(crate) fn into_engine(mut self) -> Arc<Engine> {
        self.join();
        self.engine.clone()
    }

    fn join(&mut self) {
        if self.engine.callers.check_process().is_err() {
            return; // a forked process has no such thread
        }
        if let Some(thread) = self.thread.take() {
            self.engine.signal.stop();
            // It may be the thread itself that drops the last handle, in a call that it makes.
            if thread.thread().id() != std::thread::current().id() {
                drop(thread.join());
            }
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.join();
    }
}
