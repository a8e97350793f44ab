//! Changes that are made together: all of them, or none.
#![expect(unsafe_code, reason = "names that a linker finds; no memory is touched")]
#![expect(unreachable_pub, reason = "cbindgen declares what is `pub`")]

use compact_artifact::{Batch, RecordId};
use parking_lot::Mutex;

use crate::boundary::{Call, check_room, guard};
use crate::code::{Result, ca_code};
use crate::draft::{self, Draft, filter, patch, record};
use crate::handles;
use crate::opaque::{ca_artifact, ca_batch};
use crate::types::{ca_new_record, ca_receipt, ca_str};

/// Makes a batch without changes. It belongs to no artifact.
#[unsafe(no_mangle)]
pub extern "C" fn ca_batch_new(batch: *mut *mut ca_batch) -> ca_code {
    guard(|call| {
        call.out("batch", batch)?.set(handles::insert(Mutex::new(Draft::default())));
        Ok(())
    })
}

/// Adds a record. Its key, if it has one, must be new. What the record points to is copied.
#[unsafe(no_mangle)]
pub extern "C" fn ca_batch_add(batch: *mut ca_batch, new_record: *const ca_new_record) -> ca_code {
    guard(|call| {
        let batch = handles::get(batch)?;
        let record = record(call, new_record)?;
        batch.lock().put(record, false);
        Ok(())
    })
}

/// Adds a record in the place of the one with its key, if there is one.
#[unsafe(no_mangle)]
pub extern "C" fn ca_batch_upsert(batch: *mut ca_batch, new_record: *const ca_new_record) -> ca_code {
    guard(|call| {
        let batch = handles::get(batch)?;
        let record = record(call, new_record)?;
        batch.lock().put(record, true);
        Ok(())
    })
}

/// Deletes a record; that there is none is no failure.
#[unsafe(no_mangle)]
pub extern "C" fn ca_batch_delete(batch: *mut ca_batch, id: u64) -> ca_code {
    change(batch, |_| Ok(move |batch: Batch| batch.delete(RecordId(id))))
}

/// Deletes the record with this key; that there is none is no failure.
#[unsafe(no_mangle)]
pub extern "C" fn ca_batch_delete_key(batch: *mut ca_batch, key: ca_str) -> ca_code {
    change(batch, |call| {
        let key = call.needed_text("key", key)?.to_owned();
        Ok(move |batch: Batch| batch.delete_key(key))
    })
}

/// Deletes all records that a filter lets through when the batch is committed, those of the batch itself not included: see `ca_delete_where`.
#[unsafe(no_mangle)]
pub extern "C" fn ca_batch_delete_where(batch: *mut ca_batch, filter_json: ca_str) -> ca_code {
    change(batch, |call| {
        let filter = filter(call, filter_json)?;
        Ok(move |batch: Batch| batch.delete_where(filter))
    })
}

/// Changes the metadata of a record by a JSON merge patch; that there is none is no failure. Records of the batch itself cannot be changed.
#[unsafe(no_mangle)]
pub extern "C" fn ca_batch_update(batch: *mut ca_batch, id: u64, patch_json: ca_str) -> ca_code {
    change(batch, |call| {
        let patch = patch(call, patch_json)?;
        Ok(move |batch: Batch| batch.update(RecordId(id), patch))
    })
}

/// Changes the metadata of the record with this key: see `ca_batch_update`.
#[unsafe(no_mangle)]
pub extern "C" fn ca_batch_update_key(batch: *mut ca_batch, key: ca_str, patch_json: ca_str) -> ca_code {
    change(batch, |call| {
        let (key, patch) = (call.needed_text("key", key)?.to_owned(), patch(call, patch_json)?);
        Ok(move |batch: Batch| batch.update_key(key, patch))
    })
}

/// Changes the metadata of all records that a filter lets through: see `ca_batch_update`.
#[unsafe(no_mangle)]
pub extern "C" fn ca_batch_update_where(
    batch: *mut ca_batch,
    filter_json: ca_str,
    patch_json: ca_str,
) -> ca_code {
    change(batch, |call| {
        let (filter, patch) = (filter(call, filter_json)?, patch(call, patch_json)?);
        Ok(move |batch: Batch| batch.update_where(filter, patch))
    })
}

/// Gives a record that is there already an embedding, in the place of the one that it has in this vector space.
#[unsafe(no_mangle)]
pub extern "C" fn ca_batch_add_embedding(
    batch: *mut ca_batch,
    id: u64,
    space: ca_str,
    values: *const f32,
    len: usize,
) -> ca_code {
    change(batch, |call| {
        let space = call.needed_text("space", space)?.to_owned();
        let values = call.values("values", values, len)?.to_vec();
        Ok(move |batch: Batch| batch.add_embedding(RecordId(id), space, values))
    })
}

/// Takes the embedding away that a record has in a vector space; that it has none is no failure.
#[unsafe(no_mangle)]
pub extern "C" fn ca_batch_remove_embedding(batch: *mut ca_batch, id: u64, space: ca_str) -> ca_code {
    change(batch, |call| {
        let space = call.needed_text("space", space)?.to_owned();
        Ok(move |batch: Batch| batch.remove_embedding(RecordId(id), space))
    })
}

/// Commits a batch. The batch is empty afterwards, and can be filled anew; one that could not be committed is empty, too, unless the code is
/// `CA_BUFFER_TOO_SMALL`, `CA_BAD_POINTER` or `CA_BAD_HANDLE`. `ids`: room for `capacity` ids, at least as many as records were added and upserted, in their order; or
/// NULL. `receipt` may be NULL.
#[unsafe(no_mangle)]
pub extern "C" fn ca_write(
    artifact: *const ca_artifact,
    batch: *mut ca_batch,
    ids: *mut u64,
    capacity: usize,
    receipt: *mut ca_receipt,
) -> ca_code {
    guard(|call| {
        let (artifact, batch) = (handles::get(artifact)?, handles::get(batch)?);
        let out = call.optional_out("receipt", receipt)?;
        let taken = {
            let mut batch = batch.lock();
            if !ids.is_null() {
                check_room("ids", ids, capacity, batch.records)?;
            }
            batch.take()
        };
        let done = artifact.write(taken)?;
        if !ids.is_null() {
            let numbers: Vec<u64> = done.ids.iter().map(|id| id.0).collect();
            call.copy_out("ids", &numbers, ids, capacity)?;
        }
        out.inspect(|out| out.set(draft::receipt(&done)));
        Ok(())
    })
}

/// Frees a batch; what was not committed is nowhere. NULL does nothing.
#[unsafe(no_mangle)]
pub extern "C" fn ca_batch_free(batch: *mut ca_batch) -> ca_code {
    guard(|_| handles::free(batch))
}

fn change<Change: FnOnce(Batch) -> Batch>(
    batch: *mut ca_batch,
    read: impl FnOnce(&Call) -> Result<Change>,
) -> ca_code {
    guard(|call| {
        let batch = handles::get(batch)?;
        let change = read(call)?;
        batch.lock().change(change);
        Ok(())
    })
}
