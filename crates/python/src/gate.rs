//! Something that many threads call, and one of them closes.

use std::sync::Arc;
use std::thread::{self, ThreadId};

use parking_lot::{Condvar, Mutex};

/// Holds a value until it is taken, which waits for the calls that are under way, but not from inside of one; calls that come while it waits are refused, since it would never end
/// beside threads that call on and on. A call inside of another one, as callbacks make them, goes through.
pub(crate) struct Gate<T> {
    state: Mutex<State<T>>,
    /// The last call has ended.
    idle: Condvar,
    /// The process that made the value.
    process: u32,
}

struct State<T> {
    /// `None`: it was taken.
    value: Option<Arc<T>>,
    /// The threads of the calls that are under way.
    calls: Vec<ThreadId>,
    /// Somebody waits to take the value, or has: no call begins any more.
    is_closing: bool,
}

/// Why there is no way through.
pub(crate) enum Shut {
    /// The value was taken.
    Closed,
    /// The process was forked from the one that made the value. Another of its threads may have held the lock.
    OtherProcess,
    /// The value is to be taken by a call that this thread is inside of, which would wait for itself.
    Inside,
}

impl<T> Gate<T> {
    pub(crate) fn new(value: T) -> Self {
        let state = State { value: Some(Arc::new(value)), calls: Vec::new(), is_closing: false };
        Self { state: Mutex::new(state), idle: Condvar::new(), process: std::process::id() }
    }

    pub(crate) fn check_process(&self) -> Result<(), Shut> {
        if self.process == std::process::id() { Ok(()) } else { Err(Shut::OtherProcess) }
    }

    /// The value, for one call.
    pub(crate) fn enter(&self) -> Result<Pass<'_, T>, Shut> {
        self.check_process()?;
        let mut state = self.state.lock();
        let here = thread::current().id();
        if state.is_closing && !state.calls.contains(&here) {
            return Err(Shut::Closed);
        }
        let value = state.value.clone().ok_or(Shut::Closed)?;
        state.calls.push(here);
        Ok(Pass { gate: self, value: Some(value) })
    }

    /// The value, when no call is under way; `None` if it was taken before. Waits, so that the interpreter must be let go of.
    pub(crate) fn take(&self) -> Result<Option<T>, Shut> {
        self.check_process()?;
        let mut state = self.state.lock();
        if state.calls.contains(&thread::current().id()) {
            return Err(Shut::Inside);
        }
        state.is_closing = true;
        while !state.calls.is_empty() {
            self.idle.wait(&mut state);
        }
        Ok(state.value.take().and_then(Arc::into_inner))
    }

    /// The value, of something that nobody calls any more.
    pub(crate) fn take_mut(&mut self) -> Option<T> {
        self.state.get_mut().value.take().and_then(Arc::into_inner)
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.check_process().is_ok() && self.state.lock().value.is_none()
    }
}

/// A call that is under way.
pub(crate) struct Pass<'a, T> {
    gate: &'a Gate<T>,
    /// `None` only while it is dropped.
    value: Option<Arc<T>>,
}

impl<T> Pass<'_, T> {
    /// What is called.
    pub(crate) fn with<R>(&self, call: impl FnOnce(&T) -> R) -> Option<R> {
        self.value.as_deref().map(call)
    }
}

impl<T> Drop for Pass<'_, T> {
    fn drop(&mut self) {
        let mut state = self.gate.state.lock();
        self.value = None;
        let here = thread::current().id();
        if let Some(at) = state.calls.iter().position(|&call| call == here) {
            state.calls.swap_remove(at);
        }
        if state.calls.is_empty() {
            self.gate.idle.notify_all();
        }
    }
}
