//! The threads among which work is divided.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, OnceLock};
use std::thread;

use parking_lot::{Condvar, Mutex};
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

    /// Does `work`, and `other` meanwhile in a thread that is started for it. After it, where all there is to be is the calling thread, or no other can be had.
    pub fn beside<A: Send, B>(&self, work: impl FnOnce() -> B, other: impl Fn() -> A + Sync) -> (B, A) {
        if self.pool().is_none() {
            return (work(), other());
        }
        thread::scope(|scope| {
            let thread = thread::Builder::new().name("artifact-beside".to_owned());
            match thread.spawn_scoped(scope, &other) {
                Ok(begun) => {
                    let done = work();
                    (done, begun.join().unwrap_or_else(|panic| resume_unwind(panic)))
                }
                Err(_) => (work(), other()),
            }
        })
    }

    /// How many threads a pool has; 1: the caller, alone.
    pub fn threads(&self) -> usize {
        self.pool().map_or(1, ThreadPool::current_num_threads)
    }

    /// Offers `work` to the threads of the pool while the caller does something else. Whoever is first does it: a thread that is idle, or the caller when it wants what
    /// [came of it](Offered::take). So nobody waits for a pool that is busy. `None`: there is no other thread, or the caller is one of a rayon pool.
    pub fn offer<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Option<Offered<T>> {
        let pool = self.pool()?;
        let (done, came) = Default::default();
        let offer = Arc::new(Offer { work: Mutex::new(Some(Box::new(work))), done, came });
        let theirs = offer.clone();
        pool.spawn(move || theirs.accept());
        Some(Offered(offer))
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

type Job<T> = Box<dyn FnOnce() -> T + Send>;

/// Work that was [offered](Workers::offer). Dropped, it is taken back, unless it was begun.
pub struct Offered<T>(Arc<Offer<T>>);

struct Offer<T> {
    /// `None`: somebody is at it.
    work: Mutex<Option<Job<T>>>,
    /// What came of it in another thread.
    done: Mutex<Option<thread::Result<T>>>,
    came: Condvar,
}

impl<T> Offer<T> {
    fn accept(&self) {
        let work = self.work.lock().take();
        if let Some(work) = work {
            let done = catch_unwind(AssertUnwindSafe(work));
            *self.done.lock() = Some(done);
            self.came.notify_one();
        }
    }
}

impl<T> Offered<T> {
    /// What came of the work, which is done now if nobody began it. A panic of it is one of the caller's.
    pub fn take(self) -> T {
        let work = self.0.work.lock().take();
        if let Some(work) = work {
            return work();
        }
        let mut done = self.0.done.lock();
        loop {
            match done.take() {
                Some(Ok(done)) => return done,
                Some(Err(panic)) => resume_unwind(panic),
                None => self.0.came.wait(&mut done),
            }
        }
    }
}

impl<T> Drop for Offered<T> {
    fn drop(&mut self) {
        let work = self.0.work.lock().take();
        drop(work);
    }
}

impl<T> std::fmt::Debug for Offered<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Offered").field("is_begun", &self.0.work.lock().is_none()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

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

    #[test]
    fn work_beside_other_work_is_done_by_another_thread_where_there_is_one() {
        let who = |threads| {
            let me = || std::thread::current().id();
            Workers::new(threads).beside(me, me)
        };
        let caller = std::thread::current().id();
        assert_eq!(who(Threads::Count(1)), (caller, caller));
        let (work, other) = who(Threads::Count(2));
        assert!(work == caller && other != caller);
        let panics = || Workers::new(Threads::Count(2)).beside(|| (), || -> u8 { panic!("of the other") });
        assert!(std::panic::catch_unwind(panics).is_err());
    }

    #[test]
    fn work_that_is_offered_is_done_by_an_idle_thread() {
        let workers = Workers::new(Threads::Count(2));
        let (begun, has_begun) = mpsc::channel();
        let offered = workers.offer(move || {
            begun.send(()).unwrap();
            std::thread::current().id()
        });
        has_begun.recv().unwrap();
        assert_ne!(offered.unwrap().take(), std::thread::current().id());
    }

    #[test]
    fn work_that_is_offered_to_busy_threads_is_done_by_the_caller_without_waiting() {
        let workers = Workers::new(Threads::Count(2));
        let (ends, may_end) = mpsc::channel::<()>();
        let may_end = Arc::new(Mutex::new(may_end));
        for _ in 0..2 {
            let may_end = may_end.clone();
            workers.pool().unwrap().spawn(move || may_end.lock().recv().unwrap_or_default());
        }
        let held = Arc::new(());
        let theirs = held.clone();
        let offered = workers.offer(move || (std::thread::current().id(), Arc::strong_count(&theirs)));
        assert_eq!(offered.unwrap().take(), (std::thread::current().id(), 2));
        assert_eq!(Arc::strong_count(&held), 1, "nothing of it is left in the queue");
        let theirs = held.clone();
        drop(workers.offer(move || drop(theirs)));
        assert_eq!(Arc::strong_count(&held), 1, "neither of what nobody asked for");
        drop(ends);
    }

    #[test]
    fn a_panic_of_work_that_was_offered_is_the_callers() {
        let workers = Workers::new(Threads::Count(2));
        let (begun, has_begun) = mpsc::channel();
        let offered = workers.offer(move || {
            begun.send(()).unwrap();
            assert!(std::env::args().count() == 0, "on purpose");
        });
        has_begun.recv().unwrap();
        let offered = offered.unwrap();
        assert!(catch_unwind(AssertUnwindSafe(|| offered.take())).is_err());
    }

    #[test]
    fn where_there_is_one_thread_nothing_is_offered() {
        assert!(Workers::new(Threads::Count(1)).offer(|| ()).is_none());
        let workers = Workers::new(Threads::Count(2));
        assert!(workers.run(|_| workers.offer(|| ()).is_none()));
    }
}
