//! Single changes: each is a commit, which is on disk when the call returns.
#![expect(unsafe_code, reason = "names that a linker finds; no memory is touched")]
#![expect(unreachable_pub, reason = "cbindgen declares what is `pub`")]

use compact_artifact::RecordId;

use crate::boundary::guard;
use crate::buffer::Buffer;
use crate::code::{Result, ca_code};
use crate::draft::{filter, patch, record};
use crate::handles;
use crate::opaque::{ca_artifact, ca_buffer};
use crate::options;
use crate::types::{ca_new_record, ca_str};

/// Adds a record. Its key, if it has one, must be new. `id` may be NULL.
#[unsafe(no_mangle)]
pub extern "C" fn ca_add(
    artifact: *const ca_artifact,
    new_record: *const ca_new_record,
    id: *mut u64,
) -> ca_code {
    guard(|call| {
        let (artifact, out) = (handles::get(artifact)?, call.optional_out("id", id)?);
        let added = artifact.add(record(call, new_record)?)?;
        out.inspect(|out| out.set(added.0));
        Ok(())
    })
}

/// Adds a record in the place of the one with its key, if there is one. `id` may be NULL.
#[unsafe(no_mangle)]
pub extern "C" fn ca_upsert(
    artifact: *const ca_artifact,
    new_record: *const ca_new_record,
    id: *mut u64,
) -> ca_code {
    guard(|call| {
        let (artifact, out) = (handles::get(artifact)?, call.optional_out("id", id)?);
        let added = artifact.upsert(record(call, new_record)?)?;
        out.inspect(|out| out.set(added.0));
        Ok(())
    })
}

/// Deletes a record. `deleted`: how many, 1 or 0; it may be NULL.
#[unsafe(no_mangle)]
pub extern "C" fn ca_delete(artifact: *const ca_artifact, id: u64, deleted: *mut u64) -> ca_code {
    guard(|call| {
        let (artifact, out) = (handles::get(artifact)?, call.optional_out("deleted", deleted)?);
        let was_there = artifact.delete(RecordId(id))?;
        out.inspect(|out| out.set(was_there.into()));
        Ok(())
    })
}

/// Deletes the record with this key. `deleted`: how many, 1 or 0; it may be NULL.
#[unsafe(no_mangle)]
pub extern "C" fn ca_delete_key(artifact: *const ca_artifact, key: ca_str, deleted: *mut u64) -> ca_code {
    guard(|call| {
        let (artifact, out) = (handles::get(artifact)?, call.optional_out("deleted", deleted)?);
        let was_there = artifact.delete_key(call.needed_text("key", key)?)?;
        out.inspect(|out| out.set(was_there.into()));
        Ok(())
    })
}

/// Deletes all records that a filter lets through. `deleted`: how many; it may be NULL.
#[unsafe(no_mangle)]
pub extern "C" fn ca_delete_where(
    artifact: *const ca_artifact,
    filter_json: ca_str,
    deleted: *mut u64,
) -> ca_code {
    guard(|call| {
        let (artifact, out) = (handles::get(artifact)?, call.optional_out("deleted", deleted)?);
        let count = artifact.delete_where(&filter(call, filter_json)?)?;
        out.inspect(|out| out.set(count));
        Ok(())
    })
}

/// Changes the metadata of a record by a JSON merge patch (RFC 7396): `null` removes a field. `updated`: how many records, 1 or 0; it may be NULL.
#[unsafe(no_mangle)]
pub extern "C" fn ca_update(
    artifact: *const ca_artifact,
    id: u64,
    patch_json: ca_str,
    updated: *mut u64,
) -> ca_code {
    guard(|call| {
        let (artifact, out) = (handles::get(artifact)?, call.optional_out("updated", updated)?);
        let was_there = artifact.update(RecordId(id), patch(call, patch_json)?)?;
        out.inspect(|out| out.set(was_there.into()));
        Ok(())
    })
}

/// Changes the metadata of the record with this key: see `ca_update`.
#[unsafe(no_mangle)]
pub extern "C" fn ca_update_key(
    artifact: *const ca_artifact,
    key: ca_str,
    patch_json: ca_str,
    updated: *mut u64,
) -> ca_code {
    guard(|call| {
        let (artifact, out) = (handles::get(artifact)?, call.optional_out("updated", updated)?);
        let was_there = artifact.update_key(call.needed_text("key", key)?, patch(call, patch_json)?)?;
        out.inspect(|out| out.set(was_there.into()));
        Ok(())
    })
}

/// Gives a record that is there already an embedding, in the place of the one that it has in this vector space.
#[unsafe(no_mangle)]
pub extern "C" fn ca_add_embedding(
    artifact: *const ca_artifact,
    id: u64,
    space: ca_str,
    values: *const f32,
    len: usize,
) -> ca_code {
    guard(|call| {
        let artifact = handles::get(artifact)?;
        let (space, values) = (call.needed_text("space", space)?, call.values("values", values, len)?);
        Ok(artifact.add_embedding(RecordId(id), space, values)?)
    })
}

/// Adds a vector space. One that is there already, set up the same, is no failure. `metric`: `cosine`, `dot` or `l2`, or none for `cosine`; `originals`: `none`,
/// `f16` or `f32`, what is kept beside codes of a byte a dimension, or none for `none`.
#[unsafe(no_mangle)]
pub extern "C" fn ca_add_space(
    artifact: *const ca_artifact,
    name: ca_str,
    dimension: usize,
    metric: ca_str,
    originals: ca_str,
) -> ca_code {
    guard(|call| {
        let artifact = handles::get(artifact)?;
        let (metric, originals) = (call.text("metric", metric)?, call.text("originals", originals)?);
        let space = options::space(dimension, metric, originals)?;
        Ok(artifact.add_space(call.needed_text("name", name)?, space)?)
    })
}

/// Adds a field of texts, whose words count `weight` times, 1 to 10. One that is there already with that weight is no failure.
#[unsafe(no_mangle)]
pub extern "C" fn ca_add_field(artifact: *const ca_artifact, name: ca_str, weight: u32) -> ca_code {
    guard(|call| Ok(handles::get(artifact)?.add_field(call.needed_text("name", name)?, weight)?))
}

/// Moves to another model, `built-in` or the path of one, and embeds texts that have no embedding. `report`, as JSON, may be NULL. After a failure
/// searches go on with the old model, and the same call goes on where it was.
#[unsafe(no_mangle)]
pub extern "C" fn ca_reembed(
    artifact: *const ca_artifact,
    model: ca_str,
    report: *mut *mut ca_buffer,
) -> ca_code {
    guard(|call| {
        let (artifact, out) = (handles::get(artifact)?, call.optional_out("report", report)?);
        out.as_ref().inspect(|out| out.set(std::ptr::null_mut()));
        let done = reembed(&artifact, call.needed_text("model", model)?)?;
        if let Some(out) = out {
            out.set(handles::insert(Buffer::json(&done)?));
        }
        Ok(())
    })
}

#[cfg(feature = "embedder")]
fn reembed(
    artifact: &compact_artifact::CompactArtifact,
    model: &str,
) -> Result<compact_artifact::ReembedReport> {
    Ok(artifact.reembed(options::embedder(model)?)?)
}

#[cfg(not(feature = "embedder"))]
fn reembed(_: &compact_artifact::CompactArtifact, _: &str) -> Result<serde_json::Value> {
    Err(options::without("embedder", "models"))
}
