//! Structs that C programs fill and read. Those that begin with their size may grow; the others stay as they are.
#![expect(unreachable_pub, reason = "cbindgen declares what is `pub`")]

use crate::code::ca_code;

/// A text in UTF-8 that need not end with a zero byte. `data` is NULL: no text; an empty text has a pointer and a `len` of 0.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct ca_str {
    /// Its bytes.
    pub data: *const std::ffi::c_char,
    /// How many.
    pub len: usize,
}

/// Any bytes. `data` is NULL: none; no bytes at all have a pointer and a `len` of 0.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct ca_bytes {
    /// The first one.
    pub data: *const u8,
    /// How many.
    pub len: usize,
}

/// A vector in a vector space.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct ca_vector {
    /// The name of the space.
    pub space: ca_str,
    /// As many values as the space has dimensions.
    pub values: *const f32,
    /// How many.
    pub len: usize,
}

/// A text beside the content of a record.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct ca_field {
    /// `title`, which new artifacts have, or another field of the artifact.
    pub name: ca_str,
    /// Its text.
    pub text: ca_str,
}

/// A record to be stored. Set `size`, and `text` or `blob`; everything else may be 0.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct ca_new_record {
    /// `sizeof(ca_new_record)`.
    pub size: usize,
    /// A text, which is found by its words; or none, and a blob.
    pub text: ca_str,
    /// Any bytes; or none, and a text.
    pub blob: ca_bytes,
    /// A name that no other record of the artifact has, up to 1,024 bytes; or none.
    pub key: ca_str,
    /// A JSON object that filters ask about; or none.
    pub metadata: ca_str,
    /// Texts beside the content.
    pub fields: *const ca_field,
    /// How many.
    pub field_count: usize,
    /// Embeddings, at most one for each vector space.
    pub embeddings: *const ca_vector,
    /// How many.
    pub embedding_count: usize,
    /// When it is not there any more, in milliseconds since 1970 (UTC), for an artifact with the option `expires_at`; 0: never.
    pub expires_at_ms: u64,
}

/// A search: by words, by meaning, by vectors, by likeness to a record, or by several of them at once, among the records that a filter lets through. With a
/// filter alone it lists those, in the order of their ids. Set `size`, and what you ask for; everything else may be 0.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct ca_query {
    /// `sizeof(ca_query)`.
    pub size: usize,
    /// Looks for a text by its words and by its meaning at once: as `words` and `meaning`.
    pub text: ca_str,
    /// Looks for any of the words of a plain text.
    pub words: ca_str,
    /// Looks for words as people write it: `word "a phrase" begin* roughly~ +must -not title:word`.
    pub syntax: ca_str,
    /// Looks for texts that mean the same: of an artifact that embeds texts. Needs the option `embedder` again where it is opened, unless that was `built-in`.
    pub meaning: ca_str,
    /// Looks for records with embeddings near these vectors.
    pub vectors: *const ca_vector,
    /// How many.
    pub vector_count: usize,
    /// Looks for records with embeddings near that of the record `similar_to`, in this vector space; or none.
    pub similar_space: ca_str,
    /// The record; it has no meaning without `similar_space`, and must then be 0.
    pub similar_to: u64,
    /// A filter as JSON, `{"year": {"$gte": 2020}}`; or none.
    pub filter: ca_str,
    /// How many hits, 1 to 65,536. 0: 10.
    pub k: usize,
    /// How many of the best are left out first.
    pub offset: usize,
    /// Hits come with the place of each text, up to so many bytes, that fits best, and with keys. 0: without.
    pub snippet: usize,
    /// Not 0: hits come with their keys, contents and metadata.
    pub fetch: u32,
    /// 0.
    pub reserved: u32,
    /// Everything else as a JSON object, `{"exact": true, "ef_search": 128}`: the page on C lists it; or none.
    pub options: ca_str,
}

/// A piece of a text: bytes from `start` on, up to but not including `end`.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ca_range {
    /// The first byte.
    pub start: usize,
    /// The byte behind the last one.
    pub end: usize,
}

/// A record that was found. What it points to lasts as long as its `ca_hits`.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct ca_hit {
    /// Its id.
    pub id: u64,
    /// Larger is better.
    pub score: f32,
    /// `CA_OK`, or why the record that was asked for cannot be read: `CA_DAMAGED`.
    pub code: ca_code,
    /// Its key; none without `fetch` or `snippet`, or if it has none.
    pub key: ca_str,
    /// The place in its text that fits best; none without `snippet`.
    pub snippet: ca_str,
    /// What of the snippet was asked for.
    pub highlights: *const ca_range,
    /// How many.
    pub highlight_count: usize,
    /// The content of a text; none without `fetch`.
    pub text: ca_str,
    /// The content of a blob; none without `fetch`.
    pub blob: ca_bytes,
    /// Its metadata as a JSON object; none without `fetch`.
    pub metadata: ca_str,
}

/// What a commit did.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ca_receipt {
    /// The number of the commit.
    pub commit: u64,
    /// Records that were added or upserted.
    pub added: u64,
    /// Records that were deleted; one that an upsert replaced does not count.
    pub deleted: u64,
    /// Records that got other metadata.
    pub updated: u64,
}

impl ca_str {
    pub(crate) const NONE: Self = Self { data: std::ptr::null(), len: 0 };
}

impl ca_bytes {
    pub(crate) const NONE: Self = Self { data: std::ptr::null(), len: 0 };
}
