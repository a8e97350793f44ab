//! Single changes: each is a commit, which is on disk when the call returns.
#![expect(unsafe_code, reason = "names that a linker finds; no memory is touched")]
#![expect(unreachable_pub, reason = "cbindgen declares what is `pub`")]

use std::ffi::c_void;

use compact_artifact::RecordId;

use crate::boundary::{Read, Stream, guard, missing};
use crate::code::ca_code;
use crate::draft::{filter, patch, record, record_of_stream};
use crate::handles::{self, Entered};
use crate::opaque::ca_artifact;
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

/// Adds a blob of any length, of which a piece at a time is in memory. `read` writes up to `capacity` bytes to `to`, and returns how many: 0 at the end, `SIZE_MAX` if it
/// cannot go on, which adds nothing and is `CA_IO`. `new_record` has the rest of the record, without embeddings. Other commits wait meanwhile; a call of `read` that
/// writes to the artifact, or closes it, is `CA_REENTRANT`. `id` may be NULL.
#[unsafe(no_mangle)]
pub extern "C" fn ca_add_stream(
    artifact: *const ca_artifact,
    new_record: *const ca_new_record,
    read: Option<unsafe extern "C" fn(context: *mut c_void, to: *mut u8, capacity: usize) -> usize>,
    context: *mut c_void,
    id: *mut u64,
) -> ca_code {
    guard(|call| {
        let handle = artifact;
        let (artifact, out) = (handles::get(handle)?, call.optional_out("id", id)?);
        let read: Read = read.ok_or_else(|| missing("read"))?;
        let record = record_of_stream(call, new_record)?;
        let _entered = Entered::new(handle);
        let added = artifact.add_reader(record, Stream::new(call, read, context))?;
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

/// Deletes all records that a filter lets through. A comparison with a type that no value of its field has is no failure, as it is in `ca_count`, and matches nothing, negated or
/// not. `deleted`: how many; it may be NULL.
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

/// Changes the metadata of all records that a filter lets through: see `ca_update`. `updated`: how many; it may be NULL.
#[unsafe(no_mangle)]
pub extern "C" fn ca_update_where(
    artifact: *const ca_artifact,
    filter_json: ca_str,
    patch_json: ca_str,
    updated: *mut u64,
) -> ca_code {
    guard(|call| {
        let (artifact, out) = (handles::get(artifact)?, call.optional_out("updated", updated)?);
        let count = artifact.update_where(&filter(call, filter_json)?, patch(call, patch_json)?)?;
        out.inspect(|out| out.set(count));
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

/// Takes the embedding away that a record has in a vector space; that it has none is no failure.
#[unsafe(no_mangle)]
pub extern "C" fn ca_remove_embedding(artifact: *const ca_artifact, id: u64, space: ca_str) -> ca_code {
    guard(|call| {
        let space = call.needed_text("space", space)?;
        Ok(handles::get(artifact)?.remove_embedding(RecordId(id), space)?)
    })
}
