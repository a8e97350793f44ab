//! The calls as C makes them: what they answer, and what waits in `ca_last_error`. Programs in C are beside this, in `tests/`.
#![expect(clippy::borrow_as_ptr, reason = "places for answers, as C gives them")]

use std::ptr;

use crate::boundary::guard;
use crate::buffer::lend;
use crate::calls::artifact::*;
use crate::calls::batch::*;
use crate::calls::follow::*;
use crate::calls::library::*;
use crate::calls::maintain::*;
use crate::calls::read::*;
use crate::calls::search::*;
use crate::calls::settings::*;
use crate::calls::snapshot::*;
use crate::calls::write::*;
use crate::code::ca_code::{self, *};
use crate::opaque::*;
use crate::types::*;

mod follow;
mod misuse;
mod programs;
mod records;
mod search;
mod settings;
mod upkeep;

const NONE: ca_str = ca_str::NONE;
const NO_BYTES: ca_bytes = ca_bytes::NONE;

fn text(text: ca_str) -> String {
    String::from_utf8(bytes(ca_bytes { data: text.data.cast(), len: text.len })).unwrap()
}

/// What C reads where a pointer leads: in place of it, by the way that the library itself does.
fn bytes(bytes: ca_bytes) -> Vec<u8> {
    let mut read = Vec::new();
    let code = guard(|call| {
        read = call.bytes("test", bytes)?.unwrap_or_default().to_vec();
        Ok(())
    });
    assert_eq!(code, CA_OK);
    read
}

fn message() -> String {
    text(ca_last_error())
}

fn record(words: &str) -> ca_new_record {
    ca_new_record { text: lend(words), ..nothing() }
}

fn nothing() -> ca_new_record {
    ca_new_record {
        size: size_of::<ca_new_record>(),
        text: NONE,
        blob: NO_BYTES,
        key: NONE,
        metadata: NONE,
        fields: ptr::null(),
        field_count: 0,
        embeddings: ptr::null(),
        embedding_count: 0,
        expires_at_ms: 0,
    }
}

fn query() -> ca_query {
    ca_query {
        size: size_of::<ca_query>(),
        text: NONE,
        words: NONE,
        syntax: NONE,
        meaning: NONE,
        vectors: ptr::null(),
        vector_count: 0,
        similar_space: NONE,
        similar_to: 0,
        filter: NONE,
        k: 0,
        offset: 0,
        snippet: 0,
        fetch: 0,
        reserved: 0,
        options: NONE,
    }
}

struct Temp {
    folder: tempfile::TempDir,
    artifact: *mut ca_artifact,
}

impl Temp {
    fn new(options: ca_str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut artifact = ptr::null_mut();
        let path = folder.path().join("a");
        assert_eq!(ca_create(lend(path.to_str().unwrap()), options, &mut artifact), CA_OK, "{}", message());
        Self { folder, artifact }
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    fn add(&self, record: &ca_new_record) -> u64 {
        let mut id = u64::MAX;
        assert_eq!(ca_add(self.artifact, record, &mut id), CA_OK, "{}", message());
        id
    }

    fn count(&self) -> u64 {
        let mut count = u64::MAX;
        assert_eq!(ca_count(self.artifact, NONE, &mut count), CA_OK);
        count
    }

    /// Ids, keys, snippets and texts of hits.
    fn search(&self, query: &ca_query) -> Vec<(u64, String, String, String)> {
        let mut hits = ptr::null_mut();
        assert_eq!(ca_search(self.artifact, query, &mut hits), CA_OK, "{}", message());
        let found = hits_of(hits);
        assert!(found.iter().all(|hit| hit.code == CA_OK));
        let found =
            found.iter().map(|hit| (hit.id, text(hit.key), text(hit.snippet), text(hit.text))).collect();
        assert_eq!(ca_hits_free(hits), CA_OK);
        found
    }

    fn refused(&self, query: &ca_query) -> ca_code {
        let mut hits = ptr::without_provenance_mut(1);
        let code = ca_search(self.artifact, query, &mut hits);
        assert!(hits.is_null());
        code
    }
}

impl Drop for Temp {
    fn drop(&mut self) {
        ca_artifact_free(self.artifact);
    }
}

fn json(report: *mut ca_buffer) -> serde_json::Value {
    let mut found = NONE;
    assert_eq!(ca_buffer_get(report, &mut found), CA_OK);
    let value = serde_json::from_str(&text(found)).unwrap();
    assert_eq!(ca_buffer_free(report), CA_OK);
    value
}

fn hits_of(hits: *const ca_hits) -> Vec<ca_hit> {
    let (mut first, mut len) = (ptr::null(), 0);
    assert_eq!(ca_hits_get(hits, &mut first, &mut len), CA_OK);
    let found = crate::handles::get(hits).unwrap();
    assert_eq!((first, len), (found.hits().as_ptr(), found.hits().len()));
    found.hits().to_vec()
}
