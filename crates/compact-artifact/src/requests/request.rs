//! A call that is awaited, as a future.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use parking_lot::Mutex;

use super::pool::{Pool, Ticket};
use crate::api::error::{Error, Result};

/// A call that is awaited, on any executor. It begins to wait for its turn when it is first polled. Dropped before its turn it is never carried out; once it has
/// begun it is carried out to its end, whether or not anybody waits for it. A panic in it, of an embedder for one, is a panic where it is awaited.
///
/// ```
/// # use compact_artifact::{CompactArtifact, Query, Record};
/// # fn main() -> compact_artifact::Result<()> {
/// # let temp = tempfile::tempdir()?;
/// # let artifact = CompactArtifact::create(temp.path().join("a"))?;
/// artifact.add(Record::text("a cat sleeps"))?;
/// // Handed to an executor as a task of its own: it borrows nothing.
/// let task = { let artifact = artifact.clone(); async move { artifact.search_async(Query::words("cat")).await } };
/// assert_eq!(pollster::block_on(task)?.hits.len(), 1);
/// // Nobody asks for this one: nothing is added.
/// drop(artifact.add_async(Record::text("never")));
/// assert_eq!(artifact.len(), 1);
/// # Ok(()) }
/// ```
#[derive(Debug)]
#[must_use = "a request does nothing until it is awaited"]
pub struct Request<T> {
    turn: Turn,
    slot: Arc<Slot<T>>,
}

/// How a request comes to its turn.
enum Turn {
    /// Not polled yet.
    Unasked(Pool, Arc<Ticket>),
    Queued(Pool, Arc<Ticket>),
    /// It cannot be.
    Refused(Option<Error>),
}

impl std::fmt::Debug for Turn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Unasked(..) => "Unasked",
            Self::Queued(..) => "Queued",
            Self::Refused(_) => "Refused",
        })
    }
}

/// Where the answer is put.
#[derive(Debug)]
struct Slot<T>(Mutex<Answer<T>>);

#[derive(Debug)]
enum Answer<T> {
    /// Who is to be woken.
    Pending(Option<Waker>),
    /// The answer, or a panic.
    Ready(std::thread::Result<Result<T>>),
    Taken,
}

impl<T: Send + 'static> Request<T> {
    /// A request that is carried out by a thread of the pool.
    pub(super) fn new(pool: Pool, call: impl FnOnce() -> Result<T> + Send + 'static) -> Self {
        let slot = Arc::new(Slot(Mutex::new(Answer::Pending(None))));
        let theirs = slot.clone();
        let job = move || {
            // Whoever awaits it gets the panic, and the thread goes on with the next one.
            let answer = catch_unwind(AssertUnwindSafe(call));
            let before = std::mem::replace(&mut *theirs.0.lock(), Answer::Ready(answer));
            if let Answer::Pending(Some(waker)) = before {
                waker.wake();
            }
        };
        Self { turn: Turn::Unasked(pool, Ticket::new(Box::new(job))), slot }
    }

    /// A request that cannot be carried out.
    pub(super) fn refused(e: Error) -> Self {
        let slot = Arc::new(Slot(Mutex::new(Answer::Pending(None))));
        Self { turn: Turn::Refused(Some(e)), slot }
    }
}

impl<T> Future for Request<T> {
    type Output = Result<T>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<T>> {
        match &mut self.turn {
            Turn::Unasked(pool, ticket) => {
                let (pool, ticket) = (pool.clone(), ticket.clone());
                if let Err(e) = pool.push(&ticket) {
                    return Poll::Ready(Err(e));
                }
                self.turn = Turn::Queued(pool, ticket);
            }
            Turn::Queued(..) => {}
            Turn::Refused(e) => return e.take().map_or(Poll::Pending, |e| Poll::Ready(Err(e))),
        }
        let mut answer = self.slot.0.lock();
        match std::mem::replace(&mut *answer, Answer::Taken) {
            Answer::Pending(_) => *answer = Answer::Pending(Some(context.waker().clone())),
            Answer::Ready(Ok(result)) => return Poll::Ready(result),
            Answer::Ready(Err(panic)) => {
                drop(answer);
                resume_unwind(panic)
            }
            Answer::Taken => {}
        }
        Poll::Pending
    }
}

impl<T> Drop for Request<T> {
    fn drop(&mut self) {
        if let Turn::Queued(pool, ticket) = &self.turn {
            pool.cancel(ticket);
        }
    }
}
