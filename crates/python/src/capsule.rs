//! Capsules of Arrow ↔ streams of the crate `arrow-array`: the one place with unsafe code.
#![expect(
    unsafe_code,
    reason = "a capsule is a pointer with a name, and nothing else says what is behind it"
)]

use std::ffi::CStr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use arrow_array::ffi::{FFI_ArrowArray, from_ffi_and_data_type};
use arrow_array::ffi_stream::FFI_ArrowArrayStream;
use arrow_array::{RecordBatch, RecordBatchOptions, RecordBatchReader, StructArray};
use arrow_data::{ArrayData, ArrayDataBuilder};
use arrow_schema::ffi::FFI_ArrowSchema;
use arrow_schema::{DataType, Schema, SchemaRef};
use pyo3::prelude::*;
use pyo3::types::{PyCapsule, PyCapsuleMethods};

use crate::errors::{invalid, wrong_type};

/// What the capsule protocol of Arrow calls a stream.
const NAME: &CStr = c"arrow_array_stream";

/// The batches of a table that came in a capsule. `ArrowArrayStreamReader` of `arrow-array` panics at slices of structs in structs, and where a stream fails
/// without a message.
pub(crate) struct Stream {
    ffi: FFI_ArrowArrayStream,
    schema: SchemaRef,
    /// Rows of the batches so far.
    rows: usize,
}

impl Stream {
    /// Takes the stream out of a capsule.
    pub(crate) fn import(capsule: &Bound<'_, PyAny>) -> PyResult<Self> {
        let capsule = capsule.cast::<PyCapsule>().map_err(|_| {
            wrong_type("an Arrow table", "that `__arrow_c_stream__` returns a capsule", capsule)
        })?;
        let pointer = capsule.pointer_checked(Some(NAME))?.cast::<FFI_ArrowArrayStream>();
        // SAFETY: A capsule of this name holds a valid stream, by the capsule protocol of Arrow: the pointer was checked not to be null and to have the name. No
        // code of Python runs before the stream is moved out, which leaves an empty one behind, so that the capsule does not release it a second time.
        let stream = unsafe { FFI_ArrowArrayStream::from_raw(pointer.as_ptr()) };
        let mut stream = Self { ffi: stream, schema: Arc::new(Schema::empty()), rows: 0 };
        stream.schema = without_panic(|| stream.read_schema()).map_err(invalid)?;
        Ok(stream)
    }

    pub(crate) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// The next batch; `None` at the end.
    pub(crate) fn next_batch(&mut self) -> PyResult<Option<RecordBatch>> {
        without_panic(|| self.read_batch()).map_err(invalid)
    }

    fn read_schema(&mut self) -> Result<SchemaRef, String> {
        let get_schema = self.ffi.get_schema.ok_or("a stream that was released")?;
        let mut schema = FFI_ArrowSchema::empty();
        // SAFETY: The stream is valid and was not released: a released one has no functions. The schema is an empty one that the call fills.
        let code = unsafe { get_schema(&raw mut self.ffi, &raw mut schema) };
        self.check(code)?;
        Ok(Arc::new(Schema::try_from(&schema).map_err(|e| e.to_string())?))
    }

    fn read_batch(&mut self) -> Result<Option<RecordBatch>, String> {
        let get_next = self.ffi.get_next.ok_or("a stream that was released")?;
        let mut array = FFI_ArrowArray::empty();
        // SAFETY: As for the schema.
        let code = unsafe { get_next(&raw mut self.ffi, &raw mut array) };
        self.check(code)?;
        if array.is_released() {
            return Ok(None);
        }
        let data_type = DataType::Struct(self.schema.fields().clone());
        // SAFETY: By the interface of streams, an array is one of the schema of its stream.
        let data = unsafe { from_ffi_and_data_type(array, data_type) }.map_err(|e| e.to_string())?;
        let len = data.len();
        let (_, columns, nulls) = StructArray::from(slice(data, 0, len)?).into_parts();
        if let Some(row) = nulls.and_then(|nulls| nulls.iter().position(|is_valid| !is_valid)) {
            return Err(format!("row {} is null; expected a record", self.rows + row));
        }
        self.rows += len;
        let options = RecordBatchOptions::new().with_row_count(Some(len));
        RecordBatch::try_new_with_options(self.schema.clone(), columns, &options)
            .map(Some)
            .map_err(|e| e.to_string())
    }

    /// The error that a function of the stream returned.
    fn check(&mut self, code: i32) -> Result<(), String> {
        if code == 0 {
            return Ok(());
        }
        let said = self.ffi.get_last_error.and_then(|get_last_error| {
            // SAFETY: The stream is valid, as above. What it says is null, or a string that lives until the next call, which is copied.
            unsafe {
                let said = get_last_error(&raw mut self.ffi);
                (!said.is_null()).then(|| CStr::from_ptr(said).to_string_lossy().into_owned())
            }
        });
        Err(said.unwrap_or_else(|| format!("its stream failed with the code {code}")))
    }
}

/// A result, or what `arrow-array` panics with at arrays that it does not expect.
fn without_panic<T>(read: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    let read =
        catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(|_| Err("it cannot be imported".to_owned()));
    read.map_err(|what| format!("an Arrow table: {what}"))
}

/// A slice of an imported array. Unlike those of [`ArrayData::slice`], its structs and lists of a fixed size begin at their first value: a `StructArray` made of
/// data with an offset slices the children again.
fn slice(data: ArrayData, start: usize, len: usize) -> Result<ArrayData, String> {
    let has = data.len();
    if start.checked_add(len).is_none_or(|end| end > has) {
        return Err(format!("{len} values from {start} on of an array of {has}"));
    }
    let (data_type, _, nulls, offset, buffers, children) = data.into_parts();
    let first = offset.checked_add(start).ok_or("an offset that is too large")?;
    let times = |count: usize, size: i32| {
        usize::try_from(size).ok().and_then(|size| count.checked_mul(size)).ok_or("lists that are too long")
    };
    // What of the children is in it; `None`: what the buffers say.
    let within = match &data_type {
        DataType::Struct(_) => Some((first, len)),
        DataType::FixedSizeList(_, size) => Some((times(first, *size)?, times(len, *size)?)),
        _ => None,
    };
    let offset = if within.is_some() { 0 } else { first };
    let mut sliced = Vec::with_capacity(children.len());
    for child in children {
        let (start, len) = within.unwrap_or((0, child.len()));
        sliced.push(slice(child, start, len)?);
    }
    let builder = ArrayDataBuilder::new(data_type)
        .len(len)
        .offset(offset)
        .nulls(nulls.map(|nulls| nulls.slice(start, len)))
        .buffers(buffers)
        .child_data(sliced);
    // SAFETY: The array was as valid, and what it has is within what it had.
    Ok(unsafe { builder.build_unchecked() })
}

/// Puts a stream into a capsule, which releases it unless its reader took it.
pub(crate) fn export(
    py: Python<'_>,
    reader: Box<dyn RecordBatchReader + Send>,
) -> PyResult<Bound<'_, PyCapsule>> {
    PyCapsule::new_with_value(py, FFI_ArrowArrayStream::new(reader), NAME)
}
