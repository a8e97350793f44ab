//! The functions that C calls, in the order in which somebody who learns them needs them.
//!
//! All return a code. Answers go to places that the last arguments point to, and are written only if the call succeeded; places for new handles are NULL
//! otherwise.

// The order of the header.
pub(crate) mod library;

pub(crate) mod artifact;

pub(crate) mod write;

pub(crate) mod batch;

pub(crate) mod settings;

pub(crate) mod search;

pub(crate) mod read;

pub(crate) mod snapshot;

pub(crate) mod follow;

pub(crate) mod maintain;

mod report;
