//! Records that are stored, one by one or all of them.
#![expect(unsafe_code, reason = "names that a linker finds; no memory is touched")]
#![expect(unreachable_pub, reason = "cbindgen declares what is `pub`")]

use compact_artifact::{CompactArtifact, Entry, RecordId};
use parking_lot::Mutex;

use crate::boundary::{Call, Out, guard};
use crate::calls::report::needed_report;
use crate::code::{Failure, Result, ca_code};
use crate::draft::optional_filter;
use crate::handles;
use crate::opaque::{ca_artifact, ca_buffer, ca_reader, ca_record};
use crate::reader::Reader;
use crate::stored::Stored;
use crate::types::{ca_bytes, ca_str};

/// A record. `record` becomes NULL if it was deleted, or never was, which is no failure.
#[unsafe(no_mangle)]
pub extern "C" fn ca_get(artifact: *const ca_artifact, id: u64, record: *mut *mut ca_record) -> ca_code {
    guard(|call| {
        let out = record_out(call, record)?;
        set_record(&out, handles::get(artifact)?.get(RecordId(id))?);
        Ok(())
    })
}

/// The record with this key. `record` becomes NULL if there is none, which is no failure.
#[unsafe(no_mangle)]
pub extern "C" fn ca_get_by_key(
    artifact: *const ca_artifact,
    key: ca_str,
    record: *mut *mut ca_record,
) -> ca_code {
    guard(|call| {
        let out = record_out(call, record)?;
        set_record(&out, handles::get(artifact)?.get_by_key(call.needed_text("key", key)?)?);
        Ok(())
    })
}

/// The id of the record with this key. `found`: whether there is one; without it `id` is not written.
#[unsafe(no_mangle)]
pub extern "C" fn ca_id_of_key(
    artifact: *const ca_artifact,
    key: ca_str,
    id: *mut u64,
    found: *mut bool,
) -> ca_code {
    guard(|call| {
        let (out, found) = (call.out("id", id)?, call.out("found", found)?);
        let known = handles::get(artifact)?.id_of_key(call.needed_text("key", key)?)?;
        known.inspect(|id| out.set(id.0));
        found.set(known.is_some());
        Ok(())
    })
}

/// The keys that begin with `prefix`, all keys for an empty one, in their order, as JSON: `[{"key": "a", "id": 0}]`.
#[unsafe(no_mangle)]
pub extern "C" fn ca_keys(
    artifact: *const ca_artifact,
    prefix: ca_str,
    json: *mut *mut ca_buffer,
) -> ca_code {
    guard(|call| {
        needed_report(call, json, || {
            let keys = handles::get(artifact)?.keys(call.text("prefix", prefix)?.unwrap_or_default())?;
            let keys = keys.into_iter().map(|(key, id)| serde_json::json!({"key": key, "id": id.0}));
            Ok(keys.collect::<Vec<_>>())
        })
    })
}

/// The values of a field of the metadata among the records that a filter lets through, or all without one, in their order, as JSON: `[{"value": 2026, "count": 3}]`.
#[unsafe(no_mangle)]
pub extern "C" fn ca_values(
    artifact: *const ca_artifact,
    field: ca_str,
    filter_json: ca_str,
    json: *mut *mut ca_buffer,
) -> ca_code {
    guard(|call| {
        needed_report(call, json, || {
            let filter = optional_filter(call, filter_json)?;
            Ok(handles::get(artifact)?.values(call.needed_text("field", field)?, filter.as_ref())?)
        })
    })
}

/// The id of a record.
#[unsafe(no_mangle)]
pub extern "C" fn ca_record_id(record: *const ca_record, id: *mut u64) -> ca_code {
    answer("id", id, record, |stored| Ok(stored.entry.id().0))
}

/// Its key; none if it has none. It lasts until `ca_record_free`, as all that is read from a record.
#[unsafe(no_mangle)]
pub extern "C" fn ca_record_key(record: *const ca_record, key: *mut ca_str) -> ca_code {
    answer("key", key, record, Stored::key)
}

/// Whether it is a text; otherwise it is a blob.
#[unsafe(no_mangle)]
pub extern "C" fn ca_record_is_text(record: *const ca_record, is_text: *mut bool) -> ca_code {
    answer("is_text", is_text, record, |stored| Ok(stored.entry.is_text()))
}

/// The length of its content in bytes.
#[unsafe(no_mangle)]
pub extern "C" fn ca_record_len(record: *const ca_record, len: *mut u64) -> ca_code {
    answer("len", len, record, |stored| Ok(stored.entry.len()))
}

/// The content of a text. `CA_NOT_TEXT`: it is a blob.
#[unsafe(no_mangle)]
pub extern "C" fn ca_record_text(record: *const ca_record, text: *mut ca_str) -> ca_code {
    answer("text", text, record, Stored::text)
}

/// The whole content of a text or a blob. For one that may not fit in memory there is `ca_record_read`.
#[unsafe(no_mangle)]
pub extern "C" fn ca_record_bytes(record: *const ca_record, bytes: *mut ca_bytes) -> ca_code {
    answer("bytes", bytes, record, Stored::bytes)
}

/// Copies content from `offset` on to `to`, up to `capacity` bytes. `len`: how many were copied, fewer only at the end.
#[unsafe(no_mangle)]
pub extern "C" fn ca_record_read(
    record: *const ca_record,
    offset: u64,
    to: *mut u8,
    capacity: usize,
    len: *mut usize,
) -> ca_code {
    guard(|call| {
        let out = call.out("len", len)?;
        let stored = handles::get(record)?;
        let end = offset.saturating_add(capacity as u64).min(stored.entry.len());
        let piece = stored.entry.range(offset.min(end)..end).map_err(Failure::from)?;
        call.copy_out("to", &piece, to, capacity)?;
        out.set(piece.len());
        Ok(())
    })
}

/// Its metadata as a JSON object, `{}` if it has none.
#[unsafe(no_mangle)]
pub extern "C" fn ca_record_metadata(record: *const ca_record, metadata: *mut ca_str) -> ca_code {
    answer("metadata", metadata, record, Stored::metadata)
}

/// The text of a field; none if it has none.
#[unsafe(no_mangle)]
pub extern "C" fn ca_record_field(record: *const ca_record, name: ca_str, text: *mut ca_str) -> ca_code {
    guard(|call| {
        let out = call.out("text", text)?;
        out.set(handles::get(record)?.field(call.needed_text("name", name)?)?);
        Ok(())
    })
}

/// Frees a record, and what was read from it. NULL does nothing.
#[unsafe(no_mangle)]
pub extern "C" fn ca_record_free(record: *mut ca_record) -> ca_code {
    guard(|_| handles::free(record))
}

/// The embedding of a record in a vector space, as near as it is stored. `len`: its dimensions, also when `capacity` is too small, `CA_BUFFER_TOO_SMALL`; 0 if the
/// record has none there. `CA_DAMAGED` where it may have been lost.
#[unsafe(no_mangle)]
pub extern "C" fn ca_get_embedding(
    artifact: *const ca_artifact,
    id: u64,
    space: ca_str,
    values: *mut f32,
    capacity: usize,
    len: *mut usize,
) -> ca_code {
    guard(|call| {
        let len = call.out("len", len)?;
        let artifact = handles::get(artifact)?;
        let found = artifact.embedding(RecordId(id), call.needed_text("space", space)?)?.unwrap_or_default();
        len.set(found.len());
        call.copy_out("values", &found, values, capacity)
    })
}

/// The embedding of a text, as the model of the artifact gives it. `len`: its dimensions, also when `capacity` is too small, `CA_BUFFER_TOO_SMALL`; 0 if the model knows
/// nothing in the text.
#[unsafe(no_mangle)]
pub extern "C" fn ca_embed(
    artifact: *const ca_artifact,
    text: ca_str,
    values: *mut f32,
    capacity: usize,
    len: *mut usize,
) -> ca_code {
    guard(|call| {
        let len = call.out("len", len)?;
        let artifact = handles::get(artifact)?;
        let found = embed(&artifact, call.needed_text("text", text)?)?;
        len.set(found.len());
        call.copy_out("values", &found, values, capacity)
    })
}

#[cfg(feature = "embedder")]
fn embed(artifact: &CompactArtifact, text: &str) -> Result<Vec<f32>> {
    Ok(artifact.embed(&[text])?.pop().flatten().unwrap_or_default())
}

#[cfg(not(feature = "embedder"))]
fn embed(_: &CompactArtifact, _: &str) -> Result<Vec<f32>> {
    Err(crate::options::without("embedder", "models"))
}

/// Begins to read the records that a filter lets through, or all records without one, in the order of their ids.
#[unsafe(no_mangle)]
pub extern "C" fn ca_reader_new(
    artifact: *const ca_artifact,
    filter_json: ca_str,
    reader: *mut *mut ca_reader,
) -> ca_code {
    guard(|call| {
        let out = call.out("reader", reader)?;
        out.set(std::ptr::null_mut());
        let artifact = handles::get(artifact)?;
        let filter = optional_filter(call, filter_json)?;
        out.set(handles::insert(Mutex::new(Reader::new(&artifact.snapshot(), filter.as_ref())?)));
        Ok(())
    })
}

/// The next record; `record` becomes NULL behind the last one. `CA_DAMAGED` stands for the records of one damaged block: the next call goes on behind it.
#[unsafe(no_mangle)]
pub extern "C" fn ca_reader_next(reader: *mut ca_reader, record: *mut *mut ca_record) -> ca_code {
    guard(|call| {
        let out = record_out(call, record)?;
        let reader = handles::get(reader)?;
        let next = reader.lock().next()?;
        set_record(&out, next);
        Ok(())
    })
}

/// Frees a reader; records that it gave stay. NULL does nothing.
#[unsafe(no_mangle)]
pub extern "C" fn ca_reader_free(reader: *mut ca_reader) -> ca_code {
    guard(|_| handles::free(reader))
}

/// Where a record goes.
pub(crate) fn record_out(call: &Call, record: *mut *mut ca_record) -> Result<Out<'_, *mut ca_record>> {
    let out = call.out("record", record)?;
    out.set(std::ptr::null_mut());
    Ok(out)
}

/// Answers with a record, if there is one.
pub(crate) fn set_record(out: &Out<'_, *mut ca_record>, entry: Option<Entry>) {
    if let Some(entry) = entry {
        out.set(handles::insert(Stored::new(entry)));
    }
}

fn answer<T: Copy>(
    what: &'static str,
    place: *mut T,
    record: *const ca_record,
    read: impl FnOnce(&Stored) -> Result<T>,
) -> ca_code {
    guard(|call| {
        let out = call.out(what, place)?;
        out.set(read(&*handles::get(record)?)?);
        Ok(())
    })
}
