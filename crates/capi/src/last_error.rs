//! The sentence of the last failure of each thread.

use std::cell::RefCell;

use crate::code::{Failure, ca_code};
use crate::types::ca_str;

thread_local! {
    static LAST: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Remembers a failure, and gives its code.
pub(crate) fn set(failure: Failure) -> ca_code {
    // A thread that is ending has no place for it any more.
    let _ = LAST.try_with(|last| last.replace(failure.message));
    failure.code
}

/// It lasts until the next failure of this thread.
pub(crate) fn get() -> ca_str {
    let text = |last: &RefCell<String>| {
        let last = last.borrow();
        ca_str { data: last.as_ptr().cast(), len: last.len() }
    };
    LAST.try_with(text).unwrap_or(ca_str { data: c"".as_ptr(), len: 0 })
}
