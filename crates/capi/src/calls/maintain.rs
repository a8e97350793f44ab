//! Keeping an artifact: sealing, compacting, packing, verifying, statistics. Reports are JSON; their places may be NULL.
#![expect(unsafe_code, reason = "names that a linker finds; no memory is touched")]
#![expect(unreachable_pub, reason = "cbindgen declares what is `pub`")]

use compact_artifact::{VerifyLevel, VerifyReport};

use crate::boundary::{Call, guard};
use crate::calls::report::{needed_report, report_out, reported, set_report};
use crate::code::{Failure, Result, ca_code};
use crate::handles;
use crate::opaque::{ca_artifact, ca_buffer};
use crate::options;
use crate::types::ca_str;

/// Makes every commit so far durable.
#[unsafe(no_mangle)]
pub extern "C" fn ca_sync(artifact: *const ca_artifact) -> ca_code {
    guard(|_| Ok(handles::get(artifact)?.sync()?))
}

/// Brings everything committed so far into its final form: records in segments, indexes with graphs. It happens by itself when there is much of it.
#[unsafe(no_mangle)]
pub extern "C" fn ca_seal(artifact: *const ca_artifact, report: *mut *mut ca_buffer) -> ca_code {
    guard(|call| reported(call, report, || Ok(handles::get(artifact)?.seal()?)))
}

/// Returns the space of deleted records, with at most `budget` bytes of memory, 4 MiB or more.
#[unsafe(no_mangle)]
pub extern "C" fn ca_compact(
    artifact: *const ca_artifact,
    budget: usize,
    report: *mut *mut ca_buffer,
) -> ca_code {
    guard(|call| reported(call, report, || Ok(handles::get(artifact)?.compact(budget)?)))
}

/// Writes the newest commit to one file, which must not exist yet.
#[unsafe(no_mangle)]
pub extern "C" fn ca_pack(
    artifact: *const ca_artifact,
    path: ca_str,
    report: *mut *mut ca_buffer,
) -> ca_code {
    guard(|call| {
        reported(call, report, || Ok(handles::get(artifact)?.pack(call.needed_text("path", path)?)?))
    })
}

/// Makes a directory of a packed artifact, which `ca_open` can write to. `to` must be an empty directory, or not exist while its parent does.
#[unsafe(no_mangle)]
pub extern "C" fn ca_unpack(
    artifact: *const ca_artifact,
    to: ca_str,
    report: *mut *mut ca_buffer,
) -> ca_code {
    guard(|call| reported(call, report, || Ok(handles::get(artifact)?.unpack(call.needed_text("to", to)?)?)))
}

/// How thoroughly `ca_verify` reads: manifests, headers and tables.
pub const CA_VERIFY_HEADERS: u32 = 0;
/// And every stored byte, against its checksum.
pub const CA_VERIFY_CHECKSUMS: u32 = 1;
/// And every block decoded, every record found.
pub const CA_VERIFY_DECODE: u32 = 2;

/// Compares the checksums of an artifact that is open. `is_sound`: whether there is no damage; it may be NULL, and so may the report, which names every damaged place.
#[unsafe(no_mangle)]
pub extern "C" fn ca_verify(
    artifact: *const ca_artifact,
    level: u32,
    is_sound: *mut bool,
    report: *mut *mut ca_buffer,
) -> ca_code {
    guard(|call| verified(call, is_sound, report, level, |level| Ok(handles::get(artifact)?.verify(level)?)))
}

/// Compares the checksums of an artifact that need not be one that opens: a directory or a packed file.
#[unsafe(no_mangle)]
pub extern "C" fn ca_verify_path(
    path: ca_str,
    level: u32,
    is_sound: *mut bool,
    report: *mut *mut ca_buffer,
) -> ca_code {
    guard(|call| {
        verified(call, is_sound, report, level, |level| {
            Ok(compact_artifact::verify(call.needed_text("path", path)?, level)?)
        })
    })
}

/// Copies everything that is sound from a damaged artifact, a directory or a packed file, into a new one at `to`.
#[unsafe(no_mangle)]
pub extern "C" fn ca_salvage(
    from: ca_str,
    to: ca_str,
    options: ca_str,
    report: *mut *mut ca_buffer,
) -> ca_code {
    guard(|call| {
        reported(call, report, || {
            let options = options::read(call.text("options", options)?)?;
            let (from, to) = (call.needed_text("from", from)?, call.needed_text("to", to)?);
            Ok(compact_artifact::salvage(from, to, options)?)
        })
    })
}

/// What the artifact holds, as JSON: records, bytes on disk, vector spaces.
#[unsafe(no_mangle)]
pub extern "C" fn ca_stats(artifact: *const ca_artifact, json: *mut *mut ca_buffer) -> ca_code {
    guard(|call| needed_report(call, json, || Ok(handles::get(artifact)?.stats())))
}

/// What opening found beyond what a closed artifact has, as JSON.
#[unsafe(no_mangle)]
pub extern "C" fn ca_recovery(artifact: *const ca_artifact, json: *mut *mut ca_buffer) -> ca_code {
    guard(|call| needed_report(call, json, || Ok(handles::get(artifact)?.recovery().clone())))
}

/// Memory that the artifact takes, in bytes, and what its searches did so far, as JSON.
#[unsafe(no_mangle)]
pub extern "C" fn ca_memory_stats(artifact: *const ca_artifact, json: *mut *mut ca_buffer) -> ca_code {
    guard(|call| needed_report(call, json, || Ok(handles::get(artifact)?.memory_stats())))
}

/// What each cache did since the artifact was opened, and what it holds, as JSON.
#[unsafe(no_mangle)]
pub extern "C" fn ca_cache_stats(artifact: *const ca_artifact, json: *mut *mut ca_buffer) -> ca_code {
    guard(|call| needed_report(call, json, || Ok(handles::get(artifact)?.cache_stats())))
}

/// Empties the caches.
#[unsafe(no_mangle)]
pub extern "C" fn ca_clear_caches(artifact: *const ca_artifact) -> ca_code {
    guard(|_| {
        handles::get(artifact)?.clear_caches();
        Ok(())
    })
}

/// Lets go of caches, and of room that searches keep. Everything is found as before, only slower at first.
#[unsafe(no_mangle)]
pub extern "C" fn ca_release_memory(artifact: *const ca_artifact) -> ca_code {
    guard(|_| {
        handles::get(artifact)?.release_memory();
        Ok(())
    })
}

/// The text of a report, which lasts until `ca_buffer_free`.
#[unsafe(no_mangle)]
pub extern "C" fn ca_buffer_get(buffer: *const ca_buffer, text: *mut ca_str) -> ca_code {
    guard(|call| {
        let out = call.out("text", text)?;
        out.set(handles::get(buffer)?.get());
        Ok(())
    })
}

/// Frees a report. NULL does nothing.
#[unsafe(no_mangle)]
pub extern "C" fn ca_buffer_free(buffer: *mut ca_buffer) -> ca_code {
    guard(|_| handles::free(buffer))
}

fn verified(
    call: &Call,
    is_sound: *mut bool,
    place: *mut *mut ca_buffer,
    level: u32,
    work: impl FnOnce(VerifyLevel) -> Result<VerifyReport>,
) -> Result<()> {
    let (out, sound) = (report_out(call, place)?, call.optional_out("is_sound", is_sound)?);
    let report = work(match level {
        CA_VERIFY_HEADERS => VerifyLevel::Headers,
        CA_VERIFY_CHECKSUMS => VerifyLevel::Checksums,
        CA_VERIFY_DECODE => VerifyLevel::Decode,
        _ => return Err(Failure::invalid(format!("level: expected a CA_VERIFY_ constant, found {level}"))),
    })?;
    sound.inspect(|sound| sound.set(report.is_sound()));
    set_report(out, &report)
}
