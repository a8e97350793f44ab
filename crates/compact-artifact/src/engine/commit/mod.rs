//! A batch → checked and quantized → one commit with all that wait → a shard of the tail → visible.
//!
//! Callers prepare their batches side by side ([`prepare`]) and put them into the queue ([`queue`]). Then the thread that gets the commit lock makes a plan of
//! all in the queue ([`plan`]), makes records of the store of it ([`store_batch`]), and commits ([`apply`]): one write, one sync.

mod apply;
mod changed;
mod plan;
pub(super) mod prepare;
mod queue;
mod reclaim;
mod store_batch;

#[cfg(feature = "embedder")]
pub(super) use prepare::{Prepared, embeddings_of_texts};
pub(super) use queue::{CommitState, Queue};
pub(super) use reclaim::Reclaimable;
