//! A shard: everything by which a run of records is found, in one piece that never changes. In memory it is the tail, in a part of the
//! store it is sealed; the bytes are the same.

mod builder;
mod columns;
mod expiry;
mod ids;
mod key_filter;
pub(crate) mod layout;
mod merge;
mod metadata_records;
mod neighbours;
mod reader;
mod rescued;
mod section;

pub(crate) use builder::{Document, MIN_RECORDS_TO_DIVIDE, add_words, build, build_beside};
pub(crate) use key_filter::KeyHash;
pub(crate) use merge::{Source, WORDS_HEAP, build_bytes_of, merge, merge_linked, merge_reindexed};
pub(crate) use neighbours::Neighbours;
pub(crate) use reader::Shard;
pub(crate) use rescued::Rescued;
pub(crate) use section::{Section, Vectors};
