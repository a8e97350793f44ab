//! Calls that are carried out one after the other, in the order in which they came: so a client reads what it wrote.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::Value;

use super::limits::{MAX_PENDING, MAX_PENDING_BYTES};
use super::message::{Id, Params};
use super::outbox::Answers;
use super::revision::Revision;

/// What is to be done.
#[derive(Debug)]
pub(super) enum Work {
    /// The tool with that place among all.
    Tool {
        place: usize,
        arguments: Params,
    },
    ListResources {
        cursor: Option<String>,
    },
    ReadResource {
        uri: String,
    },
}

/// A request that takes time, with where its answer goes.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) id: Id,
    pub(super) revision: Revision,
    pub(super) work: Work,
    pub(super) answers: Arc<Answers>,
    /// What the client wants progress to be marked with, if it wants to be told.
    pub(super) progress_token: Option<Value>,
    /// Whether others may be carried out while it waits to write.
    pub(super) only_reads: bool,
    /// Bytes of its line.
    pub(super) len: usize,
    is_cancelled: Arc<AtomicBool>,
}

impl Call {
    pub(super) fn new(id: Id, revision: Revision, work: Work, answers: &Arc<Answers>) -> Self {
        let (progress_token, only_reads, len) = (None, true, 0);
        let is_cancelled = Arc::default();
        Self { id, revision, work, answers: answers.clone(), progress_token, only_reads, len, is_cancelled }
    }

    /// Whether the client does not want to know any more.
    pub(super) fn is_cancelled(&self) -> bool {
        self.is_cancelled.load(Ordering::Relaxed)
    }
}

/// What the thread that carries calls out is to do.
#[derive(Debug)]
pub(super) enum Next {
    Call(Box<Call>),
    /// There was no call for a while.
    Nothing,
    End,
}

#[derive(Debug, Default)]
pub(super) struct Queue {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    pending: VecDeque<Call>,
    /// Bytes of the lines of all that is pending.
    pending_len: usize,
    running: Vec<(Id, Arc<AtomicBool>)>,
    end: End,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum End {
    #[default]
    No,
    WhenEmpty,
    Now,
}

impl State {
    fn is_full(&self) -> bool {
        !self.pending.is_empty()
            && (self.pending.len() >= MAX_PENDING || self.pending_len >= MAX_PENDING_BYTES)
    }

    fn begin(&mut self, at: usize) -> Option<Box<Call>> {
        let call = self.pending.remove(at)?;
        self.pending_len -= call.len;
        self.running.push((call.id.clone(), call.is_cancelled.clone()));
        Some(Box::new(call))
    }
}

impl Queue {
    /// Waits while the queue is full. After the end the call is dropped.
    pub(super) fn push(&self, call: Call) {
        let mut state = self.lock();
        while state.is_full() && state.end == End::No {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if state.end == End::No {
            state.pending_len += call.len;
            state.pending.push_back(call);
            self.changed.notify_all();
        }
    }

    /// The next call, for which it waits as long as that.
    pub(super) fn take(&self, wait: Duration) -> Next {
        let is_idle = |state: &mut State| state.pending.is_empty() && state.end == End::No;
        let waited = self.changed.wait_timeout_while(self.lock(), wait, is_idle);
        let mut state = waited.unwrap_or_else(PoisonError::into_inner).0;
        let next = match state.begin(0) {
            Some(call) => Next::Call(call),
            None if state.end == End::No => Next::Nothing,
            None => Next::End,
        };
        self.changed.notify_all();
        next
    }

    /// The first call that only reads, if there is one, to be carried out while another one waits.
    pub(super) fn take_reading(&self) -> Option<Box<Call>> {
        let mut state = self.lock();
        let at = state.pending.iter().position(|call| call.only_reads)?;
        let call = state.begin(at);
        self.changed.notify_all();
        call
    }

    /// A call was carried out.
    pub(super) fn finish(&self, call: &Call) {
        self.lock().running.retain(|(_, flag)| !Arc::ptr_eq(flag, &call.is_cancelled));
    }

    /// Drops a call that is pending; one that is carried out is told that it need not go on.
    pub(super) fn cancel(&self, id: &Id) {
        let mut state = self.lock();
        let dropped = state.pending.iter().position(|call| call.id == *id);
        let dropped = dropped.and_then(|at| state.pending.remove(at));
        state.pending_len -= dropped.as_ref().map_or(0, |call| call.len);
        for (_, flag) in state.running.iter().filter(|(running, _)| running == id) {
            flag.store(true, Ordering::Relaxed);
        }
        self.changed.notify_all();
        drop(state);
        drop(dropped); // sends the answers to its batch, if it was the last one
    }

    /// Nothing more comes: what is pending is carried out.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        if state.end == End::No {
            state.end = End::WhenEmpty;
        }
        self.changed.notify_all();
    }

    /// Nobody wants answers any more: only what is being carried out is.
    pub(super) fn stop(&self) {
        let mut state = self.lock();
        state.end = End::Now;
        let dropped = std::mem::take(&mut state.pending);
        state.pending_len = 0;
        self.changed.notify_all();
        drop(state);
        drop(dropped);
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.lock().end == End::Now
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::super::outbox::Outbox;
    use super::*;
    use serde_json::json;
    use std::sync::mpsc::sync_channel;

    fn call(id: u64, only_reads: bool) -> Call {
        let answers = Answers::new(&Outbox::new(sync_channel(1).0), false);
        let work = Work::ListResources { cursor: None };
        let id = Id::read(&json!(id)).unwrap();
        let mut call = Call::new(id, Revision::June2025, work, &answers);
        (call.only_reads, call.len) = (only_reads, 10);
        call
    }

    fn taken(queue: &Queue) -> Option<Value> {
        match queue.take(Duration::ZERO) {
            Next::Call(call) => Some(call.id.value()),
            Next::Nothing | Next::End => None,
        }
    }

    #[test]
    fn calls_come_in_order_and_those_that_read_pass_one_that_waits() {
        let queue = Queue::default();
        for (id, only_reads) in [(1, false), (2, false), (3, true), (4, true)] {
            queue.push(call(id, only_reads));
        }
        assert_eq!(taken(&queue), Some(json!(1)));
        assert_eq!(queue.take_reading().unwrap().id.value(), json!(3));
        assert_eq!((taken(&queue), taken(&queue), taken(&queue)), (Some(json!(2)), Some(json!(4)), None));
        assert!(queue.take_reading().is_none());
        assert_eq!(queue.lock().pending_len, 0);
    }

    #[test]
    fn a_pending_call_that_is_cancelled_goes_and_a_running_one_is_told() {
        let queue = Queue::default();
        queue.push(call(1, true));
        queue.push(call(2, true));
        let Next::Call(running) = queue.take(Duration::ZERO) else { panic!() };
        queue.cancel(&running.id);
        queue.cancel(&Id::read(&json!(2)).unwrap());
        queue.cancel(&Id::read(&json!("unknown")).unwrap());
        assert!(running.is_cancelled());
        assert_eq!(taken(&queue), None);
        queue.finish(&running);
        assert!(queue.lock().running.is_empty() && queue.lock().pending_len == 0);
    }

    #[test]
    fn at_the_end_pending_calls_are_carried_out_and_dropped_when_nobody_wants_them() {
        let queue = Queue::default();
        queue.push(call(1, true));
        queue.close();
        queue.push(call(2, true));
        assert_eq!(taken(&queue), Some(json!(1)));
        assert!(matches!(queue.take(Duration::from_mins(1)), Next::End));
        let queue = Queue::default();
        queue.push(call(1, true));
        queue.stop();
        queue.close();
        assert!(queue.is_stopped() && matches!(queue.take(Duration::from_mins(1)), Next::End));
    }

    #[test]
    fn a_full_queue_takes_no_more_until_one_was_taken() {
        let queue = Queue::default();
        (0..MAX_PENDING as u64).for_each(|id| queue.push(call(id, true)));
        assert!(queue.lock().is_full());
        std::thread::scope(|scope| {
            scope.spawn(|| queue.push(call(99, true)));
            for id in 0..MAX_PENDING as u64 {
                assert_eq!(taken(&queue), Some(json!(id)));
            }
        });
        assert_eq!(taken(&queue), Some(json!(99)));
    }
}
