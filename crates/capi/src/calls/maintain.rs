//! Keeping an artifact: sealing, compacting, packing, verifying, statistics. Reports are JSON; their places may be NULL.
#![expect(unsafe_code, reason = "names that a linker finds; no memory is touched")]
#![expect(unreachable_pub, reason = "cbindgen declares what is `pub`")]

use compact_artifact::{VerifyLevel, VerifyReport};
use serde::Serialize;

use crate::boundary::{Call, Out, guard};
use crate::buffer::Buffer;
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

/// Sees what another process committed since this reader opened the artifact or called this. `changed`, whether anything did, may be NULL.
#[unsafe(no_mangle)]
pub extern "C" fn ca_refresh(artifact: *const ca_artifact, changed: *mut bool) -> ca_code {
    guard(|call| {
        let (artifact, out) = (handles::get(artifact)?, call.optional_out("changed", changed)?);
        let has_changed = artifact.refresh()?;
        out.inspect(|out| out.set(has_changed));
        Ok(())
    })
}

/// Brings everything committed so far into its final form: records in segments, indexes with graphs. It happens by itself when there is much of it.
#[unsafe(no_mangle)]
pub extern "C" fn ca_seal(artifact: *const ca_artifact, report: *mut *mut ca_buffer) -> ca_code {
    guard(|call| reported(call, report, || Ok(handles::get(artifact)?.seal()?)))
}

/// Returns the space of deleted records, with at most `budget` bytes of memory.
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
    guard(|call| {
        call.out("json", json)?;
        reported(call, json, || Ok(handles::get(artifact)?.stats()))
    })
}

/// What opening found beyond what a closed artifact has, as JSON.
#[unsafe(no_mangle)]
pub extern "C" fn ca_recovery(artifact: *const ca_artifact, json: *mut *mut ca_buffer) -> ca_code {
    guard(|call| {
        call.out("json", json)?;
        reported(call, json, || Ok(handles::get(artifact)?.recovery().clone()))
    })
}

/// Lets go of caches. Everything is found as before, only slower at first.
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

fn reported<Report: Serialize>(
    call: &Call,
    place: *mut *mut ca_buffer,
    work: impl FnOnce() -> Result<Report>,
) -> Result<()> {
    let out = report_out(call, place)?;
    let report = work()?;
    set_report(out, &report)
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

fn report_out(call: &Call, place: *mut *mut ca_buffer) -> Result<Option<Out<'_, *mut ca_buffer>>> {
    let out = call.optional_out("report", place)?;
    out.as_ref().inspect(|out| out.set(std::ptr::null_mut()));
    Ok(out)
}

fn set_report(out: Option<Out<'_, *mut ca_buffer>>, report: &impl Serialize) -> Result<()> {
    if let Some(out) = out {
        out.set(handles::insert(Buffer::json(report)?));
    }
    Ok(())
}
