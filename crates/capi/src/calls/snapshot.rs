//! Views of one commit.
#![expect(unsafe_code, reason = "names that a linker finds; no memory is touched")]
#![expect(unreachable_pub, reason = "cbindgen declares what is `pub`")]

use compact_artifact::RecordId;
use parking_lot::Mutex;

use crate::boundary::guard;
use crate::calls::read::{record_out, set_record};
use crate::code::ca_code;
use crate::draft::optional_filter;
use crate::found::Found;
use crate::handles;
use crate::opaque::{ca_artifact, ca_hits, ca_reader, ca_record, ca_snapshot};
use crate::query;
use crate::reader::Reader;
use crate::types::{ca_query, ca_str};

/// The newest commit, for several calls that are to see the same. Its files stay on the disk until it is freed.
#[unsafe(no_mangle)]
pub extern "C" fn ca_snapshot_new(artifact: *const ca_artifact, snapshot: *mut *mut ca_snapshot) -> ca_code {
    guard(|call| {
        let out = call.out("snapshot", snapshot)?;
        out.set(std::ptr::null_mut());
        out.set(handles::insert(handles::get(artifact)?.snapshot()));
        Ok(())
    })
}

/// The number of the commit.
#[unsafe(no_mangle)]
pub extern "C" fn ca_snapshot_commit(snapshot: *const ca_snapshot, commit: *mut u64) -> ca_code {
    guard(|call| {
        let out = call.out("commit", commit)?;
        out.set(handles::get(snapshot)?.seq().0);
        Ok(())
    })
}

/// Searches the commit: see `ca_search`.
#[unsafe(no_mangle)]
pub extern "C" fn ca_snapshot_search(
    snapshot: *const ca_snapshot,
    wanted: *const ca_query,
    hits: *mut *mut ca_hits,
) -> ca_code {
    guard(|call| {
        let out = call.out("hits", hits)?;
        out.set(std::ptr::null_mut());
        let snapshot = handles::get(snapshot)?;
        let wanted = query::read(call, wanted)?;
        let found = Found::new(snapshot.search(&wanted.query)?, wanted.records, wanted.contents);
        out.set(handles::insert(found));
        Ok(())
    })
}

/// A record of the commit: see `ca_get`.
#[unsafe(no_mangle)]
pub extern "C" fn ca_snapshot_get(
    snapshot: *const ca_snapshot,
    id: u64,
    record: *mut *mut ca_record,
) -> ca_code {
    guard(|call| {
        let out = record_out(call, record)?;
        set_record(&out, handles::get(snapshot)?.get(RecordId(id))?);
        Ok(())
    })
}

/// The record of the commit with this key: see `ca_get_by_key`.
#[unsafe(no_mangle)]
pub extern "C" fn ca_snapshot_get_by_key(
    snapshot: *const ca_snapshot,
    key: ca_str,
    record: *mut *mut ca_record,
) -> ca_code {
    guard(|call| {
        let out = record_out(call, record)?;
        set_record(&out, handles::get(snapshot)?.get_by_key(call.needed_text("key", key)?)?);
        Ok(())
    })
}

/// How many records of the commit a filter lets through: see `ca_count`.
#[unsafe(no_mangle)]
pub extern "C" fn ca_snapshot_count(
    snapshot: *const ca_snapshot,
    filter_json: ca_str,
    count: *mut u64,
) -> ca_code {
    guard(|call| {
        let out = call.out("count", count)?;
        let snapshot = handles::get(snapshot)?;
        out.set(match optional_filter(call, filter_json)? {
            Some(filter) => snapshot.count(&filter)?,
            None => snapshot.len(),
        });
        Ok(())
    })
}

/// Begins to read the records of the commit: see `ca_reader_new`.
#[unsafe(no_mangle)]
pub extern "C" fn ca_snapshot_reader(
    snapshot: *const ca_snapshot,
    filter_json: ca_str,
    reader: *mut *mut ca_reader,
) -> ca_code {
    guard(|call| {
        let out = call.out("reader", reader)?;
        out.set(std::ptr::null_mut());
        let snapshot = handles::get(snapshot)?;
        let filter = optional_filter(call, filter_json)?;
        out.set(handles::insert(Mutex::new(Reader::new(&snapshot, filter.as_ref())?)));
        Ok(())
    })
}

/// Frees a snapshot; what it gave stays. NULL does nothing.
#[unsafe(no_mangle)]
pub extern "C" fn ca_snapshot_free(snapshot: *mut ca_snapshot) -> ca_code {
    guard(|_| handles::free(snapshot))
}
