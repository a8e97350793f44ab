//! What a build without the feature `metrics` does instead: nothing.

use std::path::Path;

use crate::api::stats::Stats;
use crate::state::State;

pub(crate) fn describe() {}

/// When a call began: nobody asks.
pub(crate) struct Begun;

pub(crate) fn begin() -> Begun {
    Begun
}

pub(crate) fn searched(_: &Begun) {}

pub(crate) fn committed(_: &Begun) {}

#[cfg(feature = "analyzers")]
pub(super) fn synced(_: std::time::Duration) {}

#[cfg(feature = "analyzers")]
pub(super) fn block_was_cached() {}

#[cfg(feature = "analyzers")]
pub(super) fn block_was_decoded() {}

pub(crate) fn sizes(_: &Path, _: &State) {}

pub(crate) fn counted(_: &Path, _: &Stats) {}
