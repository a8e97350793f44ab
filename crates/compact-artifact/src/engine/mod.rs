//! Everything that changes an artifact: opening and recovering, committing, sealing, compacting, packing, verifying.
//!
//! [`Engine`] is what the handle, batch writers and the thread for maintenance share. Each file adds to it what its name says; `policy` has every
//! threshold.

mod alike;
mod batch_writer;
mod change;
mod commit;
mod compact;
mod core;
mod expiry;
mod follow;
mod gone;
mod group;
mod handover;
#[cfg(feature = "hnsw_rs")]
mod import;
#[cfg(feature = "embedder")]
mod kept_embeddings;
mod link;
mod lost_embeddings;
mod merge;
mod meter;
mod open;
mod pack;
mod pending;
mod policy;
mod recover;
#[cfg(feature = "embedder")]
mod reembed;
mod reindex;
mod schema;
mod seal;
mod settings;
mod signal;
mod similar;
mod stats;
mod tenure;
mod tombstones;
mod update;
mod verify;
mod visible;
mod worker;

pub use batch_writer::{BatchOptions, BatchReport, BatchWriter};
pub(crate) use core::Engine;
pub(crate) use meter::Meter;
pub(crate) use open::{Mode, open_store_for_reading};
pub use pack::unpack;
pub use verify::{salvage, verify};
pub(crate) use worker::Worker;
