//! How far sealing is, in percent, by the bytes that it writes.

use std::fmt;
use std::io::{self, Write};
use std::ops::Range;
use std::thread::ThreadId;

use block_format::{calling_thread, work_for};

/// Counts bytes, and tells whoever wants to know each percent once, in order.
pub(crate) struct Meter<'a> {
    done: u64,
    total: u64,
    /// Of which percent to which these bytes lead.
    percents: Range<u64>,
    /// The last percent that was reported.
    reported: Option<u64>,
    tell: Option<&'a mut (dyn FnMut(u8) + Send)>,
    /// Who waits for the end, while threads of a pool may tell how far it is.
    caller: ThreadId,
}

impl fmt::Debug for Meter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Meter").field("done", &self.done).field("total", &self.total).finish_non_exhaustive()
    }
}

impl<'a> Meter<'a> {
    /// Of a caller who wants to know.
    pub(crate) fn new(tell: &'a mut (dyn FnMut(u8) + Send)) -> Self {
        Self { tell: Some(tell), ..Self::silent() }
    }

    /// Of nobody.
    pub(crate) fn silent() -> Self {
        Self { done: 0, total: 0, percents: 0..0, reported: None, tell: None, caller: calling_thread() }
    }

    /// Begins what writes about so many bytes, which lead from one percent to another.
    pub(super) fn begin(&mut self, bytes: u64, percents: Range<u64>) {
        self.reach(percents.start);
        (self.done, self.total, self.percents) = (0, bytes.max(1), percents);
    }

    fn add(&mut self, bytes: u64) {
        self.done = self.done.saturating_add(bytes).min(self.total);
        let Range { start, end } = self.percents;
        let more =
            u128::from(self.done) * u128::from(end.saturating_sub(start)) / u128::from(self.total.max(1));
        self.reach(start + u64::try_from(more).unwrap_or(0));
    }

    /// So many percent are done.
    pub(super) fn reach(&mut self, percent: u64) {
        let Some(tell) = &mut self.tell else { return };
        if self.reported.is_none_or(|last| last < percent) {
            self.reported = Some(percent);
            work_for(self.caller, || tell(u8::try_from(percent.min(100)).unwrap_or(100)));
        }
    }

    /// A writer whose bytes count.
    pub(super) fn counting<W: Write>(&mut self, out: W) -> Counting<'_, 'a, W> {
        Counting { out, meter: self }
    }
}

/// See [`Meter::counting`].
#[derive(Debug)]
pub(super) struct Counting<'m, 'a, W> {
    out: W,
    meter: &'m mut Meter<'a>,
}

impl<W: Write> Write for Counting<'_, '_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.meter.add(written as u64);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
