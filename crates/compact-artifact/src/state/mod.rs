//! What readers see: one commit, and the shards that find its records.
//!
//! # Which rows are alive
//!
//! A record is found by exactly one row of one shard. The other rows that it may have are dead, for one of these reasons, each of which is
//! written down somewhere instead of being guessed from the order of shards:
//!
//! - its record was deleted: the store has its id among the deleted ones;
//! - a shard of the tail indexed it again, because its embeddings or its metadata changed: the shard lists it in [`Shard::reindexed`];
//! - either of these, and the edit that made it final wrote the row into the tombstones of its sealed shard.
//!
//! Only tombstones and durable deletes allow a row to be dropped from the disk; see [`View::droppable`]. The tail may still be lost.

mod dead;
mod document;
mod expiry;
mod fields;
mod snapshot;
mod tail;
mod view;

pub(crate) use dead::Dead;
pub(crate) use document::{OwnedDocument, heap_of};
pub(crate) use snapshot::{State, with_changed_metadata};
pub(crate) use tail::{covered, superseded};
pub(crate) use view::{Deleted, View, sort_views};
