//! Capsules of Arrow ↔ streams of the crate `arrow-array`: the one place with unsafe code.
#![expect(
    unsafe_code,
    reason = "a capsule is a pointer with a name, and nothing else says what is behind it"
)]

use arrow_array::RecordBatchReader;
use arrow_array::ffi_stream::{ArrowArrayStreamReader, FFI_ArrowArrayStream};
use pyo3::prelude::*;
use pyo3::types::{PyCapsule, PyCapsuleMethods};

use crate::errors::{invalid, wrong_type};

/// What the capsule protocol of Arrow calls a stream.
const NAME: &std::ffi::CStr = c"arrow_array_stream";

/// Takes the stream out of a capsule.
pub(crate) fn import(capsule: &Bound<'_, PyAny>) -> PyResult<ArrowArrayStreamReader> {
    let capsule = capsule
        .cast::<PyCapsule>()
        .map_err(|_| wrong_type("an Arrow table", "that `__arrow_c_stream__` returns a capsule", capsule))?;
    let pointer = capsule.pointer_checked(Some(NAME))?.cast::<FFI_ArrowArrayStream>();
    // SAFETY: A capsule of this name holds a valid stream, by the capsule protocol of Arrow: the pointer was checked not to be null and to have the name. No
    // code of Python runs before the stream is moved out, which leaves an empty one behind, so that the capsule does not release it a second time.
    let stream = unsafe { FFI_ArrowArrayStream::from_raw(pointer.as_ptr()) };
    ArrowArrayStreamReader::try_new(stream).map_err(|e| invalid(format!("an Arrow table: {e}")))
}

/// Puts a stream into a capsule, which releases it unless its reader took it.
pub(crate) fn export(
    py: Python<'_>,
    reader: Box<dyn RecordBatchReader + Send>,
) -> PyResult<Bound<'_, PyCapsule>> {
    PyCapsule::new_with_value(py, FFI_ArrowArrayStream::new(reader), NAME)
}
