//! A value that each process has of its own.
#![expect(unsafe_code, reason = "a pointer that any thread may exchange")]

use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

/// Made anew in a process that was forked: in the copy of its parent's value, threads that the child does not have may hold locks for ever.
#[derive(Debug)]
pub(crate) struct OfProcess<T: 'static>(AtomicPtr<Owned<T>>);

#[derive(Debug)]
struct Owned<T> {
    process: u32,
    value: T,
    /// That of the parent, which nobody looks at again.
    _parents: AtomicPtr<Self>,
}

impl<T: Sync> OfProcess<T> {
    pub(crate) const fn new() -> Self {
        Self(AtomicPtr::new(ptr::null_mut()))
    }

    /// The value of this process, which is never freed.
    pub(crate) fn get(&self, make: impl Fn() -> T) -> &'static T {
        let process = std::process::id();
        loop {
            let known = self.0.load(Ordering::Acquire);
            // SAFETY: NULL, or what `Box::into_raw` gave below: it is never freed once it is here, and nobody has it to write to it.
            if let Some(owned) = unsafe { known.as_ref() }.filter(|owned| owned.process == process) {
                return &owned.value;
            }
            let new = Owned { process, value: make(), _parents: AtomicPtr::new(known) };
            let new = Box::into_raw(Box::new(new));
            if self.0.compare_exchange(known, new, Ordering::AcqRel, Ordering::Relaxed).is_err() {
                // SAFETY: what `Box::into_raw` gave, and no other thread has seen.
                drop(unsafe { Box::from_raw(new) });
            }
        }
    }
}
