//! What the crate promises, on clusters of three in one process, and of processes. Each file is one claim.
#![cfg(any(feature = "datafusion-distributed", feature = "ballista"))]
#![expect(clippy::unwrap_used, clippy::cast_precision_loss, reason = "tests")]

/// Clusters: a session, and what it talks to.
mod clusters;
/// `COPY … STORED AS CART` by executors.
mod copies;
/// Every row once, whatever the number of packs and partitions.
mod every_row_once;
/// What is lost, missing or damaged.
mod failures;
/// What a task of Ballista reads.
#[cfg(feature = "ballista")]
mod leaves;
/// The example.
#[cfg(feature = "datafusion-distributed")]
mod processes;
/// Artifacts and sessions of one process.
#[path = "../../../artifact-datafusion/tests/it/support.rs"]
mod support;
