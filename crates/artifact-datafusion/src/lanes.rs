//! Short pieces of work, one after the other on a few threads.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use datafusion::common::Result;
use futures::TryFutureExt;
use tokio::sync::oneshot;

use crate::external;

type Job = Box<dyn FnOnce() + Send>;

/// Threads of the runtime, for one query, each of which takes the next piece as long as there is one. A thread for each piece would wait longer to be woken than it works, and more threads than
/// processors take turns on them, each with memory of its own.
#[derive(Clone)]
pub(crate) struct Lanes {
    most: usize,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    pending: VecDeque<Job>,
    /// Threads at work.
    open: usize,
}

impl fmt::Debug for Lanes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lanes").field("most", &self.most).finish_non_exhaustive()
    }
}

impl Lanes {
    /// At most so many threads.
    pub(crate) fn new(most: usize) -> Self {
        Self { most, state: Arc::default() }
    }

    /// Does it when a thread is free. It is not done if nobody waits any more then; a panic in it is an error.
    pub(crate) fn run<T: Send + 'static, W: FnOnce() -> T + Send + 'static>(
        &self,
        work: W,
    ) -> impl Future<Output = Result<T>> + use<T, W> {
        let (done, result) = oneshot::channel();
        let job = move || {
            if !done.is_closed() {
                let _ = done.send(work());
            }
        };
        let is_new = {
            let mut state = self.lock();
            state.pending.push_back(Box::new(job));
            let is_new = state.open < self.most;
            state.open += usize::from(is_new);
            is_new
        };
        if is_new {
            let lane = self.clone();
            tokio::task::spawn_blocking(move || lane.work());
        }
        result.map_err(external)
    }

    fn work(&self) {
        loop {
            let mut state = self.lock();
            let Some(job) = state.pending.pop_front() else {
                state.open -= 1;
                return;
            };
            drop(state);
            // Whoever waits for what panics gets to know that there is no result.
            let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(job));
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn every_piece_is_done_once_on_at_most_so_many_threads() {
        let (lanes, running) = (Lanes::new(2), Arc::new(AtomicUsize::new(0)));
        for round in 0..50 {
            let pieces = (0..20).map(|piece| {
                let running = running.clone();
                lanes.run(move || {
                    let others = running.fetch_add(1, Ordering::SeqCst);
                    std::thread::yield_now();
                    running.fetch_sub(1, Ordering::SeqCst);
                    assert!(others < 2);
                    round * 100 + piece
                })
            });
            let done = futures::future::try_join_all(pieces).await.unwrap();
            assert_eq!(done, (round * 100..round * 100 + 20).collect::<Vec<_>>());
        }
        assert!(lanes.lock().pending.is_empty());
    }

    #[tokio::test]
    async fn what_panics_is_an_error_and_the_next_piece_is_done() {
        let lanes = Lanes::new(1);
        let (bad, good) = (lanes.run(|| assert_eq!(1, 2, "on purpose")), lanes.run(|| 3));
        assert!(bad.await.is_err());
        assert_eq!(good.await.unwrap(), 3);
    }

    #[tokio::test]
    async fn what_nobody_waits_for_is_not_done() {
        let lanes = Lanes::new(1);
        let (begin, begins) = std::sync::mpsc::channel::<()>();
        let first = lanes.run(move || begins.recv().is_ok());
        let done = Arc::new(AtomicUsize::new(0));
        let count = done.clone();
        drop(lanes.run(move || count.fetch_add(1, Ordering::SeqCst)));
        begin.send(()).unwrap();
        assert!(first.await.unwrap());
        assert_eq!(lanes.run(|| 1).await.unwrap(), 1);
        assert_eq!(done.load(Ordering::SeqCst), 0);
    }
}
