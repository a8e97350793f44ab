//! Who may call: the process that opened the store, and no thread from inside of a call that it would wait for.

use std::cell::Cell;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::ThreadId;

use parking_lot::Mutex;

use crate::error::{Error, ErrorKind, Result};
use crate::host::process_id;

thread_local! {
    /// The thread that this one does work for.
    static WORKS_FOR: Cell<Option<ThreadId>> = const { Cell::new(None) };
}

/// The calling thread, or the one that it [works for](work_for).
pub fn calling_thread() -> ThreadId {
    WORKS_FOR.get().unwrap_or_else(|| std::thread::current().id())
}

/// Does work for another thread that waits for it, so that what would wait for that thread is refused here as well.
pub fn work_for<T>(caller: ThreadId, work: impl FnOnce() -> T) -> T {
    struct Before(Option<ThreadId>);
    impl Drop for Before {
        fn drop(&mut self) {
            WORKS_FOR.set(self.0);
        }
    }
    let _before = Before(WORKS_FOR.replace(Some(caller)));
    work()
}

/// Knows which process opened a store, and which thread is inside of a call that runs code of its caller under a lock.
#[derive(Debug)]
pub struct Callers {
    process: AtomicU32,
    inside: Mutex<Option<ThreadId>>,
}

/// As long as this lives, the thread that made it is inside of a call.
#[derive(Debug)]
#[must_use = "dropped, it is over"]
pub struct Inside<'a>(&'a Callers);

impl Default for Callers {
    fn default() -> Self {
        Self { process: AtomicU32::new(process_id()), inside: Mutex::default() }
    }
}

impl Callers {
    /// Fails for a child process after a fork: it has copies of locks and of what is in memory, but none of the threads, and what it wrote
    /// would meet what its parent writes.
    pub fn check_process(&self) -> Result<()> {
        let (opened, here) = (self.process.load(Ordering::Relaxed), process_id());
        if opened == here {
            return Ok(());
        }
        let message = format!(
            "opened by process {opened}, and called by process {here}, which was forked from it; open the artifact anew in this process"
        );
        Err(Error::new(ErrorKind::OtherProcess, message))
    }

    /// Fails for a caller that would wait for itself, too.
    pub fn check(&self) -> Result<()> {
        self.check_process()?;
        if *self.inside.lock() != Some(calling_thread()) {
            return Ok(());
        }
        let message = "called from inside of a call that it would wait for, such as by the reader whose content is being added, by what hears of progress, or by the closure of an edit; call again when that has returned";
        Err(Error::new(ErrorKind::Reentrant, message))
    }

    /// Marks this thread as inside of a call, under a lock that a further call would wait for.
    pub fn enter(&self) -> Inside<'_> {
        *self.inside.lock() = Some(calling_thread());
        Inside(self)
    }

    /// From now on this process is another one than that which opened the store, as after a fork.
    #[cfg(feature = "testing")]
    pub fn fork(&self) {
        self.process.fetch_add(1, Ordering::Relaxed);
    }
}

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        let mut inside = self.0.inside.lock();
        // The lock may be another thread's by now.
        if *inside == Some(calling_thread()) {
            *inside = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_inside_of_a_call_is_refused_and_others_are_not() {
        let callers = Callers::default();
        let inside = callers.enter();
        assert_eq!(callers.check().unwrap_err().kind(), ErrorKind::Reentrant);
        std::thread::scope(|scope| scope.spawn(|| callers.check().unwrap()).join().unwrap());
        drop(inside);
        callers.check().unwrap();
    }

    #[test]
    fn another_process_is_refused() {
        let callers = Callers { process: AtomicU32::new(process_id() + 1), ..Callers::default() };
        assert_eq!(callers.check().unwrap_err().kind(), ErrorKind::OtherProcess);
    }
}
