//! Content that the C program gives piece by piece.
#![expect(unsafe_code, reason = "a function of C is called")]

use std::ffi::c_void;
use std::io;

use super::call::Call;

/// Writes up to `capacity` bytes to `to`, and returns how many: 0 at the end, [`FAILED`] if it cannot go on.
pub(crate) type Read = unsafe extern "C" fn(context: *mut c_void, to: *mut u8, capacity: usize) -> usize;

/// What a stream returns that cannot go on.
const FAILED: usize = usize::MAX;

/// A stream of C, for as long as the call.
#[derive(Debug)]
pub(crate) struct Stream<'call> {
    read: Read,
    context: *mut c_void,
    _call: &'call Call,
}

impl<'call> Stream<'call> {
    pub(crate) fn new(call: &'call Call, read: Read, context: *mut c_void) -> Self {
        Self { read, context, _call: call }
    }
}

impl io::Read for Stream<'_> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        if to.is_empty() {
            return Ok(0);
        }
        // SAFETY: by the contract of the header it may be called with its context while the call lasts, in the thread of the call, and does not unwind. The
        // bytes are initialized, and nobody else has them.
        let len = unsafe { (self.read)(self.context, to.as_mut_ptr(), to.len()) };
        match len {
            FAILED => Err(io::Error::other("the stream failed")),
            len if len > to.len() => Err(io::Error::other(format!(
                "the stream returned {len}, more than the {} bytes that it was asked for",
                to.len()
            ))),
            len => Ok(len),
        }
    }
}
