//! Answers that are JSON.

use serde::Serialize;

use crate::boundary::{Call, Out};
use crate::buffer::Buffer;
use crate::code::Result;
use crate::handles;
use crate::opaque::ca_buffer;

/// Does the work, and answers with its report as JSON where C wants it. NULL: it does not.
pub(crate) fn reported<Report: Serialize>(
    call: &Call,
    place: *mut *mut ca_buffer,
    work: impl FnOnce() -> Result<Report>,
) -> Result<()> {
    let out = report_out(call, place)?;
    let report = work()?;
    set_report(out, &report)
}

/// [`reported`], for a call that does nothing else.
pub(crate) fn needed_report<Report: Serialize>(
    call: &Call,
    place: *mut *mut ca_buffer,
    work: impl FnOnce() -> Result<Report>,
) -> Result<()> {
    call.out("json", place)?;
    reported(call, place, work)
}

/// Where a report goes that C need not want.
pub(crate) fn report_out(call: &Call, place: *mut *mut ca_buffer) -> Result<Option<Out<'_, *mut ca_buffer>>> {
    let out = call.optional_out("report", place)?;
    out.as_ref().inspect(|out| out.set(std::ptr::null_mut()));
    Ok(out)
}

/// Answers with a report, if C wants it.
pub(crate) fn set_report(out: Option<Out<'_, *mut ca_buffer>>, report: &impl Serialize) -> Result<()> {
    if let Some(out) = out {
        out.set(handles::insert(Buffer::json(report)?));
    }
    Ok(())
}
