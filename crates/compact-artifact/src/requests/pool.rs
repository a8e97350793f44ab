//! The threads that carry requests out, and the queue before them.

use std::cell::Cell;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use crate::api::error::{Error, Result};

/// A thread without a request ends after so long.
const IDLE: Duration = Duration::from_secs(1);

/// What a request does when its turn comes.
pub(super) type Job = Box<dyn FnOnce() + Send>;

/// A request in the queue; empty once it is carried out, or was dropped.
#[derive(Default)]
pub(super) struct Ticket(Mutex<Option<Job>>);

impl Ticket {
    pub(super) fn new(job: Job) -> Arc<Self> {
        Arc::new(Self(Mutex::new(Some(job))))
    }

    fn take(&self) -> Option<Job> {
        self.0.lock().take()
    }
}

thread_local! {
    /// What the thread carries requests out for, which it is never anything else than compared with.
    static CARRIES_OUT: Cell<*const Shared> = const { Cell::new(std::ptr::null()) };
}

/// The threads of an artifact for requests, which end with it.
#[derive(Debug)]
pub(crate) struct Requests(Pool);

impl Requests {
    /// At most `most` requests at a time.
    pub(crate) fn new(most: usize) -> Self {
        let (queue, wanted, done) = Default::default();
        Self(Pool(Arc::new(Shared { most, queue, wanted, done })))
    }

    pub(crate) fn pool(&self) -> Pool {
        self.0.clone()
    }

    /// Waits until all requests are carried out; not inside of one of them.
    pub(crate) fn wait(&self) {
        let shared = &self.0.0;
        let mut queue = shared.queue.lock();
        let is_inside = std::ptr::eq(CARRIES_OUT.get(), Arc::as_ptr(shared));
        while !is_inside && (queue.running > 0 || !queue.tickets.is_empty()) {
            shared.done.wait(&mut queue);
        }
    }
}

/// Lets the threads end when they have nothing to do. They are not waited for: one of them may be the caller.
impl Drop for Requests {
    fn drop(&mut self) {
        self.0.0.queue.lock().is_closed = true;
        self.0.0.wanted.notify_all();
    }
}

/// The threads of an artifact for requests: none before the first request, never more than the limit.
#[derive(Debug, Clone)]
pub(crate) struct Pool(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    most: usize,
    queue: Mutex<Queue>,
    /// There is a request, or no more will come.
    wanted: Condvar,
    /// Nothing is left to do.
    done: Condvar,
}

#[derive(Default)]
struct Queue {
    tickets: VecDeque<Arc<Ticket>>,
    threads: usize,
    /// Threads without a request.
    idle: usize,
    /// Requests that are being carried out.
    running: usize,
    is_closed: bool,
}

impl std::fmt::Debug for Queue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (queued, running) = (self.tickets.len(), self.running);
        f.debug_struct("Queue").field("queued", &queued).field("running", &running).finish_non_exhaustive()
    }
}

impl Pool {
    /// Puts a request into the queue, and starts a thread for it if there may be one more.
    pub(super) fn push(&self, ticket: &Arc<Ticket>) -> Result<()> {
        let mut queue = self.0.queue.lock();
        queue.tickets.push_back(ticket.clone());
        if queue.idle < queue.tickets.len() && queue.threads < self.0.most {
            let theirs = self.0.clone();
            let thread = std::thread::Builder::new().name("compact-artifact".to_owned());
            match thread.spawn(move || theirs.work()) {
                Ok(_) => queue.threads += 1,
                // Those that are there will come to it.
                Err(_) if queue.threads > 0 => {}
                Err(e) => {
                    queue.tickets.pop_back();
                    return Err(Error::no_thread(e, "call what does not have to be awaited"));
                }
            }
        }
        drop(queue);
        self.0.wanted.notify_one();
        Ok(())
    }

    /// Takes a request back that nobody waits for any more, unless it was begun.
    pub(super) fn cancel(&self, ticket: &Arc<Ticket>) {
        let job = ticket.take();
        if job.is_some() {
            let mut queue = self.0.queue.lock();
            queue.tickets.retain(|other| !Arc::ptr_eq(other, ticket));
            self.0.tell_if_done(&queue);
        }
        drop(job); // without the lock: it may hold the last handle of the artifact
    }
}

impl Shared {
    fn work(&self) {
        CARRIES_OUT.set(self);
        let mut queue = self.queue.lock();
        loop {
            if let Some(ticket) = queue.tickets.pop_front() {
                queue.running += 1;
                drop(queue);
                if let Some(job) = ticket.take() {
                    job();
                }
                queue = self.queue.lock();
                queue.running -= 1;
                self.tell_if_done(&queue);
                continue;
            }
            if queue.is_closed {
                break;
            }
            queue.idle += 1;
            let has_waited = self.wanted.wait_for(&mut queue, IDLE).timed_out();
            queue.idle -= 1;
            if has_waited && queue.tickets.is_empty() {
                break;
            }
        }
        queue.threads -= 1;
    }

    fn tell_if_done(&self, queue: &Queue) {
        if queue.running == 0 && queue.tickets.is_empty() {
            self.done.notify_all();
        }
    }
}
