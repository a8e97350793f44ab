//! CompactArtifact's packs scanned, searched and written on several machines, by engines that exist:
//! [datafusion-distributed](https://github.com/datafusion-contrib/datafusion-distributed) and [Ballista](https://datafusion.apache.org/ballista/), each behind a feature of its name. SQL and answers are those of
//! `artifact-datafusion` in one process.
//!
//! With datafusion-distributed a worker that is lost fails the queries that it works for; Ballista gives its tasks to others.
//!
//! # The ideas, in the order of the data
//!
//! - A [`Node`] says how a process opens packs, and which stores it has. All processes have the same.
//! - A plan has the locations and hashes of packs, never what is in them ([`CartPhysicalCodec`], [`CartLogicalCodec`]). Locations are rows of a leaf that engines divide among tasks; what is done to each pack
//!   is an operator above it.
//! - Whoever executes a task opens its packs by its own [`Packs`](artifact_datafusion::Packs): mapped, or fetched into the bounded cache and compared with the hash.
//! - A `COPY` makes a pack of each partition where that partition is, and puts it; one task puts the manifest when all of them are there.
//! - The lists of a search come together in one task, which ranks them, and opens those packs that have hits among the best.
//!
//! # Limits
//!
//! All processes are built from one version. An artifact that is no pack is not read by other processes than the one that plans. Whoever plans a search opens all packs, for the statistics of its words.
#![forbid(unsafe_code)]

mod codec;
mod node;

#[cfg(feature = "ballista")]
pub mod ballista;
#[cfg(feature = "datafusion-distributed")]
pub mod datafusion_distributed;

pub use codec::{CartLogicalCodec, CartPhysicalCodec};
pub use node::Node;

#[cfg(all(doctest, feature = "ballista", feature = "datafusion-distributed"))]
#[doc = include_str!("../../../docs/guide/src/many-machines.md")]
mod guide {}
