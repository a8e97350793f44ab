//! Creating, opening and closing artifacts.
#![expect(unsafe_code, reason = "names that a linker finds; no memory is touched")]
#![expect(unreachable_pub, reason = "cbindgen declares what is `pub`")]

use std::ffi::c_void;
use std::ptr;

use compact_artifact::{CompactArtifact, Options};

use crate::boundary::{Borrowed, Call, Release, guard};
use crate::code::{Result, ca_code};
use crate::handles;
use crate::opaque::ca_artifact;
use crate::options;
use crate::types::{ca_bytes, ca_str};

/// Creates an artifact in the directory `path`, whose parent exists. A directory that is there already must be empty. `options` is a JSON object, or none for
/// the defaults: see the page on C.
#[unsafe(no_mangle)]
pub extern "C" fn ca_create(path: ca_str, options: ca_str, artifact: *mut *mut ca_artifact) -> ca_code {
    guard(|call| opened(call, options, artifact, |options| Ok(options.create(path_of_call(call, path)?)?)))
}

/// Opens an artifact for writing, and recovers it if it was not closed. There is one writer at a time.
#[unsafe(no_mangle)]
pub extern "C" fn ca_open(path: ca_str, options: ca_str, artifact: *mut *mut ca_artifact) -> ca_code {
    guard(|call| opened(call, options, artifact, |options| Ok(options.open(path_of_call(call, path)?)?)))
}

/// Opens an artifact for writing, or creates it where there is none.
#[unsafe(no_mangle)]
pub extern "C" fn ca_open_or_create(
    path: ca_str,
    options: ca_str,
    artifact: *mut *mut ca_artifact,
) -> ca_code {
    guard(|call| {
        opened(call, options, artifact, |options| Ok(options.open_or_create(path_of_call(call, path)?)?))
    })
}

/// Opens an artifact for reading: a directory, beside its writer or on read-only media, or a file that `ca_pack` wrote. `ca_refresh` sees later commits.
#[unsafe(no_mangle)]
pub extern "C" fn ca_open_read_only(
    path: ca_str,
    options: ca_str,
    artifact: *mut *mut ca_artifact,
) -> ca_code {
    guard(|call| {
        opened_to_read(call, options, artifact, |options| {
            Ok(options.open_read_only(path_of_call(call, path)?)?)
        })
    })
}

/// Opens a packed artifact that begins at `offset` in a larger file.
#[unsafe(no_mangle)]
pub extern "C" fn ca_open_packed_at(
    path: ca_str,
    offset: u64,
    options: ca_str,
    artifact: *mut *mut ca_artifact,
) -> ca_code {
    guard(|call| {
        opened_to_read(call, options, artifact, |options| {
            Ok(options.open_packed_at(path_of_call(call, path)?, offset)?)
        })
    })
}

/// Opens a packed artifact in memory. The bytes are copied.
#[unsafe(no_mangle)]
pub extern "C" fn ca_open_packed_copied(
    bytes: ca_bytes,
    options: ca_str,
    artifact: *mut *mut ca_artifact,
) -> ca_code {
    guard(|call| {
        opened_to_read(call, options, artifact, |options| {
            let bytes = call.bytes("bytes", bytes)?.unwrap_or_default();
            Ok(options.open_packed_bytes(bytes.to_vec())?)
        })
    })
}

/// Opens a packed artifact in memory, where it stays: nobody may change or free the bytes before `release` is called with `context`. That happens once, in any
/// thread: when the artifact and all that was read from it are freed; or before this returns, if it fails, or if the bytes do not begin at a multiple of 64 and so
/// are copied. `release` may be NULL for bytes that last as long as the program; it must not call the library.
#[unsafe(no_mangle)]
pub extern "C" fn ca_open_packed_borrowed(
    bytes: ca_bytes,
    release: Option<unsafe extern "C" fn(context: *mut c_void)>,
    context: *mut c_void,
    options: ca_str,
    artifact: *mut *mut ca_artifact,
) -> ca_code {
    let release: Release = release;
    guard(|call| {
        // Checked later, so that the place of the artifact is written whatever is wrong.
        let borrowed = Borrowed::new(call, bytes, release, context);
        opened_to_read(call, options, artifact, |options| Ok(options.open_packed_bytes(borrowed?)?))
    })
}

/// Makes everything durable, seals what was added if there is much of it, and frees the handle: opening the artifact again is quick then. `CA_IN_USE`: another
/// thread is in a call with it, and it stays open. After any other failure the handle is freed, and what was acknowledged is on disk.
#[unsafe(no_mangle)]
pub extern "C" fn ca_close(artifact: *mut ca_artifact) -> ca_code {
    guard(|_| Ok(handles::take(artifact)?.close()?))
}

/// Removes the artifact from the disk, the files that the format gives names to and no others, and frees the handle. `CA_IN_USE`: another thread is in a call with it, and
/// everything stays.
#[unsafe(no_mangle)]
pub extern "C" fn ca_destroy(artifact: *mut ca_artifact) -> ca_code {
    guard(|_| Ok(handles::take(artifact)?.destroy()?))
}

/// Frees the handle without closing: nothing that was acknowledged is lost, and the next open recovers. Calls of other threads that are on their way end as
/// if nothing had happened. NULL does nothing.
#[unsafe(no_mangle)]
pub extern "C" fn ca_artifact_free(artifact: *mut ca_artifact) -> ca_code {
    guard(|_| handles::free(artifact))
}

fn opened(
    call: &Call,
    options: ca_str,
    artifact: *mut *mut ca_artifact,
    open: impl FnOnce(Options) -> Result<CompactArtifact>,
) -> Result<()> {
    opened_with(call, options::read, options, artifact, open)
}

/// [`opened`] for an artifact that is only read.
fn opened_to_read(
    call: &Call,
    options: ca_str,
    artifact: *mut *mut ca_artifact,
    open: impl FnOnce(Options) -> Result<CompactArtifact>,
) -> Result<()> {
    opened_with(call, options::read_for_reading, options, artifact, open)
}

fn opened_with(
    call: &Call,
    read: fn(Option<&str>) -> Result<Options>,
    options: ca_str,
    artifact: *mut *mut ca_artifact,
    open: impl FnOnce(Options) -> Result<CompactArtifact>,
) -> Result<()> {
    let out = call.out("artifact", artifact)?;
    out.set(ptr::null_mut());
    let options = read(call.text("options", options)?)?;
    out.set(handles::insert(open(options)?));
    Ok(())
}

fn path_of_call(call: &Call, path: ca_str) -> Result<&str> {
    call.needed_text("path", path)
}
