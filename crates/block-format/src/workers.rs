//! The threads among which work is divided.

use std::sync::{Arc, OnceLock};

use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::host::process_id;

/// The choice of threads for work that can be divided.
#[derive(Debug, Clone, Default)]
pub(crate) enum Threads {
    /// A pool of as many threads as the machine has processors.
    #[default]
    Processors,
    /// A pool of so many threads; 1: the calling thread alone, and none is started.
    Count(usize),
    /// A pool of the caller's.
    Pool(Arc<ThreadPool>),
}

/// The threads among which a [`Store`](crate::Store) divides its work: a rayon pool of its own, started when it is first needed, or one of the
/// caller's. The global pool of rayon is never used.
#[derive(Debug)]
pub struct Workers {
    threads: Threads,
    /// A child process after a fork has none of the threads.
    process: u32,
    /// `None` inside: there is no other thread to be had.
    pool: OnceLock<Option<Arc<ThreadPool>>>,
}

impl Workers {
    pub(crate) fn new(threads: Threads) -> Self {
        Self { threads, process: process_id(), pool: OnceLock::new() }
    }

    /// Runs `work` in the pool, and tells it whether there is one to divide it among. Otherwise the calling thread does it alone: where
    /// one thread is all there is to be, where no thread can be started, and where the caller is a thread of a rayon pool itself. Such a
    /// one takes up other work of its pool while it waits, which may need a lock that this work is done under.
    pub fn run<T: Send>(&self, work: impl FnOnce(bool) -> T + Send) -> T {
        match self.pool() {
            Some(pool) => pool.install(|| work(true)),
            None => work(false),
        }
    }

    /// The pool that the calling thread may wait for.
    pub(crate) fn pool(&self) -> Option<&ThreadPool> {
        if rayon::current_thread_index().is_some() || self.process != process_id() {
            return None;
        }
        self.pool.get_or_init(|| self.start()).as_deref()
    }

    fn start(&self) -> Option<Arc<ThreadPool>> {
        let count = match &self.threads {
            Threads::Pool(pool) => return Some(pool.clone()),
            Threads::Count(count) => *count,
            Threads::Processors => std::thread::available_parallelism().map_or(1, usize::from),
        };
        if count <= 1 {
            return None;
        }
        let name = |i| format!("artifact-{i}");
        let pool = ThreadPoolBuilder::new().num_threads(count).thread_name(name).build();
        pool.ok().map(Arc::new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_thread_is_the_calling_thread() {
        let workers = Workers::new(Threads::Count(1));
        let caller = std::thread::current().id();
        let ran = workers.run(|divided| (divided, std::thread::current().id()));
        assert_eq!(ran, (false, caller));
    }

    #[test]
    fn a_pool_is_started_once_and_named() {
        let workers = Workers::new(Threads::Count(3));
        let ran = || workers.run(|divided| (divided, rayon::current_num_threads()));
        assert_eq!(ran(), (true, 3));
        let name = workers.run(|_| std::thread::current().name().map(str::to_owned));
        assert!(name.is_some_and(|name| name.starts_with("artifact-")));
    }

    #[test]
    fn a_forked_process_has_no_threads_but_its_own() {
        let workers = Workers { process: process_id() + 1, ..Workers::new(Threads::Count(2)) };
        assert!(workers.run(|divided| !divided));
    }

    #[test]
    fn the_pool_of_the_caller_is_used() {
        let pool = Arc::new(ThreadPoolBuilder::new().num_threads(2).build().unwrap());
        let workers = Workers::new(Threads::Pool(pool.clone()));
        assert!(workers.run(|divided| divided && pool.current_thread_index().is_some()));
    }

    #[test]
    fn a_thread_of_a_pool_does_its_work_alone() {
        let workers = Workers::new(Threads::Count(2));
        let pool = ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        assert!(pool.install(|| workers.run(|divided| !divided && pool.current_thread_index() == Some(0))));
    }
}
