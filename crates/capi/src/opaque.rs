//! The types of handles as C names them. They are never made.
#![expect(non_camel_case_types, reason = "the names of C")]
#![expect(unreachable_pub, reason = "cbindgen declares what is `pub`")]

/// An artifact that is open: by its one writer, or to read. Any number of threads may call with it at the same time. `ca_close` or `ca_artifact_free` frees it.
#[derive(Debug)]
pub struct ca_artifact(());

/// Changes that are made together: all of them, or none.
#[derive(Debug)]
pub struct ca_batch(());

/// A text that the library made: a report, statistics.
#[derive(Debug)]
pub struct ca_buffer(());

/// What a search found.
#[derive(Debug)]
pub struct ca_hits(());

/// Reads records one after the other, all of one commit, whatever is written meanwhile.
#[derive(Debug)]
pub struct ca_reader(());

/// A stored record. It stays readable whatever is deleted meanwhile, and after its artifact is closed.
#[derive(Debug)]
pub struct ca_record(());

/// A view of one commit, whatever is written meanwhile.
#[derive(Debug)]
pub struct ca_snapshot(());
