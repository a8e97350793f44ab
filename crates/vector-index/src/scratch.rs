//! Scratch that threads share.

use std::sync::{Mutex, PoisonError};

/// A stack of scratch values: whoever needs one takes one, or makes it, and puts it back.
#[derive(Debug)]
pub(crate) struct Pooled<T>(Mutex<Vec<T>>);

impl<T: Default> Pooled<T> {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(Vec::new()))
    }

    pub(crate) fn with<R>(&self, work: impl FnOnce(&mut T) -> R) -> R {
        let taken = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut value = taken.unwrap_or_default();
        let result = work(&mut value);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(value);
        result
    }
}
