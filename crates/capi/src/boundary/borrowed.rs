//! Bytes of the C program that the library reads where they are.
#![expect(unsafe_code, reason = "bytes that C owns")]

use std::ffi::c_void;
use std::slice;

use super::call::Call;
use crate::code::Result;
use crate::types::ca_bytes;

/// What C is told when its bytes are not needed any more.
pub(crate) type Release = Option<unsafe extern "C" fn(context: *mut c_void)>;

/// Bytes that stay where they are until `release` is called.
#[derive(Debug)]
pub(crate) struct Borrowed {
    bytes: ca_bytes,
    release: Release,
    context: *mut c_void,
}

// SAFETY: by the contract of the header the bytes stay, and nobody changes them, until `release` was called, which may come from any thread.
unsafe impl Send for Borrowed {}
// SAFETY: as above; the context is given to `release` only.
unsafe impl Sync for Borrowed {}

impl Borrowed {
    /// `release` is called once in any case, also when this fails.
    pub(crate) fn new(call: &Call, bytes: ca_bytes, release: Release, context: *mut c_void) -> Result<Self> {
        let mut borrowed = Self { bytes: ca_bytes::NONE, release, context };
        call.bytes("bytes", bytes)?;
        borrowed.bytes = bytes;
        Ok(borrowed)
    }
}

impl AsRef<[u8]> for Borrowed {
    fn as_ref(&self) -> &[u8] {
        if self.bytes.len == 0 {
            return &[];
        }
        // SAFETY: checked in `new` not to be NULL, and to be no longer than a slice may be; the bytes stay until `release` is called, when this is dropped.
        unsafe { slice::from_raw_parts(self.bytes.data, self.bytes.len) }
    }
}

impl Drop for Borrowed {
    fn drop(&mut self) {
        if let Some(release) = self.release {
            // SAFETY: by the contract of the header it may be called with its context, once, from any thread; it does not unwind.
            unsafe { release(self.context) };
        }
    }
}
