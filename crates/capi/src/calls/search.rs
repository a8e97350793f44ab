//! Searching, and what was found.
#![expect(unsafe_code, reason = "names that a linker finds; no memory is touched")]
#![expect(unreachable_pub, reason = "cbindgen declares what is `pub`")]

use crate::boundary::guard;
use crate::buffer::Buffer;
use crate::code::{Result, ca_code};
use crate::draft::{filter, optional_filter};
use crate::found::Found;
use crate::handles;
use crate::opaque::{ca_artifact, ca_buffer, ca_hits};
use crate::options::about;
use crate::query;
use crate::types::{ca_hit, ca_query, ca_str};

/// Searches the newest commit. Nothing found is no failure: the hits are none then.
#[unsafe(no_mangle)]
pub extern "C" fn ca_search(
    artifact: *const ca_artifact,
    wanted: *const ca_query,
    hits: *mut *mut ca_hits,
) -> ca_code {
    guard(|call| {
        let out = call.out("hits", hits)?;
        out.set(std::ptr::null_mut());
        let artifact = handles::get(artifact)?;
        let wanted = query::read(call, wanted)?;
        let found = Found::new(artifact.search(&wanted.query)?, wanted.records, wanted.contents);
        out.set(handles::insert(found));
        Ok(())
    })
}

/// Several searches at once, divided among the `threads` of the artifact. `wanted`: pointers to `count` queries; `hits`: places for the hits of each. If one of them
/// fails, all do, and all places are NULL.
#[unsafe(no_mangle)]
pub extern "C" fn ca_search_batch(
    artifact: *const ca_artifact,
    wanted: *const *const ca_query,
    count: usize,
    hits: *mut *mut ca_hits,
) -> ca_code {
    guard(|call| {
        let wanted = call.values("wanted", wanted, count);
        if count > isize::MAX as usize / size_of::<*mut ca_hits>() {
            return wanted.map(drop); // no places are so many
        }
        for place in 0..count {
            call.copy_out("hits", &[std::ptr::null_mut()], hits.wrapping_add(place), 1)?;
        }
        let wanted = wanted?;
        let artifact = handles::get(artifact)?;
        let nth = |number: usize| move |failure| about(&format!("search {number} of the batch"), failure);
        let read = |(number, &given)| query::read(call, given).map_err(nth(number));
        let wanted: Vec<query::Wanted> = wanted.iter().enumerate().map(read).collect::<Result<_>>()?;
        let queries: Vec<_> = wanted.iter().map(|wanted| wanted.query.clone()).collect();
        let mut found = Vec::with_capacity(count);
        for (number, results) in artifact.search_batch(&queries).into_iter().enumerate() {
            let results = results.map_err(|e| nth(number)(e.into()))?;
            found.push(Found::new(results, wanted[number].records, wanted[number].contents));
        }
        let found: Vec<*mut ca_hits> = found.into_iter().map(handles::insert).collect();
        call.copy_out("hits", &found, hits, count)
    })
}

/// The hits as an array, the best first, which lasts until `ca_hits_free`.
#[unsafe(no_mangle)]
pub extern "C" fn ca_hits_get(hits: *const ca_hits, first: *mut *const ca_hit, len: *mut usize) -> ca_code {
    guard(|call| {
        let (first, len) = (call.out("first", first)?, call.out("len", len)?);
        let found = handles::get(hits)?;
        first.set(found.hits().as_ptr());
        len.set(found.hits().len());
        Ok(())
    })
}

/// Whether everything was looked at: otherwise a deadline passed, a word with `*` or `~` stood for too many terms, fewer groups than were asked for were found in the best 65,536
/// hits (`group_by`), or there are losses. `losses`: what could not be read because it is damaged, and may be NULL.
#[unsafe(no_mangle)]
pub extern "C" fn ca_hits_complete(
    hits: *const ca_hits,
    is_complete: *mut bool,
    losses: *mut usize,
) -> ca_code {
    guard(|call| {
        let out = call.out("is_complete", is_complete)?;
        let losses = call.optional_out("losses", losses)?;
        let found = handles::get(hits)?;
        out.set(found.results.is_complete);
        losses.inspect(|losses| losses.set(found.results.losses.len()));
        Ok(())
    })
}

/// Everything that was found as JSON: hits, losses, and what `options` asked for, `total`, `facets`, `explain`.
#[unsafe(no_mangle)]
pub extern "C" fn ca_hits_json(hits: *const ca_hits, json: *mut *mut ca_buffer) -> ca_code {
    guard(|call| {
        let out = call.out("json", json)?;
        out.set(std::ptr::null_mut());
        let found = handles::get(hits)?;
        out.set(handles::insert(Buffer::json(&found.results)?));
        Ok(())
    })
}

/// Frees hits, and what they point to. NULL does nothing.
#[unsafe(no_mangle)]
pub extern "C" fn ca_hits_free(hits: *mut ca_hits) -> ca_code {
    guard(|_| handles::free(hits))
}

/// How many records a filter lets through; how many there are without one.
#[unsafe(no_mangle)]
pub extern "C" fn ca_count(artifact: *const ca_artifact, filter_json: ca_str, count: *mut u64) -> ca_code {
    guard(|call| {
        let out = call.out("count", count)?;
        let artifact = handles::get(artifact)?;
        out.set(match optional_filter(call, filter_json)? {
            Some(filter) => artifact.count(&filter)?,
            None => artifact.len(),
        });
        Ok(())
    })
}

/// The ids of records that a filter lets through, in ascending order. `len`: how many there are, also when `capacity` is too small: `CA_BUFFER_TOO_SMALL`.
#[unsafe(no_mangle)]
pub extern "C" fn ca_ids_where(
    artifact: *const ca_artifact,
    filter_json: ca_str,
    ids: *mut u64,
    capacity: usize,
    len: *mut usize,
) -> ca_code {
    guard(|call| {
        let len = call.out("len", len)?;
        let artifact = handles::get(artifact)?;
        let found = artifact.ids_where(&filter(call, filter_json)?)?;
        let found: Vec<u64> = found.iter().map(|id| id.0).collect();
        len.set(found.len());
        call.copy_out("ids", &found, ids, capacity)
    })
}
