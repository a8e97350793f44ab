//! One call: what its arguments point to, where its answers go, and how it ends.
#![expect(unsafe_code, reason = "pointers of C are followed here")]

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::slice;

use crate::code::{Failure, Result, ca_code};
use crate::last_error;
use crate::types::{ca_bytes, ca_new_record, ca_query, ca_str};

/// Carries out a call: no panic leaves it, and its failure is what `ca_last_error` says.
pub(crate) fn guard(call: impl FnOnce(&Call) -> Result<()>) -> ca_code {
    // What a panic leaves half done belongs to the artifact, whose locks and states are those of a library that may panic in any thread of a program.
    match catch_unwind(AssertUnwindSafe(|| call(&Call(())))) {
        Ok(Ok(())) => ca_code::CA_OK,
        Ok(Err(failure)) => last_error::set(failure),
        Err(panic) => {
            let message = format!("a mistake of the library, please report it: {}", text_of_panic(&*panic));
            std::mem::forget(panic); // its destructor might panic
            last_error::set(Failure::new(ca_code::CA_PANIC, message))
        }
    }
}

fn text_of_panic(panic: &(dyn Any + Send)) -> &str {
    let owned = panic.downcast_ref::<String>().map(String::as_str);
    owned.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message")
}

/// Proof that a call from C is being carried out: what its arguments point to stays while it lasts, and is borrowed no longer than that.
#[derive(Debug)]
pub(crate) struct Call(());

impl Call {
    /// Bytes; `None` if they are none.
    pub(crate) fn bytes<'call>(&'call self, what: &str, bytes: ca_bytes) -> Result<Option<&'call [u8]>> {
        let found = borrow_slice(self, what, bytes.data, bytes.len)?;
        Ok((!bytes.data.is_null()).then_some(found))
    }

    /// A text; `None` if it is none.
    pub(crate) fn text<'call>(&'call self, what: &str, text: ca_str) -> Result<Option<&'call str>> {
        let bytes = self.bytes(what, ca_bytes { data: text.data.cast(), len: text.len })?;
        let not_utf8 = |e: std::str::Utf8Error| {
            let place = e.valid_up_to();
            Failure::new(ca_code::CA_INVALID_UTF8, format!("{what}: not UTF-8 from byte {place} on"))
        };
        bytes.map(std::str::from_utf8).transpose().map_err(not_utf8)
    }

    /// A text that must be there.
    pub(crate) fn needed_text<'call>(&'call self, what: &str, text: ca_str) -> Result<&'call str> {
        self.text(what, text)?.ok_or_else(|| missing(what))
    }

    /// Values of a vector, or structs that never grow.
    pub(crate) fn values<'call, T: Lent>(
        &'call self,
        what: &str,
        data: *const T,
        len: usize,
    ) -> Result<&'call [T]> {
        borrow_slice(self, what, data, len)
    }

    /// A struct that begins with its size: what a shorter one of an older program does not have is 0, and what a longer one of a newer program has more must be.
    pub(crate) fn sized<T: Growing>(&self, what: &str, given: *const T) -> Result<T> {
        check_pointer(what, given)?;
        // SAFETY: by the contract of the header, `given` points to a struct that begins with a `size_t`; it is not NULL and is aligned.
        let size = unsafe { given.cast::<usize>().read() };
        if !(T::FIRST_SIZE..=MAX_SIZE).contains(&size) {
            let first = T::FIRST_SIZE;
            let message =
                format!("{what}: its size is {size}; expected sizeof of the struct, {first} or more");
            return Err(Failure::invalid(message));
        }
        let bytes = borrow_slice(self, what, given.cast::<u8>(), size)?;
        let (known, newer) = bytes.split_at(size.min(size_of::<T>()));
        if newer.iter().any(|&byte| byte != 0) {
            let message = format!("{what}: it sets what this version of the library does not know");
            return Err(Failure::new(ca_code::CA_UNSUPPORTED, message));
        }
        let mut value = T::NOTHING;
        // SAFETY: as many bytes as are copied are in `known`, and not more than `value` has; it is a value of its own, so that they do not overlap. A struct with
        // `Growing` is valid whatever its bytes are.
        unsafe { ptr::copy_nonoverlapping(known.as_ptr(), (&raw mut value).cast::<u8>(), known.len()) };
        Ok(value)
    }

    /// Where an answer goes.
    pub(crate) fn out<'call, T: Copy>(
        &'call self,
        what: &'static str,
        place: *mut T,
    ) -> Result<Out<'call, T>> {
        check_pointer(what, place)?;
        Ok(Out { place, _call: self })
    }

    /// Where an answer goes that nobody need want.
    pub(crate) fn optional_out<'call, T: Copy>(
        &'call self,
        what: &'static str,
        place: *mut T,
    ) -> Result<Option<Out<'call, T>>> {
        if place.is_null() { Ok(None) } else { self.out(what, place).map(Some) }
    }

    /// Copies values to where C wants them. Nothing is written if `capacity` is too small.
    pub(crate) fn copy_out<T: Lent>(
        &self,
        what: &str,
        values: &[T],
        place: *mut T,
        capacity: usize,
    ) -> Result<()> {
        check_room(what, place, capacity, values.len())?;
        if values.is_empty() {
            return Ok(());
        }
        let out = Out { place, _call: self };
        // SAFETY: by the contract of the header there is room for `capacity` values at `place`, which are at least as many as are written. It is not NULL and
        // is aligned; `values` are the library's own, so that they do not overlap.
        unsafe { ptr::copy_nonoverlapping(values.as_ptr(), out.place, values.len()) };
        Ok(())
    }
}

/// Some values of C as a slice.
fn borrow_slice<'call, T>(_call: &'call Call, what: &str, data: *const T, len: usize) -> Result<&'call [T]> {
    if len == 0 {
        return Ok(&[]);
    }
    check_pointer(what, data)?;
    if len > isize::MAX as usize / size_of::<T>().max(1) {
        return Err(Failure::invalid(format!("{what}: a length of {len}")));
    }
    // SAFETY: by the contract of the header `data` points to `len` values that nobody changes during the call, for which the slice is borrowed. It is not
    // NULL, is aligned, and is no longer than a slice may be. All `T` here are valid whatever their bytes are.
    Ok(unsafe { slice::from_raw_parts(data, len) })
}

/// Whether values find room where C wants them.
pub(crate) fn check_room<T>(what: &str, place: *const T, capacity: usize, needed: usize) -> Result<()> {
    if needed > capacity {
        let message = format!("{what}: room for {capacity}; expected {needed}");
        return Err(Failure::new(ca_code::CA_BUFFER_TOO_SMALL, message));
    }
    if needed == 0 { Ok(()) } else { check_pointer(what, place) }
}

/// A place for one answer.
#[derive(Debug)]
pub(crate) struct Out<'call, T> {
    place: *mut T,
    _call: &'call Call,
}

impl<T: Copy> Out<'_, T> {
    pub(crate) fn set(&self, value: T) {
        // SAFETY: by the contract of the header there is room for a value at `place` while the call lasts; it was checked not to be NULL and to be aligned.
        // What was there is not read, and `T` has no destructor.
        unsafe { self.place.write(value) };
    }
}

/// No struct is so long; a larger size is a mistake.
const MAX_SIZE: usize = 4096;

/// Values that are valid whatever their bytes are.
///
/// # Safety
/// The type is such: numbers, pointers that are not followed, and structs of them without padding that is read.
pub(crate) unsafe trait Lent: Copy {}

// SAFETY: numbers, pointers, and structs of them.
unsafe impl Lent for f32 {}
// SAFETY: a number.
unsafe impl Lent for u8 {}
// SAFETY: a number.
unsafe impl Lent for u64 {}
// SAFETY: a pointer that is not followed.
unsafe impl Lent for *const ca_query {}
// SAFETY: a handle, which is a number.
unsafe impl Lent for *mut crate::opaque::ca_hits {}
// SAFETY: pointers and numbers.
unsafe impl Lent for crate::types::ca_vector {}
// SAFETY: pointers and numbers.
unsafe impl Lent for crate::types::ca_field {}

/// Structs that begin with their size.
///
/// # Safety
/// `repr(C)`, with a `usize` first, and valid whatever their bytes are.
pub(crate) unsafe trait Growing: Copy {
    /// The size in the first version of the interface.
    const FIRST_SIZE: usize;
    /// All 0.
    const NOTHING: Self;
}

// SAFETY: `repr(C)`; a `usize`, then pointers and numbers.
unsafe impl Growing for ca_new_record {
    const FIRST_SIZE: usize = std::mem::offset_of!(Self, expires_at_ms);
    const NOTHING: Self = Self {
        size: 0,
        text: ca_str::NONE,
        blob: ca_bytes::NONE,
        key: ca_str::NONE,
        metadata: ca_str::NONE,
        fields: ptr::null(),
        field_count: 0,
        embeddings: ptr::null(),
        embedding_count: 0,
        expires_at_ms: 0,
    };
}

// SAFETY: `repr(C)`; a `usize`, then pointers and numbers.
unsafe impl Growing for ca_query {
    const FIRST_SIZE: usize = size_of::<Self>();
    const NOTHING: Self = Self {
        size: 0,
        text: ca_str::NONE,
        words: ca_str::NONE,
        syntax: ca_str::NONE,
        meaning: ca_str::NONE,
        vectors: ptr::null(),
        vector_count: 0,
        similar_space: ca_str::NONE,
        similar_to: 0,
        filter: ca_str::NONE,
        k: 0,
        offset: 0,
        snippet: 0,
        fetch: 0,
        reserved: 0,
        options: ca_str::NONE,
    };
}

/// That a pointer is NULL which must not be.
pub(crate) fn missing(what: &str) -> Failure {
    Failure::new(ca_code::CA_BAD_POINTER, format!("{what}: NULL; expected a pointer"))
}

fn check_pointer<T>(what: &str, pointer: *const T) -> Result<()> {
    if pointer.is_null() {
        return Err(missing(what));
    }
    if !pointer.is_aligned() {
        let message = format!("{what}: a pointer that is not aligned to {} bytes", align_of::<T>());
        return Err(Failure::new(ca_code::CA_BAD_POINTER, message));
    }
    Ok(())
}
