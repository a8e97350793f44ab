//! The C interface of [CompactArtifact](../compact_artifact/index.html): what `include/compact_artifact.h` declares. The guide has a page on it.
//!
//! A call: arguments of C → references that last as long as the call (`boundary/`) → the value behind a handle (`handles.rs`) → a call of the Rust library →
//! an answer written to where C wants it, and a code; the sentence of a failure waits in `last_error.rs`. `calls/` has all of them, in the order of the header.

mod boundary;
mod buffer;
mod calls;
mod code;
mod draft;
mod found;
mod handles;
mod last_error;
mod opaque;
mod options;
mod query;
mod reader;
mod stored;
mod types;

#[cfg(test)]
mod tests;
