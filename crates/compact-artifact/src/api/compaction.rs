//! When the space of deleted records is returned by itself.

use std::time::Duration;

use crate::api::error::{Error, Result};

/// When an artifact returns the space of deleted and replaced records by itself: see [`Options::auto_compact`](crate::Options::auto_compact).
///
/// With the defaults, and [`Maintenance::Inline`](crate::Maintenance::Inline), files are at most 1.5 times as long as what is alive, and three times
/// [`segment_len`](crate::Options::segment_len), however often records are replaced, updated or deleted; while files are rewritten, the new ones lie beside the old. A thread in the background
/// comes later while commits never pause: 3 times, and six times `segment_len`, if it gets as much of a processor as they do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub struct CompactionPolicy {
    pub(crate) dead_percent: u32,
    pub(crate) budget: u64,
    pub(crate) quiet: Duration,
}

impl CompactionPolicy {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Percent of the bytes of sealed files that are those of deleted records from which on files with that many of them are rewritten, 5 to 90. A smaller
    /// share writes more and takes less space. Default: 30.
    pub fn dead_percent(mut self, percent: u32) -> Self {
        self.dead_percent = percent;
        self
    }

    /// Bytes of files that are rewritten at a time, at least 1 MiB; one file is, however long. Default: 256 MiB.
    pub fn budget(mut self, bytes: u64) -> Self {
        self.budget = bytes;
        self
    }

    /// How long nothing was committed before a thread of [`Maintenance::Background`](crate::Maintenance::Background) rewrites files, at least 10 ms. When half of all bytes are dead it
    /// does so at once, as [`Maintenance::Inline`](crate::Maintenance::Inline) always does. Default: 2 s.
    pub fn quiet(mut self, time: Duration) -> Self {
        self.quiet = time;
        self
    }

    pub(crate) fn check(&self) -> Result<()> {
        let refuse = |message: String| Err(Error::invalid(format!("option auto_compact: {message}")));
        if !(5..=90).contains(&self.dead_percent) {
            return refuse(format!("expected a dead_percent of 5 to 90, found {}", self.dead_percent));
        }
        if self.budget < 1 << 20 {
            return refuse(format!("expected a budget of at least 1 MiB, found {} bytes", self.budget));
        }
        if self.quiet < Duration::from_millis(10) {
            return refuse(format!("expected a quiet time of at least 10 ms, found {:?}", self.quiet));
        }
        Ok(())
    }
}

impl Default for CompactionPolicy {
    fn default() -> Self {
        Self { dead_percent: 30, budget: 256 << 20, quiet: Duration::from_secs(2) }
    }
}
