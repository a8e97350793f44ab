//! A batch → checked and quantized → one commit with all that wait → a shard of the tail → visible.
//!
//! Callers prepare their batches side by side ([`prepare`]) and put them into the queue ([`queue`]). Then the thread that gets the commit lock makes a plan of
//! all in the queue ([`plan`]) and carries it out ([`apply`]): one write, one sync.

mod apply;
mod plan;
pub(super) mod prepare;
mod queue;

pub(super) use queue::{CommitState, Queue};
